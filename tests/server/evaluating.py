"""What tests of experiments share: a project, examples, and an experiment that is run in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from motet.observability.evaluation.example import Example, encoded
from motet.observability.evaluation.experiment import Experiment, TrialResult
from motet.server.evaluation.running import Order, Prepared, prepared
from motet.server.evaluation.targets import targets
from motet.server.operating import Operating

EVALUATED = Path(__file__).parent / "evaluated" / "langgraph.json"
FAST = {"MOTET_LEASE_SECONDS": "1", "MOTET_HEARTBEAT_SECONDS": "0.3", "MOTET_SWEEP_SECONDS": "0.3"}


def example(word: str, **told: Any) -> Example:
    """Asks that a word be noted."""
    given = {"messages": [{"role": "user", "content": word}]}
    fields: dict[str, Any] = {"example_id": word, "input": given, "reference": f"noted {word}", **told}
    return Example(**fields)


def file_of(folder: Path, examples: Sequence[Example], name: str = "words.jsonl") -> Path:
    """A dataset's file."""
    file = folder / name
    file.write_bytes(b"".join(encoded(one) + b"\n" for one in examples))
    return file


class Heard:
    """Hears of each trial."""

    def __init__(self) -> None:
        self.results: list[TrialResult] = []
        self.warnings: list[str] = []

    def scored(self, result: TrialResult) -> None:
        """A trial has its result."""
        self.results.append(result)


async def tried(here: Operating, dataset: Path | str, *assistants: str, **told: Any) -> tuple[Experiment, Prepared]:
    """An experiment that this process runs to its end, workers included."""
    order: Mapping[str, Any] = {
        "dataset": str(dataset),
        "targets": targets(assistants) if assistants else (),
        "evaluators": ["exact"],
        "config": EVALUATED,
        **told,
    }
    heard = Heard()
    async with prepared(here, Order(**order), heard.warnings.append) as made:
        await made.run(heard)
    return await here.experiments.load(made.plan.experiment_id), made
