"""The tenant's journal in Redis: a stream of lines, each chained to the one before, and the head it ends in.

A script that changes a thread can't write the tenant's journal, which stands in another slot, and Redis has no SHA-256.
So scripts leave entries in a list of the thread's, each with a number `n` that grows along the list, and `relay` takes
them over in four steps: look, append, trim, forget.

Each is taken exactly once, because *append* does three things in one script, and only if the journal still ends where
it ended at the look: it adds the entries, moves the head, and notes the last one's `n` under `taken:THREAD`. *Look*
reads the head before the list. So whatever other processes do meanwhile: if one of them appended after our look at the
head, our append is refused; if before, then either its note is in what we saw, and we leave out what it took, or the
note is forgotten already, and then the list was trimmed before that, and we didn't see the entries.

*Forget* comes after *trim* and drops the note if it still has the `n` up to which the list was trimmed. No such entry
can come back, so nothing that the note kept out is left: notes stand only for threads whose relay was cut short
between append and forget, whose list tells to look again. Nothing else grows but the journal itself. That holds even if
`n` should once begin anew: a note never outlives what it is about.

What a Redis loses when it goes down is what it was told last. On one server that is the trim before the append, so that
the list still has what the journal lost. In a cluster the two stand on different nodes, and only strict writes keep
them together.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast, get_args

import orjson
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from motet.errors import DataDamaged, InvalidInput, StoreUnavailable
from motet.memory.approvals import Entry, JournalEvent
from motet.memory.journal import NUMBERS, ORIGIN, from_line, sealed, to_line
from motet.memory.ports import Json
from motet.memory.redis.arrivals import Arrivals
from motet.memory.redis.client import answering
from motet.memory.redis.cluster import Cluster
from motet.memory.redis.keys import Keys
from motet.memory.redis.scripts import Scripts
from motet.observability.trajectory.redact import redacted, without_secrets

_TOGETHER = 100
"""Entries taken over at a time."""

_PAUSES_S = (0.002, 0.25)
"""First and longest pause after another process was quicker."""

_ARGUMENTS = frozenset({"arguments", "args"})
"""Fields that are never journalled, only their hash."""


class RedisJournal:
    """`Journal` on Redis."""

    def __init__(self, client: Redis, keys: Keys, scripts: Scripts, *, patience_s: float = 30) -> None:
        """`patience_s`: for so long, followers wait for a Redis that is gone."""
        self._client = client
        self._keys = keys
        self._scripts = scripts
        self._patience_s = patience_s
        self._turn = asyncio.Lock()
        self._arrivals = Arrivals(client, keys.audit())

    async def relay(self, thread_id: str) -> list[Entry]:
        """See `Journal.relay`. Four round trips a hundred entries (a cluster: five), one if there are none.

        Raises:
            DataDamaged: the thread's list or the journal's head isn't as it was written; nothing more is taken.
            StoreUnavailable: Redis is gone; what was taken is taken.
        """
        moved, refused = list[Entry](), 0
        async with self._turn:
            while True:
                with answering(self._client):
                    seen = await self._look(thread_id)
                    fresh = [one for one in seen.waiting if one.n > seen.taken]
                    entries = seen.sealed(fresh)
                    if fresh and not await self._append(thread_id, seen, fresh[-1].n, entries):
                        refused += 1
                        await asyncio.sleep(_pause_s(refused))
                        continue
                    moved, refused = [*moved, *entries], 0
                    taken = fresh[-1].n if fresh else seen.taken
                    await self._clear(thread_id, taken, trims=bool(seen.waiting))
                if len(seen.waiting) < _TOGETHER:
                    return moved

    async def read(self, *, after: int = 0, limit: int = 1000) -> Sequence[Entry]:
        """See `Journal.read`. Ends before an entry that isn't one.

        Raises:
            InvalidInput: `after` is no number that an entry can have.
            DataDamaged: the very first is none.
        """
        if not 0 <= after < NUMBERS:
            raise InvalidInput("after", after, "the number of an entry, or 0")
        with answering(self._client):
            rows: Any = await self._client.xrange(self._keys.audit(), min=f"({after}-0", count=limit)
        entries: list[Entry] = []
        for place, fields in rows:
            try:
                entries.append(_entry(place.decode(), fields))
            except DataDamaged:
                if not entries:
                    raise
                break
        return entries

    async def last(self) -> int:
        return (await self.head())[0]

    async def head(self) -> tuple[int, str]:
        """See `Journal.head`. One round trip."""
        with answering(self._client):
            told: Any = await self._client.hmget(self._keys.audit_head(), ["number", "hash"])
        return int(told[0] or 0), (told[1] or ORIGIN.encode()).decode()

    async def follow(self, *, after: int) -> AsyncGenerator[Entry]:
        """See `Journal.follow`. A process's followers share one connection while they wait; close it with `aclosing`.

        A Redis that goes away is waited for. Raises as `read`; StoreUnavailable once patience is over.
        """
        loop = asyncio.get_running_loop()
        gone_at: float | None = None
        async with self._arrivals.watched():
            while True:
                changed = self._arrivals.changed
                try:
                    entries = await self.read(after=after)
                    gone_at = None
                except StoreUnavailable:
                    gone_at = gone_at or loop.time()
                    if loop.time() - gone_at >= self._patience_s:
                        raise
                    await asyncio.sleep(random.uniform(0.1, 1.0))  # noqa: S311 - jitter, no secret
                    continue
                for entry in entries:
                    after = entry.number
                    yield entry
                if not entries:
                    await self._arrivals.wait(changed)

    async def _look(self, thread_id: str) -> _Seen:
        """The head first and the thread's list second; on one server in one round trip."""
        fields = ["number", "hash", f"taken:{thread_id}"]
        head: Any
        texts: Any
        if isinstance(self._client, Cluster):
            head = await self._client.hmget(self._keys.audit_head(), fields)
            texts = await self._client.lrange(self._keys.journal(thread_id), 0, _TOGETHER - 1)
        else:
            async with self._client.pipeline(transaction=False) as pipe:
                pipe.hmget(self._keys.audit_head(), fields)
                pipe.lrange(self._keys.journal(thread_id), 0, _TOGETHER - 1)
                head, texts = await pipe.execute()
        number, digest, taken = (one.decode() if one else "" for one in head)
        waiting = [_waiting(thread_id, text) for text in texts]
        return _Seen(number=int(number or 0), hash=digest, taken=int(taken or 0), waiting=waiting)

    async def _append(self, thread_id: str, seen: _Seen, n: int, entries: Sequence[Entry]) -> bool:
        """Whether it was done; otherwise the journal doesn't end where it did."""
        told = [part for one in entries for part in (to_line(one), one.approval_id, _opens(one))]
        args = [seen.number, seen.hash, entries[-1].hash, thread_id, n, *told]
        keys = [self._keys.audit(), self._keys.audit_head(), self._keys.open()]
        try:
            done = await self._scripts.run("journal_append", keys=keys, args=args)
        except ResponseError as error:
            if "equal or smaller" not in str(error):
                raise
            reason = f"it has more entries than the {seen.number} that its head tells of"
            raise DataDamaged("the journal's head", reason) from error
        return bool(done)

    async def _clear(self, thread_id: str, taken: int, *, trims: bool) -> None:
        """Drop what was taken, then the note of it. Never together: the note keeps entries out until they are gone."""
        if not taken:
            return
        if trims:
            await self._scripts.run("journal_trim", keys=[self._keys.journal(thread_id)], args=[taken])
        await self._scripts.run("journal_forget", keys=[self._keys.audit_head()], args=[thread_id, taken])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    """An entry as a script left it, without secrets."""

    n: int
    at: str
    event: JournalEvent
    approval_id: str
    run_id: str
    who: Json | None
    detail: Json

    def sealed(self, number: int, previous: str) -> Entry:
        return sealed(
            number=number,
            at=self.at,
            event=self.event,
            approval_id=self.approval_id,
            run_id=self.run_id,
            who=self.who,
            detail=self.detail,
            previous=previous,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """How the journal ends, and what waits in a thread's list."""

    number: int
    hash: str
    """Empty for none."""
    taken: int
    """The `n` up to which the thread's list was taken; 0 if nothing is noted."""
    waiting: Sequence[_Waiting]

    def sealed(self, fresh: Sequence[_Waiting]) -> list[Entry]:
        """What comes behind the journal's end, as entries of it."""
        entries: list[Entry] = []
        previous = self.hash or ORIGIN
        for number, one in enumerate(fresh, self.number + 1):
            entries.append(one.sealed(number, previous))
            previous = entries[-1].hash
        return entries


def _opens(one: Entry) -> str:
    """Since when its approval is open in milliseconds, `closed`, or nothing; as `journal_append.lua` takes it."""
    if one.event in {"opened", "reopened"}:
        return str(round(datetime.fromisoformat(one.at).timestamp() * 1000))
    return "closed" if one.event in {"decided", "expired", "withdrawn"} else ""


def _waiting(thread_id: str, text: bytes) -> _Waiting:
    """What a script wrote; raises DataDamaged for what none did."""
    try:
        told: Any = orjson.loads(text.decode(errors="replace"))
        n, at_us, event, approval, run_id, who, detail = told
        if event not in get_args(JournalEvent) or not 0 < int(n) < NUMBERS:
            raise ValueError(told[:3])
        seconds, rest = divmod(int(at_us), 1_000_000)
        at = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest).isoformat(timespec="microseconds")
        own = f"{thread_id}."
        return _Waiting(
            n=int(n),
            at=at,
            event=event,
            approval_id=approval if approval.startswith(own) else own + approval,
            run_id=run_id,
            who=_cleaned(who) if who else None,
            detail=_cleaned(detail) if detail else {},
        )
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        where = f"an entry of thread {thread_id} for the journal"
        raise DataDamaged(where, without_secrets(f"{error}")) from error


