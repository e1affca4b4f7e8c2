"""Documents in Redis: a few hashes a corpus, in the corpus' own slot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, cast
from uuid import uuid4

import orjson
from redis.asyncio import Redis
from redis.asyncio.lock import Lock
from redis.exceptions import LockError
from redis.typing import EncodableT, FieldT

from motet.errors import StoreUnavailable
from motet.memory.document_index import IndexedFile, IndexedText, Passage
from motet.memory.redis.client import answering
from motet.memory.redis.keys import Keys

_Fields = Mapping[FieldT, EncodableT]
_ID_BYTES = 16
_LEASE_S = 30
_AT_ONCE = 500
"""Fields fetched by one command: a reply stays small enough that other clients wait a few milliseconds at most."""
_TEXTS_AT_ONCE = 20


class RedisDocuments:
    """`DocumentIndex` on Redis. An index of 10,000 passages takes 15 to 30 MB there, half of it vectors."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    @asynccontextmanager
    async def writing(self, corpus: str, waits: Callable[[], None]) -> AsyncGenerator[None]:
        lock = _Lock(self._client, self._keys.indexing(corpus), timeout=_LEASE_S, thread_local=False)
        lock.local.token = uuid4().hex.encode()
        try:
            with answering(self._client):
                if not await lock.acquire(blocking=False, token=lock.local.token):
                    waits()
                    await lock.acquire(token=lock.local.token)
        except BaseException:
            # Cut off on the way, it may have been given all the same.
            with suppress(LockError, StoreUnavailable), answering(self._client):
                await lock.release()
            raise
        renewing = asyncio.create_task(_renew(self._client, lock))
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.wait({renewing})
            with suppress(LockError), answering(self._client):
                await lock.release()

    async def version(self, corpus: str) -> int:
        with answering(self._client):
            return int(await self._client.hget(self._keys.corpus(corpus), "version") or 0)

    async def files(self, corpus: str) -> Mapping[str, IndexedFile]:
        found = await self._all(self._keys.documents(corpus, "files"))
        return {bytes(file).decode(): IndexedFile(**orjson.loads(told)) for file, told in found.items()}

    async def texts(self, corpus: str, files: Sequence[str]) -> Mapping[str, IndexedText]:
        found = await self._some(self._keys.documents(corpus, "texts"), files, _TEXTS_AT_ONCE)
        return {file: _text_of(told) for file, told in zip(files, found, strict=True) if told is not None}

    async def vector_ids(self, corpus: str, model: str) -> AbstractSet[bytes]:
        with answering(self._client):
            found: Any = await self._client.hkeys(self._keys.vectors(corpus, model))
        return frozenset(found)

    async def wanted_ids(self, corpus: str) -> Mapping[str, Sequence[bytes]]:
        found = await self._all(self._keys.documents(corpus, "wanted"))
        return {bytes(file).decode(): _ids_of(joined) for file, joined in found.items()}

    async def vectors(self, corpus: str, model: str, ids: Sequence[bytes]) -> Mapping[bytes, bytes]:
        found = await self._some(self._keys.vectors(corpus, model), ids, _AT_ONCE)
        return {name: vector for name, vector in zip(ids, found, strict=True) if vector is not None}

    async def put(self, corpus: str, documents: Sequence[tuple[IndexedFile, IndexedText, Sequence[bytes]]]) -> None:
        files: _Fields = {file.file: orjson.dumps(file) for file, _, _ in documents}
        texts: _Fields = {file.file: orjson.dumps(text) for file, text, _ in documents}
        wanted: _Fields = {file.file: b"".join(ids) for file, _, ids in documents}
        with answering(self._client):
            async with self._client.pipeline(transaction=True) as pipe:
                for part, values in (("files", files), ("texts", texts), ("wanted", wanted)):
                    pipe.hset(self._keys.documents(corpus, part), mapping=values)
                pipe.hincrby(self._keys.corpus(corpus), "version", 1)
                await pipe.execute()

    async def put_vectors(self, corpus: str, model: str, vectors: Mapping[bytes, bytes]) -> None:
        with answering(self._client):
            async with self._client.pipeline(transaction=True) as pipe:
                pipe.hset(self._keys.vectors(corpus, model), mapping=cast("_Fields", vectors))
                pipe.hset(self._keys.corpus(corpus), f"model:{model}", 1)
                pipe.hincrby(self._keys.corpus(corpus), "version", 1)
                await pipe.execute()

    async def touch(self, corpus: str, files: Sequence[IndexedFile]) -> None:
        values: _Fields = {file.file: orjson.dumps(file) for file in files}
        with answering(self._client):
            await self._client.hset(self._keys.documents(corpus, "files"), mapping=values)

    async def remove(self, corpus: str, files: Sequence[str]) -> None:
        with answering(self._client):
            async with self._client.pipeline(transaction=True) as pipe:
                for part in ("files", "texts", "wanted"):
                    pipe.hdel(self._keys.documents(corpus, part), *files)
                pipe.hincrby(self._keys.corpus(corpus), "version", 1)
                await pipe.execute()

    async def sweep(self, corpus: str, model: str | None) -> None:
        told = await self._all(self._keys.corpus(corpus))
        models = [bytes(name).decode().removeprefix("model:") for name in told if bytes(name).startswith(b"model:")]
        for other in [name for name in models if model is not None and name != model]:
            with answering(self._client):
                async with self._client.pipeline(transaction=True) as pipe:
                    pipe.unlink(self._keys.vectors(corpus, other))
                    pipe.hdel(self._keys.corpus(corpus), f"model:{other}")
                    await pipe.execute()
            models.remove(other)
        for kept in models:
            there = await self.vector_ids(corpus, kept)  # read first: what is written from now on isn't among them
            wanted = {name for ids in (await self.wanted_ids(corpus)).values() for name in ids}
            if unwanted := list(there - wanted):
                with answering(self._client):
                    await self._client.hdel(self._keys.vectors(corpus, kept), *unwanted)

    async def _all(self, key: str) -> dict[bytes, bytes]:
        with answering(self._client):
            found: Any = await self._client.hgetall(key)
        return found

    async def _some(self, key: str, fields: Sequence[Any], at_once: int) -> list[bytes | None]:
        found: list[bytes | None] = []
        for start in range(0, len(fields), at_once):
            with answering(self._client):
                some: Any = await self._client.hmget(key, list(fields[start : start + at_once]))
            found += some
        return found


