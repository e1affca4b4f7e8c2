"""What numbers allow to say, in sentences: a difference that wasn't found is never called none."""

from __future__ import annotations

from collections.abc import Sequence

from motet.observability.evaluation.report import figures
from motet.observability.evaluation.report.metrics import Metric
from motet.observability.evaluation.report.report import Comparison, Estimate


def estimated(one: Estimate, metric: Metric, *, level: float) -> str:
    """One target's metric, without anything beside it."""
    if one.mean is None:
        return f"Nothing is known of {metric.key} of {one.target}: no trial has a value."
    over = f"{figures.count(one.trials, 'trial')} of {figures.count(one.examples, 'example')}"
    told = f"{one.target} has {metric.key} {figures.value(one.mean, metric)} over {over}"
    if one.low is None or one.high is None:
        return f"{told}; how sure that is can't be told: {one.note or 'too few values'}."
    share = f"{100 * level:g} % interval"
    return f"{told} ({share} {figures.interval(one.low, one.high, metric)}, {one.method})."


def compared(one: Comparison, metric: Metric, *, level: float) -> str:
    """One target's metric beside the baseline's."""
    if one.difference is None or one.target_mean is None or one.baseline_mean is None:
        return (
            f"Can't tell how {one.target} and {one.baseline} compare in {metric.key}: no example has a value in both."
        )
    means = f"{figures.value(one.target_mean, metric)} against {figures.value(one.baseline_mean, metric)}"
    if one.meaning == "untested":
        return (
            f"Can't tell whether {one.target} and {one.baseline} differ in {metric.key} ({means}): "
            f"{figures.count(one.clusters, 'independent example')} with values in both can't be tested."
        )
    spread = _interval(one, metric, level)
    if one.meaning == "unclear":
        return (
            f"Can't tell whether {one.target} and {one.baseline} differ in {metric.key}: {means}, {spread}; "
            f"{p(one)}. {detectable(one.detectable, metric)}"
        )
    return (
        f"{one.target} is {one.meaning} than {one.baseline} in {metric.key}{_at_least(one, metric)}: {means}, "
        f"{spread}; {p(one)}."
    )


def effort(found: Sequence[tuple[Comparison, Metric]]) -> str:
    """All that one target was found to take more or less of than the baseline."""
    first = found[0][0]
    told = {word: [one for one in found if one[0].meaning == word] for word in ("worse", "better")}
    parts = [
        f"{'more' if word == 'worse' else 'less'} {listed([_means(one, metric) for one, metric in which])}"
        for word, which in told.items()
        if which
    ]
    highest = max((one.adjusted or 0.0 for one, _ in found), default=0.0)
    return (
        f"{first.target} takes {listed(parts)} than {first.baseline}; adjusted by Holm over {first.family} "
        f"comparisons, each p is at most {max(highest, 0.001):.3f}."
    )


def detectable(number: float | None, metric: Metric) -> str:
    """What could have been found."""
    if number is None and metric.is_share:
        return (
            "So few examples would have found even the greatest possible difference less than four times out of five."
        )
    if number is None:
        return "How large a difference would have been found can't be told."
    size = figures.distance(number, metric)
    return f"A difference of {size} would have been found four times out of five, a smaller one less often."


def p(one: Comparison) -> str:
    """The adjusted p-value."""
    shown = figures.p(one.adjusted)
    told = f"p {shown}" if shown.startswith("<") else f"p = {shown}"
    return f"{told} (Holm, {one.family} comparisons)" if one.family > 1 else told


def _means(one: Comparison, metric: Metric) -> str:
    name = metric.key.replace("_", " ")
    return f"{name} ({figures.value(one.target_mean, metric)} against {figures.value(one.baseline_mean, metric)})"


def _interval(one: Comparison, metric: Metric, level: float) -> str:
    told = f"a difference of {figures.difference(one.difference, metric)}"
    if one.low is None or one.high is None:
        return told
    if one.low == one.high:
        return f"{told} in every example"
    ends = figures.interval(one.low, one.high, metric, signed=True)
    alone = one.meaning == "unclear" and one.low * one.high > 0 and one.family > 1
    return f"{told} ({100 * level:g} % interval {ends}{', not adjusted' if alone else ''})"


def _at_least(one: Comparison, metric: Metric) -> str:
    """The end of the interval that is nearer to no difference, where the interval agrees with the test."""
    if one.low is None or one.high is None or one.low * one.high <= 0 or one.low == one.high:
        return ""
    near = min(abs(one.low), abs(one.high))
    return f", likely by at least {figures.distance(near, metric)}"


def listed(parts: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))
