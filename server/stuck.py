"""Finds threads and runs that don't go on, and says why and what to do.

Looks at the runs that haven't ended, page by page, at their threads, and at those of the newest 10,000 runs that
say they are at work: what is idle costs next to nothing. A page isn't read in one instant, so whatever looks wrong is
looked at again before it is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field

from motet.memory.redis.health import Level
from motet.memory.redis.inspection import Inspection, RunState, ThreadState
from motet.server.durations import spelled
from motet.server.standing import counted, of_thread

LOOKED_AT = 20_000
"""Runs that haven't ended and are looked at: some seconds' worth."""

_PAGE = 500
_EXAMPLES = 5
"""Findings of a kind that are told; the rest is counted."""

_PATIENCE_S = 15 * 60
"""A question that holds runs up for longer is told."""

_SWEEPS = 3
"""What a healthy installation repairs by itself is repaired after so many sweeps."""

_DELETE = (
    "nothing repairs this by itself: delete the thread (DELETE /threads/{thread}), and look who else writes to Redis"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """One thing that doesn't go on."""

    kind: str
    level: Level
    """error: it stays so until somebody acts. warning: it may go on, but not soon."""
    what: str
    why: str = ""
    advice: str = ""
    thread_id: str = ""
    run_id: str = ""


@dataclass(slots=True)
class _Seen:
    """What was counted on the way."""

    runs: int = 0
    pending: int = 0
    holding: Counter[str] = field(default_factory=Counter[str])
    """Runs that each worker holds with a lease that lasts."""
    unclaimed: list[RunState] = field(default_factory=list[RunState])


async def look(inspection: Inspection, *, sweep_s: float) -> Sequence[Stuck]:
    """All that is stuck, worst first, then one line about the runs that haven't ended. Raises StoreUnavailable."""
    seen = _Seen()
    first: set[tuple[str, str, str]] = set()
    async for page in _pages(inspection):
        states = await inspection.look(page)
        first |= {(one.kind, one.thread_id, one.run_id) for state in states for one in judged(state, sweep_s=sweep_s)}
        _count(seen, states, set(page), sweep_s)
        if seen.runs >= LOOKED_AT:
            break
    again = sorted({(thread_id, run_id) for _, thread_id, run_id in first})
    found = [
        one
        for at in range(0, len(again), _PAGE)
        for state in await inspection.look(again[at : at + _PAGE])
        for one in judged(state, sweep_s=sweep_s)
        if (one.kind, one.thread_id, one.run_id) in first
    ]
    told = [*_some(found), *_unclaimed(seen)]
    return [*sorted(told, key=lambda one: one.level != "error"), _all(seen, await inspection.unfinished())]


async def _pages(inspection: Inspection) -> AsyncIterator[Sequence[tuple[str, str]]]:
    """What is to be looked at: runs that haven't ended, then threads at work that none of these is on."""
    looked_at: set[str] = set()
    async for page in inspection.unfinished_pages(_PAGE):
        looked_at |= {thread_id for thread_id, _ in page}
        yield page
    rest = list(dict.fromkeys(thread_id for thread_id, _ in await inspection.newest() if thread_id not in looked_at))
    for at in range(0, len(rest), _PAGE):
        yield [(thread_id, "") for thread_id in await inspection.at_work(rest[at : at + _PAGE])]


async def explained(inspection: Inspection, thread_id: str, *, sweep_s: float) -> Sequence[Stuck]:
    """What one thread does, also when nothing is wrong, then what is wrong with it. Raises StoreUnavailable."""
    [first] = await inspection.look([(thread_id, "")])
    [state] = await inspection.look([(thread_id, run_id) for run_id in first.queue] or [(thread_id, "")])
    found = list(judged(state, sweep_s=sweep_s))
    advice = ""
    if state.waiting and not state.active:
        advice = f"answer it: motet inbox show {thread_id}, or motet chat --thread {thread_id}"
    return [Stuck(kind="thread", level="ok", what=of_thread(state), advice=advice, thread_id=thread_id), *found]


