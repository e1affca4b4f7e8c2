"""Runs on a thread with a past replay from what they found there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, TypedDict
from uuid import uuid4

import pytest
from langgraph.channels.delta import DeltaChannel
from langgraph.graph import START, StateGraph
from langgraph.types import interrupt
from tests.observability.recording import Recording, replayed


def appended(left: list[str], writes: Sequence[list[str]]) -> list[str]:
    """The list with what each write adds."""
    return [*left, *(one for write in writes for one in write)]


class Delta(TypedDict, total=False):
    """Of both, checkpoints hold only what was written, and now and then a whole list; of the second hardly ever."""

    log: Annotated[list[str], DeltaChannel(appended, list, snapshot_frequency=3)]
    rare: Annotated[list[str], DeltaChannel(appended, list, snapshot_frequency=1000)]


def noting(*, asks: bool) -> Any:
    """A graph that notes how much it remembers, and a word by chance."""

    async def count(state: Delta) -> Delta:
        told = f"{len(state.get('log', []))} and {len(state.get('rare', []))}"
        return {"log": [told], "rare": [told]}

    async def ask(state: Delta) -> Delta:
        said = str(interrupt(f"{len(state.get('rare', []))}?")) if asks else "unasked"
        return {"log": [said], "rare": [said, f"{len(state.get('rare', []))}"]}

    graph: Any = StateGraph(Delta)
    graph.add_sequence([("count", count), ("ask", ask)])
    graph.add_edge(START, "count")
    return graph.compile()


@pytest.mark.parametrize("asks", [False, True])
@pytest.mark.parametrize("before", [0, 1, 2, 4])
async def test_a_channel_of_deltas_with_a_past_replays(before: int, *, asks: bool) -> None:
    """However long ago its whole value was saved, the replay begins with it, and the graph counts the same."""
    graph = noting(asks=asks)
    recording = Recording(graph)
    for _ in range(before):
        await recording.run({"log": ["given"], "rare": [uuid4().hex]}, lambda _: "yes")
    recording.forget()
    trajectory = await recording.run({"log": ["given"], "rare": ["last"]}, lambda _: "yes")
    assert recording.error is None

    verdict = await replayed(trajectory, graph)

    assert verdict.divergence is None
    assert verdict.equal
