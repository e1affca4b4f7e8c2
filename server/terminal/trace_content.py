"""What was said, asked and given in each part of a trajectory: in a line each, or whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from motet.observability.trajectory.tree import Branch

Said = tuple[str, str, str]
"""Title, text, style."""

_DIM = "bright_black"
_SHORT = 80
"""Characters of JSON that stands in one line."""
_COUNTS = {"model_calls": "model call", "tool_calls": "tool call", "tokens": "token"}


def folded(branch: Branch) -> Iterator[Said]:
    """What a reader must know, to be shown in a line each; JSON is compact."""
    yield from said_of(branch.kind, branch.detail)


def said_of(kind: str, detail: Mapping[str, Any]) -> Iterator[Said]:
    """As `folded`, of a part that is no branch yet."""
    yield from _FOLDED.get(kind, _nothing)(detail)
    yield from _problems(detail)


def contents(branch: Branch) -> Iterator[Said]:
    """Everything, to be shown whole; JSON is indented."""
    yield from _WHOLE.get(branch.kind, _FOLDED.get(branch.kind, _nothing))(branch.detail)
    yield from _problems(branch.detail)


def shown(value: Any, *, indented: bool = False) -> str:
    """Text as it is, a message by what it says, anything else as JSON."""
    if isinstance(value, Mapping) and "content" in value and "type" in value:
        return said(value)
    if isinstance(value, str):
        return value
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return json.dumps(value, ensure_ascii=False, default=repr, indent=2) if indented and len(text) > _SHORT else text


def said(message: Mapping[str, Any]) -> str:
    """A message's text and the tools that it asks for."""
    content = message.get("content")
    blocks = content if isinstance(content, list) else [{"type": "text", "text": content}] if content else []
    texts = [_block(one) for one in blocks]
    calls = [f"{call.get('name')}({_arguments(call.get('args'))})" for call in message.get("tool_calls") or ()]
    return "\n".join(one for one in (*texts, ", ".join(calls)) if one)


def _block(block: Any) -> str:
    match block:
        case str():
            return block
        case {"type": "text", "text": str() as text}:
            return text
        case {"type": "tool_call" | "tool_use" | "tool_call_chunk"}:
            return ""
        case {"type": str() as kind, **rest}:
            text = rest.get(kind)
            return f"[{kind}] {text}" if isinstance(text, str) else f"[{kind}]"
        case _:
            return shown(block)


def _arguments(arguments: Any) -> str:
    if not isinstance(arguments, Mapping):
        return shown(arguments)
    return ", ".join(
        f"{name}={json.dumps(value, ensure_ascii=False, default=repr)}" for name, value in arguments.items()
    )


def _nothing(_: Mapping[str, Any]) -> Iterator[Said]:
    yield from ()


def _run(detail: Mapping[str, Any]) -> Iterator[Said]:
    spent: Mapping[str, Any] = detail.get("spent", {})
    counts = [counted(spent[name], noun) for name, noun in _COUNTS.items() if spent.get(name)]
    yield "", f"run {detail.get('run_id', '?')} · thread {detail.get('thread_id', '?')}", _DIM
    began = f"began {str(detail.get('began', '?'))[:19].replace('T', ' ')} UTC"
    yield "", " · ".join([began, *counts]), _DIM
    if copy_of := detail.get("copy_of"):
        yield "", f"a fork of run {copy_of}", _DIM
    if follows := detail.get("follows"):
        yield "", f"answers what run {follows} asked", _DIM


def _attempt(detail: Mapping[str, Any]) -> Iterator[Said]:
    yield "", f"began {str(detail.get('began', '?'))[:19].replace('T', ' ')} UTC", _DIM
    if "spent" not in detail:
        yield "", "goes on, or lost its worker", "yellow"


def _whole_run(detail: Mapping[str, Any]) -> Iterator[Said]:
    yield from _run(detail)
    if "input" in detail:
        yield "given: ", shown(detail["input"], indented=True), ""


def _model(detail: Mapping[str, Any]) -> Iterator[Said]:
    if "response" in detail:
        yield "said: ", shown(detail["response"]), ""


