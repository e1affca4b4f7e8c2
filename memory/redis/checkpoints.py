"""Checkpoints on core Redis types: LangGraph's saver, one round trip an operation."""

from __future__ import annotations

import asyncio
import copy
import logging
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from heapq import merge
from itertools import islice
from typing import Any, Self
from weakref import WeakValueDictionary

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    get_checkpoint_id,
    get_serializable_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol
from opentelemetry import metrics
from redis.asyncio import Redis

from motet import failpoints
from motet.errors import DataDamaged, InvalidInput
from motet.memory.ports import Claim
from motet.memory.redis.bridge import Opening
from motet.memory.redis.checkpoint_lift import Lift
from motet.memory.redis.checkpoint_listing import batches, ids_of, places_of
from motet.memory.redis.checkpoint_reading import Reader, delta_history, tuple_of
from motet.memory.redis.checkpoint_sync import SynchronousSaver
from motet.memory.redis.checkpoint_table import Place, Record, Table, Write, named
from motet.memory.redis.checkpoint_values import Content, Lists, Shared, ValueFormat, check_size, ref
from motet.memory.redis.keys import Keys
from motet.memory.redis.lately import Lately
from motet.memory.redis.opening import opening
from motet.memory.redis.packed_messages import PackedMessages
from motet.memory.redis.read_messages import ReadMessages
from motet.memory.redis.scripts import Scripts
from motet.memory.serde import state_serializer
from motet.observability.names import CHECKPOINT_RESENT, SCOPE

logger = logging.getLogger(__name__)


