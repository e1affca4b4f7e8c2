"""Connections that call a broken connection broken, whatever the event loop's transport calls it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import ConnectionError as RedisConnectionError


class Candid(AbstractConnection):
    """uvloop answers a write on a transport that a reset has closed with a RuntimeError, which nobody takes for it."""

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:  # noqa: FBT001, FBT002  # redis-py's signature
        try:
            await super().send_packed_command(command, check_health)
        except RuntimeError as error:
            raise RedisConnectionError(f"the connection broke before a command was written: {error}") from error


class Tcp(Candid, Connection):
    """Over TCP."""


class Tls(Candid, SSLConnection):
    """Over TLS."""


class Unix(Candid, UnixDomainSocketConnection):
    """Over a Unix socket."""


def candid(options: dict[str, Any]) -> dict[str, Any]:
    """`options` of a pool, as redis-py's `parse_url` gives them, with a connection of ours for the library's."""
    ours = {Connection: Tcp, SSLConnection: Tls, UnixDomainSocketConnection: Unix}
    return {**options, "connection_class": ours[options.get("connection_class", Connection)]}
