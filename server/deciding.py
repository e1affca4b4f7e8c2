"""A decision on an approval, from wherever it comes, becomes the run that acts on it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from langchain_core.utils.uuid import uuid7

from motet.errors import AlreadyDecided, ArgumentsChanged, InvalidInput, NoWaitingInterrupt, ThreadWaits
from motet.graphs import answers
from motet.graphs.ambiguous import is_doubt
from motet.memory.approvals import Approval, Approvals
from motet.memory.asking import Answer, Asked, Decided, Decision, Scope, Who, same_json
from motet.memory.ports import Json, Run, RunRequest, Threads, WaitingInterrupt
from motet.observability.spans import current_traceparent

Closed = Literal["decided", "expired", "withdrawn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeAnswer:
    """An answer to a question that isn't about calls."""

    value: Any


Given = Sequence[Decision] | FreeAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What a decision needs: where approvals and threads are, and who accepts runs."""

    approvals: Approvals
    threads: Threads
    create: Callable[[RunRequest], Awaitable[Run]]


async def decide(
    desk: Desk,
    approval_id: str,
    given: Given,
    *,
    who: Who,
    seen: str = "",
    scope: Scope | None = None,
    state: Closed = "decided",
    reason: str = "",
) -> Approval:
    """Record the decision and have the run accepted that acts on it, in one script; the approval afterwards.

    The same answer by the same person again changes nothing and gives the approval as it is. Five round trips.

    Args:
        desk: what it works with.
        approval_id: which question.
        given: a decision for each of its actions, or the answer.
        who: decides.
        seen: the hash of the arguments that they saw; empty where their answer carries it, or nobody looked.
        scope: with an approval: which calls are approved on this thread from now on, too.
        state: what the approval becomes: `expired` and `withdrawn` are rejections that nobody made.
        reason: why it expired or was withdrawn.

    Raises:
        NotFound: there is no such approval.
        InvalidInput: the answer isn't one to this question; nothing changed.
        ArgumentsChanged: it was made on other arguments than those that wait.
        AlreadyDecided: by somebody else, or otherwise, or the question is gone; says who and what.
    """
    approval = await desk.approvals.get(approval_id)
    asked = approval.asked
    _check_seen(approval, seen)
    if approval.state == "open":
        thread = await desk.threads.get(asked.thread_id)
        waiting = [one for one in thread.interrupts if one.approval_id == approval_id]
        if waiting:
            answer = _answer(replace(waiting[0], asked=asked), given)
            _check_scope(asked, answer, scope)
            record = decided(waiting[0], answer, who, state=state, reason=reason, scope=scope)
            try:
                await desk.create(resuming(asked, [answer], [record]))
            except NoWaitingInterrupt:
                pass  # somebody was quicker
            else:
                return await desk.approvals.get(approval_id)
    return _again(await desk.approvals.get(approval_id), given, who)


async def withdraw(desk: Desk, waiting: Sequence[WaitingInterrupt], *, who: Who, reason: str) -> None:
    """Reject all that waits on a thread, for another input's sake: the agent hears it, and its history stays whole.

    Two round trips.

    Raises:
        NoWaitingInterrupt: somebody decided one of them meanwhile; nothing is withdrawn.
        ThreadWaits: one of the questions can't be rejected; nothing is withdrawn.
    """
    thread_id = waiting[0].approval_id.rpartition(".")[0]
    recorded = await desk.approvals.recorded(thread_id, waiting)
    asked = [one.asked for one in recorded if one.asked is not None and is_rejectable(one.asked)]
    if len(asked) < len(recorded):
        raise ThreadWaits(thread_id, [one.interrupt_id for one in recorded])
    given = [answers.decided(one, rejection(about, reason)) for one, about in zip(recorded, asked, strict=True)]
    records = [
        decided(one, answer, who, state="withdrawn", reason=reason) for one, answer in zip(recorded, given, strict=True)
    ]
    await desk.create(resuming(asked[0], given, records))


def is_rejectable(asked: Asked) -> bool:
    """Whether the graph that asked understands a rejection."""
    return bool(asked.actions) and all("reject" in one.allowed for one in asked.actions)


def decided(
    waiting: WaitingInterrupt,
    answer: Answer,
    who: Who,
    *,
    state: Closed = "decided",
    reason: str = "",
    scope: Scope | None = None,
) -> Decided:
    """What is recorded of an answer."""
    return Decided(
        interrupt_id=answer.interrupt_id,
        approval_id=waiting.approval_id,
        state=state,
        who=who,
        decisions=_told(answer),
        reason=reason,
        scope=scope,
        when=datetime.now(UTC).isoformat(),
    )


def over(approval: Approval) -> AlreadyDecided:
    """Why nothing can be decided any more."""
    by = "" if approval.by is None else approval.by.actor
    how = approval.reason or ", ".join(str(one.get("type", "answered")) for one in approval.decisions) or "answered"
    return AlreadyDecided(approval.approval_id, state=approval.state, by=by, at=approval.changed_at, how=how)


def rejection(asked: Asked, reason: str) -> list[Decision]:
    """What rejects every action that is asked about."""
    return [Decision(type="reject", message=reason) for _ in asked.actions]


def as_it_waited(approval: Approval) -> WaitingInterrupt:
    """The question as it waited, whatever became of it."""
    asked = approval.asked
    return WaitingInterrupt(
        interrupt_id=asked.interrupt_id,
        task_id="",
        value=asked.value,
        response_schema=asked.response_schema,
        asked=asked,
        approval_id=approval.approval_id,
    )


def is_decided_so(approval: Approval, answer: Answer, who: Who) -> bool:
    """Whether the same person gave the same answer before."""
    return approval.state == "decided" and approval.by == who and _told(answer) == list(approval.decisions)


def _answer(waiting: WaitingInterrupt, given: Given) -> Answer:
    if isinstance(given, FreeAnswer):
        [answer] = answers.answers("", {waiting.interrupt_id: given.value}, [waiting])
        return answer
    return answers.decided(waiting, given)


def resuming(asked: Asked, given: Sequence[Answer], records: Sequence[Decided]) -> RunRequest:
    """The run that acts on the answers, with what the run that asked was started with."""
    carried = asked.carried
    payload: dict[str, Any] = {
        "input": None,
        "command": {"resume": {one.interrupt_id: one.native for one in given}},
        "config": carried.get("config") or {},
        "context": carried.get("context"),
        "stream_mode": carried.get("stream_mode") or ["values"],
        "modes": carried.get("modes") or ["values"],
        "stream_subgraphs": bool(carried.get("stream_subgraphs")),
    }
    if "fork" in carried:
        payload["fork"] = {**carried["fork"], "begins": False}
    if "replaced" in carried:
        payload["replaced"] = carried["replaced"]
    return RunRequest(
        run_id=str(uuid7()),
        thread_id=asked.thread_id,
        assistant_id=asked.assistant_id,
        graph_id=asked.graph_id,
        payload=payload,
        answers=tuple(one.interrupt_id for one in given),
        decided=tuple(records),
        traceparent=current_traceparent(),
    )


def _told(answer: Answer) -> list[Json]:
    if not answer.decisions:
        return [] if answer.native is None else [{"answer": answer.native}]
    return [_decision(one) for one in answer.decisions]


def _decision(one: Decision) -> dict[str, Any]:
    told: dict[str, Any] = {"type": one.type}
    if one.arguments is not None:
        told["arguments"] = dict(one.arguments)
    if one.message:
        told["message"] = one.message
    return told


def _check_seen(approval: Approval, seen: str) -> None:
    if seen and seen != approval.asked.arguments_sha256:
        raise ArgumentsChanged(approval.asked.interrupt_id, seen=seen, waiting=approval.asked.arguments_sha256)


def _check_scope(asked: Asked, answer: Answer, scope: Scope | None) -> None:
    if scope is None:
        return
    if is_doubt(asked.value) or [one.type for one in answer.decisions] != ["approve"]:
        raise InvalidInput("scope", scope.text, "beside one approval as it is: it says what is approved from now on")
    [action] = asked.actions
    if scope.tool != action.tool:
        raise InvalidInput("scope.tool", scope.tool, action.tool)
    for name, value in scope.arguments.items():
        if name not in action.arguments or not same_json(action.arguments[name], value):
            allowed = f"what this call has: {action.arguments.get(name)!r}"
            raise InvalidInput(f"scope.arguments.{name}", value, allowed)


def _again(approval: Approval, given: Given, who: Who) -> Approval:
    """The same answer by the same person changes nothing; any other is refused."""
    if approval.state != "decided" or approval.by != who:
        raise over(approval)
    if not is_decided_so(approval, _answer(as_it_waited(approval), given), who):
        raise over(approval)
    return approval
