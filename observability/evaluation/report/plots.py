"""Where everything stands in a report's plots: numbers become places here, and SVG in `templates/plots.j2`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from motet.observability.evaluation.report import figures
from motet.observability.evaluation.report.axes import LEFT, RIGHT, Axis, Tick, axis
from motet.observability.evaluation.report.metrics import Metric
from motet.observability.evaluation.report.report import Distribution, Estimate, Meaning, Report, Series

ROW = 46.0
"""Height of a target's row: its name above, its marks below."""
BAR = 18.0
TALL = 56.0
"""Of a row with bars that stand."""

_MEANINGS: Mapping[Meaning, str] = {
    "better": "better",
    "worse": "worse",
    "unclear": "can't tell",
    "untested": "not tested",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One target's line of a plot."""

    name: str
    tone: int
    """Which colour: the target's position."""
    y: float
    """The upper edge."""
    text: str
    """Its numbers, in words."""
    low: float = 0.0
    mid: float = 0.0
    high: float = 0.0
    marks: Sequence[Tick] = ()
    path: str = ""
    other: str = ""
    """A second path: differences for the worse."""
    parts: Sequence[tuple[float, float, int, str]] = ()
    """Start, width, shade from 0 to 9, label."""
    meaning: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """One figure."""

    kind: Literal["intervals", "bars", "parts", "differences", "percentiles", "scatter"]
    key: str
    """Names it on its page: letters, digits, dashes."""
    title: str
    about: str
    """What is drawn, for who can't see it; the numbers stand in a table or in the rows' texts."""
    rows: Sequence[Row]
    height: float
    ticks: Sequence[Tick] = ()
    zero: float | None = None
    legend: Sequence[tuple[int, str]] = ()
    """Of parts: shade and label."""
    across: Sequence[Tick] = ()
    """The scatter's other axis."""
    under: str = ""
    """What the axis measures."""
    beside: str = ""


def differences_from_baseline(report: Report) -> Plot | None:
    """Of shares and of scores from 0 to 1: each target's difference with its interval."""
    of = {one.key: one for one in report.metrics}
    told = [
        one
        for one in report.comparisons
        if one.difference is not None and one.low is not None and one.high is not None and _from_0_to_1(of[one.metric])
    ]
    if not told:
        return None
    ends = [end for one in told for end in (one.low, one.high) if end is not None]
    along = axis(ends, zero=True)
    rows = [
        Row(
            name=f"{one.metric} · {one.target}",
            tone=report.targets.index(one.target),
            y=at * ROW,
            text=f"{figures.difference(one.difference, of[one.metric])}, {_MEANINGS[one.meaning]}",
            low=along.at(one.low or 0.0),
            mid=along.at(one.difference or 0.0),
            high=along.at(one.high or 0.0),
            meaning=one.meaning,
        )
        for at, one in enumerate(told)
    ]
    return Plot(
        kind="intervals",
        key="differences",
        title=f"Differences from {report.targets[0]}, with {100 * report.level:g} % intervals",
        about="Each line is one metric of one target; right of zero it is higher than the baseline. "
        + "; ".join(f"{row.name}: {row.text}" for row in rows),
        rows=rows,
        height=len(rows) * ROW + 24,
        ticks=along.ticks(lambda one: f"{_signed(100 * one)}"),
        zero=along.at(0.0),
        under="percentage points",
    )


def spread(report: Report, one: Distribution, metric: Metric) -> Plot:
    """Bars in bins, or the parts of a whole."""
    return _bars(report, one, metric) if one.edges else _parts(report, one, metric)


def paired_differences(report: Report, metric: Metric) -> Plot | None:
    """Each example's difference from the baseline, ascending."""
    told = [one for one in report.drawn.differences.get(metric.key, ()) if one.values]
    if not told or not any(value for one in told for value in one.values):
        return None
    reach = max(abs(value) for one in told for value in one.values)
    rows: list[Row] = []
    for at, one in enumerate(told):
        found = report.comparison(one.target, metric.key)
        assert found is not None
        top = at * (TALL + 26) + 20
        text = f"{found.improved} better, {found.worsened} worse, {found.equal} equal"
        up, down = _standing(one.values, top, reach)
        better, worse = (up, down) if metric.better > 0 else (down, up)
        rows.append(
            Row(
                name=one.target,
                tone=report.targets.index(one.target),
                y=at * (TALL + 26),
                text=text,
                path=better,
                other=worse,
                mid=top + TALL / 2,
            )
        )
    return Plot(
        kind="differences",
        key=f"paired-{_named(metric.key)}",
        title=f"{metric.key.replace('_', ' ')}: each example beside {report.targets[0]}",
        about=f"One bar an example, by size, from {figures.difference(-reach, metric)} to "
        f"{figures.difference(reach, metric)}. " + "; ".join(f"{row.name}: {row.text}" for row in rows),
        rows=rows,
        height=len(rows) * (TALL + 26) + 4,
        under=f"bars reach to ±{figures.distance(reach, metric)}",
    )


def cost_against_quality(report: Report) -> Plot | None:
    """Each target's place, with both intervals."""
    spent, quality = report.drawn.spent, report.drawn.quality
    of = {one.key: one for one in report.metrics}
    if not quality or spent not in of:
        return None
    pairs = [(name, report.estimate(name, spent), report.estimate(name, quality)) for name in report.targets]
    pairs = [(name, x, y) for name, x, y in pairs if x.mean is not None and y.mean is not None]
    if not pairs:
        return None
    along = axis([end for _, x, _ in pairs for end in _ends(x)], start=52)
    up = axis([end for _, _, y in pairs for end in _ends(y)], start=214, end=14)
    rows = [
        Row(
            name=name,
            tone=report.targets.index(name),
            y=up.at(y.mean or 0.0),
            text=f"{spent} {figures.value(x.mean, of[spent])}, {quality} {figures.value(y.mean, of[quality])}",
            low=along.at(_ends(x)[0]),
            mid=along.at(x.mean or 0.0),
            high=along.at(_ends(x)[-1]),
            marks=[Tick(at=up.at(one), label="") for one in _ends(y)],
        )
        for name, x, y in pairs
    ]
    return Plot(
        kind="scatter",
        key="cost-quality",
        title=f"{spent.capitalize()} against quality",
        about="; ".join(f"{row.name}: {row.text}" for row in rows),
        rows=rows,
        height=250,
        ticks=along.ticks(lambda one: figures.value(one, of[spent]), count=3),
        across=up.ticks(lambda one: _short(one, of[quality])),
        under=f"{spent} of a trial",
        beside=quality,
    )


def percentiles(report: Report, metric: Metric) -> Plot | None:
    """Of seconds: the middle, and how long the slow ones take."""
    told = [one for one in report.estimates if one.metric == metric.key and one.percentiles]
    if not told:
        return None
    along = axis([one.percentiles[name] for one in told for name in ("p5", "p99")], zero=True)
    rows = [
        Row(
            name=one.target,
            tone=report.targets.index(one.target),
            y=at * ROW,
            text=", ".join(
                f"{name} {figures.value(one.percentiles[name], metric)}" for name in ("p50", "p90", "p95", "p99")
            ),
            low=along.at(one.percentiles["p5"]),
            mid=along.at(one.percentiles["p50"]),
            high=along.at(one.percentiles["p99"]),
            marks=[Tick(at=along.at(one.percentiles[name]), label=name) for name in ("p25", "p75", "p90", "p95")],
        )
        for at, one in enumerate(told)
    ]
    return Plot(
        kind="percentiles",
        key=f"percentiles-{_named(metric.key)}",
        title=f"Percentiles of {metric.key.replace('_', ' ')}",
        about="; ".join(f"{row.name}: {row.text}" for row in rows),
        rows=rows,
        height=len(rows) * ROW + 24,
        ticks=along.ticks(lambda one: figures.value(one, metric)),
        under="",
    )


def _bars(report: Report, one: Distribution, metric: Metric) -> Plot:
    along = Axis(low=one.edges[0], high=one.edges[-1])
    most = max((count for series in one.counts for count in series.values), default=1.0) or 1.0
    rows: list[Row] = []
    for at, series in enumerate(one.counts):
        told = report.estimate(series.target, metric.key)
        top = at * (TALL + 26) + 20
        middle = told.percentiles.get("p50")
        rows.append(
            Row(
                name=series.target,
                tone=report.targets.index(series.target),
                y=at * (TALL + 26),
                text=f"mean {figures.value(told.mean, metric)}, median {figures.value(middle, metric)}",
                path=_histogram(series, along, one.edges, top, most),
                mid=LEFT if told.mean is None else along.at(told.mean),
                low=top,
                high=top + TALL,
            )
        )
    return Plot(
        kind="bars",
        key=f"spread-{_named(metric.key)}",
        title=f"{metric.key.replace('_', ' ')}: how {one.counted} spread",
        about=f"{one.counted.capitalize()} in {len(one.edges) - 1} bins from {one.labels[0]} to {one.labels[-1]}. "
        + "; ".join(f"{row.name}: {row.text}" for row in rows),
        rows=rows,
        height=len(rows) * (TALL + 26) + 22,
        ticks=along.ticks(lambda number: _short(number, metric)),
        under="a line marks the mean",
    )


def _histogram(series: Series, along: Axis, edges: Sequence[float], top: float, most: float) -> str:
    parts: list[str] = []
    for low, high, count in zip(edges, edges[1:], series.values, strict=False):
        if count:
            tall = round(TALL * count / most, 1)
            left, right = along.at(low), along.at(high)
            parts.append(f"M{left:g} {top + TALL:g}v{-tall:g}h{max(right - left - 1, 0.5):.1f}v{tall:g}z")
    return "".join(parts)


def _standing(values: Sequence[float], top: float, reach: float) -> tuple[str, str]:
    """Bars above and below the middle."""
    wide = (RIGHT - LEFT) / len(values)
    paths = ["", ""]
    for at, value in enumerate(values):
        if value:
            tall = round(TALL / 2 * value / reach, 1)
            gap = 0.6 if wide > 2 else 0  # noqa: PLR2004 - narrower bars have no room for a gap
            bar = f"M{LEFT + at * wide:.1f} {top + TALL / 2:g}v{-tall:g}h{wide - gap:.1f}v{tall:g}z"
            paths[value < 0] += bar
    return paths[0], paths[1]


def _parts(report: Report, one: Distribution, metric: Metric) -> Plot:
    shades = _shades(len(one.labels))
    rows: list[Row] = []
    for at, series in enumerate(one.counts):
        whole = sum(series.values)
        parts: list[tuple[float, float, int, str]] = []
        start = LEFT
        for shade, count in zip(shades, series.values, strict=True):
            wide = (RIGHT - LEFT) * count / whole if whole else 0.0
            if count:
                parts.append((round(start, 1), round(max(wide - 1, 1), 1), shade, f"{count:.0f}" if wide > BAR else ""))
            start += wide
        counts = zip(one.labels, series.values, strict=True)
        text = ", ".join(f"{label}: {count:.0f}" for label, count in counts)
        rows.append(
            Row(name=series.target, tone=report.targets.index(series.target), y=at * ROW, text=text, parts=parts)
        )
    passes = metric.is_share
    return Plot(
        kind="parts",
        key=f"spread-{_named(metric.key)}",
        title=f"{metric.key}: " + ("how often examples pass" if passes else "trials by category"),
        about=f"{one.counted.capitalize()}. " + "; ".join(f"{row.name}: {row.text}" for row in rows),
        rows=rows,
        height=len(rows) * ROW,
        legend=list(zip(shades, one.labels, strict=True)),
        under=one.counted,
    )


def _shades(count: int) -> Sequence[int]:
    """From the worst to the best."""
    return [round(9 * at / max(count - 1, 1)) for at in range(count)]


def _ends(one: Estimate) -> Sequence[float]:
    mean = one.mean or 0.0
    return [mean if one.low is None else one.low, mean, mean if one.high is None else one.high]


def _from_0_to_1(metric: Metric) -> bool:
    scale = metric.scale
    return metric.is_share or (
        metric.of == "quality" and scale.kind == "number" and (scale.low, scale.high) == (0.0, 1.0) and not scale.unit
    )


def _signed(number: float) -> str:
    return f"{figures.MINUS if number < 0 else '+' if number > 0 else ''}{abs(number):g}"


def _short(number: float, metric: Metric) -> str:
    return f"{100 * number:.0f} %" if metric.is_share else figures.plain(number)


def _named(key: str) -> str:
    return "".join(one if one.isalnum() else "-" for one in key)


def failing(report: Report) -> Mapping[str, Plot]:
    """By kind of failure, its bars: one a target, along the same axis."""
    most = max((count for one in report.failures for count in one.counts.values()), default=1)
    along = Axis(low=0.0, high=float(most), start=0.0, end=160.0)
    return {
        one.kind: Plot(
            kind="parts",
            key="",
            title=one.kind,
            about="",
            rows=[
                Row(name=name, tone=report.targets.index(name), y=at * 9.0, text=str(count), high=along.at(count))
                for at, (name, count) in enumerate(one.counts.items())
            ],
            height=9.0 * len(one.counts),
        )
        for one in report.failures
    }
