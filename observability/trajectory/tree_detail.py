"""What is particular to each line of a trajectory's tree, as JSON for people and programs.

By kind, empty fields left out:

- run, attempt: run_id, thread_id, attempt, began, assistant_id, follows, copy_of, input, spent, limits, lost,
  truncated, error; of a run with several attempts, what they have in common;
- trajectory: thread_id, runs;
- node: agent, step, triggers, goto, writes (by channel), tries, cached, error;
- model: agent, known (how many messages at the request's begin an earlier request of the same agent held, too),
  messages (the others), params, settings, response, usage, model_used, finish_reason, first_token_s, error;
- tool: agent, arguments, result, call_id, asked, handed_to, effect, ledger_key, error;
- store: operations, results, error;
- question: questions (id, value);
- answer: answers (by interrupt id: kind, who, when), command;
- parted: of a fork: from_run, of (model or tool), agent, step, field, expected, actual, hint.

A call of a fork that was answered from the record has from_run.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

from motet.observability.trajectory.records import (
    Failure,
    FeedbackGiven,
    Interrupted,
    ModelCalled,
    NodeFinished,
    NodeStarted,
    Parted,
    Record,
    Ref,
    RunFinished,
    RunStarted,
    StoreCalled,
    ToolCalled,
    Truncated,
)
from motet.observability.trajectory.restoring import plain
from motet.observability.trajectory.trajectory import Trajectory
from motet.observability.trajectory.tree import Branch, build, walk

_NUMBERS = re.compile(r"@\d+(\[[^\]]*\])?")


def detailed(trajectory: Trajectory, *, whole_requests: bool = False) -> Branch:
    """The tree of `trajectory` with its details.

    Args:
        trajectory: what is told.
        whole_requests: each model call names all its messages, and `known` is 0.

    Raises:
        ValueError: there are no records.
    """
    root = build(trajectory.records)
    told = Telling(trajectory, whole_requests=whole_requests)
    for branch in walk(root):
        branch.detail = told.of(branch)
    return root


class Telling:
    """Tells records and branches one after another: what a request holds may hang on those before it."""

    def __init__(self, trajectory: Trajectory, *, whole_requests: bool = False) -> None:
        self._trajectory = trajectory
        self._whole = whole_requests
        self._sent: dict[str, Sequence[Ref]] = {}
        """Messages of the last request, by where in the graph it was made."""

    def of(self, branch: Branch) -> dict[str, Any]:
        """What is particular to `branch`."""
        if branch.kind == "trajectory":
            threads = {one.thread_id for one in self._trajectory.records if isinstance(one, RunStarted)}
            return {"thread_id": next(iter(threads), None), "runs": list(self._trajectory.run_ids)}
        if branch.kind == "run" and not branch.records:
            return self._tried(branch)
        told: dict[str, Any] = {}
        for record in branch.records:
            told |= self._answer(record) if branch.kind == "answer" else self.record(record)
        return _filled(told)

    def record(self, record: Record) -> dict[str, Any]:
        """What is particular to `record`, which came after those that were told before."""
        return _filled(self._record(record))

    def _tried(self, run: Branch) -> dict[str, Any]:
        started = [one for attempt in run.children for one in attempt.records if isinstance(one, RunStarted)]
        told = self._started(started[0]) if started else {}
        return _filled(told | {"attempt": len(run.children)})

    def _record(self, record: Record) -> dict[str, Any]:
        match record:
            case RunStarted():
                told = self._started(record)
            case RunFinished():
                told = _finished(record)
            case Truncated():
                told = {"truncated": record.limit_bytes}
            case NodeStarted():
                told = {"agent": record.place.agent, "step": record.place.step, "triggers": list(record.triggers)}
            case NodeFinished():
                told = self._ended(record)
            case Interrupted() | FeedbackGiven():
                told = self._by_people(record)
            case Parted():
                told = self._parted(record)
            case ModelCalled() | ToolCalled() | StoreCalled():
                told = self._call(record) | _error(record.error)
            case _:
                told = {}
        return told

    def _by_people(self, record: Interrupted | FeedbackGiven) -> dict[str, Any]:
        if isinstance(record, Interrupted):
            return {
                "questions": [{"id": one.interrupt_id, "value": self._plain(one.value)} for one in record.questions]
            }
        return {
            "feedback_id": record.feedback_id,
            "state": record.state,
            "key": record.key,
            "score": record.score,
            **(self._plain(record.said) or {}),
            "message_id": record.message_id,
            "source": dict(record.source),
        }

    def _call(self, record: ModelCalled | ToolCalled | StoreCalled) -> dict[str, Any]:
        if isinstance(record, ModelCalled):
            return self._model(record)
        if isinstance(record, ToolCalled):
            return self._tool(record)
        return {"operations": self._plain(record.operations), "results": self._plain(record.results)}

    def _answer(self, record: Record) -> dict[str, Any]:
        assert isinstance(record, RunStarted)
        return {
            "answers": plain(dict(record.answers), self._trajectory.contents),
            "command": self._plain(record.command),
        }

    def _started(self, record: RunStarted) -> dict[str, Any]:
        return {
            "run_id": record.run_id,
            "thread_id": record.thread_id,
            "attempt": record.attempt,
            "began": record.at,
            "assistant_id": record.assistant_id,
            "follows": record.follows,
            "copy_of": record.copy_of,
            "input": self._plain(record.input),
        }

    def _ended(self, record: NodeFinished) -> dict[str, Any]:
        return {
            "goto": list(record.goto),
            "writes": {channel: self._plain(value) for channel, value in record.writes if shown_channel(channel)},
            "tries": record.tries if record.tries > 1 else None,
            "cached": record.cached or None,
        } | _error(record.error)

    def _model(self, record: ModelCalled) -> dict[str, Any]:
        where = f"{record.run_id} {names_on(record.path)}"
        known = 0 if self._whole else _alike(self._sent.get(where, ()), record.messages)
        self._sent[where] = record.messages
        return {
            "agent": record.place.agent,
            "known": known or None,
            "messages": [self._plain(message) for message in record.messages[known:]],
            "params": self._plain(record.params),
            "settings": dict(record.settings),
            "response": self._plain(record.response),
            "usage": {name: count for name, count in dataclasses.asdict(record.usage).items() if count},
            "model_used": record.model_used,
            "finish_reason": record.finish_reason,
            "first_token_s": record.first_token_s,
            "from_run": record.from_run,
        }

    def _tool(self, record: ToolCalled) -> dict[str, Any]:
        return {
            "agent": record.place.agent,
            "arguments": self._plain(record.arguments),
            "result": self._plain(record.result),
            "call_id": record.call_id,
            "asked": [self._plain(one.value) for one in record.asked],
            "handed_to": record.handed_to,
            "effect": record.effect if record.effect != "none" else None,
            "ledger_key": record.ledger_key,
            "from_run": record.from_run,
        }

    def _parted(self, record: Parted) -> dict[str, Any]:
        return {
            "from_run": record.from_run,
            "of": record.kind,
            "agent": record.agent,
            "step": record.step,
            "field": record.field,
            "expected": self._plain(record.expected),
            "actual": self._plain(record.actual),
            "hint": record.hint,
        }

    def _plain(self, ref: Ref | None) -> Any:
        return None if ref is None else self._trajectory.plain(ref)


def names_on(path: str) -> str:
    """`path` without what tells one execution of a node from another."""
    return _NUMBERS.sub("", path)


def shown_channel(channel: str) -> bool:
    """Whether `channel` is of the graph's state, not one that LangGraph keeps for itself."""
    return not channel.startswith(("branch:", "__"))


def _finished(record: RunFinished) -> dict[str, Any]:
    spent = {name: value for name, value in dataclasses.asdict(record.totals).items() if value is not None}
    return {"spent": spent, "limits": dict(record.limits), "lost": record.lost or None} | _error(record.error)


def _error(error: Failure | None) -> dict[str, Any]:
    return {} if error is None else {"error": {"kind": error.kind, "message": error.message}}


def _alike(one: Sequence[Ref], other: Sequence[Ref]) -> int:
    """With how many messages both begin."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _filled(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if not _empty(value)}


def _empty(value: object) -> bool:
    return value is None or value == "" or (isinstance(value, Mapping | list) and not value)
