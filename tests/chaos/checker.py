"""What must be true whatever died: each invariant is a function from the evidence to its violations, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise

from tests.chaos.dump import TERMINAL, Dump, Effect, StoredEvent, StoredRun, StoredThread
from tests.chaos.history import Operation

END = "__end__"
SOUND_GRAPHS = frozenset({"counter", "burst", "asking", "agent"})
"""What none of these does can fail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that is looked at: what clients saw, what Redis holds once nothing happens any more, what was done."""

    history: Sequence[Operation] = ()
    dump: Dump = field(default_factory=Dump)
    effects: Sequence[Effect] = ()

    def runs(self) -> Iterator[tuple[StoredThread, StoredRun]]:
        """Every run that left anything."""
        for thread in self.dump.threads:
            for run in thread.runs:
                yield thread, run

    def of(self, kind: str) -> Iterator[Operation]:
        """The operations of one kind."""
        return (one for one in self.history if one.kind == kind)


def acknowledged_runs_end(evidence: Evidence) -> Iterator[str]:
    """I1: each run that was accepted reaches one end, the one all clients are told; what was refused never was.

    A cancel that was acknowledged happens. A run may be gone only where somebody asked for that, and may fail only by
    its own graph's fault.
    """
    stored = {run.run_id: run for _, run in evidence.runs()}
    wanted_gone = _wanted_gone(evidence)
    for one in evidence.of("create"):
        run = stored.get(one.run_id)
        if one.outcome != "ok" or (one.run_id, one.thread_id) in wanted_gone or ("", one.thread_id) in wanted_gone:
            continue
        if run is None or not run.status:
            yield f"I1: run {one.run_id} was accepted and is gone"
        elif run.status not in TERMINAL:
            yield f"I1: run {one.run_id} was accepted and never ended: {run.status}"
        elif run.status == "error" and one.facts.get("graph") in SOUND_GRAPHS:
            yield f"I1: run {one.run_id} ended as error, though nothing is wrong with its graph"
    yield from _what_was_told_holds(evidence, stored)


def _what_was_told_holds(evidence: Evidence, stored: Mapping[str, StoredRun]) -> Iterator[str]:
    for one in evidence.of("look"):
        run, told = stored.get(one.run_id), one.facts.get("status")
        if run and run.status and one.outcome == "ok" and told in TERMINAL and told != run.status:
            yield f"I1: run {one.run_id} had ended as {told}, and later as {run.status}"
    for one in evidence.of("cancel"):
        run = stored.get(one.run_id)
        if one.outcome == "ok" and run and run.status and not run.cancelled:
            yield f"I1: the cancel of run {one.run_id} was acknowledged, and it ended as {run.status}"
    refused = {one.facts.get("tag") for one in evidence.of("create") if one.outcome == "fail"} - {None, ""}
    for _, run in evidence.runs():
        if run.tag in refused:
            yield f"I1: run {run.run_id} ({run.tag}) was refused, and exists"


def _wanted_gone(evidence: Evidence) -> set[tuple[str, str]]:
    """Run (or "" for all) and thread of what somebody asked to be rolled back or deleted, heard or not."""
    gone: set[tuple[str, str]] = set()
    for one in evidence.history:
        if one.outcome == "fail":
            continue
        if one.kind == "cancel" and one.facts.get("action") == "rollback":
            gone.add((one.run_id, one.thread_id))
        if one.kind == "delete" or (one.kind == "create" and one.facts.get("multitask") == "rollback"):
            gone.add(("", one.thread_id))
    return gone


def last_events_are_last(evidence: Evidence) -> Iterator[str]:
    """I2: a run that ended has one last event, nothing follows it, and it says what the run's record says."""
    for _, run in evidence.runs():
        ends = [at for at, event in enumerate(run.events) if event.name == END]
        if run.status in TERMINAL and not ends:
            yield f"I2: run {run.run_id} ended as {run.status} without a last event"
        if len(ends) > 1:
            yield f"I2: run {run.run_id} ended {len(ends)} times"
        if ends and ends[0] != len(run.events) - 1:
            yield f"I2: run {run.run_id} had events after its last one"
        if ends and run.status and (told := run.events[ends[0]].data.get("status")) != run.status:
            yield f"I2: run {run.run_id} says {told} at its end, and {run.status} in its record"


def event_ids_are_contiguous(evidence: Evidence) -> Iterator[str]:
    """I3: events count from 1 without a gap, their times never go back, and each client gets each of them once."""
    events = {run.run_id: run.events for _, run in evidence.runs()}
    for run_id, of_run in events.items():
        if [event.n for event in of_run] != list(range(1, len(of_run) + 1)):
            yield f"I3: events of run {run_id} are {_short(event.event_id for event in of_run)}"
        if any(after.ms < before.ms for before, after in pairwise(of_run)):
            yield f"I3: the time of run {run_id}'s events goes back"
    for one in evidence.of("stream"):
        if one.run_id in events:
            yield from _streamed(one, events[one.run_id])


