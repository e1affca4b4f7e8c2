"""Why a run stands where it stands, and what its thread does, in a sentence each."""

from __future__ import annotations

from motet.memory.redis.inspection import RunState, ThreadState
from motet.server.durations import spelled


def of_run(run: RunState, thread: ThreadState) -> str:
    """What the run waits for, or who works on it; empty for one that has ended and waits for nobody."""
    match run.status:
        case "running":
            return _running(run)
        case "pending":
            return _pending(run, thread)
        case "interrupted" if run.cancelled:
            return "a person or a client ended it"
        case "interrupted" if thread.waiting and thread.asked == run.run_id:
            return f"a person must answer interrupt {', '.join(thread.waiting)}: motet inbox show {thread.thread_id}"
        case "":
            return "there is no record of it"
        case _:
            return ""


def of_thread(thread: ThreadState) -> str:
    """What the thread does, what it waits for and how many runs are queued."""
    active = thread.runs.get(thread.active)
    behind = thread.queued - (thread.active in thread.queue)
    queued = f"; {counted(behind, 'run')} queued" if behind else ""
    if active is not None:
        about = f"{active.status} for {spelled(active.since_s)}" if active.status else "which doesn't exist"
        who = f", {of_run(active, thread)}" if active.status in {"running", "pending"} else ""
        return f"busy: run {active.run_id}, {about}{who}{queued}"
    if thread.waiting:
        asked = f"interrupt {', '.join(thread.waiting)} has waited for a person for {spelled(thread.since_s)}"
        return f"interrupted: {asked}{queued}"
    last = thread.runs.get(thread.last)
    ended = f"run {last.run_id} ended {spelled(last.since_s)} ago ({last.status})" if last and last.status else ""
    return f"{thread.status or 'gone'}: {ended or 'nothing works on it'}{queued}"


def counted(count: int, what: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _running(run: RunState) -> str:
    ending = f", which is to end it ({run.cancel})" if run.cancel else ""
    if run.lease_left_s > 0:
        return f"on worker {run.worker}{ending}, lease {spelled(run.lease_left_s)} left"
    return f"its worker {run.worker} is silent: the lease ran out {spelled(-run.lease_left_s)} ago"


def _pending(run: RunState, thread: ThreadState) -> str:
    if thread.active == run.run_id:
        return (
            "it may start: no worker has taken it yet"
            if run.findable
            else "it may start: the next sweep tells a worker"
        )
    place = f"{_ordinal(run.position)} in the queue" if run.position is not None else "not in its thread's queue"
    active = thread.runs.get(thread.active)
    if active is not None:
        works = f"{active.status} for {spelled(active.since_s)}" if active.status else "which doesn't exist"
        return f"{place}: its thread works on run {active.run_id}, {works}"
    if thread.waiting:
        return f"{place}: a person must answer interrupt {', '.join(thread.waiting)} first"
    return f"{place}, and its thread starts nothing: motet doctor --thread {thread.thread_id}"


def _ordinal(position: int) -> str:
    number = position + 1
    suffix = "th" if number % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"
