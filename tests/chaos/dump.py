"""What Redis holds in the end, read key by key: the checker trusts no code that it checks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from redis.asyncio import Redis
from tests.conftest import leaked_keys

from motet.memory.redis.checkpoints import RedisCheckpointer
from motet.memory.redis.keys import Keys
from motet.memory.redis.opening import scripts_of
from motet.memory.serde import state_serializer

TERMINAL = frozenset({"success", "error", "timeout", "interrupted"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """An entry of a run's stream."""

    event_id: str
    name: str
    data: Any

    @property
    def ms(self) -> int:
        return int(self.event_id.partition("-")[0])

    @property
    def n(self) -> int:
        return int(self.event_id.partition("-")[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """A run's record with its events; `status` is empty where only its events are left."""

    run_id: str
    tag: str = ""
    """What its input calls it."""
    status: str = ""
    cancelled: bool = False
    accepted_us: int = 0
    events: Sequence[StoredEvent] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCheckpoint:
    """One checkpoint of a thread's root namespace."""

    checkpoint_id: str
    parent_id: str
    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredThread:
    """A thread with all that belongs to it."""

    tenant: str
    thread_id: str
    status: str = "idle"
    active: str = ""
    waiting: int = 0
    """Interrupts that nobody has answered."""
    queue: Sequence[str] = ()
    runs: Sequence[StoredRun] = ()
    """In the order in which they were accepted."""
    checkpoints: Sequence[StoredCheckpoint] = ()
    log: Sequence[str] = ()
    """`tag:n` of each step that is in the newest state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dump:
    """Everything, at one moment."""

    threads: Sequence[StoredThread] = ()
    ready: Sequence[str] = ()
    active: Sequence[str] = ()
    stray: Sequence[str] = ()
    """Keys that nobody owns and that never expire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Something that was done to the outside world."""

    key: str
    kind: str
    """What its tool declares: none, idempotent or once."""
    pid: int = 0
    at: float = 0.0


def effects_of(file: Path) -> list[Effect]:
    """All effects there were, in the order in which they happened."""
    return [Effect(**json.loads(line)) for line in file.read_text("utf-8").splitlines()]


async def dump(client: Redis, *tenants: str) -> Dump:
    """What the tenants have."""
    parts = [await _tenant(client, tenant) for tenant in tenants]
    return Dump(
        threads=[thread for part in parts for thread in part.threads],
        ready=[one for part in parts for one in part.ready],
        active=[one for part in parts for one in part.active],
        stray=[one for part in parts for one in part.stray],
    )


async def _tenant(client: Redis, tenant: str) -> Dump:
    keys = Keys(tenant)
    names = [bytes(name).decode() async for name in client.scan_iter(match=f"{keys.prefix}:{{{tenant}*", count=1000)]
    of_threads: dict[str, list[str]] = {}
    for name in names:
        owner, _, suffix = name.removeprefix(f"{keys.prefix}:{{").partition("}:")
        if owner.partition(":")[0] == tenant and suffix.partition(":")[0] in {"thread", "run", "events", "cp"}:
            of_threads.setdefault(owner.partition(":")[2], []).append(suffix)
    saver = RedisCheckpointer(client, keys, state_serializer(()), scripts=await scripts_of(client, strict=False))
    return Dump(
        threads=[await _thread(client, keys, saver, one, suffixes) for one, suffixes in sorted(of_threads.items())],
        ready=[one.decode() for one in cast("list[bytes]", await client.zrange(keys.ready(), 0, -1))],
        active=[one.decode() for one in cast("set[bytes]", await client.smembers(keys.active()))],
        stray=await leaked_keys(client, keys),
    )


async def _thread(
    client: Redis, keys: Keys, saver: RedisCheckpointer, thread_id: str, suffixes: Sequence[str]
) -> StoredThread:
    record = await _hash(client, keys.thread(thread_id))
    ids = {suffix.partition(":")[2] for suffix in suffixes if suffix.startswith(("run:", "events:"))}
    runs = [await _run(client, keys, thread_id, run_id) for run_id in ids]
    checkpoints: list[StoredCheckpoint] = []
    log: list[str] = []
    async for one in saver.alist({"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}}):
        if not checkpoints:
            log = list(one.checkpoint["channel_values"].get("log", []))
        parent = (one.parent_config or {}).get("configurable", {}).get("checkpoint_id", "")
        run_id = str(one.metadata.get("run_id", ""))
        checkpoints.append(StoredCheckpoint(checkpoint_id=one.checkpoint["id"], parent_id=parent, run_id=run_id))
    return StoredThread(
        tenant=keys.tenant,
        thread_id=thread_id,
        status=record.get("status", ""),
        active=record.get("active", ""),
        waiting=len(json.loads(record.get("interrupts") or "[]")),
        queue=[one.decode() for one in cast("list[bytes]", await client.lrange(keys.queue(thread_id), 0, -1))],
        runs=sorted(runs, key=lambda run: run.accepted_us),
        checkpoints=checkpoints[::-1],
        log=log,
    )


async def _run(client: Redis, keys: Keys, thread_id: str, run_id: str) -> StoredRun:
    record = await _hash(client, keys.run(thread_id, run_id))
    entries = cast("list[tuple[bytes, dict[bytes, bytes]]]", await client.xrange(keys.events(thread_id, run_id)))
    payload = json.loads(record.get("request", "{}")).get("payload", {})
    return StoredRun(
        run_id=run_id,
        tag=(payload.get("input") or {}).get("tag", ""),
        status=record.get("status", ""),
        cancelled=record.get("cancelled") == "1",
        accepted_us=int(record.get("created_us", "0")),
        events=[
            StoredEvent(event_id=found.decode(), name=fields[b"name"].decode(), data=json.loads(fields[b"data"]))
            for found, fields in entries
        ],
    )


async def _hash(client: Redis, key: str) -> Mapping[str, str]:
    fields = cast("dict[bytes, bytes]", await client.hgetall(key))
    return {name.decode(): value.decode("utf-8", "replace") for name, value in fields.items()}
