"""The report as one HTML file: no script, nothing fetched, every text of a run escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from motet.observability.evaluation.report import figures, plots
from motet.observability.evaluation.report.metrics import Metric
from motet.observability.evaluation.report.printable import printable
from motet.observability.evaluation.report.report import Comparison, Estimate, Report

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Card:
    """One metric's plots."""

    metric: Metric
    plots: Sequence[plots.Plot]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """One metric in the table of all targets."""

    metric: Metric
    cells: Sequence[tuple[Estimate, Comparison | None]]


def page(report: Report) -> str:
    """The whole file."""
    lines = [
        _Line(
            metric=metric,
            cells=[(report.estimate(name, metric.key), report.comparison(name, metric.key)) for name in report.targets],
        )
        for metric in report.metrics
    ]
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            fig=figures,
            baseline=report.targets[0],
            style=Markup((_TEMPLATES / "report.css").read_text("utf-8")),  # noqa: S704 - our own file
            of={one.key: one for one in report.metrics},
            tone={name: at for at, name in enumerate(report.targets)},
            quality=[one for one in lines if one.metric.of == "quality"],
            effort=[one for one in lines if one.metric.of == "effort"],
            passing=_passing(lines),
            missing=[
                (cell.target, cell)
                for line in lines
                for cell, _ in line.cells
                if cell.failed or cell.empty or cell.absent
            ],
            overview=[
                one for one in (plots.differences_from_baseline(report), plots.cost_against_quality(report)) if one
            ],
            latency=_latency(report),
            cards=_cards(report),
            failing=plots.failing(report),
        )
    )


def _passing(lines: Sequence[_Line]) -> Sequence[tuple[Metric, Estimate]]:
    return [(line.metric, cell) for line in lines for cell, _ in line.cells if cell.passing]


def _latency(report: Report) -> Sequence[plots.Plot]:
    told = (plots.percentiles(report, one) for one in report.metrics if one.of == "effort" and one.scale.unit == "s")
    return [one for one in told if one is not None]


def _cards(report: Report) -> Sequence[_Card]:
    spread = {one.metric: one for one in report.drawn.distributions}
    found: list[_Card] = []
    for metric in report.metrics:
        told = spread.get(metric.key)
        drawn = [None if told is None else plots.spread(report, told, metric), plots.paired_differences(report, metric)]
        if kept := [one for one in drawn if one is not None]:
            found.append(_Card(metric=metric, plots=kept))
    return found


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=_final,
    )
    filters: Mapping[str, Any] = {"words": lambda key: str(key).replace("_", " "), "scale": scale}
    made.filters.update(filters)
    return made


def scale(metric: Metric) -> str:
    """What a metric's values are, in a few words."""
    told = metric.scale
    if told.kind == "boolean":
        return "share of trials that pass" if told.higher_is_better else "share of trials; lower is better"
    if told.kind == "category":
        names = list(reversed(told.categories))
        if told.relative:
            return "beside the baseline: a, the target is better; b, the baseline is; mean rank of b, tie, a, from 0"
        return f"mean rank, from 0 ({names[0]}) to {len(names) - 1} ({names[-1]})" if names else "mean rank"
    better = "higher" if told.higher_is_better else "lower"
    bounds = "" if told.low is None or told.high is None else f" from {told.low:g} to {told.high:g},"
    return f"mean{f' in {told.unit}' if told.unit else ''}{bounds}{'' if bounds else ','} {better} is better"


def _final(value: Any) -> Any:
    return printable(value) if type(value) is str else value