def _cleaned(text: str) -> Json:
    """The object that the text is, fit to be kept for ever; of what is none, or none that JSON can hold, the hash."""
    try:
        told: Any = orjson.loads(text)
        if isinstance(told, dict):
            kept = redacted(_without_arguments(told))
            orjson.dumps([kept])
            return kept
    except (orjson.JSONDecodeError, orjson.JSONEncodeError, RecursionError):
        pass
    return {"unreadable_sha256": hashlib.sha256(text.encode()).hexdigest()}


def _without_arguments(value: Any) -> Any:
    """With the SHA-256 of the canonical JSON of arguments in their place, unless their hash stands there already."""
    if isinstance(value, list):
        return [_without_arguments(one) for one in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    told = cast("dict[str, Any]", value)
    kept = {name: _without_arguments(one) for name, one in told.items() if name not in _ARGUMENTS}
    for name in _ARGUMENTS & set(told):
        if told[name] is not None:
            text = orjson.dumps(told[name], option=orjson.OPT_SORT_KEYS)
            kept.setdefault(f"{name}_sha256", hashlib.sha256(text).hexdigest())
    return kept


def _entry(place: str, fields: dict[bytes, bytes]) -> Entry:
    """The entry that stands at a place of the stream; raises DataDamaged if that isn't its own."""
    where = f"entry {place.removesuffix('-0')} of the journal"
    try:
        entry = from_line(fields.get(b"line", b""))
    except InvalidInput as error:
        raise DataDamaged(where, str(error)) from error
    if place != f"{entry.number}-0":
        raise DataDamaged(where, f"entry {entry.number} stands in its place")
    return entry


def _pause_s(refused: int) -> float:
    first, longest = _PAUSES_S
    return random.uniform(0.1, 1.0) * min(longest, first * 2 ** min(refused, 10))  # noqa: S311 - jitter, no secret
