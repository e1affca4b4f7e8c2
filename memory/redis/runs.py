"""A run's life in Redis, from its acceptance to its end.

The truth about a run stands in its thread's slot: the thread's hash (status, the run it works on, the
interrupts that wait), the queue (runs that haven't ended, the one worked on at its head), the run's
hash (request, status, attempt, lease), the run's events and the thread's epoch. Each transition is one
script over these keys, so it happens whole or not at all, in a cluster too. The epoch grows when a run is
claimed, taken over, given back and ended: whoever writes for a run, its checkpoints included, compares it
and nothing else.

What workers look at to find work (`hints`) stands in another slot: on one server it travels on the same round
trip, in a cluster on another. A crash between the two loses a hint and no run: `sweeping` walks all runs that
haven't ended, finds those that may start and that no worker would find, takes over those whose lease ran out,
and forgets those that ended.

A thread works on one run at a time, in the order of acceptance, with one exception: while an interrupt
waits, no plain input starts, because it would discard the question. Inputs queued before the question
came up stay queued; the runs that answer go in front of them, one behind the other.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
from redis.asyncio import Redis

from motet import failpoints
from motet.errors import (
    NotFound,
    RunActive,
    RunOver,
    StaleClaim,
    StoreUnavailable,
)
from motet.memory.asking import Who
from motet.memory.ports import (
    END,
    Accepted,
    CancelAction,
    Claim,
    Claimed,
    Ending,
    Json,
    Run,
    RunRequest,
    RunStatus,
)
from motet.memory.redis.approval_records import who_of
from motet.memory.redis.client import answering
from motet.memory.redis.hints import Hint, Hints
from motet.memory.redis.keys import Keys
from motet.memory.redis.listing import of_tenant, of_thread
from motet.memory.redis.opening_approvals import Clock, Opening, answered, hint
from motet.memory.redis.records import RUN_FIELDS, configurable_of, run_of, to_json
from motet.memory.redis.run_replies import claimed_of, kind_of, refuse
from motet.memory.redis.scripts import Argument, Call, Scripts
from motet.memory.redis.sweeping import Sweep

logger = logging.getLogger(__name__)

EVENTS_KEPT = 10_000
"""At least so many of a run's last events can be read."""

DAY_S = 24 * 3600

CANCELLED = b'{"status":"interrupted"}'
"""Data of a cancelled run's last event."""

Heard = Callable[[str, str, Sequence[tuple[str, str, bytes]]], None]
"""Told of events right after Redis has them: thread, run, and id, name and data of each; of none when a run begins."""

_LOOK_AGAIN_S = 1.0
"""Longest wait for a wake-up before a worker looks for runs by itself."""


