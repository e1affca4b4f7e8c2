"""From what a run did to an example: asked the same again, it should do as it did, or as somebody says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from motet.errors import InvalidInput
from motet.observability.evaluation.example import Example, Json
from motet.observability.evaluation.observed import Observed
from motet.observability.trajectory.trajectory import Trajectory

OBSERVED: Any = object()
"""The reference is the answer that the run gave."""


def example_of(
    trajectory: Trajectory,
    observed: Observed,
    *,
    reference: Any = OBSERVED,
    tags: Iterable[str] = (),
    split: str = "",
    rubric: str = "",
) -> Example:
    """The example that a run is, with the runs that answered its questions: named by the run that asked first.

    Its trajectory is the conversation from this input on, and examples of one thread count as one cluster.

    Args:
        trajectory: what was recorded.
        observed: `observing.observed(trajectory)`.
        reference: the right answer; the one that the run gave, if it gave one, unless told.
        tags: what to find it by.
        split: such as `test`.
        rubric: what a judge is to look for.

    Raises:
        InvalidInput: the run isn't over, its record lacks its end, or it was given no JSON object as its input.
    """
    run_id = observed.run_ids[0]
    if observed.cut:
        raise InvalidInput("RUN", run_id, "a run that has ended, and whose record is whole")
    if not isinstance(observed.input, Mapping):
        raise InvalidInput(f"input of run {run_id}", observed.input, "a JSON object, what an example gives a graph")
    given = cast("Json", observed.input)
    return Example(
        example_id=run_id,
        input=given,
        reference=(observed.answer or None) if reference is OBSERVED else reference,
        trajectory=[_without_id(one) for one in _since(given, observed.messages)],
        path=observed.path,
        rubric=rubric,
        answers=_answers(observed),
        tags=list(dict.fromkeys(tags)),
        split=split,
        group=observed.thread_id,
        provenance={
            "run_id": run_id,
            "thread_id": observed.thread_id,
            "graph_id": observed.graph_id,
            "at": trajectory.started.at,
        },
    )


def _answers(observed: Observed) -> Sequence[Any]:
    """What a person answered, as far as somebody did."""
    answers: list[Any] = []
    for one in observed.questions:
        if one.answer is None:
            break
        answers.append(one.answer)
    return answers


def _since(given: Json, messages: Sequence[Json]) -> Sequence[Json]:
    """The conversation from this input on: what the thread held before belongs to another run."""
    told = given.get("messages")
    first: Any = cast("list[Any]", told)[0] if isinstance(told, list) and told else told
    said: Any = cast("Json", first).get("content") if isinstance(first, Mapping) else first
    begins = [n for n, one in enumerate(messages) if one["role"] == "user" and one["content"] == said]
    return messages[begins[-1] :] if begins else messages


def _without_id(message: Json) -> Json:
    """Without the id that this run gave it."""
    return {name: value for name, value in message.items() if name != "id"}
