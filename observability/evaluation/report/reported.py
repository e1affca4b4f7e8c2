"""Computes a report: the one place from which all its forms have their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from motet.errors import InvalidInput
from motet.observability.evaluation.example import Dataset
from motet.observability.evaluation.experiment import Experiment
from motet.observability.evaluation.report.comparisons import comparisons
from motet.observability.evaluation.report.conclusions import cautions, concluded
from motet.observability.evaluation.report.estimates import estimated
from motet.observability.evaluation.report.failing import failures
from motet.observability.evaluation.report.report import Calibrated, ExampleRow, Report
from motet.observability.evaluation.report.shown import Looked, Trajectories
from motet.observability.evaluation.report.sources import source
from motet.observability.evaluation.report.spread import drawn
from motet.observability.evaluation.report.table import Table, laid_out

SEED = 20_261_122
"""Of what the statistics draw, where nobody says otherwise: the same trials give the same report."""


def reported(
    experiments: Sequence[Experiment],
    *,
    trajectories: Trajectories | None = None,
    datasets: Sequence[Dataset] = (),
    calibration: Sequence[Calibrated] = (),
    level: float = 0.95,
    seed: int = SEED,
) -> Report:
    """All numbers and sentences of one or more experiments, whose examples are paired by their ids.

    The first experiment's first target is the baseline. A score with an error counts as missing, and is counted.

    Args:
        experiments: One or more; of two targets with one name, the experiment's is added.
        trajectories: By the target's name in the report, the example's id and the repeat; None: at hand of no trial.
        datasets: What is known of the experiments' examples: their inputs, references and splits.
        calibration: Of the judge.
        level: Of intervals; 1 - level is what an adjusted p-value is held against.
        seed: Of what the statistics draw.

    Raises:
        InvalidInput: there is no experiment, their scales contradict each other, or the level is no share.
    """
    if not 0.5 < level < 1:  # noqa: PLR2004 - an interval that is rather wrong than right says nothing
        raise InvalidInput("level", level, "a number between 0.5 and 1, such as 0.95")
    table = laid_out(experiments)
    known = {(one.name, one.version): {each.example_id: each for each in one.examples} for one in datasets}
    of = [known.get((one.plan.dataset, one.plan.dataset_version)) for one in experiments]
    examples = {name: one for found in reversed(of) for name, one in (found or {}).items()}
    looked = Looked(table, trajectories, examples)
    estimates = estimated(table, level=level, seed=seed)
    compared = comparisons(table, level=level, seed=seed)
    said, unclear = concluded(table.metrics, estimates, compared, level=level)
    sources = [source(one, found) for one, found in zip(experiments, of, strict=True)]
    return Report(
        title=" and ".join(dict.fromkeys(one.plan.name for one in experiments)),
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        level=level,
        seed=seed,
        targets=table.names,
        metrics=table.metrics,
        conclusions=said,
        open=unclear,
        cautions=cautions(table, sources, calibration),
        estimates=estimates,
        comparisons=compared,
        drawn=drawn(table),
        failures=failures(table),
        worst=looked.worst(),
        changed=looked.changed(),
        examples=_rows(table, {name: one.split for name, one in examples.items()}),
        sources=sources,
        calibration=calibration,
        experiments=experiments,
    )


def _rows(table: Table, splits: Mapping[str, str]) -> Sequence[ExampleRow]:
    quality = [one.key for one in table.metrics if one.of == "quality"]
    means = {(name, key): table.means(name, key) for name in table.names for key in quality}
    return [
        ExampleRow(
            example_id=example,
            tags=table.tags.get(example, ()),
            split=splits.get(example, ""),
            means={key: {name: means[name, key].get(example) for name in table.names} for key in quality},
        )
        for example in sorted(table.examples)
    ]
