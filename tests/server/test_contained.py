"""Neither `sys.exit` in a graph nor what a graph leaves behind decides when the process ends."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypedDict

import anyio.to_thread
import pytest
from langgraph.graph import START, StateGraph

from motet.errors import GraphExited
from motet.memory.ports import Claim, Claimed, RunRequest
from motet.server.claimed_json import claimed_from_json, claimed_to_json
from motet.server.contained import contain_tasks, contained


class State(TypedDict, total=False):
    """What the graphs keep."""

    n: int


async def _exits(_: State) -> State:
    sys.exit(3)


async def _exits_later(_: State) -> State:
    await asyncio.sleep(0.01)
    sys.exit(3)


def _exits_in_thread(_: State) -> State:
    sys.exit(3)


async def _own_task_exits(_: State) -> State:
    return await asyncio.create_task(_exits({}))


async def _other_thread_exits(_: State) -> State:
    return await anyio.to_thread.run_sync(_exits_in_thread, State())


async def _does_nothing(_: State) -> State:
    return {}


def _graph(*nodes: Any) -> Any:
    graph = StateGraph(State)
    for number, node in enumerate(nodes):
        graph.add_node(f"node {number}", node)
        graph.add_edge(START, f"node {number}")
    return graph.compile()


async def _streamed(graph: Any) -> None:
    with contained():
        async for _ in graph.astream({"n": 0}, stream_mode=["updates"]):
            pass


@pytest.mark.parametrize("node", [_exits, _exits_later, _exits_in_thread, _own_task_exits, _other_thread_exits])
@pytest.mark.parametrize(
    "made",
    [_graph, lambda node: _graph(node, _does_nothing), lambda node: _graph(_graph(node), _does_nothing)],
    ids=["alone", "beside another", "in a sub-graph"],
)
async def test_exit_in_a_node_is_an_error_of_its_graph(
    made: Callable[[Any], Any], node: Callable[[State], Awaitable[State]]
) -> None:
    """Wherever in a graph `sys.exit` is called, who streams it gets an ordinary error, and the loop goes on."""
    contain_tasks()

    with pytest.raises(GraphExited, match=r"SystemExit\(3\)"):
        await _streamed(made(node))

    await asyncio.create_task(_streamed(_graph(_does_nothing)))


async def test_a_task_that_never_began_leaves_nothing() -> None:
    """A contained task that is cancelled before its first step closes its coroutine."""
    contain_tasks()
    task = asyncio.create_task(asyncio.sleep(60), name="early")

    task.cancel()

    assert (await asyncio.gather(task, return_exceptions=True))[0].__class__ is asyncio.CancelledError
    assert "sleep" in repr(task)


def test_a_claimed_run_passes_to_another_process_as_it_is() -> None:
    """With halves of surrogate pairs, integers that no double holds, and all else that a run may carry."""
    claim = Claim(run_id="r", thread_id="t", worker="w", epoch=2**53, attempt=2, lost=1)
    payload = {"input": {"half a pair": "\ud83d", "huge": 10**30, "lines": "a\nb"}, "modes": ["values"]}
    request = RunRequest(
        run_id="r", thread_id="t", assistant_id="a", graph_id="g", payload=payload, answers=["one"], multitask="reject"
    )
    claimed = Claimed(claim=claim, request=request, spent={"tokens": 7}, waited_s=0.5)

    told = claimed_to_json(claimed)

    assert claimed_from_json(told) == claimed
    assert b"\n" not in told


_LEAVES_A_THREAD = """
import asyncio, time
from motet.server import process

async def main():
    asyncio.get_running_loop().run_in_executor(None, time.sleep, 60)

process.run(main())
"""
_LEAVES_A_DEAF_TASK = """
import asyncio
from motet.server import process

async def deaf():
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            continue

async def main():
    global task
    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)

process.run(main())
"""


@pytest.mark.parametrize("program", [_LEAVES_A_THREAD, _LEAVES_A_DEAF_TASK], ids=["a thread", "a deaf task"])
async def test_nothing_that_a_graph_leaves_holds_up_the_end(program: str) -> None:
    """A node that sleeps in a thread, or swallows its cancellation, is cut off seconds after all else was closed."""
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )

    _, said = await asyncio.wait_for(process.communicate(), 30)

    assert process.returncode == 0
    assert b"it is cut off" in said
    assert time.monotonic() - began < 15
