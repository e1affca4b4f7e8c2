"""A report's forms: one page that anybody can read and that nothing of a run can break, and the machines' files."""

from __future__ import annotations

import csv
import io
import itertools
import re
import time
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import orjson
import pytest
from tests.observability.evaluation.experiments_made import SCALES, THREE, changed, dataset, experiment, trajectory

from motet.observability.evaluation.evaluator import Score
from motet.observability.evaluation.report import exported, figures, html, junit, markdown, rows
from motet.observability.evaluation.report.report import Report
from motet.observability.evaluation.report.reported import reported

CSS = Path(html.__file__).parent / "templates" / "report.css"
EVIL = "<script>alert(1)</script> \x00\x1b[31m\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")
VOID = {"meta", "link", "br", "img", "hr", "input"}


@pytest.fixture(scope="module")
def report() -> Report:
    """Of three targets; one answer, one comment and one error hold what no page may run."""
    made = experiment(examples=30)
    score = Score(key="correct", value=False, comment=f"because {EVIL}")
    for repeat in range(3):
        evil = {"answer": f"=cmd {EVIL}", "error": f"Boom: {EVIL}", "outcome": "error", "scores": [score]}
        made = changed(made, ("hasty", "q-011", repeat), **evil)
    return reported([made], trajectories=trajectory, datasets=[dataset(30)])


@pytest.fixture(scope="module")
def page(report: Report) -> str:
    """The same as HTML."""
    return html.page(report)


@dataclass
class Read(HTMLParser):
    """What a page is made of."""

    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list[tuple[str, dict[str, "str | None"]]])
    open: list[str] = field(default_factory=list[str])
    inside: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Each tag, and the tags around it."""
    unmatched: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        self.tags.append((tag, dict(attrs)))
        self.inside.append((tag, " ".join(self.open)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it; it holds nothing."""
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Close it."""
        if not self.open or self.open.pop() != tag:
            self.unmatched.append(tag)


@pytest.fixture(scope="module")
def read(page: str) -> Read:
    """The page, parsed."""
    found = Read()
    found.feed(page)
    return found


def test_the_page_is_well_formed(read: Read) -> None:
    """Each element is closed where it was opened, and each id is one element's."""
    ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]

    assert read.unmatched == []
    assert read.open == []
    assert len(ids) == len(set(ids))
    assert len(ids) > 20


def test_the_page_needs_nobody(page: str, read: Read) -> None:
    """No script, no style sheet, picture or font from elsewhere: nothing is fetched, and a policy says so."""
    names = {tag for tag, _ in read.tags}
    fetched = [attributes for _, attributes in read.tags if attributes.get("src") or attributes.get("srcset")]
    links = [str(attributes["href"]) for tag, attributes in read.tags if tag == "a"]

    assert not names & {"script", "link", "img", "iframe", "object", "embed", "video", "audio", "form", "base"}
    assert fetched == []
    assert all(one.startswith("#") for one in links)
    assert not re.search(r"url\(|@import|@font-face|https?:", page)
    assert "default-src 'none'" in page


def test_every_link_leads_somewhere(read: Read) -> None:
    """Each in-page link and each reference to a label names an id that is there."""
    ids = {attributes["id"] for _, attributes in read.tags if "id" in attributes}
    links = {str(attributes["href"])[1:] for tag, attributes in read.tags if tag == "a"}
    labels = {one for _, attributes in read.tags for one in str(attributes.get("aria-labelledby") or "").split()}

    assert links <= ids
    assert labels <= ids


