"""From what a run did to an example: what it was given, what it answered, how, and what a person decided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from tests.observability.by_hand import ByHand, says, weather

from motet.errors import InvalidInput
from motet.observability.evaluation.example import Example, decoded, encoded
from motet.observability.evaluation.from_trajectory import example_of
from motet.observability.evaluation.observing import observed
from motet.observability.trajectory.trajectory import Trajectory

ASKED = {"messages": [{"role": "user", "content": "Write to them."}]}
APPROVED = {"decisions": [{"type": "approve"}]}


def of(trajectory: Trajectory, **more: Any) -> Example:
    """The example that a trajectory is."""
    return example_of(trajectory, observed(trajectory), **more)


def letters(*answers: Any, earlier: Sequence[BaseMessage] = ()) -> Trajectory:
    """A run that asks before each letter, on a thread with this history; and the runs with these answers."""
    told = ByHand()
    told.begins("first", given=ASKED)
    for n, answer in enumerate(answers):
        told.ends("interrupted", asking={f"i{n}": {"action_requests": [{"name": "mail", "args": {"n": n}}]}})
        told.begins(f"then{n}", command={"resume": answer})
    final = AIMessage("Written.", id="a1")
    with told.node("model@1", writes={"messages": [final]}):
        told.model([], final)
    told.saves(1, {"messages": [*earlier, HumanMessage("Write to them.", id="h1"), final]})
    told.ends()
    return told.done()


def test_an_example_says_what_the_run_did() -> None:
    """Input as it was given, answer, conversation without the run's own ids, path, and where it came from."""
    found = of(weather(), tags=["rain", "rain"], split="test", rubric="says that it rains")
    assert found.example_id == "run-1"
    assert found.input["messages"][0]["content"] == "Weather in Paris?"
    assert found.reference == "It rains in Paris, at 12 °C."
    assert [one["role"] for one in found.trajectory] == ["user", "assistant", "tool", "assistant"]
    assert found.trajectory[1]["tool_calls"][0]["function"]["name"] == "weather"
    assert not any("id" in one for one in found.trajectory)
    assert found.path == ["model", "tools", "model"]
    assert (found.tags, found.split, found.rubric) == (["rain"], "test", "says that it rains")
    assert found.cluster == "thread-1"
    assert found.provenance == {
        "run_id": "run-1",
        "thread_id": "thread-1",
        "graph_id": "assistant",
        "at": "2026-11-22T14:00:00.000000+00:00",
    }
    assert encoded(decoded(encoded(found))) == encoded(found)


@pytest.mark.parametrize("reference", ["It's dry.", None, 12, {"rain": True}])
def test_the_reference_is_what_somebody_says(reference: Any) -> None:
    """A correction takes the answer's place; none at all, too."""
    assert of(weather(), reference=reference).reference == reference


def test_what_a_person_decided_is_the_examples_answers() -> None:
    """In order, of all the runs that belong together; the example is the run that asked first."""
    found = of(letters(APPROVED, "go on"))
    assert found.example_id == "first"
    assert found.answers == [APPROVED, "go on"]
    assert decoded(encoded(found)).answers == [APPROVED, "go on"]


def test_what_the_thread_held_before_belongs_to_other_runs() -> None:
    """The conversation begins with this input, though the same was said before."""
    earlier = [HumanMessage("Write to them."), says("Whom?"), HumanMessage("Ada.")]
    assert [one["content"] for one in of(letters(earlier=earlier)).trajectory] == ["Write to them.", "Written."]


def test_a_run_that_goes_on_or_was_given_nothing_is_no_example() -> None:
    """The error names the run and what can be one."""
    going_on = ByHand()
    going_on.begins("r1", given=ASKED)
    with pytest.raises(InvalidInput, match="RUN: 'r1' is not allowed; allowed: a run that has ended"):
        of(going_on.done())
    for given in (None, "just text"):
        odd = ByHand()
        odd.begins("r2", given=given)
        odd.ends()
        with pytest.raises(InvalidInput, match=r"input of run r2: .* a JSON object"):
            of(odd.done())


def test_a_run_that_failed_or_waits_is_an_example_without_an_answer() -> None:
    """What it was given is worth trying again; what was right nobody has said."""
    for outcome in ("error", "interrupted"):
        told = ByHand()
        told.begins("r1", given=ASKED)
        told.ends(outcome, asking={"i": "?"} if outcome == "interrupted" else None)
        found = of(told.done())
        assert (found.input, found.reference, found.answers) == (ASKED, None, [])
        assert "reference" not in orjson.loads(encoded(found))