class RedisCheckpointer(SynchronousSaver):
    """Saves each superstep so that any process can go on from it.

    `aput`, `aput_writes` and `aget_tuple` are one script each: it happens whole or not at all; under a claim, a `put`
    takes the writes before it along (`checkpoint_lift`). A list's elements are stored once by their content
    (`checkpoint_values`), so a turn costs what it added. Two exceptions to one round trip: a `put` whose server has
    lost elements that this process took for stored is sent again whole (`resent` counts them), and the first `put` of
    a run on a thread notes the two, for `adelete_for_runs`, unless a claim says so anyway.

    A checkpoint never becomes visible before the writes handed to `aput_writes` earlier for the same thread and
    namespace: the library submits both without order, and a crash in between would run a finished task again. The
    newest checkpoint is the one put last, whatever clock made its id.

    Two writers that go on from the same checkpoint both succeed, as with any saver, and the loser's history stays
    readable by id; a warning names both. `for_claim` gives a saver that can't be a second writer.

    The synchronous methods hand their work to the loop on which the saver was made. The client isn't owned: whoever
    made it closes it. Every method raises StoreUnavailable when Redis doesn't answer, and DataDamaged when what it
    holds isn't what was stored.
    """

    def __init__(
        self,
        client: Redis,
        keys: Keys,
        serde: SerializerProtocol | None = None,
        *,
        ttl_s: float | None = None,
        refresh_on_read: bool = False,
        max_bytes: int | None = None,
        scripts: Scripts | None = None,
    ) -> None:
        """A saver of one tenant.

        Args:
            client: what `client.connect` gave.
            keys: names of the tenant's keys.
            serde: the strict `state_serializer()` unless given.
            ttl_s: seconds after the last write in which a thread's checkpoints all vanish together; never while
                the thread's root graph waits at an `interrupt()`. None keeps them. A static breakpoint
                (`interrupt_before`) leaves no trace in what is saved, so a thread that stopped there does expire. A
                run can be forgotten by its id for `ttl_s` and a week after its first checkpoint.
            refresh_on_read: whether reading counts like writing.
            max_bytes: what a checkpoint may add to what is stored, and what a task may write, serialised.
            scripts: shared with other adapters of this client.
        """
        super().__init__(serde=serde or state_serializer())
        self._table = Table(client, keys, scripts or Scripts(client), ttl_s=ttl_s, refresh=refresh_on_read)
        self._max_bytes = max_bytes
        self._claim: Claim | None = None
        self._lift = Lift()
        self._empty: set[Place] = set()
        self._turns: WeakValueDictionary[Place, asyncio.Lock] = WeakValueDictionary()
        self._stored: Lately[str, bytes] = Lately(200_000)
        """By thread, digests of elements that the server had."""
        self._newest: Lately[Place, str] = Lately(10_000)
        """By place, ids of checkpoints that were the newest when this saver read or wrote them."""
        self._runs: Lately[str, str] = Lately(10_000)
        """By run, threads that were noted."""
        self._resent = [0]
        self._resent_counter = metrics.get_meter(SCOPE).create_counter(CHECKPOINT_RESENT, "{checkpoint}")
        self._packed, self._read, self._lists = PackedMessages(), ReadMessages(), Lists()
        self._reader = Reader(self._table, self._read, self._stored)
        self._made: ValueFormat | None = None

    @classmethod
    def from_url(
        cls,
        url: str,
        keys: Keys | None = None,
        serde: SerializerProtocol | None = None,
        *,
        ttl_s: float | None = None,
        refresh_on_read: bool = False,
        strict: bool = False,
    ) -> Opening[Self]:
        """A saver with a client of its own, closed at the end: `async with`, or `with` where there is no event loop.

        `strict`: a write counts once it is on the server's disk, or on a replica (see `durability`).
        Raises what `connect` and `durability.strict` raise.
        """

        def made(client: Redis, scripts: Scripts) -> Self:
            return cls(client, keys or Keys(), serde, ttl_s=ttl_s, refresh_on_read=refresh_on_read, scripts=scripts)

        return opening(url, made, strict=strict)

    def for_claim(self, claim: Claim, *, new: bool = False) -> Self:
        """The same saver, each write of which carries the claim's epoch. Costs nothing: all else is shared.

        `new`: nobody has written to the claim's thread, so the first look for its newest checkpoint is spared.

        A write with another epoch than the thread's is refused in the script that would do it and changes nothing:
        it raises StaleClaim. So does one whose epoch is gone, with the thread or with all that Redis held: the queue
        stores epochs, a write never does. Writes to other threads than the claim's are as without one.
        """
        fenced = copy.copy(self)
        fenced._claim, fenced._lift = claim, Lift()  # noqa: SLF001 - it is one of ours
        fenced._empty = {Place(thread_id=claim.thread_id, namespace="")} if new else set()  # noqa: SLF001 - as above
        return fenced

    @property
    def resent(self) -> int:
        """How often a checkpoint was sent twice because the server had lost elements of it; a metric, too."""
        return self._resent[0]

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store `checkpoint` and the values of the channels in `new_versions`; the config that names it.

        Nothing is stored of one that is refused. Raises StaleClaim, TypeNotAllowed, UnstorableValue, StateTooLarge.
        """
        place = Place.of(config)
        told = get_serializable_checkpoint_metadata(config, metadata)
        values, versions = checkpoint["channel_values"], checkpoint["channel_versions"]
        here = {channel: versions[channel] for channel in values if channel in versions}
        record = Record(
            id=named("checkpoint id", checkpoint["id"]),
            parent=named("checkpoint_id", get_checkpoint_id(config) or ""),
            checkpoint=self._format.dump({name: part for name, part in checkpoint.items() if name != "channel_values"}),
            metadata=self._format.dump(told),
            refs=[ref(named("channel", channel), version) for channel, version in here.items()],
            run_id=self._run_of(place, told),
            walked=told.get("counters_since_delta_snapshot", ()),
        )
        new = [channel for channel in here if channel in new_versions]
        content = self._format.content(checkpoint, new, self._stored.of(place.thread_id), place)
        check_size(place.thread_id, content.sizes, self._max_bytes)
        if self._must_note(place, record) and place.thread_id not in self._runs.of(record.run_id):
            await self._note(place, record)
        async with self._turn(place):
            with self._lift.taken(place) as writes:
                if not await self._put(place, record, content, writes):
                    self._resent[0] += 1
                    self._resent_counter.add(1)
                    self._stored.forget(place.thread_id)
                    whole = self._format.content(checkpoint, here, (), place)
                    if not await self._put(place, record, whole, writes):
                        raise DataDamaged(f"thread {place.thread_id}", "its checkpoints change while they are written")
        return place.config(record.id)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store what a task wrote on top of the checkpoint that `config` names. Raises what `aput` does."""
        place, on = Place.of(config), named("checkpoint_id", get_checkpoint_id(config) or "")
        run_id = self._run_of(place, {**config.get("configurable", {}), **config.get("metadata", {})})
        rows = [
            Write(
                on=on,
                task_path=named("task_path", task_path),
                task_id=named("task_id", task_id),
                idx=WRITES_IDX_MAP.get(channel, index),
                channel=named("channel", channel),
                value=self._format.dump_written(channel, value),
            )
            for index, (channel, value) in enumerate(writes)
        ]
        check_size(place.thread_id, [(row.channel, len(row.value)) for row in rows], self._max_bytes)
        lift = self._lift if self._owns(place) else Lift(wait_s=0)
        put = partial(self._table.put_writes, self._claim, place, run_id=run_id)
        await lift.send(place, rows, self._turn(place), put)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint that `config` names, or its namespace's newest; None if there's none.

        Of the newest, messages that were in it when it was read last aren't sent again (`checkpoint_reading`).
        """
        place, wanted = Place.of(config), get_checkpoint_id(config)
        if place in self._empty and not wanted:
            self._empty.discard(place)
            return None
        read, parts = await self._reader.read(place, [wanted or ""], afresh=bool(wanted))
        self._stored.add(place.thread_id, parts)
        if wanted:
            self._newest.discard(place, wanted)
        else:
            self._newest.add(place, [read[0].id if read else ""])
        found = tuple_of(place, read[0], parts, self._format) if read else None
        if not wanted:
            self._reader.note(place, read[0] if read else None)
        return found

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - the name is the interface's
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Checkpoints newest first; of all namespaces where `config` names none, of all threads without `config`.

        `filter`: metadata keys with the values they must equal. One round trip for each 100 ids that are looked at,
        and for each 20 checkpoints. A message that several of them hold is the same object in them, as it was while
        the graph ran: read it, and don't change it in place.
        """
        wanted = get_checkpoint_id(config) if config else None
        older_than = (get_checkpoint_id(before) if before else None) or ""

        def fits(id: str, metadata: bytes) -> bool:
            if wanted not in {None, id}:
                return False
            known = {**self._format.load(metadata)} if filter else {}
            return all(known.get(name) == value for name, value in (filter or {}).items())

        places = await places_of(self._table, config)
        if older_than:
            for place in places:
                # Whoever looks for an older one may go on from it, as a sub-graph does that is replayed.
                self._newest.forget(place)
        only = fits if wanted or filter else None
        found = [[(id, place) async for id in ids_of(self._table, place, only, older_than, limit)] for place in places]
        # Each line stays in the order in which it was put, whatever the clock made of its ids.
        merged = merge(*found, key=lambda entry: entry[0], reverse=True)
        for place, ids in batches(islice(merged, limit)):
            read, parts = await self._reader.read(place, ids)
            shared: Shared = {}
            for one in read:
                yield tuple_of(place, one, parts, self._format, shared)

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """What was written to each channel since its nearest stored value, oldest first, and that value.

        See `BaseCheckpointSaver.get_delta_channel_history`. One round trip for each `DELTA_PAGE` ancestors, and one
        more if `config` names no checkpoint.
        """
        place, id = Place.of(config), get_checkpoint_id(config) or ""
        return await delta_history(self._table, place, id, channels, self._format)

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete every checkpoint and write of the thread, in all namespaces. Two round trips. Raises StaleClaim.

        A claim can go on. Without one the epoch goes, too: a run at work is shut out until it is claimed again.
        """
        await self._table.delete(self._claim, thread_id)
        self._stored.forget(thread_id)

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Delete the checkpoints and writes of some runs, on whatever threads. Raises StaleClaim.

        What they wrote on top of other runs' checkpoints is taken back: a question that they answered waits again.
        What another checkpoint shares with theirs stays. A delta channel loses what only those runs wrote. Every
        thread of the tenant is looked at for a run that was made under a claim, or never was.
        """
        await self._table.forget_runs(self._claim, run_ids)
        for run_id in run_ids:
            self._runs.forget(run_id)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Replace the target's checkpoints by a copy of the source's whole history; nothing if that has none.

        What is read is of one moment, and so is what is written; the bytes pass through here. Raises StaleClaim.
        """
        await self._table.copy(self._claim, source_thread_id, target_thread_id)
        self._stored.forget(target_thread_id)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Forget old checkpoints: all but the newest of each namespace, or, with strategy `delete`, all.

        The ancestors that a delta channel of the newest is rebuilt from are kept, and a thread whose root graph waits
        for a person is left as it is: tasks of its sub-graphs go on from older checkpoints. One round trip a thread;
        the server is busy with it for as long as the thread is large. Raises StaleClaim.

        Raises:
            InvalidInput: another strategy.
        """
        if strategy not in {"keep_latest", "delete"}:
            raise InvalidInput("strategy", strategy, "keep_latest or delete")
        for thread_id in thread_ids:
            if strategy == "delete":
                await self.adelete_thread(thread_id)
            else:
                await self._table.forget_older(self._claim, thread_id)
                self._stored.forget(thread_id)

    def get_next_version(
        self,
        current: str | int | None,
        channel: None,  # noqa: ARG002 - deprecated by the interface, passed all the same
    ) -> str:
        """The next version of a channel: larger as text, and never the same on two branches of a history."""
        number = 0 if current is None else int(str(current).partition(".")[0])
        return f"{number + 1:010}.{secrets.token_hex(6)}"

    @property
    def _format(self) -> ValueFormat:
        """By the serializer there is now: LangGraph gives a copy of the saver another one."""
        if self._made is None or self._made.serde is not self.serde:
            self._made = ValueFormat(self.serde, self._packed, self._read, self._lists)
        return self._made

    async def _put(self, place: Place, record: Record, content: Content, writes: Sequence[Write]) -> bool:
        """Whether the checkpoint was stored; False if the server lacks parts that weren't sent."""
        follows = record.parent in self._newest.of(place)
        failpoints.reached("put.before")
        done = await self._table.put(self._claim, place, record, content, writes=writes, follows=follows)
        failpoints.reached("put.after")
        if done is None:
            return False
        newest, joined = done
        if joined and place.thread_id in self._runs.of(record.run_id) and self._must_note(place, record):
            # It was noted, but then the thread or the run was deleted, maybe by others.
            await self._note(place, record)
        if newest:
            logger.warning(
                "thread %s: checkpoint %s follows %s, and so did %s: two writers go on from one checkpoint, and the "
                "history of the one that ends first is found by its id only",
                place.thread_id,
                record.id,
                record.parent or "nothing",
                newest,
            )
        self._stored.add(place.thread_id, content.digests)
        self._newest.add(place, [record.id])
        if record.run_id:
            self._runs.add(record.run_id, [place.thread_id])
        return True

    def _run_of(self, place: Place, told: Mapping[str, Any]) -> str:
        """The run that writes to `place`: the claim's on its own thread, else what its metadata says; maybe none."""
        fenced = self._claim.run_id if self._claim is not None and self._owns(place) else ""
        return named("run_id", fenced or str(told.get("run_id", "")))

    def _owns(self, place: Place) -> bool:
        return self._claim is not None and self._claim.thread_id == place.thread_id

    def _must_note(self, place: Place, record: Record) -> bool:
        """What a run writes under a claim is on the claim's thread: it is found without a note."""
        return bool(record.run_id) and not self._owns(place)

    async def _note(self, place: Place, record: Record) -> None:
        own = [self._claim.thread_id] if self._claim is not None and self._claim.run_id == record.run_id else []
        await self._table.index_run(record.run_id, [place.thread_id, *own])

    def _turn(self, place: Place) -> asyncio.Lock:
        """Whoever asked first writes first. The lock goes when nobody holds or awaits it."""
        return self._turns.setdefault(place, asyncio.Lock())
