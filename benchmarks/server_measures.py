# ruff: noqa: INP001 - a script's part, no package
"""What is measured of a server, each as a function of its address; the floor is the same graph in this process."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchmarks.server_client import Connection, connection
from benchmarks.server_project import graphs
from langgraph.checkpoint.memory import InMemorySaver

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def rss_bytes(pid: int) -> int:
    """What a process holds in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE


async def _timed(times: int, once: Callable[[], Awaitable[object]]) -> list[float]:
    """Milliseconds of each."""
    taken: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        await once()
        taken.append((time.perf_counter() - began) * 1000)
    return taken


async def _first(parts: AsyncIterator[Any]) -> None:
    """Read to the end, but return the moment of the first part through the exception-free path of a generator."""
    async for _ in parts:
        return


async def first_event_floor(times: int) -> list[float]:
    """Until the graph, streamed in this process, says the first thing."""

    async def once() -> None:
        await _first(graphs.one.astream({"n": 0}, stream_mode=["values"]))

    return await _timed(times, once)


async def first_event(url: str, times: int) -> list[float]:
    """From the request to the first state of a stateless run's stream: what the floor's first part is."""
    taken: list[float] = []
    async with connection(url) as client:
        for _ in range(times):
            began, first = time.perf_counter(), 0.0
            seen = b""
            async for part in client.stream("POST", "/runs/stream", {"assistant_id": "one", "input": {"n": 0}}):
                seen += part
                if not first and b"event: values" in seen:
                    first = time.perf_counter()
            taken.append((first - began) * 1000)
    return taken


async def stateless_floor(times: int) -> list[float]:
    """The one-node graph in this process, from input to end."""
    return await _timed(times, lambda: graphs.one.ainvoke({"n": 0}))


async def stateless(url: str, times: int) -> list[float]:
    """A stateless `wait` of the one-node graph."""
    async with connection(url) as client:
        return await _timed(
            times, lambda: client.call("POST", "/runs/wait", {"assistant_id": "one", "input": {"n": 0}})
        )


async def turns_floor(turns: int) -> list[float]:
    """Turns of the three-node graph on one thread, with a saver in memory."""
    graph = graphs.three.copy({"checkpointer": InMemorySaver()})
    config: Any = {"configurable": {"thread_id": "floor"}}
    question = {"messages": [{"role": "user", "content": "q" * 350}]}
    return await _timed(turns, lambda: graph.ainvoke(question, config))


async def turns(url: str, turns: int) -> tuple[list[float], list[float]]:
    """Turns of the three-node graph on one thread by `wait`, and ten times its history(10) at the end."""
    question = {"assistant_id": "three", "input": {"messages": [{"role": "user", "content": "q" * 350}]}}
    async with connection(url) as client:
        thread_id = (await client.call("POST", "/threads", {}))["thread_id"]
        taken = await _timed(turns, lambda: client.call("POST", f"/threads/{thread_id}/runs/wait", question))
        history = f"/threads/{thread_id}/history"
        return taken, await _timed(10, lambda: client.call("POST", history, {"limit": 10}))


async def at_once(url: str, *, clients: int, seconds: float) -> float:
    """Stateless waits a second, so many clients each asking again as soon as it is answered."""
    done = 0
    end = time.perf_counter() + seconds

    async def ask(client: Connection) -> None:
        nonlocal done
        while time.perf_counter() < end:
            await client.call("POST", "/runs/wait", {"assistant_id": "one", "input": {"n": 0}})
            done += 1

    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(connection(url)) for _ in range(clients)]
        began = time.perf_counter()
        await asyncio.gather(*(ask(client) for client in opened))
        return done / (time.perf_counter() - began)


async def events(url: str, graph: str, mode: str, *, streams: int, each: int) -> tuple[float, int]:
    """Events a second that graphs make and clients have read over so many streams; and frames that came."""

    async def read(client: Connection) -> int:
        body = {"assistant_id": graph, "input": {"n": each}, "stream_mode": [mode]}
        return sum([part.count(b"event: ") async for part in client.stream("POST", "/runs/stream", body)])

    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(connection(url)) for _ in range(streams)]
        began = time.perf_counter()
        frames = await asyncio.gather(*(read(client) for client in opened))
        return streams * each / (time.perf_counter() - began), sum(frames)


async def idle(url: str, pid: int, *, streams: int) -> tuple[float, list[float]]:
    """KB of the server's memory for each stream on which nothing happens; ms of `GET /ok` meanwhile.

    Each stream is of a run of its own, which nobody works.
    """

    async def waiting() -> None:
        body = {"assistant_id": "one", "input": {"n": 0}, "on_disconnect": "continue"}
        async with connection(url) as client:
            async for _ in client.stream("POST", "/runs/stream", body):
                open_ones.add(client)

    open_ones: set[Connection] = set()
    tasks = [asyncio.create_task(waiting())]
    while len(open_ones) < 1:  # noqa: ASYNC110 - what a server sends first says that the stream is open
        await asyncio.sleep(0.1)
    before = rss_bytes(pid)
    for _ in range(streams - 1):
        tasks.append(asyncio.create_task(waiting()))
        await asyncio.sleep(0.002)
    while len(open_ones) < streams:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.1)
    weight = (rss_bytes(pid) - before) / 1024 / (streams - 1)
    async with connection(url) as probe:
        taken = await _timed(300, lambda: probe.call("GET", "/ok"))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return weight, taken


async def growth(url: str, pid: int, *, runs: int, warm_up: int) -> float:
    """Bytes by which the server grows with each run, over the last half of `runs`, by the slope of a line."""
    points: list[tuple[int, int]] = []
    step = max(runs // 50, 1)
    left = warm_up + runs

    async def ask(client: Connection) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await client.call("POST", "/runs/wait", {"assistant_id": "one", "input": {"n": 0}})
            if left <= runs / 2 and left % step == 0:
                points.append((runs - left, rss_bytes(pid)))

    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(connection(url)) for _ in range(20)]
        await asyncio.gather(*(ask(client) for client in opened))
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)


async def approvals(url: str, times: int) -> tuple[list[float], list[float]]:
    """Of a graph that stopped before its last node, from the request to its end: where it asked and a person approved,
    and where it stopped at a breakpoint and is sent on. In turns.
    """
    approved: list[float] = []
    sent_on: list[float] = []
    async with connection(url) as client:
        for _ in range(times):
            asked = {"assistant_id": "asks", "input": {"n": 1}, "if_not_exists": "create"}
            thread_id = str(uuid4())
            await client.call("POST", f"/threads/{thread_id}/runs/wait", asked)
            [approval] = await client.call("GET", f"/approvals?thread_id={thread_id}")
            decision = {"type": "approve", "arguments_sha256": approval["asked"]["arguments_sha256"]}
            began = time.perf_counter()
            decided = await client.call("POST", f"/approvals/{approval['approval_id']}/decision", decision)
            await client.call("GET", f"/threads/{thread_id}/runs/{decided['run_id']}/join")
            approved.append((time.perf_counter() - began) * 1000)

            thread_id = str(uuid4())
            stopped = {**asked, "input": {"n": 0}, "interrupt_before": ["_ask1"]}
            await client.call("POST", f"/threads/{thread_id}/runs/wait", stopped)
            began = time.perf_counter()
            await client.call("POST", f"/threads/{thread_id}/runs/wait", {"assistant_id": "asks"})
            sent_on.append((time.perf_counter() - began) * 1000)
    return approved, sent_on
