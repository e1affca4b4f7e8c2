"""Word that runs have new events: one pub/sub connection a process, for all runs that it watches.

Only ever a hint: whoever relies on it looks by himself now and then.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection
from redis.exceptions import RedisError, ResponseError

from motet.memory.redis.client import address
from motet.memory.redis.cluster import Cluster

logger = logging.getLogger(__name__)

_PAUSES_S = (0.1, 2.0)
"""First and longest pause before the connection is opened again."""


class News:
    """Follows channels while `run` runs.

    Speaks to the connection itself: the library's PubSub can't be written to and read from by two tasks on a
    cluster's connections. In a cluster every node hears what is published on any.
    """

    def __init__(self, client: Redis, told: Callable[[str, bytes], None]) -> None:
        """`told(channel, message)` is called for each message, and with b'' whenever a channel is followed anew."""
        self._client = client
        self._told = told
        self._wanted: set[str] = set()
        self._followed: set[str] = set()
        """What the connection was told to follow."""
        self._changed = asyncio.Event()
        self.works = False
        """Whether messages can be expected; False as well until the first connection."""

    def follow(self, channel: str) -> None:
        """Hear of what is published on `channel` from soon on."""
        self._wanted.add(channel)
        self._changed.set()
        if channel in self._followed:  # it was forgotten just now: Redis won't say again that it's followed
            self._told(channel, b"")

    def forget(self, channel: str) -> None:
        """Hear no more of it."""
        self._wanted.discard(channel)
        self._changed.set()

    async def run(self) -> None:
        """Follow what is wanted until cancelled; reconnects for ever. Returns only if the user may not subscribe."""
        shortest, longest = _PAUSES_S
        pause = shortest
        while True:
            while not self._wanted:
                self._changed.clear()
                await self._changed.wait()
            try:
                await self._follow(self._connection())
            except ResponseError as error:
                logger.warning("Redis at %s: events of runs are polled for, because %s", address(self._client), error)
                return
            except (RedisError, OSError) as error:
                pause = shortest if self.works else min(2 * pause, longest)
                logger.debug("word of new events is cut off: %s", error)
            finally:
                self.works = False
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, no secret

    def _connection(self) -> AbstractConnection:
        if not isinstance(self._client, Cluster):
            return self._client.connection_pool.make_connection()
        node: Any = self._client.get_default_node()
        kind = SSLConnection if issubclass(node.connection_class, SSLConnection) else Connection
        return kind(**node.connection_kwargs)

    async def _follow(self, connection: AbstractConnection) -> None:
        listening: asyncio.Task[None] | None = None
        try:
            await connection.connect()
            listening = asyncio.create_task(self._listen(connection))
            while not listening.done():
                self._changed.clear()
                await self._subscribe(connection)
                changed = asyncio.create_task(self._changed.wait())
                try:
                    await asyncio.wait({listening, changed}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    changed.cancel()
            await listening
        finally:
            self._followed.clear()
            if listening is not None:
                listening.cancel()
            with suppress(RedisError, OSError):
                await connection.disconnect(nowait=True)

    async def _subscribe(self, connection: AbstractConnection) -> None:
        """Make the connection follow what is wanted."""
        new, old = self._wanted - self._followed, self._followed - self._wanted
        self._followed |= new
        self._followed -= old
        for command, channels in (("SUBSCRIBE", new), ("UNSUBSCRIBE", old)):
            if channels:
                await connection.send_command(command, *channels, check_health=False)

    async def _listen(self, connection: AbstractConnection) -> None:
        while True:
            said: Any = await connection.read_response(timeout=math.inf, push_request=True)
            kind, channel, *message = said
            if kind == b"message":
                self._told(channel.decode(), message[0])
            elif kind == b"subscribe":
                self.works = True
                self._told(channel.decode(), b"")
