"""Redacts what leaves a run's stream, and holds back no more of a token stream than could still become a match."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import orjson
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call_chunk

from motet.graphs.events import Part, jsonable, to_json
from motet.growing import Growing
from motet.held import held_by
from motet.remembered import Remembered, fitted

LONGEST_HELD = 512
"""Characters held back of one text; of a longer word without end the front goes out redacted as far as it is."""
LOOK_BACK = 64
"""Characters that stay held back then; a card's number has 19."""

_TEXTS = ("text", "reasoning", "thinking")
_TOOL_ENDS = {"tool-finished", "tool-error"}
_SHORTEST = 6
"""Characters; no shorter text is an address or a number that any rule finds."""
_SMALLEST = 10**12
"""A smaller integer has fewer digits than any card."""

Redact = Callable[[str], str]
Key = tuple[str, str, int]
"""Message id, field and index of a text that grows chunk by chunk."""


class Searched:
    """Messages as they may leave by one set of rules, in JSON, by all that they hold.

    At most `limit` bytes are kept, the newest; and half as many of whole lists.
    """

    def __init__(self, limit: int = 16_000_000) -> None:
        self.lists: Growing[orjson.Fragment] = Growing(limit // 2)
        self._told = Remembered[orjson.Fragment](limit)

    def find(self, held: bytes) -> orjson.Fragment | None:
        """How a message that holds `held` may leave."""
        return self._told.find(held)

    def note(self, held: bytes, told: bytes) -> orjson.Fragment:
        """Remember that a message that holds `held` may leave as `told`, which comes back."""
        fragment = orjson.Fragment(fitted(told))
        self._told.note(held, fragment, len(told))
        return fragment


class Outgoing:
    """One run's stream on its way out.

    Tokens are held back by message id: the last word, with the groups of digits before it, until what
    follows shows that it is complete; the last chunk releases the rest. All other parts are looked
    through string by string. Questions to a person (`__interrupt__`) stay: who approves must see
    exactly what will be done.

    A model's own events are treated as its tokens are, and so is what a tool says while it works. What else inside a
    run streams piece by piece is left out of the events, because a piece doesn't show what it is part of; the event
    that ends it has the whole.
    """

    def __init__(self, redact: Redact, searched: Searched | None = None) -> None:
        """`searched`: what other runs looked through by the same `redact`."""
        self._redact = redact
        self._held: dict[Key, str] = {}
        self._of_events: dict[Key, str] = {}
        """What is held back of models' events; the same texts may be on their way out as tokens."""
        self._searched = Searched() if searched is None else searched

    def lets(self, part: Part) -> bool:
        """Whether `part` may leave at all."""
        if part.mode != "events" or not str(part.data["event"]).endswith("_stream"):
            return True
        return part.data["event"] == "on_chat_model_stream" and isinstance(part.data["data"]["chunk"], AIMessageChunk)

    def before(self, part: Part) -> Part | None:
        """What leaves before `part`: the rest that is held back of what a tool said, which it ends."""
        if part.mode != "tools" or part.data["event"] not in _TOOL_ENDS:
            return None
        said = "".join(self._rest(_tool_call(part), self._held).values())
        if not said:
            return None
        delta = {"event": "tool-output-delta", "tool_call_id": part.data["tool_call_id"], "delta": said}
        return _with(part, delta)

    def part(self, part: Part) -> Part:
        """`part`, which may leave, as it may; itself where nothing is to be changed."""
        if part.mode == "events":
            return self._event(part)
        if part.mode == "tools" and isinstance(part.data.get("delta"), str):
            delta = self._grown(self._held, (_tool_call(part), "delta", 0), part.data["delta"], last=False)
            return _with(part, {**part.data, "delta": delta})
        if part.mode == "values" and isinstance(part.data, dict):
            return _with(part, self._state(part.namespace, cast("Mapping[str, Any]", part.data)))
        if part.mode != "messages":
            data = jsonable(part.data)
            changed = self.value(data)
            return part if changed == data else _with(part, changed)
        message, metadata = cast("tuple[Any, Any]", part.data)
        if isinstance(message, AIMessageChunk):
            return _with(part, (self._chunk(message, self._held), metadata))
        told = jsonable(message)
        changed = self.value(told)
        return part if changed == told else _with(part, (changed, metadata))

    def value(self, value: Any) -> Any:
        """JSON-like `value` as it may leave, text by text."""
        if isinstance(value, str):
            return self._redact(value) if len(value) >= _SHORTEST else value
        if isinstance(value, dict):
            held = cast("Mapping[str, Any]", value)
            return {name: inner if name == "__interrupt__" else self.value(inner) for name, inner in held.items()}
        if isinstance(value, list):
            return [self.value(inner) for inner in cast("Sequence[Any]", value)]
        if isinstance(value, int) and abs(value) >= _SMALLEST:
            told = self._redact(str(value))
            return value if told == str(value) else told
        return value

    def _state(self, namespace: tuple[str, ...], state: Mapping[str, Any]) -> dict[str, Any]:
        """A state as it may leave. Its messages are mostly those of the state before: these aren't searched again."""

        def channel(name: str, value: Any) -> Any:
            if (
                value
                and isinstance(value, list)
                and all(issubclass(kind, BaseMessage) for kind in set(map(type, value)))
            ):
                messages = cast("list[BaseMessage]", value)
                place = (namespace, name, messages[0].id)
                return self._searched.lists.all_of(place, messages, self._message)
            return self.value(jsonable(value))

        return {name: value if name == "__interrupt__" else channel(name, value) for name, value in state.items()}

    def _message(self, message: BaseMessage) -> orjson.Fragment:
        """A message of a state as it may leave."""
        held = held_by(message) or to_json(message)
        found = self._searched.find(held)
        if found is not None:
            return found
        told = to_json(message)
        data = orjson.loads(told)
        changed = self.value(data)
        return self._searched.note(held, told if changed == data else to_json(changed))

    def _event(self, part: Part) -> Part:
        event = cast("Mapping[str, Any]", part.data)
        data = cast("Mapping[str, Any]", event["data"])
        chunk = data.get("chunk")
        if isinstance(chunk, AIMessageChunk):
            return _with(part, {**event, "data": {**data, "chunk": self._chunk(chunk, self._of_events)}})
        told = jsonable(data)
        changed = self.value(told)
        return part if changed == told else _with(part, {**event, "data": changed})

    def _chunk(self, chunk: AIMessageChunk, held: dict[Key, str]) -> AIMessageChunk:
        message_id, last = chunk.id or "", chunk.chunk_position == "last"
        content = self._content(chunk.content, message_id, held, last=last)
        calls = [
            {**call, "args": self._grown(held, (message_id, "args", call["index"] or 0), call["args"] or "", last=last)}
            for call in chunk.tool_call_chunks
        ]
        if last:
            rest = self._rest(message_id, held)
            calls += [
                tool_call_chunk(args=text, index=index) for (_, field, index), text in rest.items() if field == "args"
            ]
            content = _joined(content, {key: text for key, text in rest.items() if key[1] != "args"})
        if content == chunk.content and calls == chunk.tool_call_chunks:
            return chunk
        kept = chunk.model_dump(exclude={"type", "content", "tool_calls", "invalid_tool_calls", "tool_call_chunks"})
        return AIMessageChunk(content=content, tool_call_chunks=cast("Any", calls), **kept)

    def _content(self, content: Any, message_id: str, held: dict[Key, str], *, last: bool) -> Any:
        if isinstance(content, str):
            return self._grown(held, (message_id, "", 0), content, last=last)
        blocks: list[Any] = []
        for place, block in enumerate(cast("Sequence[Any]", content)):
            changed = block
            for field in _TEXTS:
                if isinstance(block, dict) and isinstance(text := cast("dict[str, Any]", block).get(field), str):
                    index = cast("dict[str, Any]", block).get("index", place)
                    key = (message_id, field, index if isinstance(index, int) else place)
                    changed = {**changed, field: self._grown(held, key, text, last=last)}
            blocks.append(changed)
        return blocks

    def _grown(self, held: dict[Key, str], key: Key, text: str, *, last: bool) -> str:
        """What may leave of the text at `key`, now that `text` was added to it."""
        whole = held.pop(key, "") + text
        if last:
            return self._redact(whole)
        at = _safe(whole)
        if len(whole) - at > LONGEST_HELD:
            whole = self._redact(whole)
            at = max(0, len(whole) - LOOK_BACK)
            released = whole[:at]
        else:
            released = self._redact(whole[:at])
        if at < len(whole):
            held[key] = whole[at:]
        return released

    def _rest(self, message_id: str, held: dict[Key, str]) -> dict[Key, str]:
        """What is still held back of a message whose last chunk says nothing about it."""
        keys = [key for key in held if key[0] == message_id]
        return {key: self._redact(held.pop(key)) for key in keys}


def _tool_call(part: Part) -> str:
    """Of which call a part tells; agents beside one another may give theirs the same ids."""
    return "|".join((*part.namespace, str(part.data["tool_call_id"])))


def _safe(text: str) -> int:
    """Where the part of `text` begins that could still become a match: its last word, with digits before it."""
    at = len(text)
    while True:
        while at and not text[at - 1].isspace():
            at -= 1
        goes_on = at == len(text) or text[at].isdigit()
        if at < 2 or not goes_on or not text[at - 2].isdigit():  # noqa: PLR2004 - a digit and the blank after it
            return at
        at -= 1


def _joined(content: Any, rest: Mapping[Key, str]) -> Any:
    """`content` of a last chunk with the texts that no part of it took along."""
    for (_, field, index), text in rest.items():
        if not field and isinstance(content, str):
            content = text + content
        else:
            block = {"type": field or "text", field or "text": text, "index": index}
            content = [*([content] if isinstance(content, str) and content else content or []), block]
    return content


def _with(part: Part, data: Any) -> Part:
    return Part(mode=part.mode, namespace=part.namespace, data=data)
