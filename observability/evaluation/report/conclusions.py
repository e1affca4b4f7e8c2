"""The summary in words: what can be concluded, what can't be told, and what weakens both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from motet.observability.evaluation.report import figures, sentences
from motet.observability.evaluation.report.metrics import Metric
from motet.observability.evaluation.report.report import Calibrated, Comparison, Estimate, Source
from motet.observability.evaluation.report.table import Table
from motet.observability.evaluation.statistics.power import warnings_of


def concluded(
    metrics: Sequence[Metric], estimates: Sequence[Estimate], comparisons: Sequence[Comparison], *, level: float
) -> tuple[Sequence[str], Sequence[str]]:
    """What can be said, what can't: of quality every metric, of effort what was found, and how much wasn't."""
    of = {one.key: one for one in metrics}
    if not comparisons:
        quality = [one for one in estimates if of[one.metric].of == "quality"]
        said = [sentences.estimated(one, of[one.metric], level=level) for one in quality if one.mean is not None]
        unknown = [sentences.estimated(one, of[one.metric], level=level) for one in quality if one.mean is None]
        return said, [*unknown, "One target alone: nothing is said of what is better than what."]
    quality = [one for one in comparisons if of[one.metric].of == "quality"]
    found = [one.says for one in quality if one.meaning in {"better", "worse"}]
    missed = [one.says for one in quality if one.meaning in {"unclear", "untested"}]
    for name in dict.fromkeys(one.target for one in comparisons):
        effort = [one for one in comparisons if of[one.metric].of == "effort" and one.target == name]
        if seen := [(one, of[one.metric]) for one in effort if one.meaning in {"better", "worse"}]:
            found.append(sentences.effort(seen))
        if unseen := [one.metric.replace("_", " ") for one in effort if one.meaning == "unclear"]:
            baseline = effort[0].baseline
            told = "Nor can it" if missed else "It can't"
            missed.append(f"{told} be told whether {name} and {baseline} differ in {sentences.listed(unseen)}.")
    if all(one.meaning == "untested" for one in comparisons):
        found.append("Nothing could be compared: no metric has values enough to be tested.")
    elif not found:
        found.append("Nothing stood out from chance: these trials don't show which target is better, nor that none is.")
    return found, missed


def cautions(table: Table, sources: Sequence[Source], calibration: Sequence[Calibrated]) -> Sequence[str]:
    """Each a sentence; the gravest first."""
    return [
        *_unfinished(sources),
        *_versions(sources),
        *_few(table),
        *_missing(table),
        *_judged(sources, calibration),
        *_limits(table, sources),
    ]


def _unfinished(sources: Sequence[Source]) -> Iterator[str]:
    for one in sources:
        if one.done < one.planned:
            why = f": {one.stopped}" if one.stopped else ""
            yield (
                f"{one.name} has {one.done:,} of {one.planned:,} trials{why}. "
                "Those that are missing may be the slow, the costly or the hard ones."
            )


def _versions(sources: Sequence[Source]) -> Iterator[str]:
    versions = {(one.dataset, one.dataset_version) for one in sources}
    if len(versions) > 1:
        told = sentences.listed([f"{name} {version}" for name, version in sorted(versions)])
        yield (
            f"The experiments are over different data ({told}). Examples were paired by their ids; "
            "where one id says different things, the pair compares nothing."
        )


def _few(table: Table) -> Iterator[str]:
    clusters = len({table.clusters[one] for one in table.examples})
    for one in warnings_of(clusters, len(table.examples)):
        yield f"There are {one}."
    if clusters < len(table.examples):
        yield (
            f"{figures.count(len(table.examples), 'example')} hang together in {figures.count(clusters, 'cluster')}; "
            "intervals and tests count clusters."
        )


def _missing(table: Table) -> Iterator[str]:
    told: list[str] = []
    for metric in table.metrics:
        failed = {
            name: sum(one.status == "failed" for values in table.values[name, metric.key].values() for one in values)
            for name in table.names
        }
        counts = [f"{name} {count}" for name, count in failed.items() if count]
        if counts:
            told.append(f"{metric.key} ({sentences.listed(counts)} trials)")
    if told:
        yield (
            f"Evaluators gave no value where there should be one: {sentences.listed(told)}. These are left out, not "
            "counted as failed; if they fail more often on bad answers, the figures are too good."
        )
    crashed = {name: sum(one.outcome == "error" for one in table.of(name)) for name in table.names}
    counts = [f"{name} {count}" for name, count in crashed.items() if count]
    if counts:
        yield (
            f"Runs that ended with an error are kept ({sentences.listed(counts)}): a yes-or-no metric that was scored "
            "no counts as failed, and what they took counts as it was."
        )


def _judged(sources: Sequence[Source], calibration: Sequence[Calibrated]) -> Iterator[str]:
    judges = sorted({one.judge for one in sources if one.judge})
    if judges and not calibration:
        yield (
            f"Some scores are the judgement of a model ({sentences.listed(judges)}) that wasn't checked against people "
            "here: motet eval calibrate does that."
        )
    for one in calibration:
        yield from one.warnings
        if not one.better_than_chance and not one.warnings:
            yield f"{one.metric}: this judge agreed with people no better than chance. Don't decide anything by it."


def _limits(table: Table, sources: Sequence[Source]) -> Iterator[str]:
    if any(one.mode == "recorded" for one in sources):
        yield "Recorded trajectories were scored: nothing was run again, so time and cost are those of the record."
    if table.repeats == 1:
        yield "Each example was tried once: how much an answer varies from try to try isn't seen."
    splits = sentences.listed(sorted({one.dataset for one in sources}))
    yield (
        f"All of it holds for examples like those of {splits}, and for the versions named below. "
        "Intervals aren't adjusted for how many there are; p-values are, by Holm, "
        "over metrics of quality and over measures of effort each."
    )
