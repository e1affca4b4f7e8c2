"""The report as Markdown: the words and the tables, for a pull request or a repository."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from motet.observability.evaluation.report import figures
from motet.observability.evaluation.report.metrics import Metric
from motet.observability.evaluation.report.printable import printable
from motet.observability.evaluation.report.report import Comparison, Report, Shown, Source

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!&$@])")
_TEXT = 300
"""Characters of an answer."""
_MEANINGS = {"better": "better", "worse": "worse", "unclear": "can't tell", "untested": "not tested"}


def written(report: Report) -> str:
    """The whole document; texts of runs can't become markup."""
    lines = [f"# {_safe(report.title)}: evaluation report", ""]
    for title, said in (
        ("What can be said", report.conclusions),
        ("What can't be told", report.open),
        ("To bear in mind", report.cautions),
    ):
        if said:
            lines += [f"## {title}", "", *(f"- {_safe(one)}" for one in said), ""]
    lines += ["## Targets by metric", "", *_matrix(report), ""]
    if report.comparisons:
        told = f"Paired against {_safe(report.targets[0])}. {figures.CHECKS}"
        lines += ["## Comparisons", "", told, "", *_compared(report), ""]
    if reliable := list(_passing(report)):
        lines += ["## pass^k and pass@k", "", *reliable, ""]
    if report.failures:
        lines += ["## Failures by kind", "", *_failures(report), ""]
    for title, shown in (("Worst examples", report.worst), ("Most changed examples", report.changed)):
        if shown:
            lines += [f"## {title}", "", *(line for one in shown for line in _shown(one))]
    lines += ["## How to repeat it", "", *(line for one in report.sources for line in _source(one, report))]
    return "\n".join(lines).rstrip() + "\n"


def _matrix(report: Report) -> Iterator[str]:
    yield from _head(["Metric", *report.targets], numbers=len(report.targets))
    for metric in report.metrics:
        cells = [_cell(report, name, metric) for name in report.targets]
        yield _row([_safe(metric.key), *cells])


def _cell(report: Report, target: str, metric: Metric) -> str:
    one, beside = report.estimate(target, metric.key), report.comparison(target, metric.key)
    if one.mean is None:
        return figures.NONE
    told = figures.value(one.mean, metric)
    if one.low is not None and one.high is not None and one.low < one.high:
        told += f" ({figures.interval(one.low, one.high, metric)})"
    return told if beside is None else f"{told}; {_MEANINGS[beside.meaning]}"


def _compared(report: Report) -> Iterator[str]:
    of = {one.key: one for one in report.metrics}
    heads = [
        "Metric",
        "Target",
        "Verdict",
        "Difference",
        "Interval",
        "p",
        "p, Holm",
        "Effect",
        "Detectable",
        "n",
        "Test",
        "Checks: p",
    ]
    yield from _head(heads, numbers=0)
    for one in report.comparisons:
        yield _row(_compared_cells(one, of[one.metric]))


def _compared_cells(one: Comparison, metric: Metric) -> Sequence[str]:
    effect = figures.NONE if one.effect is None else f"{figures.plain(one.effect)} ({one.effect_name})"
    return [
        _safe(one.metric),
        _safe(one.target),
        _MEANINGS[one.meaning],
        figures.difference(one.difference, metric),
        figures.interval(one.low, one.high, metric, signed=True),
        figures.p(one.p_value),
        figures.p(one.adjusted),
        effect,
        figures.distance(one.detectable, metric),
        str(one.n),
        one.test,
        figures.checked(one.checks),
    ]


def _passing(report: Report) -> Iterator[str]:
    of = {one.key: one for one in report.metrics}
    told = [(one, passing) for one in report.estimates for passing in one.passing]
    if told:
        yield from _head(["Metric", "Target", "k", "pass^k: all", "pass@k: any"], numbers=3)
    for one, at in told:
        rates = [
            f"{figures.value(rate.mean, of[one.metric])} ({figures.interval(rate.low, rate.high, of[one.metric])})"
            for rate in (at.all_of_k, at.any_of_k)
        ]
        yield _row([_safe(one.metric), _safe(one.target), str(at.k), *rates])


def _failures(report: Report) -> Iterator[str]:
    yield from _head(["Kind", *report.targets, "The first one's words"], numbers=0)
    for one in report.failures:
        yield _row([_safe(one.kind), *(str(one.counts[name]) for name in report.targets), _safe(one.sample)])


def _shown(one: Shown) -> Iterator[str]:
    yield f"### {_safe(one.example_id)}"
    yield ""
    yield f"{_safe(one.why)}."
    yield ""
    if one.input:
        yield f"- input: {_safe(one.input)}"
    if one.reference:
        yield f"- reference: {_safe(one.reference)}"
    for side in one.sides:
        scores = ", ".join(f"{metric} {value}" for metric, value, _ in side.scores)
        said = side.error or side.answer or "nothing"
        yield f"- {_safe(side.target)}, try {side.repeat + 1} ({side.outcome}; {_safe(scores)}): {_safe(said)}"
    if one.parted is not None and one.parted.where:
        parted = one.parted
        yield f"- first divergence: {_safe(parted.where)}: {_safe(parted.expected)} → {_safe(parted.actual)}"
    yield ""


def _source(one: Source, report: Report) -> Iterator[str]:
    yield f"### {_safe(one.name)}"
    yield ""
    yield from _fenced(one.command)
    if one.targets_file:
        yield from ("", "with `targets.json`:", "", *_fenced(one.targets_file))
    yield ""
    splits = "" if not one.splits else "; splits: " + ", ".join(f"{name} {n}" for name, n in one.splits.items())
    versions = ", ".join(f"{name} {value}" for name, value in one.versions.items())
    facts = {
        "data": f"{one.dataset}, version {one.dataset_version}",
        "examples": f"{one.examples} in {one.clusters} clusters{splits}",
        "trials": f"{one.done} of {one.planned}, {one.mode}{f'; stopped: {one.stopped}' if one.stopped else ''}",
        "seeds": f"{one.seed} of the experiment, {report.seed} of the statistics",
        "time": f"{one.created_at} to {one.ended_at or 'not known'}; runs worked {figures.took(one.seconds)}",
        "cost of runs": f"{figures.dollars(one.cost_usd)}, {one.tokens:,} tokens",
        "cost of judging": figures.dollars(one.judge_cost_usd) if one.judge else "none",
        "judge": one.judge or "none",
        "evaluators": ", ".join(one.evaluators),
        "machine": one.machine or "not recorded",
        "versions": versions or "not recorded",
    }
    yield from (f"- {name}: {_safe(told)}" for name, told in facts.items())
    yield ""


def _fenced(text: str) -> Sequence[str]:
    return ("````", printable(text).replace("````", "''''"), "````")


def _head(cells: Sequence[str], *, numbers: int) -> Iterator[str]:
    yield _row([_safe(one) for one in cells])
    yield _row(["---:" if 0 < at <= numbers else "---" for at in range(len(cells))])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _safe(text: str) -> str:
    """`text` on one line, of which no character is markup."""
    flat = " ".join(printable(text).split())
    short = flat if len(flat) <= 2 * _TEXT else f"{flat[: 2 * _TEXT]}…"
    return _SPECIAL.sub(r"\\\1", short)