def _streamed(one: Operation, events: Sequence[StoredEvent]) -> Iterator[str]:
    got: Sequence[str] = one.facts.get("ids", ())
    told = f"I3: a client of run {one.run_id}, after {one.facts.get('after') or 'nothing'},"
    after = one.facts.get("after") or "0-0"
    visible = [event.event_id for event in events if event.name != END or event.event_id in got]
    due = [event_id for event_id in visible if _order(event_id) > _order(after)]
    if list(got) != due[: len(got)]:
        yield f"{told} got {_short(got)} of {_short(due)}"
    elif one.outcome == "ok" and len(got) < len(due):
        yield f"{told} was sent home without {_short(due[len(got) :])}"


def attempts_follow_each_other(evidence: Evidence) -> Iterator[str]:
    """I4: what an attempt wrote stands before what the next one wrote; within one, nothing is lost or doubled."""
    for _, run in evidence.runs():
        attempts: list[tuple[int, list[StoredEvent]]] = []
        for event in run.events:
            if event.name == "metadata":
                attempts.append((int(event.data["attempt"]), []))
            elif event.name == "custom" and attempts:
                attempts[-1][1].append(event)
            elif event.name == "custom":
                yield f"I4: run {run.run_id} has an event before its first attempt began"
        numbers = [number for number, _ in attempts]
        if any(after <= before for before, after in pairwise(numbers)):
            yield f"I4: attempts of run {run.run_id} are {numbers}"
        for number, events in attempts:
            if len(writers := {event.data["pid"] for event in events}) > 1:
                yield f"I4: processes {sorted(writers)} wrote into attempt {number} of run {run.run_id}"
            steps = [event.data["n"] for event in events]
            if steps != list(range(steps[0], steps[0] + len(steps)) if steps else ()):
                yield f"I4: attempt {number} of run {run.run_id} told of the steps {_short(steps)}"


def runs_of_a_thread_follow_each_other(evidence: Evidence) -> Iterator[str]:
    """I5: a thread's runs never overlap, and those that were queued start in the order of their acceptance."""
    began = {run.run_id: run.events[0] for _, run in evidence.runs() if _worked(run)}
    for thread in evidence.dump.threads:
        spans = sorted((run.events[0].ms, run.events[-1].ms, run.run_id) for run in thread.runs if _worked(run))
        for (_, ended, first), (start, _, second) in pairwise(spans):
            if start < ended:
                yield f"I5: run {second} began {ended - start} ms before run {first} of its thread ended"
    queued = [
        one for one in evidence.of("create")
        if one.outcome == "ok" and one.facts.get("multitask") == "enqueue" and not one.facts.get("answers")
    ]  # fmt: skip
    for _, of_thread in groupby(sorted(queued, key=lambda one: (one.thread_id, one.begun)), lambda one: one.thread_id):
        ran = [one for one in of_thread if one.run_id in began]
        for before, after in pairwise(ran):
            if before.ended < after.begun and began[after.run_id].ms < began[before.run_id].ms:
                yield f"I5: run {after.run_id} was accepted after {before.run_id} and started before it"


def _worked(run: StoredRun) -> bool:
    return len(run.events) > 1 and run.events[-1].name == END


def checkpoints_are_a_line(evidence: Evidence) -> Iterator[str]:
    """I6: each checkpoint follows the one before, and each step of a run is in the state once, in order."""
    until = {str(one.facts.get("tag")): one for one in evidence.of("create") if one.facts.get("until")}
    statuses = {run.tag: run.status for _, run in evidence.runs()}
    for thread in evidence.dump.threads:
        parents = Counter(one.parent_id for one in thread.checkpoints)
        for parent, children in parents.items():
            if children > 1:
                yield f"I6: {children} checkpoints of thread {thread.thread_id} follow {parent or 'nothing'}"
        known = {one.checkpoint_id for one in thread.checkpoints}
        if lost := [one.checkpoint_id for one in thread.checkpoints if one.parent_id and one.parent_id not in known]:
            yield f"I6: checkpoints of thread {thread.thread_id} follow one that is gone: {_short(lost)}"
        steps = [entry.rpartition(":") for entry in thread.log if ":" in entry]
        for tag, of_tag in groupby(steps, key=lambda step: step[0]):
            numbers = [int(number) for _, _, number in of_tag]
            if numbers != list(range(len(numbers))):
                yield f"I6: the state of thread {thread.thread_id} has the steps {_short(numbers)} of {tag}"
            wanted = until[tag].facts["until"] if tag in until else None
            if statuses.get(tag) == "success" and wanted is not None and numbers[-1] != wanted:
                yield f"I6: run {tag} succeeded after {numbers[-1]} of {wanted} steps"


