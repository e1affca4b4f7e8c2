"""A run's life in Redis, from its acceptance to its end.

The truth about a run stands in its thread's slot: the thread's hash (status, the run it works on, the
interrupts that wait), the queue (runs that haven't ended, the one worked on at its head), the run's
hash (request, status, attempt, lease), the run's events and the thread's epoch. Each transition is one
script over these keys, so it happens whole or not at all, in a cluster too. The epoch grows when a run is
claimed, taken over, given back and ended: whoever writes for a run, its checkpoints included, compares it
and nothing else.

What workers look at to find work (`hints`) stands in another slot and is written in a second round
trip. A crash between the two loses a hint and no run: `sweep` walks all runs that haven't ended, finds
those that may start and that no worker would find, takes over those whose lease ran out, and forgets
those that ended.

A thread works on one run at a time, in the order of acceptance, with one exception: while an interrupt
waits, no plain input starts, because it would discard the question. Inputs queued before the question
came up stay queued; the run that answers goes in front of them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from redis.asyncio import Redis

from motet.errors import (
    InvalidInput,
    NotFound,
    NoWaitingInterrupt,
    StaleClaim,
    StoreUnavailable,
    ThreadBusy,
    ThreadWaits,
)
from motet.memory.ports import END, Claim, Claimed, Ending, Run, RunRequest
from motet.memory.redis.client import answering
from motet.memory.redis.hints import Hint, Hints
from motet.memory.redis.keys import Keys
from motet.memory.redis.records import RUN_FIELDS, configurable_of, interrupts_to_json, request_of, run_of, to_json
from motet.memory.redis.scripts import Scripts

logger = logging.getLogger(__name__)

EVENTS_KEPT = 10_000
"""At least so many of a run's last events can be read."""

DAY_S = 24 * 3600

_LOOK_AGAIN_S = 1.0
"""Longest wait for a wake-up before a worker looks for runs by itself."""