def _whole_model(detail: Mapping[str, Any]) -> Iterator[Said]:
    if known := detail.get("known"):
        yield "", f"… {counted(known, 'message')} as before", _DIM
    for message in detail.get("messages", ()):
        kind = message.get("type", "message") if isinstance(message, Mapping) else "message"
        yield f"{kind}: ", shown(message), _DIM
    for name in ("settings", "params"):
        if name in detail:
            yield f"{name}: ", shown(detail[name]), _DIM
    yield from _model(detail)


def _tool(detail: Mapping[str, Any], *, indented: bool = False) -> Iterator[Said]:
    for title, name in (("with: ", "arguments"), ("gave: ", "result")):
        if name in detail:
            yield title, shown(detail[name], indented=indented), ""
    for asked in detail.get("asked", ()):
        yield "asked: ", _question(asked), "yellow"


def _store(detail: Mapping[str, Any]) -> Iterator[Said]:
    for operation in detail.get("operations", ()):
        yield "", shown(operation), _DIM


def _whole_node(detail: Mapping[str, Any]) -> Iterator[Said]:
    for channel, value in detail.get("writes", {}).items():
        values: Sequence[Any] = value if isinstance(value, list) else [value]
        for one in values:
            yield f"{channel} ← ", shown(one, indented=True), _DIM
    if goto := detail.get("goto"):
        yield "→ ", ", ".join(goto), _DIM


def _questions(detail: Mapping[str, Any]) -> Iterator[Said]:
    for one in detail.get("questions", ()):
        yield "asked: ", _question(one.get("value")), ""


def _answer(detail: Mapping[str, Any]) -> Iterator[Said]:
    for answer in detail.get("answers", {}).values():
        who = answer.get("who")
        told = [answer.get("kind"), who.get("actor") if isinstance(who, Mapping) else who, answer.get("when")]
        yield "", " · ".join(str(one) for one in told if one), ""
    if "answers" not in detail and "command" in detail:
        yield "", shown(detail["command"]), ""


def _parted(detail: Mapping[str, Any]) -> Iterator[Said]:
    """What it differs in from the run that it was made from; a side that isn't there isn't shown."""
    yield "", f"live from here on: the {detail.get('of')}'s {detail.get('field')} isn't what it was", _DIM
    for title, name, style in (("- ", "expected", "red"), ("+ ", "actual", "green")):
        if name in detail:
            yield title, shown(detail[name]), style
    if hint := detail.get("hint"):
        yield "", str(hint), _DIM


def _feedback(detail: Mapping[str, Any]) -> Iterator[Said]:
    score = detail.get("score")
    thumb = {True: "thumb up", False: "thumb down"}.get(score) if isinstance(score, bool) else score
    source: Mapping[str, Any] = detail.get("source", {})
    state = detail.get("state")
    told = [None if thumb is None else str(thumb), None if state == "given" else state]
    told += [source.get("actor") or source.get("type"), detail.get("message_id") and f"on {detail['message_id']}"]
    yield "", " · ".join(str(one) for one in told if one), ""
    for name in ("value", "comment", "correction"):
        if name in detail:
            yield f"{name}: ", shown(detail[name]), ""


def _problems(detail: Mapping[str, Any]) -> Iterator[Said]:
    if error := detail.get("error"):
        yield "", f"{error['kind'].rpartition(':')[2]}: {error['message']}", "red"
    if lost := detail.get("lost"):
        yield "", f"{counted(lost, 'record')} could not be written", "red"
    if limit := detail.get("truncated"):
        yield "", f"nothing more was kept: the trajectory had reached {limit:,} bytes", "red"


def _question(value: Any) -> str:
    match value:
        case {"action_requests": [Mapping() as action, *_]}:
            return f"{action.get('name')}: {shown(action.get('description') or action.get('args'))}"
        case {"name": str() as name, "args": arguments}:
            return f"{name}({_arguments(arguments)})"
        case _:
            return shown(value)


def counted(number: int, noun: str) -> str:
    """`1 step`, `2,000 steps`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


_Tell = Callable[[Mapping[str, Any]], Iterator[Said]]

_FOLDED: Mapping[str, _Tell] = {
    "run": _run,
    "attempt": _attempt,
    "model": _model,
    "tool": _tool,
    "store": _store,
    "question": _questions,
    "answer": _answer,
    "feedback": _feedback,
    "parted": _parted,
}
_WHOLE: Mapping[str, _Tell] = {
    "run": _whole_run,
    "node": _whole_node,
    "model": _whole_model,
    "tool": lambda detail: _tool(detail, indented=True),
}
