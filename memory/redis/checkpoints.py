"""Checkpoints on core Redis types: LangGraph's saver, one round trip an operation."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self, cast
from weakref import WeakValueDictionary

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    PendingWrite,
    get_checkpoint_id,
    get_serializable_checkpoint_metadata,
    writes_sort_key,
)
from langgraph.checkpoint.serde.base import SerializerProtocol
from redis.asyncio import Redis

from motet.memory.redis.client import answering, connect
from motet.memory.redis.keys import Keys
from motet.memory.redis.scripts import Argument, Scripts
from motet.memory.serde import state_serializer

_PARTS = ("ids", "records", "blobs", "writes", "order")
_PAGE = 100


@dataclass(frozen=True, slots=True)
class _Place:
    """A thread's line of checkpoints: the root graph's, or a sub-graph's namespace."""

    thread_id: str
    namespace: str

    @classmethod
    def of(cls, config: RunnableConfig) -> Self:
        told = config.get("configurable", {})
        return cls(str(told["thread_id"]), str(told.get("checkpoint_ns", "")))

    def config(self, checkpoint_id: str) -> RunnableConfig:
        return {
            "configurable": {
                "thread_id": self.thread_id,
                "checkpoint_ns": self.namespace,
                "checkpoint_id": checkpoint_id,
            }
        }


