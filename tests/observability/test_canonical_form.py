"""Two trajectories are the same if they are after one canonicalisation, which masks ids and times and nothing else."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

import orjson
import pytest
from langgraph.graph import START, StateGraph
from tests.observability import patterns
from tests.observability.recording import Recording, replayed

from motet.observability.trajectory.records import NodeFinished, StateSaved
from motet.observability.trajectory.replay.sameness import Sameness
from motet.observability.trajectory.trajectory import Trajectory

HELLO = {"messages": [("human", "hello")], "topics": ["oak"]}
Place = tuple[str | int, ...]

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-")
_TIMES = frozenset({"timestamp"})


def small() -> Any:
    """One model call, and a node that writes numbers, texts and nothing."""
    model = patterns.saying(lambda *_: "well")

    async def say(state: Any) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])], "log": [1, 2.5, True, None, {"deep": ["text"]}]}

    builder: Any = StateGraph(patterns.State)
    builder.add_node("say", say)
    builder.add_edge(START, "say")
    return builder.compile()


def leaves(tree: Any, at: Place = ()) -> Iterator[Place]:
    """The places of all values in `tree` that hold no others."""
    if isinstance(tree, Mapping):
        for name, inner in cast("Mapping[str, Any]", tree).items():
            yield from leaves(inner, (*at, name))
    elif isinstance(tree, list):
        for position, inner in enumerate(cast("list[Any]", tree)):
            yield from leaves(inner, (*at, position))
    else:
        yield at


def mutated(tree: Any, at: Place) -> Any:
    """A copy of `tree` with another value at that place."""
    changed = copy.deepcopy(tree)
    inside = changed
    for step in at[:-1]:
        inside = inside[step]
    value = inside[at[-1]]
    inside[at[-1]] = _another(value)
    return changed


def _another(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int | float) else f"{value}!"


def counts(tree: Any, at: Place) -> bool:
    """Whether what stands there is neither an id nor a time."""
    value = tree
    for step in at:
        value = value[step]
    is_id = (isinstance(value, str) and bool(_UUID.search(value))) or at[-1] in {"id", "tool_call_id"}
    return not is_id and at[-1] not in _TIMES


async def one_run() -> tuple[Any, Trajectory]:
    """A graph, and what was recorded of it."""
    graph = small()
    trajectory = await Recording(graph, modes=("values", "updates", "messages", "tasks", "checkpoints")).run(HELLO)
    assert (await replayed(trajectory, graph)).equal
    return graph, trajectory


async def test_each_mutation_of_an_event_is_caught() -> None:
    """Whatever is changed in what clients were told, but ids and times, the replay parts there."""
    graph, trajectory = await one_run()
    missed: list[Place] = []
    tried = 0
    for number, event in enumerate(trajectory.events):
        for at in leaves(event.data):
            if event.name == "metadata" or not counts(event.data, at):
                continue
            tried += 1
            events = list(trajectory.events)
            events[number] = replace(event, data=mutated(event.data, at))
            verdict = await replayed(replace(trajectory, events=events), graph)
            if verdict.divergence is None or verdict.divergence.kind != "event":
                missed.append((number, event.name, *at))
    assert missed == []
    assert tried > 50


@pytest.mark.parametrize("kind", [StateSaved, NodeFinished])
async def test_each_mutation_of_a_value_is_caught(kind: type[StateSaved | NodeFinished]) -> None:
    """Whatever is changed in a checkpoint's value, or in what a node wrote, the replay parts there."""
    graph, trajectory = await one_run()
    missed: list[Any] = []
    tried = 0
    for number, record in enumerate(trajectory.records):
        if not isinstance(record, kind):
            continue
        for name, changed, at in _changed(trajectory, record):
            tried += 1
            records = [*trajectory.records[:number], changed[0], *trajectory.records[number + 1 :]]
            contents = {**trajectory.contents, **changed[1]}
            verdict = await replayed(replace(trajectory, records=records, contents=contents), graph)
            if verdict.divergence is None or name not in verdict.divergence.field:
                missed.append((number, name, at, verdict.divergence))
    assert missed == []
    assert tried > 15


