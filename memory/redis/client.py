"""The connection to Redis, and the one place where its failures become ours."""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, cast
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.connection import SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.driver_info import DriverInfo
from redis.exceptions import NoPermissionError, RedisClusterException, RedisError, ResponseError

from motet.errors import InvalidConfig, StoreUnavailable
from motet.memory.redis import health
from motet.memory.redis.closing import closed
from motet.memory.redis.cluster import Cluster
from motet.memory.redis.connections import candid
from motet.memory.redis.direct import Direct, PatientPool
from motet.memory.redis.refusals import chain, refusal

logger = logging.getLogger(__name__)

Client = Redis
"""What adapters work with, for those who only hand it on: a server's client, or a `Cluster` under the same type."""

_OURS = {
    "protocol": 2,
    "socket_timeout": None,
    "socket_connect_timeout": 5,
    "decode_responses": False,
    # Each reader of a stream holds a connection while it waits; the library's 100 would lock out the writers.
    "max_connections": 10_000,
}
"""Options of a connection that a URL can't change."""

_HALF_OPEN_S = 45
"""After this many seconds a peer that answers nothing at all, on TCP's level, counts as gone."""


async def connect(url: str) -> Redis:
    """A client of the server at `url`, fit to be worked with: as `reach`, and its health was looked at.

    What its settings endanger is logged, in plain words, and not refused.

    Raises:
        InvalidConfig: `url` can't be read, has options that a cluster can't have, or names a server too old.
        StoreUnavailable: no answer, a refusal, or a replica.
    """
    client = await reach(url)
    try:
        with answering(client):
            found = await health.look(client)
        for one in found:
            _log_or_refuse(address(client), one)
    except BaseException:
        await closed(client)
        raise
    return client


def _log_or_refuse(where: str, found: health.Finding) -> None:
    if found.level == "warning":
        logger.warning("Redis at %s: %s; %s", where, found.what, found.advice)
    if found.level == "error":
        raise found.refused(where)


async def reach(url: str) -> Redis:
    """A client of the server at `url` (redis://, rediss:// or unix://), which has answered once.

    Bytes in, bytes out. A read waits as long as its command does, so blocking reads aren't cut; a
    dead peer is noticed by TCP instead. RESP2, whose replies are the same on every server. A
    connection that is down, or whose server still reads its file, is opened again with growing,
    jittered pauses (1.5 to 3 s in all); a command is never sent twice, because nobody knows whether
    the first one was done.

    Of a server in cluster mode, what comes back is a `Cluster` under the same type. Adapters keep to
    what both have: commands on one key (or on keys of one slot), `Scripts`, `execute_command` with the
    key as first argument, `pipeline` (with `transaction=True` on one slot only), `scan_iter`.

    Close it with `aclose()`.

    Raises:
        InvalidConfig: `url` can't be read, or has options that a cluster can't have.
        StoreUnavailable: no answer, or a refusal.
    """
    client = Direct.from_pool(_pool(url))
    try:
        with answering(client):
            await client.ping()
            clustered = await _is_cluster(client)
    except BaseException as error:
        await closed(client)
        if any("DB index is out of range" in str(one) for one in chain(error)):
            raise InvalidConfig(
                address(client), "the server has no database of this number; a cluster has only 0"
            ) from error
        raise
    if clustered:
        await closed(client)
        client = await _cluster(url)
    return client


@asynccontextmanager
async def connected(url: str) -> AsyncGenerator[Redis]:
    """`connect` for as long as the context lasts."""
    client = await connect(url)
    try:
        yield client
    finally:
        await closed(client)


@asynccontextmanager
async def reached(url: str) -> AsyncGenerator[Redis]:
    """`reach` for as long as the context lasts."""
    client = await reach(url)
    try:
        yield client
    finally:
        await closed(client)


@contextmanager
def answering(client: Redis) -> Generator[None]:
    """Turn "Redis is gone or refuses to work" into `StoreUnavailable`; what a script says passes through.

    Every adapter here wraps its calls: `with answering(self._client): await …`.
    """
    try:
        yield
    except (RedisError, RedisClusterException) as error:
        reason = refusal(error)
        if reason is None:
            raise
        raise StoreUnavailable(address(client), reason) from error


def address(client: Redis) -> str:
    """Where `client` connects to, without user, password and options."""
    if isinstance(client, Cluster):
        return client.address
    told = client.connection_pool.connection_kwargs
    if "path" in told:
        return f"unix://{told['path']}"
    return f"redis://{told.get('host', 'localhost')}:{told.get('port', 6379)}/{told.get('db', 0)}"


async def _is_cluster(client: Redis) -> bool:
    """Whether the server shards its keys; a user who may ask neither INFO nor CLUSTER INFO is told no."""
    for question in ("INFO", "CLUSTER INFO"):
        try:
            told: Any = await client.execute_command(question)
        except NoPermissionError:
            continue
        except ResponseError:
            return False  # "cluster support disabled"
        return question == "CLUSTER INFO" or str(told.get("cluster_enabled")) == "1"
    return False


async def _cluster(url: str) -> Redis:
    options: dict[str, Any] = {"socket_keepalive_options": _keepalive(), **parse_url(url), **_OURS}
    options["ssl"] = options.pop("connection_class", None) is SSLConnection
    options.setdefault("host", "localhost")
    try:
        cluster = Cluster(**options)
    except (TypeError, RedisClusterException) as error:
        where = f"{url.partition(':')[0]}:…"
        raise InvalidConfig(
            where,
            "this server is in cluster mode, which needs redis:// or rediss://, database 0 and no options "
            f"but user, password and ssl_… ({error})",
        ) from None
    client = cast("Redis", cluster)
    try:
        with answering(client):
            await cluster.initialize()
    except BaseException:
        await cluster.aclose()
        raise
    return client


def _pool(url: str) -> PatientPool:
    try:
        parts = urlsplit(url)
        # A "/" or "#" left bare in a password ends the host too early: the rest would show up as a path.
        misread = not parts.path if parts.scheme == "unix" else "@" in url.partition(parts.netloc)[2]
        if misread:
            raise ValueError
        keepalive = (
            {} if parts.scheme == "unix" else {"socket_keepalive": True, "socket_keepalive_options": _keepalive()}
        )
        options = candid({**keepalive, **parse_url(url), **_OURS})
        pool = PatientPool(**options, driver_info=DriverInfo(), retry=Retry(NoBackoff(), 0))
        pool.make_connection()  # opens nothing; refuses options that no connection knows
    except (ValueError, TypeError):
        # The parser's own text may quote a piece of the password.
        raise InvalidConfig(
            f"{url.partition(':')[0][:8]}:…",
            "not a Redis URL; write redis://[user:password@]host[:port][/db], rediss://… or unix:///path "
            "and percent-encode special characters of the password",
        ) from None
    return pool


def _keepalive() -> dict[int, int]:
    """Probes for an idle connection, and a limit for sent bytes that nobody acknowledges, where the system has them."""
    wanted = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": _HALF_OPEN_S * 1000}
    return {getattr(socket, name): value for name, value in wanted.items() if hasattr(socket, name)}