def _text_of(told: bytes) -> IndexedText:
    fields: dict[str, Any] = orjson.loads(told)
    passages = tuple(Passage(**(one | {"headings": tuple(one["headings"])})) for one in fields["passages"])
    return IndexedText(revision=fields["revision"], text=fields["text"], passages=passages)


def _ids_of(joined: bytes) -> tuple[bytes, ...]:
    return tuple(joined[start : start + _ID_BYTES] for start in range(0, len(joined), _ID_BYTES))


class _Lock(Lock):
    """The library's, without the SCRIPT command, which a user of the server may be denied."""

    def register_scripts(self) -> None:
        self.lua_release: Any = partial(_evaluated, self.LUA_RELEASE_SCRIPT)
        self.lua_extend: Any = partial(_evaluated, self.LUA_EXTEND_SCRIPT)
        self.lua_reacquire: Any = partial(_evaluated, self.LUA_REACQUIRE_SCRIPT)


async def _evaluated(script: str, *, keys: Sequence[str], args: Sequence[Any], client: Redis) -> Any:
    return await client.execute_command("EVAL", script, len(keys), *keys, *args)


async def _renew(client: Redis, lock: Lock) -> None:
    """Keep the lock until cancelled. A lock that is lost stays lost: writes are safe without it."""
    with suppress(LockError, StoreUnavailable):
        while True:
            await asyncio.sleep(_LEASE_S / 3)
            with answering(client):
                await lock.reacquire()