def _changed(trajectory: Trajectory, record: StateSaved | NodeFinished) -> Iterator[tuple[str, Any, Place]]:
    """Each record that differs from `record` in one leaf of one value, with the contents that it needs."""
    values = record.values.items() if isinstance(record, StateSaved) else record.writes
    for position, (name, ref) in enumerate(values):
        tree = orjson.loads(trajectory.contents[ref])
        whole = [ref] if not (isinstance(tree, Mapping) and "$list" in tree) else cast("Any", tree)["$list"]
        for element, inner in enumerate(whole):
            held = orjson.loads(trajectory.contents[inner])
            for at in leaves(held):
                if at and not counts(held, at):
                    continue
                new = {"f" * 32: orjson.dumps(mutated({"it": held}, ("it", *at))["it"])}
                if whole != [ref]:
                    new["e" * 32] = orjson.dumps({"$list": [*whole[:element], "f" * 32, *whole[element + 1 :]]})
                other = "f" * 32 if whole == [ref] else "e" * 32
                if isinstance(record, StateSaved):
                    changed: Any = replace(record, values={**record.values, name: other})
                else:
                    writes = [*record.writes[:position], (name, other), *record.writes[position + 1 :]]
                    changed = replace(record, writes=tuple(writes))
                yield name, (changed, new), at


def same() -> Sameness:
    """With nothing behind it."""
    return Sameness({}, {}, (lambda ref: ref, lambda ref: ref))


ONE, TWO, THREE, FOUR = (f"{digit * 8}-0000-4000-8000-000000000000" for digit in "1234")


def test_an_id_stands_for_one_id() -> None:
    """Ids may differ, as long as the same one differs in the same way everywhere."""
    assert same().values({"a": ONE, "b": f"node:{ONE}"}, {"a": TWO, "b": f"node:{TWO}"}) is None
    assert same().values([ONE, ONE], [TWO, THREE]) is not None
    assert same().values([ONE, TWO], [THREE, THREE]) is not None
    assert same().values([ONE, ONE], [ONE, TWO]) is not None
    assert same().values({f"node:{ONE}": 1, "b": ONE}, {f"node:{TWO}": 1, "b": TWO}) is None


def test_what_looks_like_a_hash_is_no_id() -> None:
    """A digest in a state is a value; only an id of a question, which looks the same, may differ."""
    one, other = "a" * 32, "b" * 32
    assert same().values(one, other) is not None
    known = same()
    known.questions([one], [other])
    assert known.values(one, other) is None


def test_the_id_of_a_call_is_known_wherever_it_stands_alone() -> None:
    """A question names the call that it is about: that id, which a graph made by chance, and no other one."""
    one, other = f"call_{'1' * 32}", f"call_{'2' * 32}"

    def asking(call_id: str, asked_about: str) -> Any:
        call = {"name": "save", "args": {}, "id": call_id}
        return [{"type": "ai", "content": "", "tool_calls": [call]}, {"tool_call_id": asked_about}]

    assert same().values(asking(one, one), asking(other, other)) is None
    assert same().values(asking(one, one), asking(other, f"call_{'3' * 32}")) is not None
    assert same().values({"tool_call_id": one}, {"tool_call_id": other}) is not None
    assert same().values(asking("1", "1"), asking("2", "2")) is not None


@pytest.mark.parametrize(
    ("expected", "actual", "field"),
    [
        ({"a": [1, 2]}, {"a": [1, 3]}, "a[1]"),
        ({"a": [1]}, {"a": [1, 2]}, "a[1]"),
        ({"a": 1, "b": 2}, {"a": 1}, "b"),
        ({"a": 1}, {"a": 1, "b": 2}, "b"),
        ({"a": 1}, {"a": 1.0}, "a"),
        ({"a": 1}, {"a": True}, "a"),
        ({"a": None}, {"a": ""}, "a"),
    ],
)
def test_the_first_difference_is_named(expected: Any, actual: Any, field: str) -> None:
    """By its path, in the order of what was recorded; a number of another kind is another value."""
    found = same().values(expected, actual)
    assert found is not None
    assert found.field == field
