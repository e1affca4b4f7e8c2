# ruff: noqa: INP001 - a script, no package
"""The savers that are measured, each on a server or file of its own, and how what they keep and write is weighed."""

from __future__ import annotations

import statistics
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from redis.asyncio import Redis
from tests.engines import postgres

from motet.memory.redis.checkpoints import RedisCheckpointer
from motet.memory.redis.embedded import EmbeddedRedis

MEMORY = "InMemorySaver"
OURS = "RedisCheckpointer"
SQLITE = "AsyncSqliteSaver"
POSTGRES = "AsyncPostgresSaver"
PLAIN = "plainredis"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """Bytes that a store holds, and bytes that it has ever written to its log."""

    kept: int
    written: int | None = None
    """None where the store doesn't tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A saver to be measured."""

    name: str
    saver: BaseCheckpointSaver[Any]
    weigh: Callable[[], Awaitable[Weight]] | None = None
    typical: Callable[[Sequence[float]], float] = statistics.median
    """What stands for the bytes of some turns. A hash that doubles its table does it in one turn of hundreds, which
    the median leaves out; files grow by several pages at once, so only their mean says anything."""


Opener = Callable[[Path], AbstractAsyncContextManager[Subject]]


@asynccontextmanager
async def _memory(_: Path) -> AsyncGenerator[Subject]:
    yield Subject(name=MEMORY, saver=InMemorySaver())


@asynccontextmanager
async def _ours(folder: Path) -> AsyncGenerator[Subject]:
    async with EmbeddedRedis(folder) as url, _weighed_redis(url) as weigh, RedisCheckpointer.from_url(url) as saver:
        yield Subject(name=OURS, saver=saver, weigh=weigh)


@asynccontextmanager
async def _plain(folder: Path) -> AsyncGenerator[Subject]:
    from langgraph_checkpoint_plainredis import AsyncRedisSaver  # noqa: PLC0415 - a peer that may be missing

    async with EmbeddedRedis(folder) as url, _weighed_redis(url) as weigh:
        saver = AsyncRedisSaver(url=url)
        try:
            yield Subject(name=PLAIN, saver=saver, weigh=weigh)
        finally:
            await saver.aclose()


@asynccontextmanager
async def _sqlite(folder: Path) -> AsyncGenerator[Subject]:
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver  # noqa: PLC0415 - a peer that may be missing

    async with AsyncSqliteSaver.from_conn_string(str(folder / "checkpoints.sqlite")) as saver:
        await saver.setup()

        async def number(of: str) -> int:
            async with saver.conn.execute(f"PRAGMA {of}") as cursor:
                row = await cursor.fetchone()
            return int(row[0]) if row else 0

        async def weigh() -> Weight:
            return Weight(kept=await number("page_count") * await number("page_size"))

        yield Subject(name=SQLITE, saver=saver, weigh=weigh, typical=statistics.fmean)


@asynccontextmanager
async def _postgres(folder: Path) -> AsyncGenerator[Subject]:
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver  # noqa: PLC0415 - a peer that may be missing
    from psycopg import AsyncConnection  # noqa: PLC0415 - a peer that may be missing

    query = """
        SELECT sum(pg_total_relation_size(relid)), pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')
        FROM pg_stat_user_tables
    """
    async with postgres(folder) as dsn, AsyncPostgresSaver.from_conn_string(dsn) as saver:
        await saver.setup()
        async with await AsyncConnection.connect(dsn, autocommit=True) as watcher:

            async def weigh() -> Weight:
                row = await (await watcher.execute(query)).fetchone()
                kept, written = row or (0, 0)
                return Weight(kept=int(kept), written=int(written))

            yield Subject(name=POSTGRES, saver=saver, weigh=weigh, typical=statistics.fmean)


SAVERS: dict[str, Opener] = {MEMORY: _memory, OURS: _ours, SQLITE: _sqlite, POSTGRES: _postgres, PLAIN: _plain}


@asynccontextmanager
async def _weighed_redis(url: str) -> AsyncGenerator[Callable[[], Awaitable[Weight]]]:
    """Weighs all keys of a server, each element of them, and its append-only file, which isn't rewritten meanwhile."""
    client = Redis.from_url(url, protocol=2)

    async def weigh() -> Weight:
        names = [name async for name in client.scan_iter(count=10_000)]
        async with client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.memory_usage(name, samples=0)
            sizes = await pipe.execute()
        told = await client.info("persistence")
        return Weight(kept=sum(int(size or 0) for size in sizes), written=int(told["aof_current_size"]))

    try:
        await client.config_set("auto-aof-rewrite-percentage", 0)
        yield weigh
    finally:
        await client.aclose()