class RedisCheckpointer(BaseCheckpointSaver[str]):
    """Saves each superstep so that any process can go on from it.

    `aput`, `aput_writes` and `aget_tuple` are one script each: it happens whole or not at all. A
    channel's value is stored once a version, whatever number of checkpoints refer to it. A checkpoint
    never becomes visible before the writes handed to `aput_writes` earlier for the same thread and
    namespace: the library submits both without order, and a crash in between would run a finished
    task again.

    Async only; the synchronous twins raise NotImplementedError, as the base does. The client isn't
    owned: whoever made it closes it. Every method raises StoreUnavailable when Redis doesn't answer.
    """

    def __init__(self, client: Redis, keys: Keys, serde: SerializerProtocol | None = None) -> None:
        """`serde` is the strict `state_serializer()` unless given."""
        super().__init__(serde=serde or state_serializer())
        self._client = client
        self._keys = keys
        self._scripts = Scripts(client)
        self._turns: WeakValueDictionary[_Place, asyncio.Lock] = WeakValueDictionary()

    @classmethod
    @asynccontextmanager
    async def from_url(
        cls, url: str, keys: Keys | None = None, serde: SerializerProtocol | None = None
    ) -> AsyncGenerator[Self]:
        """A saver with a client of its own, closed at the end. Raises what `connect` raises."""
        client = await connect(url)
        try:
            yield cls(client, keys or Keys(), serde)
        finally:
            await client.aclose()

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store `checkpoint` and the values of the channels in `new_versions`; the config that names it."""
        place = _Place.of(config)
        values = checkpoint["channel_values"]
        rest = {name: part for name, part in checkpoint.items() if name != "channel_values"}
        refs = [_ref(*versioned) for versioned in checkpoint["channel_versions"].items()]
        args: list[Argument] = [
            place.namespace,
            checkpoint["id"],
            get_checkpoint_id(config) or "",
            self._dump(rest),
            self._dump(get_serializable_checkpoint_metadata(config, metadata)),
            len(refs),
            *refs,
        ]
        for channel, version in new_versions.items():
            if channel in values:
                args += [_ref(channel, version), self._dump(values[channel])]
        async with self._turn(place):
            await self._run(
                "checkpoint_put",
                [self._keys.namespaces(place.thread_id), *self._parts(place, "ids", "records", "blobs")],
                args,
            )
        return place.config(checkpoint["id"])

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store what a task wrote on top of the checkpoint that `config` names."""
        place = _Place.of(config)
        args: list[Argument] = [place.namespace, get_checkpoint_id(config) or "", task_id, task_path]
        for index, (channel, value) in enumerate(writes):
            args += [WRITES_IDX_MAP.get(channel, index), channel, self._dump(value)]
        async with self._turn(place):
            await self._run(
                "checkpoint_put_writes",
                [self._keys.namespaces(place.thread_id), *self._parts(place, "writes", "order")],
                args,
            )

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint that `config` names, or its namespace's newest; None if there's none."""
        return await self._read(_Place.of(config), get_checkpoint_id(config) or "")

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - the name is the interface's
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Checkpoints newest first; of all namespaces where `config` names none, of all threads without `config`.

        `filter`: metadata keys with the values they must equal.
        """
        wanted = get_checkpoint_id(config) if config else None
        older_than = get_checkpoint_id(before) if before else None

        def fits(id: str, metadata: bytes) -> bool:
            if wanted not in {None, id}:
                return False
            known = self._load(metadata) if filter else {}
            return all(known.get(name) == value for name, value in (filter or {}).items())

        found = [
            (id, place)
            for place in await self._places(config)
            async for id in self._ids(place, fits, older_than, limit)
        ]
        found.sort(key=lambda entry: entry[0], reverse=True)
        for id, place in found[:limit]:
            if read := await self._read(place, id):
                yield read

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete every checkpoint and write of the thread, in all namespaces."""
        deleted = 0
        while not deleted:
            namespaces = await self._namespaces(thread_id)
            keys = [self._keys.checkpoints(thread_id, namespace, part) for namespace in namespaces for part in _PARTS]
            deleted = await self._run("checkpoint_delete", [self._keys.namespaces(thread_id), *keys], list(namespaces))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy the source's whole history in one transaction; the target's namespaces of the same names are replaced.

        Both threads must be on one server: a cluster refuses.
        """
        namespaces = await self._namespaces(source_thread_id)
        with answering(self._client):
            async with self._client.pipeline(transaction=True) as pipe:
                for namespace in namespaces:
                    for part in _PARTS:
                        pipe.copy(
                            self._keys.checkpoints(source_thread_id, namespace, part),
                            self._keys.checkpoints(target_thread_id, namespace, part),
                            replace=True,
                        )
                    pipe.sadd(self._keys.namespaces(target_thread_id), namespace)
                await pipe.execute()

    def get_next_version(
        self,
        current: str | int | None,
        channel: None,  # noqa: ARG002 - deprecated by the interface, passed all the same
    ) -> str:
        """The next version of a channel: larger as text, and never the same on two branches of a history."""
        number = 0 if current is None else int(str(current).partition(".")[0])
        return f"{number + 1:010}.{secrets.token_hex(6)}"

    async def _read(self, place: _Place, id: str) -> CheckpointTuple | None:
        keys = self._parts(place, "ids", "records", "blobs", "writes", "order")
        reply = await self._run("checkpoint_get", keys, [id])
        if reply is None:
            return None
        found, parent, checkpoint, metadata, values, writes = reply
        return CheckpointTuple(
            config=place.config(found.decode()),
            checkpoint=cast("Checkpoint", {**self._load(checkpoint), "channel_values": self._load_values(values)}),
            metadata=self._load(metadata),
            parent_config=place.config(parent.decode()) if parent else None,
            pending_writes=self._load_writes(writes),
        )

    async def _ids(
        self, place: _Place, fits: Callable[[str, bytes], bool], before: str | None, limit: int | None
    ) -> AsyncGenerator[str]:
        """Ids that fit, newest first, at most `limit`."""
        keys = self._parts(place, "ids", "records")
        yielded = 0
        while limit is None or yielded < limit:
            page = await self._run("checkpoint_list", keys, [before or "", _PAGE])
            for raw, metadata in zip(page[::2], page[1::2], strict=True):
                id = raw.decode()
                if fits(id, metadata):
                    yield id
                    yielded += 1
                    if yielded == limit:
                        return
            if len(page) < 2 * _PAGE:
                return
            before = page[-2].decode()

    async def _places(self, config: RunnableConfig | None) -> list[_Place]:
        if config is None:
            threads = await self._threads()
        else:
            place = _Place.of(config)
            if "checkpoint_ns" in config.get("configurable", {}):
                return [place]
            threads = [place.thread_id]
        return [_Place(thread, namespace) for thread in threads for namespace in await self._namespaces(thread)]

    async def _threads(self) -> list[str]:
        """Every thread of the tenant that has checkpoints: a walk over all keys, for maintenance only."""
        pattern = self._keys.namespaces_of_all()
        with answering(self._client):
            # A set it must be: a namespace may be named so that another key fits the pattern.
            found = {bytes(key) async for key in self._client.scan_iter(match=pattern, count=1000, _type="set")}
        return sorted(self._keys.thread_id(key.decode()) for key in found)

    async def _namespaces(self, thread_id: str) -> list[str]:
        with answering(self._client):
            members = cast("set[bytes]", await self._client.smembers(self._keys.namespaces(thread_id)))
        return sorted(name.decode() for name in members)

    async def _run(self, script: str, keys: Sequence[str], args: Sequence[Argument]) -> Any:
        with answering(self._client):
            return await self._scripts.run(script, keys=keys, args=args)

    def _parts(self, place: _Place, *parts: str) -> list[str]:
        return [self._keys.checkpoints(place.thread_id, place.namespace, part) for part in parts]

    def _turn(self, place: _Place) -> asyncio.Lock:
        """Whoever asked first writes first. The lock goes when nobody holds or awaits it."""
        return self._turns.setdefault(place, asyncio.Lock())

    def _dump(self, value: Any) -> bytes:
        kind, data = self.serde.dumps_typed(value)
        return kind.encode() + b"\0" + data

    def _load(self, stored: bytes) -> Any:
        kind, _, data = stored.partition(b"\0")
        return self.serde.loads_typed((kind.decode(), data))

    def _load_values(self, flat: Sequence[bytes | None]) -> dict[str, Any]:
        """Values by channel; a channel that was empty at its version has none stored."""
        return {
            ref.rpartition(b"\0")[0].decode(): self._load(value)
            for ref, value in zip(flat[::2], flat[1::2], strict=True)
            if ref is not None and value is not None
        }

    def _load_writes(self, stored: Sequence[tuple[bytes, bytes, int, bytes, bytes]]) -> list[PendingWrite]:
        """In the order in which live execution applies them."""
        writes = [
            (writes_sort_key(path.decode(), task.decode(), index), task.decode(), channel.decode(), value)
            for path, task, index, channel, value in stored
        ]
        writes.sort(key=lambda write: write[0])
        return [(task, channel, self._load(value)) for _, task, channel, value in writes]


def _ref(channel: str, version: str | float) -> str:
    return f"{channel}\0{version}"
