"""The crew's own examples: every reference is found twice, and no wrong one stays unseen."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.server.made_up_sample import made_up_sample

from motet.errors import InvalidWorkspace
from motet.observability.evaluation.dataset_file import read, written
from motet.observability.evaluation.evaluator import Means
from motet.observability.evaluation.example import Example, version_of
from motet.observability.evaluation.registry import evaluators
from motet.server.evaluation.crew_examples.checking import problems, question_of
from motet.server.evaluation.crew_examples.making import CORRECT, made
from motet.server.evaluation.crew_workspace import EVALUATORS, VERSION, crew_examples
from motet.tools import sample
from motet.tools.workspace import Workspace

SHIPPED = Path(__file__).parents[2] / "docs" / "evaluation" / "crew.jsonl"


def ignore(what: str, done: int, total: int) -> None:
    """Progress that nobody looks at."""


@pytest.fixture(scope="module")
def shipped() -> Sequence[Example]:
    """The examples that come with Motet."""
    return read(SHIPPED)


async def examples_over(folder: Path) -> list[Example]:
    """The examples over a workspace."""
    async with await Workspace.open(folder) as workspace:
        return await made(workspace)


def test_what_ships_is_the_pinned_version_with_every_kind(shipped: Sequence[Example]) -> None:
    """At least 200 examples of six kinds, in more than 30 clusters, each question asked once."""
    kinds = Counter(one.tags[0] for one in shipped)

    assert version_of(shipped) == VERSION
    assert len(shipped) == len({one.example_id for one in shipped}) == len({question_of(one) for one in shipped})
    assert len(shipped) >= 200
    least = {"data": 80, "documents": 50, "both": 25, "approvals": 20, "refusals": 15, "injections": 15}
    assert all(kinds[kind] >= count for kind, count in least.items())
    assert kinds.keys() == least.keys()
    assert len({one.cluster for one in shipped}) > 30


def test_no_cluster_is_in_two_splits(shipped: Sequence[Example]) -> None:
    """What judges are calibrated on hangs together with nothing that is tested."""
    splits = {(one.cluster, one.split) for one in shipped}

    assert len(splits) == len({cluster for cluster, _ in splits})
    assert {split for _, split in splits} == {"test", "calibration"}


def test_each_decision_of_a_person_is_among_the_answers(shipped: Sequence[Example]) -> None:
    """Reports are approved, rejected and edited; nothing else is saved."""
    decided = Counter(one.answers[0]["decisions"][0]["type"] for one in shipped if one.expect[CORRECT].get("reports"))

    assert min(decided[kind] for kind in ("approve", "reject", "edit")) >= 5
    assert {one.tags[0] for one in shipped if one.expect.get("effects", {}).get("save_report")} == {"approvals"}


async def test_over_any_values_queries_and_python_agree(tmp_path: Path) -> None:
    """The examples are made of whatever the tables hold, and both ways to each reference lead to one value."""
    folder = made_up_sample(tmp_path / "workspace", seed=2)
    examples = await examples_over(folder)

    found = await problems(examples, folder)

    assert found == []
    assert version_of(examples) != VERSION


def expecting(example: Example, **fields: Any) -> Example:
    """The example with other words of a right answer."""
    return dataclasses.replace(example, expect={**example.expect, CORRECT: {**example.expect[CORRECT], **fields}})


def asked(text: str) -> dict[str, Any]:
    """The input of a question."""
    return {"messages": [{"role": "user", "content": text}]}


def proven(example: Example, **fields: Any) -> Example:
    """The example with another provenance."""
    return dataclasses.replace(example, provenance={**example.provenance, **fields})


WRONG: tuple[tuple[str, Callable[[Example], Example], str], ...] = (
    ("data-airports-state-ak", lambda one: dataclasses.replace(one, reference=-1), "the reference says -1"),
    ("data-airports-state-tx", lambda one: expecting(one, values=[-1]), "a right answer says -1"),
    (
        "data-cars-cylinders-3",
        lambda one: dataclasses.replace(one, expect={**one.expect, "sql": "SELECT 1"}),
        "nobody asks for",
    ),
    ("documents-burtin-who", lambda one: expecting(one, says=[["Playfair"]]), "no quote says 'Playfair'"),
    (
        "documents-burtin-when",
        lambda one: proven(one, evidence=[{**one.provenance["evidence"][0], "file": "README.md"}]),
        "stands in catalogue.html, not in README.md",
    ),
    (
        "documents-wheat-when",
        lambda one: proven(one, evidence=[{"file": "catalogue.html", "quote": "In an 1822 letter to nobody"}]),
        "stands in no file",
    ),
    (
        "both-cars-from-europe-cars-who",
        lambda one: dataclasses.replace(one, expect={**one.expect, "sources": ["LICENSE.txt"]}),
        "its evidence isn't from",
    ),
    ("refusals-hail", lambda one: proven(one, no_rows="SELECT * FROM cars"), "gives rows"),
    ("refusals-humidity", lambda one: proven(one, nowhere=["Florence Nightingale"]), "stands somewhere"),
    ("data-cars-origins", lambda one: dataclasses.replace(one, expect={}), "nothing says how"),
    (
        "data-cars-cylinders-8",
        lambda one: dataclasses.replace(one, input=asked("How many cars have 6 cylinders?")),
        "",
    ),
)


async def test_a_wrong_reference_is_found(tmp_path: Path) -> None:
    """Whatever of an example is wrong, the check names the example and what is wrong."""
    folder = made_up_sample(tmp_path / "workspace", seed=1)
    examples = {one.example_id: one for one in await examples_over(folder)}
    wrong = [wrongly(examples[example_id]) for example_id, wrongly, _ in WRONG]

    found = await problems([*wrong, examples["data-cars-cylinders-6"]], folder)

    unseen = [name for name, _, told in WRONG[:-1] if not any(one.startswith(name) and told in one for one in found)]
    assert unseen == []
    assert [one for one in found if one.startswith("data-cars-cylinders-6")] == []
    assert "How many cars have 6 cylinders?: there are 2 of it" in found


def test_the_evaluators_that_ship_can_be_had() -> None:
    """The file beside the examples names evaluators that there are, each with metrics of its own."""
    told = json.loads(EVALUATORS.read_text())

    found = evaluators(told, Means())

    keys = [key for one in found for key in one.scales]
    assert {"correct", "routed", "sql", "approval"} <= set(keys)
    assert len(keys) == len(set(keys))


async def test_a_workspace_that_is_not_the_sample_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a reference doesn't hold, no dataset is made, and the folder and the reason are told."""
    folder = made_up_sample(tmp_path / "workspace", seed=4)
    (folder / "README.md").write_text("Another introduction.")
    fingerprint = sample._fingerprint(sample.VEGA_DATASETS)  # pyright: ignore[reportPrivateUsage] - what marks it as built
    (folder / ".motet-sample").write_text(fingerprint)
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)

    with pytest.raises(InvalidWorkspace, match="a reference doesn't hold there: documents-readme"):
        await crew_examples(folder, ignore)


@pytest.mark.all
async def test_over_the_sample_every_reference_holds(tmp_path: Path) -> None:
    """The sample data, fetched, gives byte for byte what ships; all of it was checked by a second way."""
    examples = await crew_examples(tmp_path / "workspace", ignore)

    assert written(examples) == SHIPPED.read_bytes()