_SWEPT_AT_ONCE = 200


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
    ) -> None:
        """Runs of one tenant.

        Args:
            client: what `client.connect` gave; a `claim` that waits holds one connection of its pool.
            keys: names of the tenant's keys.
            scripts: shared with the other adapters of this client.
            lease_s: seconds without a beat after which a run is taken from its worker.
            max_attempts: how often a run is claimed before it ends with the error `RunLost`.
            retention_s: seconds for which an ended run and its events can be read.
        """
        self._client = client
        self._keys = keys
        self._scripts = scripts
        self._hints = Hints(client, keys)
        self._lease_ms = round(lease_s * 1000)
        self._max_attempts = max_attempts
        self._retention_ms = round(retention_s * 1000)
        self._unknown: set[Hint] = set()
        """Hints whose run didn't exist at the last sweep: it may have been about to be accepted."""

    async def create(self, request: RunRequest) -> Run:
        """See `RunLifecycle.create`. With a run id that exists: that run, and nothing changes. Three round trips.

        Raises:
            InvalidInput: several interrupts wait and the answer doesn't say which it is for, or the
                request holds what JSON can't.
        """
        hint = (request.thread_id, request.run_id)
        answers = list(dict.fromkeys(request.answers or ()))
        kind = "plain" if request.answers is None else "answer"
        record = to_json("payload", request)
        with answering(self._client):
            await self._hints.expect(hint)
            outcome, *told = await self._scripts.run(
                "run_create",
                keys=self._of_thread(*hint)[:3],
                args=[
                    *(request.run_id, record, request.multitask, kind, request.graph_id, request.assistant_id),
                    *(to_json("config.configurable", configurable_of(request)), len(answers), *answers, *RUN_FIELDS),
                ],
            )
            if outcome != b"run":
                await self._hints.forget([hint])
                _refuse(request, outcome.decode(), [one.decode() for one in told[0]] if told else [])
        active, now_ms, fields = told
        if active.decode() == request.run_id:
            with self._hinting():
                await self._hints.ready(hint, int(now_ms))
        return run_of(fields)

    async def get(self, thread_id: str, run_id: str) -> Run:
        with answering(self._client):
            fields: Any = await self._client.hmget(self._keys.run(thread_id, run_id), RUN_FIELDS)
        if fields[0] is None:
            raise NotFound("run", run_id)
        return run_of(fields)

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
                await self._hints.wait(min(remaining, _LOOK_AGAIN_S))

    async def beat(self, claim: Claim) -> None:
        with answering(self._client):
            extended = await self._scripts.run(
                "run_beat", keys=self._of_run(claim.thread_id, claim.run_id), args=[claim.epoch, self._lease_ms]
            )
        if not extended:
            raise StaleClaim(claim.run_id, epoch=claim.epoch)

    async def append(self, claim: Claim, events: Sequence[tuple[str, bytes]]) -> None:
        flat = [part for event in events for part in event]
        with answering(self._client):
            added = await self._scripts.run(
                "run_append",
                keys=self._of_thread(claim.thread_id, claim.run_id)[3:],
                args=[claim.epoch, EVENTS_KEPT, *flat],
            )
        if not added:
            raise StaleClaim(claim.run_id, epoch=claim.epoch)

    async def finish(self, claim: Claim, ending: Ending) -> None:
        """See `RunLifecycle.finish`. Two round trips.

        While an interrupt waits, the next run isn't released. A run that fails leaves waiting what
        it didn't answer. From here on the run's keys expire.
        """
        await self._finish(claim, ending)

    async def release(self, claim: Claim) -> None:
        hint = (claim.thread_id, claim.run_id)
        with answering(self._client):
            now_ms = await self._scripts.run("run_release", keys=self._of_run(*hint), args=[claim.epoch])
        if now_ms is None:
            raise StaleClaim(claim.run_id, epoch=claim.epoch)
        with self._hinting():
            await self._hints.ready(hint, int(now_ms))

    async def sweep(self) -> Sequence[str]:
        """See `RunLifecycle.sweep`. Three round trips for each 200 runs that haven't ended, and what must be written.

        A run tried too often ends with the error `RunLost`; interrupts that it was to answer wait again.
        """
        known, self._unknown = self._unknown, set()
        swept: list[str] = []
        with answering(self._client):
            async for hints in self._hints.active(_SWEPT_AT_ONCE):
                swept += await self._sweep(hints, known)
        return swept

    async def _start(self, hint: Hint, worker: str) -> Claimed | None:
        thread_id, run_id = hint
        keys = [self._keys.thread(thread_id), *self._of_run(thread_id, run_id)]
        started = await self._scripts.run("run_claim", keys=keys, args=[run_id, worker, self._lease_ms])
        if started is None:
            return None
        epoch, attempt, request = started
        claim = Claim(run_id=run_id, thread_id=thread_id, worker=worker, epoch=epoch, attempt=attempt)
        return Claimed(claim=claim, request=request_of(request))

    async def _finish(self, claim: Claim, ending: Ending, *, lost: bool = False) -> None:
        last: dict[str, Any] = {"status": ending.status}
        if ending.error is not None:
            last["error"] = ending.error
        arguments = [
            claim.run_id,
            claim.epoch,
            ending.status,
            END,
            to_json("error", last),
            to_json("error", ending.error) if ending.error is not None else b"",
            interrupts_to_json(ending.interrupts),
            self._retention_ms,
            "lost" if lost else "",
        ]
        with answering(self._client):
            reply = await self._scripts.run(
                "run_finish", keys=self._of_thread(claim.thread_id, claim.run_id), args=arguments
            )
        if reply is None:
            raise StaleClaim(claim.run_id, epoch=claim.epoch)
        released, now_ms = reply
        ended = (claim.thread_id, claim.run_id)
        with self._hinting():
            if released:
                await self._hints.ready((claim.thread_id, released.decode()), int(now_ms), ended=ended)
            else:
                await self._hints.forget([ended])

    async def _sweep(self, hints: Sequence[Hint], known: set[Hint]) -> list[str]:
        found = await self._hints.are_ready(hints)
        async with self._client.pipeline(transaction=False) as pipe:
            pipe.time()
            for thread_id, run_id in hints:
                pipe.hmget(self._keys.run(thread_id, run_id), ["status", "deadline_ms", "updated_us"])
                pipe.hget(self._keys.thread(thread_id), "active")
            (seconds, microseconds), *told = await pipe.execute()
        now_ms = seconds * 1000 + microseconds // 1000

        over: list[Hint] = []
        swept: list[str] = []
        for hint, is_found, (status, deadline_ms, updated_us), active in zip(
            hints, found, told[::2], told[1::2], strict=True
        ):
            if status is None and hint not in known:
                self._unknown.add(hint)
            elif status not in (b"pending", b"running"):
                over.append(hint)
            elif status == b"pending" and not is_found and active == hint[1].encode():
                await self._hints.ready(hint, int(updated_us) // 1000)
                swept.append(hint[1])
            elif status == b"running" and int(deadline_ms) <= now_ms and await self._take_over(hint):
                swept.append(hint[1])
        if over:
            await self._hints.forget(over)
        return swept

    async def _take_over(self, hint: Hint) -> bool:
        """Take a run from its worker; whether another one may claim it now."""
        thread_id, run_id = hint
        taken = await self._scripts.run(
            "run_takeover", keys=self._of_run(thread_id, run_id), args=[self._lease_ms, self._max_attempts]
        )
        if taken is None:
            return False
        if taken[0] == b"pending":
            logger.warning("run %s: its worker's lease ran out; another may claim it", run_id)
            await self._hints.ready(hint, int(taken[1]))
            return True
        _, epoch, attempt = taken
        claim = Claim(run_id=run_id, thread_id=thread_id, worker="sweeper", epoch=epoch, attempt=attempt)
        message = f"tried {attempt} times, and each time the worker was lost; not tried again"
        logger.error("run %s: %s", run_id, message)
        with suppress(StaleClaim):  # this sweeper slept past its own lease, and another one ended the run
            await self._finish(claim, Ending(status="error", error={"error": "RunLost", "message": message}), lost=True)
        return False

    def _of_thread(self, thread_id: str, run_id: str) -> list[str]:
        """Thread, queue, run, events, epoch: the order in which scripts take them."""
        keys = self._keys
        return [
            keys.thread(thread_id),
            keys.queue(thread_id),
            keys.run(thread_id, run_id),
            keys.events(thread_id, run_id),
            keys.epoch(thread_id),
        ]

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


def _refuse(request: RunRequest, outcome: str, waiting: Sequence[str]) -> NoReturn:
    match outcome:
        case "no thread":
            raise NotFound("thread", request.thread_id)
        case "busy":
            raise ThreadBusy(request.thread_id)
        case "waits":
            raise ThreadWaits(request.thread_id, waiting)
        case "several":
            allowed = f"a mapping from the id of each interrupt answered to its answer; waiting: {', '.join(waiting)}"
            raise InvalidInput("command.resume", "an answer without an id", allowed)
        case _:
            raise NoWaitingInterrupt(request.thread_id, request.answers or (), waiting)
