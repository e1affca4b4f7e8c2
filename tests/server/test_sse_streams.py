"""Streams over real HTTP: whoever reads, however slowly, from whichever server, gets every event once, in order."""

from __future__ import annotations

import asyncio
import gc
import re
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import orjson
import pytest
import pytest_asyncio
from redis.asyncio import Redis
from sse_starlette.sse import AppStatus
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.listening import served
from tests.memory.streams import Stream
from tests.server.running import PROJECT, Running, serving
from tests.support import wait_until

from motet.memory.ports import END, GAP
from motet.memory.redis.events import RedisEvents
from motet.memory.redis.keys import Keys
from motet.server import sse

_CHUNK = re.compile(r"^[0-9a-f]+\r\n")
"""The size of a chunk of the answer's body, before what is in it."""


class Frame(NamedTuple):
    """One event as a client gets it."""

    id: str
    name: str
    data: Any


class Reading:
    """A client of one stream that reads when it's told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def block(self) -> str:
        """The lines up to the next blank one; empty at the end."""
        try:
            told = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)).decode().strip()
            return _CHUNK.sub("", told)
        except asyncio.IncompleteReadError as error:
            return error.partial.decode().strip()

    async def frames(self) -> AsyncIterator[Frame]:
        """Events as they come, without heartbeats, up to the end."""
        while block := await self.block():
            if block.startswith("0"):
                return  # the last, empty chunk
            parts = [line.partition(": ") for line in block.split("\r\n")]
            fields = {name: value for name, _, value in parts}
            if "event" in fields:
                yield Frame(fields.get("id", ""), fields["event"], orjson.loads(fields["data"]))

    async def all(self) -> list[Frame]:
        """All events up to the end."""
        return [frame async for frame in self.frames()]

    async def take(self, count: int) -> list[Frame]:
        """The next events."""
        taken: list[Frame] = []
        async for frame in self.frames():
            taken.append(frame)
            if len(taken) == count:
                break
        return taken

    def cut(self) -> None:
        """Hang up without a word."""
        self.writer.transport.abort()


@asynccontextmanager
async def reading(
    url: str, path: str, *, after: str = "", body: Any = None, receive_buffer: int = 0
) -> AsyncGenerator[Reading]:
    """A request whose answer is a stream, sent over a connection of its own."""
    host, port = url.removeprefix("http://").split(":")
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, (host, int(port)))
    reader, writer = await asyncio.open_connection(sock=connection, limit=1 << 16 if receive_buffer else 1 << 24)
    content = b"" if body is None else orjson.dumps(body)
    resume = f"Last-Event-ID: {after}\r\n" if after else ""
    writer.write(
        f"{'GET' if body is None else 'POST'} {path} HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n{resume}\r\n".encode()
        + content
    )
    try:
        yield Reading(reader, writer)
    finally:
        writer.transport.abort()


class Door(NamedTuple):
    """A small server of streams in this process."""

    url: str
    events: RedisEvents


@pytest_asyncio.fixture
async def door(redis: Redis, keys: Keys) -> AsyncGenerator[Door]:
    """Streams `/{thread}/{run}` and nothing else."""
    async with RedisEvents(redis, keys) as events:

        async def answer(request: Request) -> Response:
            after = request.headers.get("last-event-id", "0")
            modes = request.query_params.getlist("mode") or None
            thread_id, run_id = request.path_params["thread"], request.path_params["run"]
            return sse.stream(events, thread_id, run_id, after=after, modes=modes)

        app = Starlette(routes=[Route("/{thread}/{run}", answer)])
        async with served(app, log_level="critical") as port:
            yield Door(f"http://127.0.0.1:{port}", events)


def _path(stream: Stream) -> str:
    return f"/{stream.thread_id}/{stream.run_id}"


def _numbers(frames: list[Frame]) -> list[int]:
    return [int(frame.id.partition("-")[2]) for frame in frames]


async def test_a_finished_run_replays_and_ends(door: Door, redis: Redis, keys: Keys) -> None:
    """Who comes late gets everything with the ids that resume it, and the stream ends by itself."""
    stream = await Stream(redis, keys).begin()
    ids = await stream.add(b'{"a":1}', b'"\\u00e9"', name="values")
    await stream.end()

    async with reading(door.url, _path(stream)) as whole, reading(door.url, _path(stream), after=ids[0]) as rest:
        assert await whole.all() == [Frame(ids[0], "values", {"a": 1}), Frame(ids[1], "values", "é")]
        assert await rest.all() == [Frame(ids[1], "values", "é")]


async def test_an_error_is_the_last_event(door: Door, redis: Redis, keys: Keys) -> None:
    """A run that failed ends its stream with an event named error, whatever modes were asked for."""
    stream = await Stream(redis, keys).begin()
    await stream.add(b"1", name="updates|child:1")
    await stream.add(b"2", name="values")
    (last,) = await stream.add(b'{"status":"error","error":{"error":"ValueError","message":"no"}}', name=END)
    await redis.hset(stream.record, "status", "error")

    async with reading(door.url, f"{_path(stream)}?mode=values") as client:
        values, error = await client.all()
    assert values.data == 2
    assert error == Frame(last, "error", {"error": "ValueError", "message": "no"})


async def test_a_gap_is_said(door: Door, redis: Redis, keys: Keys) -> None:
    """Where events are gone, the client is told how many, whatever modes it asked for, and can resume from there."""
    stream = await Stream(redis, keys).begin()
    ids = await stream.add(*[b"{}"] * 9)
    await stream.end()
    await stream.trim(3)

    async with reading(door.url, f"{_path(stream)}?mode=e", after=ids[1]) as client:
        gap, *frames = await client.all()
    assert (gap.name, gap.data) == (GAP, {"after": ids[1], "next": ids[7], "lost": 5})
    assert _numbers(frames) == [8, 9]
    async with reading(door.url, _path(stream), after=gap.id) as client:
        assert await client.all() == frames


async def test_a_silent_stream_lives(door: Door, redis: Redis, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing happens, comments keep the connection open; events come between them."""
    monkeypatch.setattr(sse, "HEARTBEAT_S", 0.05)
    stream = await Stream(redis, keys).begin()
    async with reading(door.url, _path(stream)) as client:
        await client.block()
        assert [await client.block() for _ in range(3)] == [": heartbeat"] * 3
        await stream.add(b"1")
        assert _numbers(await client.take(1)) == [1]
        assert await client.block() == ": heartbeat"


