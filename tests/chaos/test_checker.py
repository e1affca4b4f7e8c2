"""The checker finds what is broken: a history in which all is well passes, and each way to break it is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from tests.chaos.checker import END, INVARIANTS, Evidence, violations
from tests.chaos.dump import Dump, Effect, StoredCheckpoint, StoredEvent, StoredRun, StoredThread
from tests.chaos.history import History, Operation

TAG = "taint-a-1"
STEPS = 3


def _events(*, start: int = 1000, status: str = "success") -> list[StoredEvent]:
    told: list[tuple[str, Any]] = [("metadata", {"attempt": 1})]
    told += [("custom", {"n": n, "pid": 7}) for n in range(1, STEPS + 1)]
    told += [(END, {"status": status})]
    return [StoredEvent(event_id=f"{start + n}-{n}", name=name, data=data) for n, (name, data) in enumerate(told, 1)]


def _run(number: int, **changes: Any) -> StoredRun:
    run = StoredRun(
        run_id=f"r{number}", tag=f"taint-a-{number}", status="success", accepted_us=number,
        events=_events(start=1000 * number),
    )  # fmt: skip
    return replace(run, **changes)


def _thread(**changes: Any) -> StoredThread:
    line = ["", "c1", "c2", "c3"]
    thread = StoredThread(
        tenant="a", thread_id="t", runs=[_run(1), _run(2)],
        checkpoints=[
            StoredCheckpoint(checkpoint_id=after, parent_id=before, run_id="r1")
            for before, after in pairwise(line)
        ],
        log=[f"taint-a-{run}:{n}" for run in (1, 2) for n in range(STEPS + 1)],
    )  # fmt: skip
    return replace(thread, **changes)


def _created(number: int, **changes: Any) -> Operation:
    facts = {
        "tag": f"taint-a-{number}",
        "until": STEPS,
        "multitask": "enqueue",
        "graph": "counter",
        "effects": [f"taint-a-{number}:paid"],
    }
    return replace(
        Operation(
            number=number, kind="create", tenant="a", thread_id="t", run_id=f"r{number}", begun=float(number),
            ended=number + 0.5, outcome="ok", facts=facts, seen=("a",),
        ),
        **changes,
    )  # fmt: skip


def _asked(kind: Any, **facts: Any) -> Operation:
    return Operation(number=9, kind=kind, tenant="a", thread_id="t", run_id="r1", outcome="ok", facts=facts)


def _evidence(*more: Operation, thread: StoredThread | None = None, **changes: Any) -> Evidence:
    sound = Evidence(
        history=[_created(1), _created(2), *more],
        dump=Dump(threads=[thread or _thread()]),
        effects=[Effect(key=f"taint-a-{run}:paid", kind="once") for run in (1, 2)],
    )
    return replace(sound, **changes)


def _with_runs(*runs: StoredRun) -> Evidence:
    return _evidence(thread=_thread(runs=runs))


def _with_events(change: Callable[[list[StoredEvent]], list[StoredEvent]]) -> Evidence:
    return _with_runs(_run(1, events=change(_events(start=1000))), _run(2))


def _ids(*numbers: int) -> list[str]:
    return [f"{1000 + n}-{n}" for n in numbers]


LINE = _thread().checkpoints

SOUND = [
    _evidence(),
    _evidence(_asked("stream", ids=_ids(1, 2, 3, 4))),
    _evidence(_asked("stream", after="1002-2", ids=_ids(3, 4))),
    _evidence(_asked("look", status="success"), _asked("look", status="running")),
    _evidence(_asked("cancel", action="rollback"), thread=_thread(runs=[_run(1, status=""), _run(2)])),
    _evidence(
        _asked("cancel", action="interrupt"),
        thread=_thread(
            runs=[_run(1, status="interrupted", cancelled=True, events=_events(status="interrupted")), _run(2)]
        ),
    ),
]
"""Nothing is wrong with these."""

BROKEN: dict[str, list[Evidence]] = {
    "I1": [
        _with_runs(_run(2)),
        _with_runs(_run(1, status=""), _run(2)),
        _with_runs(_run(1, status="running", events=_events()[:-1]), _run(2)),
        _evidence(_asked("look", status="error")),
        _with_runs(_run(1, status="error", events=_events(status="error")), _run(2)),
        _evidence(_asked("cancel", action="interrupt")),
        _evidence(history=[_created(1, outcome="fail", run_id=""), _created(2)]),
    ],
    "I2": [
        _with_events(lambda events: events[:-1]),
        _with_events(lambda events: [*events, replace(events[-1], event_id="1006-6")]),
        _with_events(lambda events: [*events, replace(events[1], event_id="1006-6")]),
        _with_events(lambda events: [*events[:-1], replace(events[-1], data={"status": "error"})]),
    ],
    "I3": [
        _with_events(lambda events: [*events[:2], *events[3:]]),
        _with_events(lambda events: [*events[:3], events[2], *events[3:]]),
        _with_events(lambda events: [events[0], events[2], events[1], *events[3:]]),
        _with_events(lambda events: [*events[:-1], replace(events[-1], event_id="1-5")]),
        _evidence(_asked("stream", ids=_ids(1, 3, 4))),
        _evidence(_asked("stream", ids=_ids(1, 2, 2, 3, 4))),
        _evidence(_asked("stream", after="1002-2", ids=_ids(2, 3, 4))),
        _evidence(_asked("stream", ids=_ids(1, 2))),
    ],
    "I4": [
        _with_events(lambda events: [*events[:2], replace(events[2], data={"n": 2, "pid": 8}), *events[3:]]),
        _with_events(lambda events: [*events[:2], replace(events[2], data={"n": 1, "pid": 7}), *events[3:]]),
        _with_events(lambda events: [*events[:3], replace(events[0], event_id="1004-4"), events[4]]),
        _with_events(lambda events: [replace(events[1], event_id="1001-1"), *events[1:]]),
    ],
    "I5": [
        _with_runs(_run(1), _run(2, events=_events(start=1003))),
        _evidence(thread=_thread(runs=[_run(1, events=_events(start=3000)), _run(2)])),
    ],
    "I6": [
        _evidence(thread=_thread(checkpoints=[*LINE, replace(LINE[2], checkpoint_id="z")])),
        _evidence(thread=_thread(checkpoints=LINE[1:])),
        _evidence(thread=_thread(log=[f"{TAG}:0", f"{TAG}:1", f"{TAG}:1", f"{TAG}:2", f"{TAG}:3"])),
        _evidence(thread=_thread(log=[f"{TAG}:0", f"{TAG}:2", f"{TAG}:3"])),
        _evidence(thread=_thread(log=[f"{TAG}:0", f"{TAG}:1"])),
        _evidence(thread=_thread(log=[f"{TAG}:0", f"{TAG}:1", "taint-a-2:0", f"{TAG}:2", f"{TAG}:3"])),
    ],
    "I7": [
        _evidence(thread=_thread(status="busy")),
        _evidence(thread=_thread(status="error")),
        _evidence(thread=_thread(waiting=1)),
        _with_runs(_run(1), _run(2, status="error", events=_events(start=2000, status="error"))),
    ],
    "I8": [
        _evidence(effects=[Effect(key=f"taint-a-{run}:paid", kind="once") for run in (1, 2, 2)]),
        _evidence(effects=[Effect(key="taint-a-1:paid", kind="once")]),
    ],
    "I9": [
        _evidence(history=[_created(1, seen=("a", "b")), _created(2)]),
        _evidence(thread=_thread(log=["taint-b-1:0"])),
        _with_runs(_run(1), _run(2, tag="taint-b-2")),
    ],
    "I10": [
        _evidence(thread=_thread(active="r1")),
        _evidence(thread=_thread(queue=["r1"])),
        _evidence(dump=Dump(threads=[_thread()], ready=["t|r1"])),
        _evidence(dump=Dump(threads=[_thread()], active=["t|r1"])),
        _evidence(dump=Dump(threads=[_thread()], stray=["key"])),
    ],
}  # fmt: skip
"""Of each invariant, ways to break it."""


@pytest.mark.parametrize("evidence", SOUND)
def test_what_is_sound_passes(evidence: Evidence) -> None:
    """No violation is found where there is none."""
    assert violations(evidence) == []


@pytest.mark.parametrize(
    ("name", "evidence"), [(name, evidence) for name, of_name in BROKEN.items() for evidence in of_name]
)
def test_what_is_broken_is_found(name: str, evidence: Evidence) -> None:
    """The invariant that is broken says so, in words that begin with its name."""
    found = list(INVARIANTS[name](evidence))

    assert found
    assert all(text.startswith(f"{name}: ") for text in found)


def test_every_invariant_is_broken_by_something() -> None:
    """No invariant is without a history that breaks it."""
    assert list(BROKEN) == list(INVARIANTS)


def test_what_nobody_heard_of_may_have_happened(tmp_path: Any) -> None:
    """An operation without an answer is told as `info`, in memory and in the file."""
    history = History(tmp_path / "history.jsonl")
    answered = history.begin("create", tenant="a", thread_id="t", tag="x")
    history.begin("cancel", tenant="a", thread_id="t", run_id="r")
    answered.end("ok", run_id="r", seen=["a"])

    assert [(one.kind, one.outcome, one.run_id) for one in history] == [("create", "ok", "r"), ("cancel", "info", "r")]
    assert [line.split('"')[3] for line in (tmp_path / "history.jsonl").read_text().splitlines()] == [
        "invoke", "invoke", "ok", "info",
    ]  # fmt: skip