class RedisRuns:
    """`RunLifecycle` on Redis."""

    def __init__(
        self,
        client: Redis,
        keys: Keys,
        scripts: Scripts,
        *,
        lease_s: float = 30,
        max_attempts: int = 3,
        retention_s: float = DAY_S,
        events_kept: int = EVENTS_KEPT,
        heard: Heard | None = None,
        lost: Callable[[], None] | None = None,
        clock: Clock = time.time,
    ) -> None:
        """Runs of one tenant.

        Args:
            client: what `client.connect` gave; a `claim` that waits holds one connection of its pool.
            keys: names of the tenant's keys.
            scripts: shared with the other adapters of this client.
            lease_s: seconds without a beat after which a run is taken from its worker.
            max_attempts: how often a run may lose its worker before it ends with the error `RunLost`.
            retention_s: seconds for which an ended run and its events can be read.
            events_kept: at least so many of a run's newest events can be read.
            heard: this process' readers of events, who needn't ask Redis for what was written here.
            lost: told of each run that is taken from a lost worker.
            clock: says when the deadline of an approval is.
        """
        self._client = client
        self._keys = keys
        self._scripts = scripts
        self._clock = clock
        self._hints = Hints(client, keys, scripts)
        self._lease_ms = round(lease_s * 1000)
        self._retention_ms = round(retention_s * 1000)
        self._events_kept = events_kept
        self._heard = heard or _nobody
        self._sweep = Sweep(
            client, keys, scripts, self._hints,
            max_attempts=max_attempts, retention_ms=self._retention_ms, events_kept=events_kept, lost=lost, clock=clock,
        )  # fmt: skip

    async def create(
        self, request: RunRequest, *, new_thread: Json | None = None, worker: str | None = None
    ) -> Accepted:
        """See `RunLifecycle.create`. One round trip; two more, to see and to signal, where others are interrupted.

        An answer that is queued and rolled back waits again, and the new run behind it.

        Raises:
            InvalidInput: several interrupts wait and the answer doesn't say which it is for, or the
                request holds what JSON can't.
        """
        hint = (request.thread_id, request.run_id)
        failpoints.reached("create.before")
        with answering(self._client):
            outcome, *told = await self._create(request, new_thread, worker or "", ())
            while outcome == b"again":
                outcome, *told = await self._create(request, new_thread, worker or "", told[0])
            if outcome != b"run":
                await self._hints.retract(hint)
                refuse(request, outcome.decode(), [one.decode() for one in told[0]] if told else [])
        failpoints.reached("create.after")
        active, fields, started = told
        if request.multitask in {"interrupt", "rollback"} and active not in {b"", request.run_id.encode()}:
            with self._hinting():
                await self._hints.signal((request.thread_id, active.decode()))
        return Accepted(run=run_of(fields), claimed=self._begun(hint, worker or "", started) if started else None)

    async def get(self, thread_id: str, run_id: str) -> Run:
        with answering(self._client):
            fields: Any = await self._client.hmget(self._keys.run(thread_id, run_id), RUN_FIELDS)
        if fields[0] is None:
            raise NotFound("run", run_id)
        return run_of(fields)

    async def of_thread(
        self, thread_id: str, *, limit: int, offset: int = 0, status: RunStatus | None = None
    ) -> Sequence[Run]:
        """See `RunLifecycle.of_thread`. Two round trips for each 100 runs that are looked at."""
        with answering(self._client):
            return await of_thread(self._client, self._keys, thread_id, limit=limit, offset=offset, status=status)

    async def recent(self, *, limit: int, status: RunStatus | None = None) -> Sequence[Run]:
        """See `RunLifecycle.recent`. Two round trips for each 100 runs that are looked at."""
        with answering(self._client):
            return await of_tenant(self._client, self._keys, self._hints, limit=limit, status=status)

    async def claim(self, worker: str, *, wait_s: float) -> Claimed | None:
        """See `RunLifecycle.claim`. Let it return, don't cancel it: cut off in the middle, it may cost an attempt."""
        deadline = time.monotonic() + wait_s
        while True:
            with answering(self._client):
                while (hint := await self._hints.pop()) is not None:
                    if (claimed := await self._start(hint, worker)) is not None:
                        return claimed
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return None
            await self.wait(min(remaining, _LOOK_AGAIN_S))

    async def wait(self, seconds: float) -> None:
        """See `RunLifecycle.wait`. Holds one connection meanwhile."""
        with answering(self._client):
            await self._hints.wait(min(seconds, _LOOK_AGAIN_S))

    async def beat(self, claim: Claim, spent: Json | None = None) -> CancelAction | None:
        args = [claim.epoch, self._lease_ms, "" if spent is None else orjson.dumps(spent)]
        with answering(self._client):
            told = await self._scripts.run("run_beat", keys=self._of_run(claim.thread_id, claim.run_id), args=args)
        if told is None:
            raise StaleClaim(claim.run_id, epoch=claim.epoch)
        return told.decode() or None

    async def append(self, claim: Claim, events: Sequence[tuple[str, bytes]]) -> None:
        keys = self._keys
        thread_id, run_id = claim.thread_id, claim.run_id
        failpoints.reached("append.before")
        with answering(self._client):
            ids = await self._scripts.run(
                "run_append",
                keys=[keys.events(thread_id, run_id), keys.epoch(thread_id), keys.run(thread_id, run_id)],
                args=[
                    *(claim.epoch, self._events_kept, keys.news(thread_id, run_id)),
                    *(part for event in events for part in event),
                ],
            )
        if ids is None:
            raise StaleClaim(run_id, epoch=claim.epoch)
        failpoints.reached("append.after")
        self._told(claim, ids, events)

    async def finish(self, claim: Claim, ending: Ending, events: Sequence[tuple[str, bytes]] = ()) -> None:
        """See `RunLifecycle.finish`. One round trip, and one more where another run is released.

        A rollback that was asked for happens, however the run ends, and one that was to be interrupted
        asks nothing more. While an interrupt waits, the next run isn't released. A run that fails leaves waiting
        what it didn't answer. From here on the run's keys expire.
        """
        ended = (claim.thread_id, claim.run_id)
        last: dict[str, Any] = {"status": ending.status}
        if ending.error is not None:
            last["error"] = ending.error
        told = [*events, (END, to_json("error", last))]
        opened = Opening(*ended, ending.interrupts, clock=self._clock)
        arguments: list[Argument] = [
            *(claim.run_id, claim.epoch, ending.status),
            to_json("error", ending.error) if ending.error is not None else b"",
            *(opened.entries, ending.cancelled or ""),
            *(self._retention_ms, self._events_kept, self._keys.news(*ended), END, CANCELLED),
            *(part for event in told for part in event),
        ]
        failpoints.reached("finish.before")
        with answering(self._client):
            calls: list[Call] = [opened.hint(self._keys)] if ending.interrupts or claim.answers else []
            reply = (await self._scripts.together([*calls, ("run_finish", self._sweep.all_of(*ended), arguments)]))[-1]
        if reply is None:
            raise StaleClaim(claim.run_id, epoch=claim.epoch)
        failpoints.reached("finish.after")
        released, now_ms, ids, overruled = reply
        self._told(claim, ids, [*events, (END, CANCELLED)] if overruled else told)
        await self._over(ended, released, now_ms)

    async def release(self, claim: Claim, spent: Json | None = None) -> None:
        hint = (claim.thread_id, claim.run_id)
        args = [claim.epoch, "" if spent is None else orjson.dumps(spent)]
        with answering(self._client):
            told = await self._scripts.run("run_release", keys=self._of_run(*hint), args=args)
        if told is None:
            raise StaleClaim(claim.run_id, epoch=claim.epoch)
        if told[0] == b"cancelled":
            await self.finish(claim, Ending(status="interrupted", cancelled=told[1].decode()))
            return
        with self._hinting():
            await self._hints.tell(ready=hint)

    async def lose(self, claim: Claim, reason: str) -> None:
        with answering(self._client):
            if not await self._sweep.take_over((claim.thread_id, claim.run_id), reason, epoch=claim.epoch):
                raise StaleClaim(claim.run_id, epoch=claim.epoch)

    async def cancel(self, thread_id: str, run_id: str, action: CancelAction, *, who: Who | None = None) -> bool:
        """See `RunLifecycle.cancel`. Two round trips."""
        ended = (thread_id, run_id)
        with answering(self._client):
            news = self._keys.news(*ended)
            args = [run_id, action, self._retention_ms, self._events_kept, news, END, CANCELLED, who_of(who)]
            calls = [hint(self._keys, thread_id, clock=self._clock), ("run_cancel", self._sweep.all_of(*ended), args)]
            _, (outcome, *told) = await self._scripts.together(calls)
        match outcome:
            case b"none":
                raise NotFound("run", run_id)
            case b"over":
                raise RunOver(run_id, told[0].decode())
            case b"asked":
                with self._hinting():
                    await self._hints.signal(ended)
                return False
            case _:
                await self._over(ended, *told)
                return True

    async def delete(self, thread_id: str, run_id: str) -> None:
        keys = self._keys
        names = [keys.run(thread_id, run_id), keys.events(thread_id, run_id), keys.runs(thread_id)]
        names += keys.trajectories(thread_id)
        with answering(self._client):
            gone = await self._scripts.run("run_delete", keys=names, args=[run_id])
        if gone is None:
            raise NotFound("run", run_id)
        if not gone:
            raise RunActive(run_id)

    async def sweep(self, *, spare: bool = False) -> Sequence[str]:
        """See `RunLifecycle.sweep`. Three round trips for each 200 runs that haven't ended, and what must be written.

        A run tried too often ends with the error `RunLost`; interrupts that it was to answer wait again.
        """
        with answering(self._client):
            return await self._sweep.all(spare=spare)

    async def signalled(self, after: str, wait_s: float) -> tuple[str, list[str]]:
        with answering(self._client):
            return await self._hints.signalled(after, wait_s)

    async def depth(self) -> tuple[int, int]:
        """See `RunLifecycle.depth`. One round trip."""
        with answering(self._client):
            return await self._hints.depth()

    async def _create(
        self, request: RunRequest, new_thread: Json | None, worker: str, queued: Sequence[bytes]
    ) -> list[Any]:
        """What `run_create.lua` says. `queued`: the thread's other runs, as far as they are known."""
        keys, thread_id = self._keys, request.thread_id
        noted, others = (thread_id, request.run_id), [one.decode() for one in queued]
        names, answers = self._sweep.all_of(*noted), answered(request, clock=self._clock)
        for other in others:
            names += [keys.run(thread_id, other), keys.events(thread_id, other)]
        args: list[Argument] = [
            *(request.run_id, to_json("payload", request), request.multitask),
            *(kind_of(request), request.graph_id, request.assistant_id),
            to_json("config.configurable", configurable_of(request)),
            "" if new_thread is None else to_json("metadata", new_thread),
            *("1" if request.temporary else "", worker, self._lease_ms, self._retention_ms, self._events_kept),
            *(END, CANCELLED, len(RUN_FIELDS), *RUN_FIELDS, len(answers) // 8, *answers),
            *(*others, *(keys.news(thread_id, other) for other in others)),
        ]
        calls = [self._hints.telling(expected=noted), ("run_create", names, args)]
        if not worker:
            # Wrong where the run must wait for others; whoever follows it finds that out.
            calls.append(self._hints.telling(ready=noted))
        # It may answer questions, or bring back those of an answer that it takes the place of.
        asks = request.answers is not None or request.multitask in {"interrupt", "rollback"}
        if asks:
            calls.insert(0, hint(keys, thread_id, clock=self._clock))
        told = await self._scripts.together(calls)
        return told[2 if asks else 1]

    async def _start(self, hint: Hint, worker: str) -> Claimed | None:
        thread_id, run_id = hint
        keys = [self._keys.thread(thread_id), *self._of_run(thread_id, run_id)]
        failpoints.reached("claim.before")
        started = await self._scripts.run("run_claim", keys=keys, args=[run_id, worker, self._lease_ms])
        if started is None:
            return None
        failpoints.reached("claim.after")
        return self._begun(hint, worker, started)

    def _begun(self, hint: Hint, worker: str, started: Sequence[Any]) -> Claimed:
        self._heard(*hint, ())
        return claimed_of(*hint, worker, started)

    def _told(self, claim: Claim, ids: Sequence[bytes], events: Sequence[tuple[str, bytes]]) -> None:
        if ids:
            told = [(id.decode(), *event) for id, event in zip(ids, events, strict=True)]
            self._heard(claim.thread_id, claim.run_id, told)

    async def _over(self, ended: Hint, released: bytes, now_ms: bytes) -> None:
        """Say that a run has ended, and which one may start for it. Only once it is true: a zombie's end is refused."""
        self._hints.over(ended)
        if released:
            with self._hinting():
                await self._hints.tell(ready=(ended[0], released.decode()), at_ms=int(now_ms))

    def _of_run(self, thread_id: str, run_id: str) -> list[str]:
        return [self._keys.run(thread_id, run_id), self._keys.epoch(thread_id)]

    @contextmanager
    def _hinting(self) -> Generator[None]:
        """Write hints for what is true already: if that fails, it stays true, and the sweeper makes the hint."""
        try:
            with answering(self._client):
                yield
        except StoreUnavailable as error:
            logger.warning("a hint is left to the sweeper: %s", error)


def _nobody(thread_id: str, run_id: str, events: Sequence[tuple[str, str, bytes]]) -> None:
    """Nobody in this process reads events."""
