"""Attends to approvals in the background: relays what happened, rejects what is overdue, decides what a grant covers.

Every server and worker does it; a thread that is due is one process's for half a minute. What a process changed itself
it attends to at once, so the journal follows within milliseconds; the walk over what is due is for the rest: deadlines,
and what a process left behind that died.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from motet.errors import AlreadyDecided, CallerError, OperatorError, StoreUnavailable
from motet.graphs.ambiguous import is_doubt
from motet.memory.approvals import Approval, Due, Entry, Grant, Journal
from motet.memory.asking import Decision, Who
from motet.memory.redis.approvals import Clock
from motet.observability.approval_metrics import ApprovalMetrics, Kind
from motet.server.deciding import Desk, decide, rejection

logger = logging.getLogger(__name__)

_LAST_S = 1.0
"""So long what this process changed last may hold up its end; others attend to it within seconds."""
_AGAIN_S = 30.0
_FAR_S = 365 * 24 * 3600.0
"""An open approval without a deadline is looked at so rarely; whatever happens to it says so by itself."""

EXPIRED = Who(actor="deadline", verified_as="motet")


class Attending:
    """What attends to the approvals of a tenant in one process."""

    def __init__(self, desk: Desk, journal: Journal, *, clock: Clock, metrics: ApprovalMetrics, every_s: float) -> None:
        """`clock` says what is overdue; what others left is looked for every `every_s` seconds or so."""
        self._desk = desk
        self._journal = journal
        self._clock = clock
        self._metrics = metrics
        self._every_s = every_s
        self._near: dict[str, None] = {}
        self._awake = asyncio.Event()

    def nudge(self, thread_id: str) -> None:
        """Something happened to the thread's approvals in this process: attend to it now."""
        self._near[thread_id] = None
        self._awake.set()

    async def forever(self) -> None:
        """Attend until cancelled; while Redis doesn't answer, try again."""
        while True:
            with suppress(TimeoutError):
                # Not by wait_for: Python 3.11's forgets that it was cancelled where what it waits for comes then, too.
                async with asyncio.timeout(self._every_s * random.uniform(0.6, 1.0)):  # noqa: S311 - jitter
                    await self._awake.wait()
            self._awake.clear()
            try:
                await self.once()
            except OperatorError as error:
                logger.warning("approvals are attended to later: %s", error)
            except Exception:
                # Whatever Redis may say: nobody else would attend for this process.
                logger.exception("approvals could not be attended to")

    async def rest(self) -> None:
        """Attend to what this process changed."""
        while self._near:
            await self._look(next(iter(self._near)))

    async def once(self) -> None:
        """Attend to what this process changed, and to all that is due."""
        await self.rest()
        while due := await self._desk.approvals.due():
            for one in due:
                await self._attend(one)
        waiting, oldest_s = await self._desk.approvals.standing()
        self._metrics.standing(waiting=waiting, oldest_s=oldest_s)

    async def _attend(self, due: Due) -> None:
        again_s = await self._look(due.thread_id)
        await self._desk.approvals.attended(due, again_s=again_s)

    async def _look(self, thread_id: str) -> float | None:
        """As `_settled`; a thread that can't be attended to leaves the others alone, and is tried again."""
        self._near.pop(thread_id, None)
        try:
            return await self._settled(thread_id)
        except StoreUnavailable:
            raise
        except Exception:
            logger.exception("the approvals of thread %s could not be attended to", thread_id)
            return _AGAIN_S

    async def _settled(self, thread_id: str) -> float | None:
        """Relay, expire and approve; when to look again, None for a thread with nothing open."""
        approvals = self._desk.approvals
        await self._relay(thread_id)
        waiting = await approvals.open_on(thread_id)
        grants = await approvals.grants(thread_id) if waiting else ()
        for one in waiting:
            await self._settle(one, grants)
        if waiting:
            await self._relay(thread_id)  # what was decided just now
        left = [self._left_s(one) for one in waiting]
        return min((one if one > 0 else _AGAIN_S for one in left), default=None)

    async def _relay(self, thread_id: str) -> None:
        entries = await self._journal.relay(thread_id)
        ended = {one.approval_id: one for one in entries if one.event in ("decided", "expired", "withdrawn")}
        for one in await self._desk.approvals.several(list(ended)):
            self._count(ended[one.approval_id], one)

    def _count(self, entry: Entry, approval: Approval) -> None:
        """Each call that was asked about, by what became of it; a question about none counts as one."""
        decisions: list[dict[str, Any]] = entry.detail.get("decisions") or [{}]
        kinds: list[Kind] = [one.get("type", "answer") for one in decisions]
        if entry.event == "expired" or entry.event == "withdrawn":  # noqa: PLR1714 - by `in`, the type isn't narrowed
            kinds = [entry.event] * max(len(approval.asked.actions), 1)
        waited = datetime.fromisoformat(entry.at) - datetime.fromisoformat(approval.created_at)
        for kind in kinds:
            self._metrics.ended(kind, max(waited.total_seconds(), 0.0))

    async def _settle(self, approval: Approval, grants: Sequence[Grant]) -> None:
        if self._left_s(approval) <= 0:
            reason = f"nobody decided before {approval.deadline_at}"
            await self._decided(approval, rejection(approval.asked, reason), who=EXPIRED, reason=reason)
            return
        actions = () if is_doubt(approval.asked.value) else approval.asked.actions
        covering = [next((one for one in grants if one.covers(act.tool, act.arguments)), None) for act in actions]
        if covering and all(covering):
            names = ", ".join(dict.fromkeys(f"grant {one.grant_id} of {one.by.actor}" for one in covering if one))
            await self._decided(
                approval, [Decision(type="approve") for _ in actions], who=Who(actor=names, verified_as="motet")
            )

    async def _decided(self, approval: Approval, given: Sequence[Decision], *, who: Who, reason: str = "") -> None:
        state = "expired" if reason else "decided"
        try:
            await decide(self._desk, approval.approval_id, given, who=who, state=state, reason=reason)
        except AlreadyDecided:
            return  # somebody was quicker
        except CallerError as error:
            logger.warning("approval %s can't be %s: %s", approval.approval_id, state, error)

    def _left_s(self, approval: Approval) -> float:
        """Seconds until nobody's answer counts as a rejection."""
        if approval.deadline_at is None:
            return _FAR_S
        return datetime.fromisoformat(approval.deadline_at).astimezone(UTC).timestamp() - self._clock()


@asynccontextmanager
async def attending(one: Attending) -> AsyncGenerator[None]:
    """Attend until the context ends; what was changed in this process is relayed before."""
    task = asyncio.create_task(one.forever())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        with suppress(OperatorError, TimeoutError):
            async with asyncio.timeout(_LAST_S):
                await one.rest()
