"""One run, from its events to the screen."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

from motet.server.terminal.conversation import Event, Json
from motet.server.terminal.screen import Screen, in_short

_NEXT = {
    "link_schema": "writing a query",
    "draft": "checking the query",
    "execute": "running the query",
    "check_result": "putting it into words",
}
"""What an analyst does after a step."""


class Turn:
    """Shows events as they come and keeps what is asked for afterwards."""

    def __init__(self, screen: Screen, assistant: str) -> None:
        self.run_id = ""
        self.failed = ""
        """The run's error as a line; empty if there is none."""
        self.unanswered = False
        """Whether the specialist itself said that it has no answer."""
        self._screen = screen
        self._assistant = assistant
        self._agent = ""
        self._streaming = ""
        self._said = ""
        self._answered = False
        self._drafted = ""
        self._owed = False
        """Whether a specialist ended whose doubts were not shown yet."""
        self._calls: dict[str, tuple[str, str]] = {}
        self._began = time.monotonic()
        self._ended_at = 0.0

    @property
    def seconds(self) -> float:
        """From the turn's beginning to its end."""
        return (self._ended_at or time.monotonic()) - self._began

    def show(self, event: Event) -> None:
        """Show one event; what a person needn't see is passed over."""
        match event.name, event.data:
            case "metadata", {"run_id": str(run_id)}:
                self._started(run_id, event.data.get("attempt", 1))
            case "messages", [Mapping() as message, *_]:
                self._message(cast("Json", message), event)
            case "updates", Mapping() as by_node:
                self._update(cast("Json", by_node))
            case "custom", {"type": "step", "step": str(step)}:
                self._step(step, cast("Json", event.data))
            case "custom", data:
                self._by(event)
                self._screen.step(in_short(data))
            case "error", Mapping() as error:
                self.failed = f"{error.get('error')}: {error.get('message')}"
                self._screen.problem(self.failed)
            case _:
                pass

    def end(self) -> None:
        """The stream is over."""
        self._ended_at = time.monotonic()
        self._screen.close()

    def _started(self, run_id: str, attempt: int) -> None:
        self.run_id = run_id
        if attempt > 1:
            self._screen.quiet(f"another worker goes on with it (attempt {attempt})")
        self._screen.working("thinking")

    def _by(self, event: Event) -> None:
        self._works(event.namespace[-1].partition(":")[0] if event.namespace else self._assistant)

    def _works(self, agent: str) -> None:
        if agent != self._agent:
            self._agent, self._answered = agent, False
            self._screen.agent(agent)

    def _step(self, step: str, told: Json) -> None:
        """A step of one of our specialists."""
        self._works(str(told.get("agent") or self._assistant))
        if problem := told.get("problem"):
            self._problem(step, str(problem), str(told.get("sql") or ""))
            return
        match step:
            case "link_schema":
                self._screen.step(f"looks at {', '.join(told.get('tables') or ())}")
            case "draft":
                self._drafted = str(told.get("sql") or "")
                if (attempt := told.get("attempt", 1)) > 1:
                    self._screen.step(f"writes another query (attempt {attempt})")
            case "execute":
                self._screen.step("query_workspace")
                self._screen.sql(str(told.get("sql")))
            case "check_result":
                self._found(told)
            case "ended":
                self._ended(str(told.get("answer") or ""), str(told.get("status")))
            case _:
                pass
        if step in _NEXT:
            self._screen.working(_NEXT[step])

    def _found(self, told: Json) -> None:
        """What the query gave: how many rows, and the first of them."""
        number, first = int(told.get("rows", 0)), cast("Sequence[Sequence[Any]]", told.get("first") or ())
        more = " or more" if told.get("truncated") else ""
        these = f", the first {len(first)}:" if 0 < len(first) < number else ""
        self._screen.step(f"→ {number} {'row' if number == 1 else 'rows'}{more}{these}")
        if first:
            self._screen.rows(cast("Sequence[str]", told.get("columns")), first)

    def _problem(self, step: str, problem: str, mended: str) -> None:
        """A check sent something back."""
        if step == "answer":
            self._screen.step(f"that sentence doesn't hold: {problem}; the rows speak for themselves", doubtful=True)
            return
        if step in {"static_check", "explain"}:
            self._screen.step("a first query" if mended else "a query")
            self._screen.sql(self._drafted)
        self._screen.step(f"{step.replace('_', ' ')}: {problem}", doubtful=True)
        self._screen.working("running the mended query" if mended else "writing the query anew")

    def _ended(self, answer: str, status: str) -> None:
        """The specialist's sentence, unless it was streamed just as it stands."""
        if answer.strip() != self._said.strip():
            self._screen.answer(answer)
        self.unanswered = status == "failed"
        if status != "ok":
            self._screen.step(f"ended {status.replace('_', ' ')}", doubtful=True)
        self._answered = self._owed = True

    def _update(self, by_node: Json) -> None:
        """What a specialist doubts; the rest of a state is the graph's own business."""
        for delta in by_node.values():
            match delta:
                case {"findings": [*_, _], "messages": list(messages)} if self._owed:
                    self._owed = False
                    self._doubts(cast("Sequence[Json]", messages))
                case _:
                    pass

    def _doubts(self, messages: Sequence[Json]) -> None:
        """What a specialist adds to its sentence; query and rows were shown."""
        for part in _text(messages[-1]).split("\n\n") if messages else ():
            if part.startswith("This may not be what was asked."):
                self._screen.step(part, doubtful=True)

    def _message(self, message: Json, event: Event) -> None:
        match message.get("type"):
            case "AIMessageChunk":
                self._chunk(message, event)
            case "ai":
                self._whole(message, event)
            case "tool":
                self._by(event)
                failed = message.get("status") == "error"
                self._screen.result(_text(message), failed=failed)
            case _:
                pass

    def _chunk(self, message: Json, event: Event) -> None:
        message_id = str(message.get("id"))
        if message_id != self._streaming:
            self._streaming, self._said = message_id, ""
        if text := _text(message):
            self._by(event)
            self._said += text
            self._screen.token(text)
        for part in cast("Sequence[Json]", message.get("tool_call_chunks") or ()):
            key = f"{message_id}:{part.get('index')}"
            name, arguments = self._calls.get(key, ("", ""))
            self._calls[key] = (name + (part.get("name") or ""), arguments + (part.get("args") or ""))
        if message.get("chunk_position") == "last":
            self._screen.end_answer()
            self._show_streamed_calls(event)

    def _show_streamed_calls(self, event: Event) -> None:
        for name, arguments in self._calls.values():
            self._by(event)
            self._screen.step(f"{name}({in_short(arguments)})")
        self._calls.clear()

    def _whole(self, message: Json, event: Event) -> None:
        """A message that was not streamed."""
        calls = cast("Sequence[Json]", message.get("tool_calls") or ())
        if self._answered and not calls:
            return
        text = _text(message)
        if text or calls:
            self._by(event)
        if text:
            self._screen.answer(text)
        for call in calls:
            self._screen.call(str(call.get("name")), cast("Json", call.get("args") or {}))


def _text(message: Json) -> str:
    content: Any = message.get("content")
    if isinstance(content, str):
        return content
    blocks = cast("list[Any]", content) if isinstance(content, list) else []
    return "".join(str(one.get("text") or "") for one in blocks if isinstance(one, Mapping))