def judged(thread: ThreadState, *, sweep_s: float) -> Iterator[Stuck]:
    """What is wrong with a thread and those of its runs that were looked at."""
    if not thread.status:
        for run in thread.runs.values():
            yield from _without_thread(run)
        return
    yield from _active(thread, sweep_s)
    yield from _held_up(thread)
    for run in thread.runs.values():
        if not run.status and run.run_id not in {thread.active, thread.last}:
            yield _unknown(run)
        elif run.status == "pending" and run.position is None:
            yield Stuck(
                kind="not queued",
                level="error",
                what=f"run {run.run_id} is pending, and its thread's queue doesn't hold it: it never starts",
                why="acceptance writes both at once, so the queue was changed or lost afterwards",
                advice=f"motet runs cancel {run.run_id}",
                thread_id=run.thread_id,
                run_id=run.run_id,
            )
        elif run.status in {"pending", "running"} and not run.listed:
            yield Stuck(
                kind="not listed",
                level="error",
                what=f"run {run.run_id} is {run.status}, and no sweep looks at it before the next walk over threads",
                why="the list of runs that haven't ended is written before the run: Redis lost a part of its data",
                advice="a server or worker makes that walk every ten minutes; if none lives, start one",
                thread_id=run.thread_id,
                run_id=run.run_id,
            )


def _active(thread: ThreadState, sweep_s: float) -> Iterator[Stuck]:
    """What is wrong with the run that a thread works on."""
    run = thread.runs.get(thread.active)
    if run is None:
        return
    names = {"thread_id": thread.thread_id, "run_id": run.run_id}
    behind = thread.queued - (run.run_id in thread.queue)
    queued = f"; {counted(behind, 'run')} behind it" if behind else ""
    if run.status not in {"pending", "running"}:
        what = f"has ended ({run.status})" if run.status else "doesn't exist"
        why = "its end writes both at once" if run.status else "a run that hasn't ended never expires"
        yield Stuck(
            kind="busy with nothing",
            level="error",
            what=f"thread {thread.thread_id} is {thread.status} with run {run.run_id}, which {what}{queued}",
            why=f"{why}, so others changed the keys, Redis threw some away, or a backup was restored in part",
            advice=_DELETE.format(thread=thread.thread_id),
            **names,
        )
    elif run.status == "running" and -run.lease_left_s > _SWEEPS * sweep_s:
        yield Stuck(
            kind="lost and not swept",
            level="error",
            what=f"run {run.run_id} is held by worker {run.worker}, whose lease ran out "
            f"{spelled(-run.lease_left_s)} ago{queued}",
            why=f"every server and worker sweeps each {sweep_s:g} s, and would have taken it: none of them lives",
            advice="start motet serve or motet worker; the run then goes on from its last checkpoint",
            **names,
        )
    elif run.status == "pending" and not run.findable and run.since_s > _SWEEPS * sweep_s:
        yield Stuck(
            kind="hidden and not swept",
            level="error",
            what=f"run {run.run_id} may start for {spelled(run.since_s)}, and no worker would find it{queued}",
            why=f"every server and worker sweeps each {sweep_s:g} s, and would have told: none of them lives",
            advice="start motet serve or motet worker",
            **names,
        )


def _held_up(thread: ThreadState) -> Iterator[Stuck]:
    """Runs that are queued while their thread works on nothing."""
    if thread.active or not thread.queued:
        return
    runs = counted(thread.queued, "run")
    if not thread.waiting:
        yield Stuck(
            kind="queued on an idle thread",
            level="error",
            what=f"thread {thread.thread_id} is {thread.status}, and holds up {runs}, the first {thread.queue[0]}",
            why="the end of a run releases the next in the same step, so others changed the keys",
            advice=f"motet runs cancel {thread.queue[0]}, then motet runs retry it: a new run starts the thread again",
            thread_id=thread.thread_id,
            run_id=thread.queue[0],
        )
    elif thread.since_s > _PATIENCE_S:
        yield Stuck(
            kind="waits for a person",
            level="warning",
            what=f"thread {thread.thread_id} has waited for a person for {spelled(thread.since_s)}; {runs} behind",
            why="an input would discard the question, so none starts before it is answered",
            advice=f"answer: motet inbox show {thread.thread_id}; or withdraw it: motet runs cancel {thread.asked}",
            thread_id=thread.thread_id,
            run_id=thread.asked,
        )


