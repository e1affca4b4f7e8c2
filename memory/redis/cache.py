"""A cache of what nodes returned, on core Redis types: LangGraph's interface, one round trip an operation.

A namespace is one hash of entries and one sorted set of when they expire, so clearing it is deleting two
keys, whatever number of entries it holds: nothing is searched for, and nothing is left. (A key for each entry
would leave expiry to Redis, but clearing would then have to list keys, and could miss one that is being set.)
Redis before 7.4 has no expiry inside a hash; here the server's clock decides in the script that reads, each write
drops a hundred expired entries of its namespace, and the keys go with the last entry.

All of a tenant's cache is in one slot: a step of a graph asks for entries of all its nodes, each of which is a
namespace, and gets them in one round trip.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, Self, cast

from langgraph.cache.base import BaseCache, FullKey, Namespace, ValueT
from langgraph.checkpoint.serde.base import SerializerProtocol
from redis.asyncio import Redis

from motet.errors import DataDamaged, shortened
from motet.memory.redis.bridge import Bridge, Opening
from motet.memory.redis.client import answering
from motet.memory.redis.keys import Keys
from motet.memory.redis.opening import opening
from motet.memory.redis.scripts import Argument, Scripts
from motet.memory.serde import state_serializer

_DIGEST = 16
"""Bytes of the digest that stands before each value."""


class RedisCache(BaseCache[ValueT]):
    """Keeps what nodes with a `CachePolicy` returned, for every process of the tenant.

    Namespaces are exact: neither case nor separators nor prefixes are mixed up. The client isn't owned:
    whoever made it closes it. The synchronous methods run the others on the loop that owns the client, and are
    for other threads. Every method raises StoreUnavailable when Redis doesn't answer.
    """

    def __init__(self, client: Redis, keys: Keys, serde: SerializerProtocol | None = None) -> None:
        """`serde` is the strict `state_serializer()` unless given."""
        super().__init__(serde=serde or state_serializer())
        self._client = client
        self._keys = keys
        self._scripts = Scripts(client)
        self._bridge = Bridge.here()

    @classmethod
    def from_url(cls, url: str, keys: Keys | None = None, serde: SerializerProtocol | None = None) -> Opening[Self]:
        """A cache with a client of its own, closed at the end: `async with`, or `with` where no event loop is.

        Raises what `connect` raises.
        """
        return opening(url, lambda client, _: cls(client, keys or Keys(), serde))

    async def aget(self, keys: Sequence[FullKey]) -> dict[FullKey, ValueT]:
        """Those of the entries that are there and have not expired. One round trip.

        Raises:
            DataDamaged: an entry isn't what was stored; names namespace and key.
            TypeNotAllowed: an entry names a class that `serde` doesn't allow.
        """
        if not keys:
            return {}
        places = {namespace: at for at, namespace in enumerate(dict.fromkeys(ns for ns, _ in keys), start=1)}
        args: list[Argument] = []
        for namespace, key in keys:
            args += [places[namespace], _field(key)]
        with answering(self._client):
            found = await self._scripts.read("cache_get", keys=self._parts(places), args=args)
        return {full: self._value(full, held) for full, held in zip(keys, found, strict=True) if held is not None}

    async def aset(self, pairs: Mapping[FullKey, tuple[ValueT, int | None]]) -> None:
        """Store each value under its key for so many seconds, or for ever. One round trip; all or nothing.

        Raises:
            TypeNotAllowed: a value's class isn't allowed; nothing was stored.
        """
        if not pairs:
            return
        places = {namespace: at for at, namespace in enumerate(dict.fromkeys(ns for ns, _ in pairs), start=1)}
        args: list[Argument] = [len(places), *map(_name, places)]
        for (namespace, key), (value, ttl) in pairs.items():
            life = "" if ttl is None else round(ttl * 1000)
            args += [places[namespace], _field(key), life, self._held((namespace, key), value)]
        with answering(self._client):
            await self._scripts.run("cache_set", keys=[self._keys.caches(), *self._parts(places)], args=args)

    async def aclear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """Drop every entry of these namespaces, exactly; of all without an argument. One round trip, or two for all."""
        with answering(self._client):
            if namespaces is None:
                known = cast("list[bytes]", await self._client.zrange(self._keys.caches(), 0, -1))
                names = [name.decode() for name in known]
            else:
                names = [*map(_name, namespaces)]
            if names:
                keys = [self._keys.caches(), *self._parts_of(names)]
                await self._scripts.run("cache_clear", keys=keys, args=names)

    def get(self, keys: Sequence[FullKey]) -> dict[FullKey, ValueT]:
        """`aget`, from another thread than the loop's."""
        return self._bridge.run(self.aget(keys))

    def set(self, pairs: Mapping[FullKey, tuple[ValueT, int | None]]) -> None:
        """`aset`, from another thread than the loop's."""
        self._bridge.run(self.aset(pairs))

    def clear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """`aclear`, from another thread than the loop's."""
        self._bridge.run(self.aclear(namespaces))

    def _parts(self, namespaces: Mapping[Namespace, Any]) -> list[str]:
        return self._parts_of([*map(_name, namespaces)])

    def _parts_of(self, names: Sequence[str]) -> list[str]:
        return [self._keys.cached(name, part) for name in names for part in ("entries", "expiries")]

    def _held(self, full: FullKey, value: ValueT) -> bytes:
        """What is stored for a value: a digest, the encoding's name, and the encoded value."""
        encoding, data = self.serde.dumps_typed(value)
        held = encoding.encode() + b":" + data
        return _digest(full, held) + held

    def _value(self, full: FullKey, stored: bytes) -> ValueT:
        digest, held = stored[:_DIGEST], stored[_DIGEST:]
        if digest != _digest(full, held):
            raise DataDamaged(_where(full), "it isn't what was stored")
        encoding, _, data = held.partition(b":")
        try:
            return self.serde.loads_typed((encoding.decode(), data))
        except (NotImplementedError, ValueError) as error:
            raise DataDamaged(_where(full), f"{type(error).__name__}: {error}") from error


def _name(namespace: Namespace) -> str:
    """A namespace as text, which no other namespace has."""
    return json.dumps(namespace, separators=(",", ":"))


def _where(full: FullKey) -> str:
    namespace, key = full
    return f"cache, namespace {namespace!r}, key {shortened(key)}"


def _field(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")


def _digest(full: FullKey, held: bytes) -> bytes:
    """Of the stored bytes and their place, so that an entry that was moved is found out, too."""
    namespace, key = full
    place = blake2b(json.dumps([namespace, key]).encode(), digest_size=_DIGEST).digest()
    return blake2b(held, key=place, digest_size=_DIGEST).digest()