def thread_statuses_follow_from_runs(evidence: Evidence) -> Iterator[str]:
    """I7: a thread's status is what its runs and its questions say."""
    for thread in evidence.dump.threads:
        if thread.status and thread.status not in (derived := _derived(thread)):
            yield f"I7: thread {thread.thread_id} is {thread.status}, its runs say {' or '.join(sorted(derived))}"


def _derived(thread: StoredThread) -> set[str]:
    """What the status may be: two, where the run that ended last was cancelled before it told anything.

    It may have waited for its turn, and then its end changes nothing, or have just begun.
    """
    if thread.waiting:
        return {"interrupted"}
    if any(run.status in {"pending", "running"} for run in thread.runs):
        return {"busy"}
    ended = [run for run in thread.runs if run.events and run.events[-1].name == END]
    derived: set[str] = set()
    for run in sorted(ended, key=lambda run: (run.events[-1].ms, run.accepted_us), reverse=True):
        if run.status in {"error", "timeout"}:
            return derived | {"error"}
        stopped = run.cancelled or not run.status
        derived.add("interrupted" if run.status == "interrupted" and not stopped else "idle")
        if not (stopped and len(run.events) == 1):
            return derived
    return derived | {"idle"}


def effects_happen_as_declared(evidence: Evidence) -> Iterator[str]:
    """I8: an effect that may happen once happened at most once, and all of a run that succeeded did happen."""
    done = Counter(effect.key for effect in evidence.effects)
    for key in {effect.key for effect in evidence.effects if effect.kind == "once"}:
        if done[key] > 1:
            yield f"I8: effect {key} happened {done[key]} times"
    statuses = {run.run_id: run.status for _, run in evidence.runs()}
    for one in evidence.of("create"):
        if statuses.get(one.run_id) == "success":
            for key in one.facts.get("effects", ()):
                if not done[key]:
                    yield f"I8: run {one.run_id} succeeded without its effect {key}"


def tenants_see_their_own(evidence: Evidence) -> Iterator[str]:
    """I9: neither what a client receives nor what a thread holds was made by another tenant."""
    for one in evidence.history:
        if foreign := sorted(set(one.seen) - {one.tenant}):
            yield f"I9: a {one.kind} of tenant {one.tenant} was shown what belongs to {', '.join(foreign)}"
    for thread in evidence.dump.threads:
        for tag in {entry.partition(":")[0] for entry in thread.log} | {run.tag for run in thread.runs}:
            if tag.startswith("taint-") and not tag.startswith(f"taint-{thread.tenant}-"):
                yield f"I9: thread {thread.thread_id} of tenant {thread.tenant} holds {tag}"


def nothing_is_left_over(evidence: Evidence) -> Iterator[str]:
    """I10: when all is quiet, no run is held or queued, no hint waits for anybody, and every key has an owner."""
    for thread in evidence.dump.threads:
        if thread.active or thread.queue:
            yield f"I10: thread {thread.thread_id} still works on {thread.active or 'nothing'}, queued: {thread.queue}"
    for what, left in [
        ("ready", evidence.dump.ready),
        ("active", evidence.dump.active),
        ("stray", evidence.dump.stray),
    ]:
        if left:
            yield f"I10: {what}: {_short(left)}"


INVARIANTS: Mapping[str, Callable[[Evidence], Iterator[str]]] = {
    "I1": acknowledged_runs_end,
    "I2": last_events_are_last,
    "I3": event_ids_are_contiguous,
    "I4": attempts_follow_each_other,
    "I5": runs_of_a_thread_follow_each_other,
    "I6": checkpoints_are_a_line,
    "I7": thread_statuses_follow_from_runs,
    "I8": effects_happen_as_declared,
    "I9": tenants_see_their_own,
    "I10": nothing_is_left_over,
}


def violations(evidence: Evidence) -> list[str]:
    """Whatever isn't as it must be; each begins with the invariant's name."""
    return [text for invariant in INVARIANTS.values() for text in invariant(evidence)]


def _order(event_id: str) -> int:
    return int(event_id.partition("-")[2])


def _short(values: Iterable[object]) -> str:
    shown = [str(value) for value in values]
    return ", ".join(shown) if len(shown) <= 12 else f"{', '.join(shown[:6])} … {', '.join(shown[-6:])} ({len(shown)})"