def _without_thread(run: RunState) -> Iterator[Stuck]:
    if run.status in {"pending", "running"}:
        yield Stuck(
            kind="without thread",
            level="error",
            what=f"run {run.run_id} is {run.status}, and its thread {run.thread_id} doesn't exist",
            why="whoever deletes a thread deletes its runs, so others changed the keys, or Redis threw some away",
            advice=f"motet runs cancel {run.run_id}",
            thread_id=run.thread_id,
            run_id=run.run_id,
        )
    elif not run.status:
        yield _unknown(run)


def _unknown(run: RunState) -> Stuck:
    return Stuck(
        kind="unknown",
        level="warning",
        what=f"run {run.run_id} is among those that haven't ended, and has no record",
        why="it was refused or lost just when it was accepted, or Redis threw the record away",
        advice="nothing: the second sweep from now forgets it, if a server or worker lives",
        thread_id=run.thread_id,
        run_id=run.run_id,
    )


def _count(seen: _Seen, states: Sequence[ThreadState], asked: set[tuple[str, str]], sweep_s: float) -> None:
    for state in states:
        for run in state.runs.values():
            if (run.thread_id, run.run_id) not in asked or run.status not in {"pending", "running"}:
                continue
            seen.runs += 1
            seen.pending += run.status == "pending"
            if run.lease_left_s > 0:
                seen.holding[run.worker] += 1
            if run.status == "pending" and run.findable and state.active == run.run_id:
                seen.unclaimed += [run] if run.since_s > _SWEEPS * sweep_s else []


def _some(found: Sequence[Stuck]) -> Iterator[Stuck]:
    """Some of each kind, and how many more there are."""
    kinds: dict[str, list[Stuck]] = {}
    for one in found:
        kinds.setdefault(one.kind, []).append(one)
    for kind, alike in kinds.items():
        yield from alike[:_EXAMPLES]
        if len(alike) > _EXAMPLES:
            more = counted(len(alike) - _EXAMPLES, "more case")
            yield Stuck(kind=kind, level=alike[0].level, what=f"{more} like this", advice=alike[0].advice)


def _unclaimed(seen: _Seen) -> Iterator[Stuck]:
    """Runs that may start and that nobody takes, as one finding."""
    if not seen.unclaimed:
        return
    oldest = max(seen.unclaimed, key=lambda run: run.since_s)
    runs = counted(len(seen.unclaimed), "run")
    what = f"{runs} may start and no worker takes them, the first ({oldest.run_id}) for {spelled(oldest.since_s)}"
    names = {"thread_id": oldest.thread_id, "run_id": oldest.run_id}
    if seen.holding:
        yield Stuck(
            kind="unclaimed",
            level="warning",
            what=what,
            why=f"{counted(seen.holding.total(), 'run')} at work on {counted(len(seen.holding), 'worker')}: "
            "all that there are seem busy",
            advice="start another motet worker, or more at a time (--workers)",
            **names,
        )
    else:
        yield Stuck(
            kind="unclaimed",
            level="error",
            what=what,
            why="no worker holds any run: none lives, none reaches this Redis, or they work for another MOTET_TENANT",
            advice="start motet worker, or motet serve with --workers",
            **names,
        )


def _all(seen: _Seen, unfinished: int) -> Stuck:
    if not seen.runs:
        return Stuck(kind="runs", level="ok", what="none that hasn't ended")
    running = counted(seen.holding.total(), "run")
    by = f" on {counted(len(seen.holding), 'worker')}" if seen.holding else ""
    cut = f"; looked at {seen.runs:,} of about {unfinished:,}" if unfinished > seen.runs >= LOOKED_AT else ""
    return Stuck(kind="runs", level="ok", what=f"{running} at work{by}, {seen.pending:,} pending{cut}")