def test_landmarks_and_headings_are_in_order(read: Read) -> None:
    """A language, one main, a header, a footer, a named navigation; headings never skip a level."""
    names = [tag for tag, _ in read.tags]
    levels = [int(tag[1]) for tag in names if re.fullmatch(r"h[1-6]", tag)]

    assert ("html", {"lang": "en"}) in read.tags
    assert [names.count(one) for one in ("main", "header", "footer", "nav", "h1")] == [1] * 5
    assert any(tag == "nav" and attributes.get("aria-label") for tag, attributes in read.tags)
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_every_table_says_what_it_shows(read: Read) -> None:
    """Each has a caption, each of its headers a scope; what is wider than the page scrolls and can be focused."""
    tables = [around for tag, around in read.inside if tag == "table"]
    heads = [attributes for tag, attributes in read.tags if tag == "th"]
    wide = [attributes for _, attributes in read.tags if attributes.get("class") == "wide"]

    assert len(tables) >= 5
    assert len([tag for tag, _ in read.tags if tag == "caption"]) == len(tables)
    assert all(one.get("scope") in {"col", "row", "colgroup", "rowgroup"} for one in heads)
    assert all(one.get("tabindex") == "0" and one.get("aria-label") for one in wide)


def test_every_plot_is_told_in_words(page: str) -> None:
    """Each has a title, a description, and the same in a fold; what only decorates is hidden."""
    plots = re.findall(r"<svg role=\"img\".*?</svg>", page, re.DOTALL)
    figures = re.findall(r"<figure class=\"plot\">.*?</figure>", page, re.DOTALL)

    assert len(plots) == len(figures) >= 10
    assert all(re.search(r"<title id=[^>]+>[^<]+</title>\s*<desc id=[^>]+>[^<]{20,}</desc>", one) for one in plots)
    assert all("<summary>In words</summary>" in one for one in figures)
    assert page.count("<svg") == len(plots) + page.count('<svg class="counts" aria-hidden="true"')


def test_what_a_run_says_stays_text(page: str) -> None:
    """A tag in an answer is shown, not obeyed; control characters are replaced."""
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f]", page)


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_text_stands_out(scheme: str) -> None:
    """Each colour that text has is at least 4.5 to 1 against what is behind it; plots' marks at least 3 to 1."""
    colours = _colours(scheme)
    texts = [
        (one, ground) for one in ("ink", "soft", "link", "better", "worse", "unsure") for ground in ("paper", "panel")
    ]
    texts += [(one, f"{one}-bg") for one in ("better", "worse", "unsure")]
    marks = [(f"t{at}", "paper") for at in range(6)]
    labels = [("#ffffff" if at in {0, 9} else "#16191d", f"s{at}") for at in range(10)]

    low = {(a, b): _contrast(colours.get(a, a), colours[b]) for a, b in [*texts, *labels]}
    assert {pair: ratio for pair, ratio in low.items() if ratio < 4.5} == {}
    assert all(_contrast(colours[a], colours[b]) >= 3 for a, b in marks)


def test_the_page_respects_what_its_reader_asked_for() -> None:
    """Dark where the system is, no motion where none is wanted, and a print of its own that opens folds."""
    css = CSS.read_text("utf-8")

    assert "prefers-color-scheme: dark" in css
    assert "prefers-reduced-motion: reduce" in css
    assert "::details-content" in css.partition("@media print")[2]


def test_markdown_of_a_run_is_no_markup(report: Report) -> None:
    """Tables have their columns whatever an answer holds, and its tags are told."""
    told = markdown.written(report)
    tables = [line for line in told.splitlines() if line.startswith("| correct |")]

    assert "<script>" not in told
    assert "\\<script\\>" in told
    assert tables[0].count(" | ") == 3
    assert "## What can't be told" in told


def test_junit_names_what_failed_and_why(report: Report) -> None:
    """A case an example and target; a run that ended with an error is an error with its reason."""
    root = ET.fromstring(junit.written(report))  # noqa: S314 - our own text

    cases = {(one.get("classname"), one.get("name")): one for one in root.iter("testcase")}
    evil = cases["sales questions.hasty", "q-011"]
    error = evil.find("error")

    assert len(cases) == 90 == int(root.get("tests", "0"))
    assert int(root.get("failures", "0")) == sum(one.find("failure") is not None for one in cases.values()) > 0
    assert error is not None
    assert error.text is not None
    assert "Boom: <script>" in error.text
    assert "try 1: correct: because" in error.text


