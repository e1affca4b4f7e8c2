"""Checkpoints as Redis holds them: one script an operation, bytes in and bytes out.

What a script refuses comes out as an error here; what it means to LangGraph is `checkpoints`' business.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, Self, cast

from langchain_core.runnables import RunnableConfig
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from motet.errors import DataDamaged, InvalidInput, StaleClaim, shortened
from motet.memory.ports import Claim
from motet.memory.redis.checkpoint_values import Content
from motet.memory.redis.client import answering
from motet.memory.redis.keys import Keys
from motet.memory.redis.scripts import Argument, Scripts

_INDEX_OUTLIVES_MS = 7 * 24 * 3600 * 1000

Parts = Mapping[bytes, bytes]
"""Leaves and nodes of shared values, by digest."""


class Place(NamedTuple):
    """A thread's line of checkpoints: the root graph's, or a sub-graph's namespace."""

    thread_id: str
    namespace: str

    @classmethod
    def of(cls, config: RunnableConfig) -> Self:
        """Raises InvalidInput for a name with NUL in it, which ends names here."""
        told = config.get("configurable", {})
        place = cls(str(told["thread_id"]), str(told.get("checkpoint_ns") or ""))
        for field, name in zip(("thread_id", "checkpoint_ns"), place, strict=True):
            named(field, name)
        return place

    def config(self, checkpoint_id: str) -> RunnableConfig:
        return {
            "configurable": {
                "thread_id": self.thread_id,
                "checkpoint_ns": self.namespace,
                "checkpoint_id": checkpoint_id,
            }
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A checkpoint, serialised."""

    id: str
    parent: str
    """Empty for the first."""
    checkpoint: bytes
    metadata: bytes
    refs: Sequence[str]
    """Channel and version of each value, as `ref` writes them."""
    run_id: str
    walked: Iterable[str]
    """Channels whose value is in no checkpoint but in the ancestors' writes."""


class Read(NamedTuple):
    """A checkpoint as it was found."""

    id: str
    parent: str
    checkpoint: bytes
    metadata: bytes
    values: Sequence[tuple[str, bytes]]
    """Channel and stored value."""
    writes: Sequence[Write]


class Page(NamedTuple):
    """A piece of a list of checkpoints."""

    knows_before: bool
    """Whether there is a checkpoint of the id that was asked for: ids from elsewhere don't limit anything."""
    last: str
    """What the next page is below."""
    rows: Sequence[tuple[str, bytes]]
    """Ids and metadata."""


class Write(NamedTuple):
    """A pending write."""

    on: str
    """Id of the checkpoint on top of which it was written."""
    task_path: str
    task_id: str
    idx: int
    channel: str
    value: bytes

    @classmethod
    def of(cls, stored: bytes) -> Self:
        _, on, task, index, path, channel, value = stored.split(b"\0", 6)
        return cls(on.decode(), path.decode(), task.decode(), int(index), channel.decode(), value)


@contextmanager
def reading(place: Place) -> Generator[None]:
    """Turn "it can't be read" into DataDamaged: a part that is missing, bytes that are no value, a wrong key."""
    try:
        yield
    except (LookupError, TypeError, ValueError, NotImplementedError) as error:
        where = f"thread {place.thread_id}, namespace {place.namespace!r}"
        raise DataDamaged(where, f"{type(error).__name__}: {shortened(str(error))}") from error


class Table:
    """The checkpoints of one tenant."""

    def __init__(self, client: Redis, keys: Keys, scripts: Scripts, *, ttl_s: float | None, refresh: bool) -> None:
        self._client = client
        self._keys = keys
        self._scripts = scripts
        self._ttl = "" if ttl_s is None else str(round(ttl_s * 1000))
        self._refresh = self._ttl if refresh else ""

    async def put(
        self,
        claim: Claim | None,
        place: Place,
        record: Record,
        content: Content,
        *,
        writes: Sequence[Write],
        follows: bool,
    ) -> tuple[str, bool] | None:
        """Record a checkpoint whole, and `writes` before it; None if parts lack. One round trip. Raises StaleClaim.

        `follows`: the parent is believed to be the newest. What comes back is the newest id if that is so and it
        isn't the parent, else ""; and whether this is the run's first checkpoint that the thread has.
        """
        args: list[Argument] = [
            *(_epoch(claim, place.thread_id), self._ttl, place.namespace, record.id, record.parent, record.checkpoint),
            *(record.metadata, record.run_id, "\0".join(record.walked), int(follows)),
            *(len(writes), *_rows(place, writes)),
            *(len(record.refs), *record.refs, len(content.values)),
        ]
        for stored in (*content.values.items(), *content.parts.items()):
            args += stored
        outcome = await self._run("checkpoint_put", place.thread_id, args)
        if outcome[0] == b"stale":
            raise _stale(claim)
        return (outcome[1].decode(), bool(outcome[2])) if outcome[0] == b"ok" else None

    async def put_writes(self, claim: Claim | None, place: Place, writes: Sequence[Write], *, run_id: str) -> None:
        """Record what tasks of a run wrote on top of checkpoints. One round trip. Raises StaleClaim."""
        args = [_epoch(claim, place.thread_id), self._ttl, run_id, *_rows(place, writes)]
        if not await self._run("checkpoint_put_writes", place.thread_id, args):
            raise _stale(claim)

    async def read(
        self, place: Place, ids: Sequence[str], *, known: Sequence[bytes] = ()
    ) -> tuple[Sequence[Read], Parts]:
        """The checkpoints of those ids that there are, "" being the newest, and the parts of their values.

        Without the parts named by `known` and those below them. One round trip.
        """
        told = [self._refresh, place.namespace, b"".join(known), *ids]
        read, found = await self._read("checkpoint_read", place.thread_id, told)
        with reading(place):
            return [_read(one) for one in read], _parts(found)

    async def page(self, place: Place, size: int, *, before: str = "", below: str = "") -> Page:
        """Ids put before the id `before`, or of a page that ended `below`, newest first. One round trip."""
        known, last, *flat = await self._read(
            "checkpoint_list", place.thread_id, [place.namespace, before, below, size]
        )
        rows = [(id.decode(), metadata) for id, metadata in zip(flat[::2], flat[1::2], strict=True)]
        return Page(bool(known), last.decode(), rows)

    async def history(
        self, place: Place, id: str, *, first: bool, size: int, channels: Sequence[str]
    ) -> tuple[str, Sequence[tuple[Sequence[tuple[str, bytes]], Sequence[Write]]], Parts]:
        """Up to `size` ancestors, from `id` or its parent (`first`): where to go on, values and writes, parts."""
        reply = await self._read(
            "checkpoint_history", place.thread_id, [place.namespace, id, int(first), size, *channels]
        )
        with reading(place):
            ancestors = [(_values(held), [Write.of(one) for one in written]) for held, written in reply[1]]
            return reply[0].decode(), ancestors, _parts(reply[2])

    async def namespaces(self, thread_id: str) -> list[str]:
        """Namespaces with checkpoints. One round trip."""
        return [name.decode() for name in await self._read("checkpoint_namespaces", thread_id, [])]

    async def threads(self) -> list[str]:
        """Every thread of the tenant that has checkpoints: a walk over all keys, for maintenance only."""
        with answering(self._client):
            # A sorted set it must be: a key of another kind may be named so that it fits the pattern.
            pattern = self._keys.checkpoints_of_all()
            found = {bytes(key) async for key in self._client.scan_iter(match=pattern, count=1000, _type="zset")}
        return sorted(self._keys.thread_id(key.decode()) for key in found)

    async def index_run(self, run_id: str, thread_ids: Sequence[str]) -> None:
        """Note that a run writes to these threads, before it does. One round trip, in the run's slot.

        Where threads expire, the note outlives them: later runs may keep the thread alive, and don't renew it.
        """
        ttl = str(int(self._ttl) + _INDEX_OUTLIVES_MS) if self._ttl else ""
        with answering(self._client):
            key = self._keys.threads_of_run(run_id)
            await self._scripts.run("checkpoint_index", keys=[key], args=[ttl, *thread_ids])

    async def forget_runs(self, claim: Claim | None, run_ids: Sequence[str]) -> None:
        """Forget what runs wrote, on whatever threads; the index last, so that it can be repeated after a crash.

        Those made under a claim are in no index: they are on the claim's own thread, or every thread is looked at.
        """
        if claim is not None:
            await self._drop(claim, claim.thread_id, "runs", *run_ids)
        unknown: list[str] = []
        for run_id in run_ids:
            key = self._keys.threads_of_run(run_id)
            with answering(self._client):
                threads = cast("set[bytes]", await self._client.smembers(key))
            for thread in threads:
                await self._drop(claim, thread.decode(), "runs", run_id)
            if threads:
                with answering(self._client):
                    await self._client.unlink(key)
            elif claim is None or claim.run_id != run_id:
                unknown.append(run_id)
        for thread_id in await self.threads() if unknown else ():
            await self._drop(claim, thread_id, "runs", *unknown)

    async def forget_older(self, claim: Claim | None, thread_id: str) -> None:
        """Forget all but the newest of each namespace. One round trip. Raises StaleClaim."""
        await self._drop(claim, thread_id, "older")

    async def delete(self, claim: Claim | None, thread_id: str) -> None:
        """Delete all keys of the thread's checkpoints, and its runs' index. Two round trips. Raises StaleClaim."""
        runs = await self._run("checkpoint_delete", thread_id, [_epoch(claim, thread_id)])
        if runs is None:
            raise _stale(claim)
        await self._index(runs, thread_id, present=False)

    async def copy(self, claim: Claim | None, source: str, target: str) -> None:
        """Replace the target's checkpoints by the source's, if that has any; they live as long. Three trips or four.

        Raises StaleClaim.
        """
        theirs = self._keys.checkpoints(source)[:-1]
        with answering(self._client):
            async with self._client.pipeline(transaction=True) as pipe:
                for key in theirs:
                    pipe.dump(key)
                pipe.smembers(theirs[-1])
                pipe.pttl(theirs[0])
                *dumps, runs, ttl_ms = await pipe.execute()
            if dumps[0] is None:
                return
            await self._index(runs, source, target, present=True)
        given = [_epoch(claim, target), max(ttl_ms, 0), *(dump or b"" for dump in dumps)]
        replaced = await self._run("checkpoint_restore", target, given)
        if replaced is None:
            raise _stale(claim)
        await self._index(set(replaced) - set(runs), target, present=False)

    async def _index(self, run_ids: Iterable[bytes], *thread_ids: str, present: bool) -> None:
        keys = [self._keys.threads_of_run(run_id.decode()) for run_id in run_ids]
        if not keys:
            return
        with answering(self._client):
            async with self._client.pipeline(transaction=False) as pipe:
                for key in keys:
                    (pipe.sadd if present else pipe.srem)(key, *thread_ids)
                await pipe.execute()

    async def _drop(self, claim: Claim | None, thread_id: str, which: str, *run_ids: str) -> None:
        if await self._run("checkpoint_drop", thread_id, [_epoch(claim, thread_id), which, *run_ids]) < 0:
            raise _stale(claim)

    async def _run(self, script: str, thread_id: str, args: Sequence[Argument]) -> Any:
        with answering(self._client):
            return await self._scripts.run(script, keys=self._keys.checkpoints(thread_id), args=args)

    async def _read(self, script: str, thread_id: str, args: Sequence[Argument]) -> Any:
        try:
            with answering(self._client):
                return await self._scripts.read(script, keys=self._keys.checkpoints(thread_id), args=args)
        except ResponseError as error:
            # The server works, and the script stumbled over what it found.
            raise DataDamaged(f"thread {thread_id}", shortened(str(error))) from error


def named(field: str, name: str) -> str:
    """`name`, unless it holds NUL.

    Raises:
        InvalidInput.
    """
    if "\0" in name:
        raise InvalidInput(field, name, "text without NUL")
    return name


def _rows(place: Place, writes: Iterable[Write]) -> Iterator[Argument]:
    """As `checkpoint_writing.lua` reads them."""
    for write in writes:
        yield f"{place.namespace}\0{write.on}"
        yield f"{write.task_id}\0{write.idx}"
        yield write.idx
        yield b"%b\0%b\0%b" % (write.task_path.encode(), write.channel.encode(), write.value)


def _epoch(claim: Claim | None, thread_id: str) -> str | int:
    """Empty on other threads than the claim's: their epochs are others' and can't be compared."""
    return claim.epoch if claim is not None and claim.thread_id == thread_id else ""


def _stale(claim: Claim | None) -> StaleClaim:
    assert claim is not None, "only a claim has an epoch to be old"
    return StaleClaim(claim.run_id, epoch=claim.epoch)


def _read(row: Sequence[Any]) -> Read:
    id, parent, checkpoint, metadata, held, writes = row
    if None in held:
        raise KeyError("the value of a channel")
    found = [(name.partition(b"\0")[0].decode(), value) for name, value in zip(held[::2], held[1::2], strict=True)]
    return Read(
        id.decode(),
        parent.decode(),
        checkpoint,
        metadata,
        found,
        [Write.of(write) for write in writes],
    )


def _values(flat: Sequence[bytes]) -> Sequence[tuple[str, bytes]]:
    return [(channel.decode(), value) for channel, value in zip(flat[::2], flat[1::2], strict=True)]


def _parts(tables: Sequence[Sequence[bytes | None]]) -> Parts:
    """From tables of digests and of bytes by turns; what isn't there is left out."""
    return {
        cast("bytes", digest): stored
        for digests, bytes_ in zip(tables[::2], tables[1::2], strict=True)
        for digest, stored in zip(digests, bytes_, strict=True)
        if stored is not None
    }