async def test_a_slow_client_slows_nobody(
    door: Door, redis: Redis, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside a client that takes nothing, another gets 20 MB; the first is cut off and resumes by the id it had."""
    monkeypatch.setattr(sse, "SEND_S", 0.5)
    stream = await Stream(redis, keys).begin()
    async with (
        reading(door.url, _path(stream), receive_buffer=4096) as slow,
        reading(door.url, _path(stream)) as fast,
    ):
        await wait_until(lambda: stream.watched_by(door.events) == 2, description="both read")
        taking = asyncio.create_task(fast.all())
        for _ in range(40):
            await stream.add(*[b'"%s"' % (b"x" * 10_000)] * 50)
        assert stream.held_by(door.events) <= 1 << 20
        await wait_until(lambda: stream.watched_by(door.events) == 1, description="the slow one is cut off")
        await stream.end()
        everything = await asyncio.wait_for(taking, 20)
        started = await slow.take(3)

    assert _numbers(everything) == list(range(1, 2001))
    assert started == everything[:3]
    async with reading(door.url, _path(stream), after=started[-1].id) as again:
        assert _numbers(await again.all()) == list(range(4, 2001))


async def test_a_client_that_leaves_leaves_nothing(door: Door, redis: Redis, keys: Keys) -> None:
    """Tasks, feeds and responses of a client that hung up are gone at once."""
    streams = [await Stream(redis, keys).begin() for _ in range(10)]
    tasks = 0
    for stream in streams:
        async with reading(door.url, _path(stream)) as client:
            await stream.add(b"1")
            assert _numbers(await client.take(1)) == [1]
            assert sse.open_streams() == 1
            await wait_until(lambda: door.events.hub.hears, description="word of events can come")
        await wait_until(lambda: sse.open_streams() == 0, description="the stream ends")
        # The first one opened the connection that brings word of events, which stays.
        tasks = tasks or len(asyncio.all_tasks())
    await wait_until(lambda: len(asyncio.all_tasks()) <= tasks, description="their tasks end")

    assert not any(stream.watched_by(door.events) for stream in streams)
    gc.collect()
    assert not [one for one in gc.get_objects() if type(one).__name__ == "_Stream"]


async def test_a_stopping_server_ends_its_streams(
    door: Door, redis: Redis, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is told to stop lets go of its clients, who resume elsewhere; a new one streams again."""
    stream = await Stream(redis, keys).begin()
    await stream.add(b"1")
    async with reading(door.url, _path(stream)) as client:
        assert _numbers(await client.take(1)) == [1]
        with monkeypatch.context() as stopping:
            stopping.setattr(AppStatus, "should_exit", True)
            assert await client.all() == []
    async with reading(door.url, _path(stream)) as client:
        assert _numbers(await client.take(1)) == [1]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def replica(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Running]:
    """Another server process of the same installation as `server`, which works no runs."""
    env = {"MOTET_REDIS_URL": redis_url, "MOTET_TENANT": "served"}
    data = tmp_path_factory.mktemp("replica")
    async with serving("--config", str(PROJECT), "--workers", "0", data_dir=data, env=env) as running:
        yield running


@pytest.mark.all
async def test_a_client_cut_at_every_event_goes_on_at_another_server(
    server: Running, replica: Running, client: Any
) -> None:
    """Wherever the connection breaks, what both servers sent is every event once, in order."""
    asked = {"assistant_id": "steps", "input": {}, "stream_mode": ["values", "updates"]}
    length = cut_at = 1
    while cut_at <= length:
        thread_id = (await client.threads.create())["thread_id"]
        async with reading(server.url, f"/threads/{thread_id}/runs/stream", body=asked) as first:
            head = await first.take(cut_at)
            first.cut()
        path = f"/threads/{thread_id}/runs/{head[0].data['run_id']}/stream"
        async with reading(replica.url, path, after=head[-1].id) as second:
            tail = await second.all()
        async with reading(replica.url, path) as again:
            everything = await again.all()

        assert head + tail == everything
        assert _numbers(everything) == list(range(1, len(everything) + 1))
        length, cut_at = len(everything), cut_at + 1
    assert length > 6
