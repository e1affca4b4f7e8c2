"""Connections that call a broken connection broken, whatever the transport calls it, and write commands by hiredis."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import hiredis
from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection
from redis.connection import HiredisRespSerializer
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.typing import EncodableT

_packer = HiredisRespSerializer()

_LONG = 20_000
_PLAIN = frozenset({bytes, str, int, float})
_ONE_WORD = frozenset({"EVALSHA", "HMGET", "XREAD", "BLPOP", "ZPOPMIN", "HGETALL", "GET"})
"""Commands that are asked often, of which it is known that there is nothing to split."""


class Candid(AbstractConnection):
    """uvloop answers a write on a transport that a reset has closed with a RuntimeError, which nobody takes for it.

    Those of redis-py for asyncio write commands in Python, unlike its others: 20 µs for one of 25 words, instead of 9.
    """

    def pack_command(self, *args: EncodableT) -> list[bytes]:
        sizes = [len(arg) for arg in args if type(arg) is bytes]
        if max(sizes, default=0) > _LONG or not _PLAIN.issuperset(map(type, args)):
            # What is long is copied by hiredis, and sent as it is by Python.
            return super().pack_command(*args)
        return [hiredis.pack_command(cast("Any", args))] if args[0] in _ONE_WORD else _packer.pack(*cast("Any", args))

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
