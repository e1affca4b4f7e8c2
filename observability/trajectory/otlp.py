"""A trajectory as spans in OTLP/JSON, for whatever shows traces.

One trace. Each attempt of a worker is a root span, linked to the one before it; nodes, model calls, tools and memory
are inside, a sub-agent inside the tool that it is. The ids are made from the run's, so a second export is the same
trace, not another one. What was said goes only where `content` asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

import orjson

from motet.observability import names
from motet.observability.evaluation.result_event import result
from motet.observability.trajectory.genai_messages import input_message, output_message
from motet.observability.trajectory.records import (
    Failure,
    FeedbackGiven,
    Interrupted,
    ModelCalled,
    NodeFinished,
    NodeStarted,
    Record,
    RunFinished,
    RunStarted,
    StoreCalled,
    ToolCalled,
)
from motet.observability.trajectory.trajectory import Trajectory
from motet.observability.trajectory.tree import Branch, build

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INTERNAL, _CLIENT = 1, 3
_ERROR = 2
_ANY = (
    ("boolValue", bool, lambda value: value),
    ("intValue", int, str),
    ("doubleValue", float, lambda value: value),
    ("stringValue", str, lambda value: value),
)

Json = dict[str, Any]


def otlp(trajectory: Trajectory, *, content: bool = False) -> Json:
    """An `ExportTraceServiceRequest` as OTLP/JSON writes it.

    Args:
        trajectory: what is told.
        content: with messages, tools' arguments and results.

    Raises:
        ValueError: there are no records.
    """
    root = build(trajectory.records)
    spans = list(_Spans(trajectory, content=content).all(root))
    scope = {"scope": {"name": names.SCOPE}, "spans": spans}
    resource = {"attributes": _attributes({"service.name": names.SCOPE})}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]}


class _Spans:
    def __init__(self, trajectory: Trajectory, *, content: bool) -> None:
        self._trajectory = trajectory
        self._content = content
        self._trace = _id(16, "trace", *trajectory.run_ids[:1])
        self._made = 0
        self._run: dict[str, Any] = {}
        """Attributes of each span of the current attempt."""

    def all(self, root: Branch) -> Iterator[Json]:
        before: str | None = None
        for attempt in _attempts(root):
            spans = list(self._within(attempt, None))
            if before is not None:
                spans[0]["links"] = [{"traceId": self._trace, "spanId": before}]
            before = spans[0]["spanId"]
            yield from spans

    def _within(self, branch: Branch, parent: str | None) -> Iterator[Json]:
        span = self._span(branch, parent)
        yield span
        for child in branch.children:
            if child.kind in {"question", "answer", "feedback", "parted"}:
                span.setdefault("events", []).append(self._event(child))
            else:
                yield from self._within(child, span["spanId"])

    def _span(self, branch: Branch, parent: str | None) -> Json:
        attributes: dict[str, Any] = {}
        name, kind, failure = branch.name, _INTERNAL, None
        for record in branch.records:
            name, kind = self._named(record, (name, kind))
            attributes |= self._told(record)
            failure = getattr(record, "error", None) or failure
        if branch.kind in {"run", "attempt"}:
            self._run = {key: attributes[key] for key in (names.RUN_ID, names.CONVERSATION_ID) if key in attributes}
            attributes[names.COST] = branch.cost_usd
        self._made += 1
        span: Json = {
            "traceId": self._trace,
            "spanId": _id(8, self._trace, str(self._made)),
            **({"parentSpanId": parent} if parent is not None else {}),
            "name": name,
            "kind": kind,
            "startTimeUnixNano": _nanoseconds(branch.begin),
            "endTimeUnixNano": _nanoseconds(branch.end),
            "attributes": _attributes({**self._run, **attributes, names.OUTCOME: branch.outcome, **_failed(failure)}),
        }
        if branch.outcome == "error":
            span["status"] = {"code": _ERROR, **({"message": failure.message} if failure is not None else {})}
        return span

    def _event(self, branch: Branch) -> Json:
        record = branch.records[0]
        if not isinstance(record, FeedbackGiven):
            return _event(branch)
        said = self._trajectory.plain(record.said) if self._content and record.said is not None else {}
        return {
            "name": names.EVALUATION_RESULT,
            "timeUnixNano": _nanoseconds(branch.begin),
            "attributes": _attributes(result(record.key, record.score, label=None, explanation=said.get("comment"))),
        }

    def _named(self, record: Record, so_far: tuple[str, int]) -> tuple[str, int]:
        match record:
            case RunStarted():
                return f"{names.RUN} {record.graph_id}", _INTERNAL
            case NodeStarted() | NodeFinished():
                return f"{names.INVOKE_NODE} {record.place.node or so_far[0]}".removesuffix(" "), _INTERNAL
            case ModelCalled():
                return f"{names.CHAT} {record.model}", _CLIENT
            case ToolCalled():
                return f"{names.EXECUTE_TOOL} {record.tool}", _INTERNAL
            case StoreCalled():
                return names.MEMORY, _INTERNAL
            case _:
                return so_far

    def _told(self, record: Record) -> dict[str, Any]:
        place = {
            names.LANGGRAPH_NODE: record.place.node or None,
            names.LANGGRAPH_STEP: record.place.step if record.place.node else None,
            names.LANGGRAPH_CHECKPOINT_NS: record.place.namespace or None,
            names.AGENT_NAME: record.place.agent or None,
        }
        match record:
            case RunStarted():
                told = {
                    names.RUN_ID: record.run_id,
                    names.CONVERSATION_ID: record.thread_id,
                    names.GRAPH_ID: record.graph_id,
                    names.ATTEMPT: record.attempt,
                    names.REPLAY_OF: record.copy_of,
                }
            case RunFinished():
                return {}
            case NodeFinished():
                told = place | {names.OPERATION_NAME: names.INVOKE_NODE}
            case ModelCalled():
                told = place | self._model(record)
            case ToolCalled():
                told = place | self._tool(record)
            case _:
                told = place
        return told

    def _model(self, record: ModelCalled) -> dict[str, Any]:
        usage = record.usage
        settings = {
            name: record.settings[key] for key, name in names.REQUEST_SETTINGS.items() if key in record.settings
        }
        return {
            names.OPERATION_NAME: names.CHAT,
            names.PROVIDER_NAME: record.provider or None,
            names.REQUEST_MODEL: record.model,
            **settings,
            names.RESPONSE_MODEL: record.model_used,
            names.FINISH_REASONS: [record.finish_reason] if record.finish_reason else None,
            names.FIRST_CHUNK: record.first_token_s,
            names.INPUT_TOKENS: usage.input_tokens or None,
            names.OUTPUT_TOKENS: usage.output_tokens or None,
            names.CACHED_TOKENS: usage.cached_tokens or None,
            names.CACHE_WRITE_TOKENS: usage.cache_write_tokens or None,
            names.REASONING_TOKENS: usage.reasoning_tokens or None,
            names.COST: record.cost_usd,
            **(self._said(record) if self._content else {}),
        }

    def _said(self, record: ModelCalled) -> dict[str, Any]:
        plain = self._trajectory.plain
        params = plain(record.params)
        tools = params.get("tools") if isinstance(params, Mapping) else None
        answered = [] if record.response is None else [output_message(plain(record.response), record.finish_reason)]
        return {
            names.INPUT_MESSAGES: _json([input_message(plain(one)) for one in record.messages]),
            names.OUTPUT_MESSAGES: _json(answered) if answered else None,
            names.TOOL_DEFINITIONS: _json(tools) if tools else None,
        }

    def _tool(self, record: ToolCalled) -> dict[str, Any]:
        told = {
            names.OPERATION_NAME: names.EXECUTE_TOOL,
            names.TOOL_NAME: record.tool,
            names.TOOL_CALL_ID: record.call_id,
            names.HANDOFF_TO: record.handed_to,
        }
        if self._content:
            told[names.TOOL_ARGUMENTS] = _json(self._trajectory.plain(record.arguments))
            told[names.TOOL_RESULT] = None if record.result is None else _json(self._trajectory.plain(record.result))
        return told


def _attempts(branch: Branch) -> Iterator[Branch]:
    """The branches that are one worker's attempt each."""
    if branch.kind == "attempt" or (branch.kind == "run" and branch.records):
        yield branch
        return
    for child in branch.children:
        yield from _attempts(child)


