"""A report in a terminal: the words first, then targets by metric."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from motet.observability.evaluation.report import figures
from motet.observability.evaluation.report.gate import Verdict
from motet.observability.evaluation.report.metrics import Metric
from motet.observability.evaluation.report.report import Meaning, Report
from motet.server.terminal.plain import line

_SHOWN: dict[Meaning, tuple[str, str]] = {
    "better": ("better", "green"),
    "worse": ("worse", "red"),
    "unclear": ("can't tell", "yellow"),
    "untested": ("not tested", "yellow"),
}
_LONG = 600


def drawn(report: Report) -> Iterator[Text | Table]:
    """The summary: what can be said, what can't, and the table of all metrics."""
    yield Text(line(report.title, _LONG), "bold")
    for title, style, said in (
        ("Can be said", "green", report.conclusions),
        ("Can't be told", "yellow", report.open),
        ("To bear in mind", "cyan", report.cautions),
    ):
        if said:
            yield Text()
            yield Text(title, f"bold {style}")
            yield from _list(said)
    yield Text()
    yield table(report)


def table(report: Report) -> Table:
    """A row a metric, a column a target."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    made.add_column("metric")
    for name in report.targets:
        made.add_column(line(name, 40), justify="right")
        if name != report.targets[0]:
            made.add_column("")
    for metric in report.metrics:
        made.add_row(line(metric.key, 40), *(cell for name in report.targets for cell in _cells(report, name, metric)))
    return made


def judged(verdict: Verdict) -> Iterator[Text]:
    """What the gate says: why not, or that it passes, and what it could not have noticed."""
    yield Text("passed", "bold green") if verdict.passed else Text("failed", "bold red")
    yield from _list(verdict.reasons)
    for one in verdict.gated:
        means = f"{figures.value(one.now, one.metric)} against {figures.value(one.before, one.metric)}"
        p_value = f"one-sided p {figures.p(one.adjusted)}"
        yield Text(
            f"  {one.target} {one.metric.key}: {means}, {figures.difference(one.difference, one.metric)}, {p_value}"
        )
    if verdict.notes:
        yield Text("What it could not have noticed" if verdict.passed else "Notes", "bold")
        yield from _list(verdict.notes)


def _list(said: Sequence[str]) -> Iterator[Text]:
    for one in said:
        yield Text(f"  - {line(one, _LONG)}")


def _cells(report: Report, target: str, metric: Metric) -> Sequence[Text]:
    one, beside = report.estimate(target, metric.key), report.comparison(target, metric.key)
    told = Text(figures.value(one.mean, metric))
    if one.low is not None and one.high is not None and one.low < one.high:
        told.append(f"  {figures.interval(one.low, one.high, metric)}", "bright_black")
    if target == report.targets[0]:
        return [told]
    return [told, Text("") if beside is None else Text(*_SHOWN[beside.meaning])]