def test_csv_has_a_row_a_trial(report: Report) -> None:
    """With each metric's value; what a spreadsheet would take for a formula is text."""
    found = list(csv.DictReader(io.StringIO(rows.written(report), newline="")))

    evil = next(one for one in found if (one["target"], one["example_id"]) == ("hasty", "q-011"))
    assert len(found) == 30 * 3 * 3
    assert {"correct", "correct.error", "judge.helpful.error", "seconds", "cost_usd"} <= found[0].keys()
    assert evil["answer"].startswith("'=cmd")
    assert {one["correct"] for one in found} == {"True", "False"}
    assert sum(bool(one["judge.helpful.error"]) for one in found) == sum(
        report.estimate(name, "judge.helpful").failed for name in report.targets
    )


def test_every_form_tells_the_checks_beside_the_test_that_decides(report: Report, page: str) -> None:
    """JSON, HTML, Markdown and CSV: the p-values of the sign test and Wilcoxon's, and that they decide nothing."""
    told = {(one["metric"], one["target"]): one for one in orjson.loads(exported.encoded(report))["comparisons"]}
    cells = list(csv.DictReader(io.StringIO(rows.compared(report), newline="")))
    document = markdown.written(report)

    similarity = told["similarity", "careful"]
    assert similarity["test"] == "permutation of clusters"
    assert [one["test"] for one in similarity["checks"]] == ["sign", "Wilcoxon signed-rank"]
    shown = [figures.p(one["p_value"]) for one in similarity["checks"]]
    row = next(one for one in cells if (one["metric"], one["target"]) == ("similarity", "careful"))
    assert [row["check_p_value_1"], row["check_p_value_2"]] == [str(one["p_value"]) for one in similarity["checks"]]
    assert (row["test"], len(cells)) == ("permutation of clusters", len(report.comparisons))
    assert f"| sign {shown[0]}, Wilcoxon signed-rank {shown[1]} |" in document
    assert f"<div>sign: p {shown[0]}</div>".replace("< ", "&lt; ") in page
    for text in (document, page):
        assert "no second chance" in text


def test_checks_of_pass_and_fail_say_that_they_are_none() -> None:
    """Where exact McNemar decides, the sign test is the same, and ranks say nothing; Holm knows of neither."""
    single = experiment(THREE[:2], examples=30, repeats=1)
    alone = {one: one for one in single.plan.example_ids}
    made = reported([replace(single, plan=replace(single.plan, clusters=alone))])
    found = made.comparison("careful", "correct")

    assert found is not None
    sign, ranks = found.checks
    assert (found.test, sign.p_value) == ("exact McNemar", pytest.approx(found.p_value))
    assert ranks.p_value is None
    assert found.family == len([one for one in made.metrics if one.of == "quality"])
    assert "McNemar under another name" in html.page(made)


@pytest.mark.all
def test_a_large_experiment_makes_a_page_that_can_be_sent() -> None:
    """200 examples, 3 targets, 3 repeats: below 3 MB, in seconds."""
    made = experiment(THREE, examples=200)
    long = [replace(one, answer=one.answer + " and so on" * 400) for one in made.results]
    began = time.process_time()

    told = reported([replace(made, results=long)], trajectories=trajectory, datasets=[dataset(200)])
    size = len(html.page(told).encode())

    assert size < 3_000_000
    assert time.process_time() - began < 30
    assert len(exported.encoded(told)) < 15_000_000


def test_an_experiment_without_metrics_or_trials_has_a_page() -> None:
    """Nothing scored, nothing tried: the page says what is missing, and stands."""
    bare = experiment(THREE[:2], examples=3, scales={})
    empty = replace(experiment(THREE[:2], examples=3, scales={"correct": SCALES["correct"]}), results=())

    for one in (bare, empty):
        told = reported([one])
        assert "<main>" in html.page(told)
        assert markdown.written(told)
        assert junit.written(told)
    assert "has 0 of 18 trials" in " ".join(reported([empty]).cautions)


def _colours(scheme: str) -> dict[str, str]:
    css = CSS.read_text("utf-8")
    light, dark, printed = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", light))
    return found | dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", {"dark": dark, "print": printed}.get(scheme, "")))


def _contrast(a: str, b: str) -> float:
    """Of two colours, as WCAG 2.2 computes it."""
    high, low = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
