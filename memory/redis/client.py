"""The connection to Redis, and the one place where its failures become ours."""

from __future__ import annotations

import logging
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection, ConnectionPool, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import EqualJitterBackoff, NoBackoff
from redis.exceptions import AuthenticationError, OutOfMemoryError, ReadOnlyError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from motet.errors import InvalidConfig, StoreUnavailable

logger = logging.getLogger(__name__)

_REFUSALS = ("MISCONF", "CLUSTERDOWN", "MASTERDOWN", "NOREPLICAS", "NOPERM", "NOAUTH", "WRONGPASS")
"""Codes of error replies that mean "this server won't work for you now", whatever the command was."""

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
    """A client of the server at `url` (redis://, rediss:// or unix://), which has answered once.

    Bytes in, bytes out. A read waits as long as its command does, so blocking reads aren't cut; a
    dead peer is noticed by TCP instead. RESP2, whose replies are the same on every server. A
    connection that is down, or whose server still reads its file, is opened again with growing,
    jittered pauses (1.5 to 3 s in all); a command is never sent twice, because nobody knows whether
    the first one was done. Opening costs one PING.

    Close it with `aclose()`. What the server's settings endanger is logged, not refused.

    Raises:
        InvalidConfig: `url` can't be read.
        StoreUnavailable: no answer, or a refusal.
    """
    client = Redis.from_pool(_pool(url))
    try:
        with answering(client):
            await client.ping()
    except BaseException:
        await client.aclose()
        raise
    await _warn_of_losses(client)
    return client


@contextmanager
def answering(client: Redis) -> Generator[None]:
    """Turn "Redis is gone or refuses to work" into `StoreUnavailable`; what a script says passes through.

    Every adapter here wraps its calls: `with answering(self._client): await …`.
    """
    try:
        yield
    except (RedisConnectionError, RedisTimeoutError, ReadOnlyError, OutOfMemoryError) as error:
        raise StoreUnavailable(address(client), str(error)) from error
    except ResponseError as error:
        if str(error).startswith(_REFUSALS):
            raise StoreUnavailable(address(client), str(error)) from error
        raise


def address(client: Redis) -> str:
    """Where `client` connects to, without user, password and options."""
    told = client.connection_pool.connection_kwargs
    if "path" in told:
        return f"unix://{told['path']}"
    return f"redis://{told.get('host', 'localhost')}:{told.get('port', 6379)}/{told.get('db', 0)}"


class _PatientPool(ConnectionPool):
    """Retries connecting and nothing else: the library's own policy would send a command again, too.

    A server that is reading its file accepts connections and refuses commands (LOADING), so a new
    connection counts as open once it has answered a PING.
    """

    async def ensure_connection(self, connection: AbstractConnection) -> None:
        async def close(_: Exception) -> None:
            await connection.disconnect()

        async def answered() -> None:
            new = not connection.is_connected
            await super(_PatientPool, self).ensure_connection(connection)
            if new:
                await connection.send_command("PING")
                await connection.read_response()

        reconnecting = Retry(EqualJitterBackoff(base=0.05, cap=0.8), retries=6)
        await reconnecting.call_with_retry(
            answered,
            close,
            is_retryable=lambda error: not isinstance(error, AuthenticationError),
        )


def _pool(url: str) -> _PatientPool:
    try:
        parts = urlsplit(url)
        # A "/" or "#" left bare in a password ends the host too early: the rest would show up as a path.
        misread = not parts.path if parts.scheme == "unix" else "@" in url.partition(parts.netloc)[2]
        if misread:
            raise ValueError
        keepalive = (
            {} if parts.scheme == "unix" else {"socket_keepalive": True, "socket_keepalive_options": _keepalive()}
        )
        options: dict[str, Any] = {**keepalive, **parse_url(url), **_OURS}
        pool = _PatientPool(**options, retry=Retry(NoBackoff(), 0))
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


async def _warn_of_losses(client: Redis) -> None:
    """Log which settings of the server can lose data; silent where it won't tell them."""
    try:
        with answering(client):
            told = await client.info()
    except (RedisError, StoreUnavailable):
        logger.info("Redis at %s doesn't tell its settings (INFO is refused)", address(client))
        return
    policy = str(told.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction":
        logger.warning(
            "Redis at %s may evict data when memory is short (maxmemory-policy %s); set it to noeviction",
            address(client),
            policy,
        )
    if told.get("aof_enabled") == 0:
        logger.warning(
            "Redis at %s loses accepted runs in a crash (appendonly no); set appendonly yes", address(client)
        )