def _event(branch: Branch) -> Json:
    """A question, an answer, or where a fork does something else."""
    ids: Sequence[str] = ()
    for record in branch.records:
        if isinstance(record, Interrupted):
            ids = [one.interrupt_id for one in record.questions]
        elif isinstance(record, RunStarted):
            ids = list(record.answers)
    return {
        "name": {"question": names.QUESTION, "parted": names.PARTED}.get(branch.kind, names.ANSWER),
        "timeUnixNano": _nanoseconds(branch.begin),
        "attributes": _attributes({names.INTERRUPT_IDS: ids or None}),
    }


def _failed(failure: Failure | None) -> dict[str, Any]:
    return {} if failure is None else {names.ERROR_TYPE: failure.kind.replace(":", ".").removeprefix("builtins.")}


def _attributes(told: Mapping[str, Any]) -> list[Json]:
    return [{"key": name, "value": _any(value)} for name, value in told.items() if value is not None]


def _any(value: Any) -> Json:
    if isinstance(value, list | tuple):
        return {"arrayValue": {"values": [_any(one) for one in value]}}
    told = next(((name, write(value)) for name, kind, write in _ANY if isinstance(value, kind)), None)
    return dict([told or ("stringValue", repr(value))])


def _json(value: Any) -> str:
    return orjson.dumps(value, default=repr).decode()


def _nanoseconds(moment: datetime) -> str:
    return str((moment - _EPOCH) // timedelta(microseconds=1) * 1000)


def _id(size: int, *of: str) -> str:
    return blake2b("\0".join(of).encode(), digest_size=size).hexdigest()
