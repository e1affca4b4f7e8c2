"""One run, from its events to the screen."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

from motet.server.terminal.conversation import Event, Json
from motet.server.terminal.screen import Screen, in_short
from motet.server.terminal.steps import ASSISTANTS_OWN, Steps
from motet.server.terminal.workers import Workers

_SAYS = 1000
"""Characters of a specialist's answer that are shown among the steps."""


class Turn:
    """Shows events as they come and keeps what is asked for afterwards.

    Where an assistant has specialists work for it, what they say is a finding among its steps; the answer is what the
    assistant says at its end, once, after it was checked. Any other graph's words are the answer, as they come.
    """

    def __init__(self, screen: Screen, assistant: str, *, composer: str = "") -> None:
        self.run_id = ""
        self.failed = ""
        """The run's error as a line; empty if there is none."""
        self.unanswered = False
        """Whether the specialist itself said that it has no answer."""
        self._screen = screen
        self._assistant = assistant
        self._workers = Workers(screen)
        self._steps = Steps(screen)
        self.composer = composer
        """Who makes the answer of what others say; empty where nobody does, or nobody told so yet."""
        self._streaming: tuple[str, tuple[str, ...]] = ("", ())
        """The message whose words come, and from where."""
        self._held: dict[str, tuple[str, Event]] = {}
        """Words that others say meanwhile."""
        self._said = ""
        self._answered = False
        self._owed: set[tuple[str, ...]] = set()
        """Where a specialist ended whose doubts were not shown yet."""
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
                self._update(cast("Json", by_node), event)
            case "custom", {"type": "step", "step": str(step)}:
                self._step(step, cast("Json", event.data), event.namespace)
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
        for message_id in list(self._held):
            self._release(message_id)
        self._ended_at = time.monotonic()
        self._screen.close()

    def _started(self, run_id: str, attempt: int) -> None:
        self.run_id = run_id
        if attempt > 1:
            self._screen.quiet(f"another worker goes on with it (attempt {attempt})")
        self._screen.working("thinking")

    def _by(self, event: Event) -> None:
        self._works(self._agent(event), event.namespace)

    def _agent(self, event: Event) -> str:
        """Who it is from: the assistant, or the name that a message carries, or the innermost sub-graph's."""
        match event.namespace, event.data:
            case (), _:
                return self._assistant
            case _, [_, {"lc_agent_name": str(name)}] if name:
                return name
            case _:
                return event.namespace[-1].partition(":")[0]

    def _works(self, agent: str, namespace: Sequence[str]) -> None:
        if self._workers.works(agent, namespace) and not self.composer:
            self._answered = False

    def _step(self, step: str, told: Json, namespace: tuple[str, ...]) -> None:
        """A step of one of our own graphs."""
        agent = str(told.get("agent") or self._assistant)
        if step in ASSISTANTS_OWN:
            self.composer = agent
        if step != "ended":
            self._works(agent, namespace)
            self._steps.show(agent, step, told)
        elif self.composer in {"", agent}:
            self._ended(agent, told, namespace)
        else:
            self._found(agent, told, namespace)

    def _found(self, agent: str, told: Json, namespace: tuple[str, ...]) -> None:
        """A specialist's answer, for the assistant."""
        self._works(agent, namespace)
        if answer := str(told.get("answer") or ""):
            self._screen.step(f"says: {in_short(answer, _SAYS)}")
        self._rests(agent, told, namespace)

    def _ended(self, agent: str, told: Json, namespace: tuple[str, ...]) -> None:
        """The turn's answer, unless it was streamed just as it stands."""
        answer = str(told.get("answer") or "")
        if answer.strip() != self._said.strip():
            self._works(agent, namespace)
            self._screen.answer(answer)
            self._said = answer
        self._rests(agent, told, namespace)
        self.unanswered = told.get("status") == "failed"
        self._answered = True

    def _rests(self, agent: str, told: Json, namespace: tuple[str, ...]) -> None:
        """What an answer rests on, and how whoever gave it ended."""
        self._steps.quotes(told)
        if (status := str(told.get("status") or "ok")) != "ok":
            self._screen.step(f"ended {status.replace('_', ' ')}", doubtful=True)
        self._workers.ended(agent, namespace)
        self._owed.add(namespace)

    def _update(self, by_node: Json, event: Event) -> None:
        """What an assistant says, and what a specialist doubts; the rest of a state is the graph's own business."""
        for delta in by_node.values():
            match delta:
                case {"messages": [*_, {"type": "ai"} as last]} if self.composer and not event.namespace:
                    self._last_words(_text(last))
                case {"findings": [*_, _], "messages": list(messages)} if event.namespace in self._owed:
                    self._owed.discard(event.namespace)
                    self._doubts(cast("Sequence[Json]", messages), event)
                case _:
                    pass

    def _last_words(self, text: str) -> None:
        """A message of the assistant that no step told of."""
        if text.strip() and text.strip() != self._said.strip():
            self._works(self._assistant, ())
            self._screen.answer(text)
            self._said = text

    def _doubts(self, messages: Sequence[Json], event: Event) -> None:
        """What a specialist adds to its sentence; query and rows were shown."""
        for part in _text(messages[-1]).split("\n\n") if messages else ():
            if part.startswith("This may not be what was asked."):
                self._by(event)
                self._screen.step(part, doubtful=True)
                self._workers.ended(self._agent(event), event.namespace)

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
        message_id, is_last = str(message.get("id")), message.get("chunk_position") == "last"
        if not self.composer:
            self._words(_text(message), message_id, event, is_last=is_last)
        for part in cast("Sequence[Json]", message.get("tool_call_chunks") or ()):
            key = f"{message_id}:{part.get('index')}"
            name, arguments = self._calls.get(key, ("", ""))
            self._calls[key] = (name + (part.get("name") or ""), arguments + (part.get("args") or ""))
        if is_last:
            for key in [one for one in self._calls if one.startswith(f"{message_id}:")]:
                name, arguments = self._calls.pop(key)
                self._by(event)
                self._screen.step(f"{name}({in_short(arguments)})")

    def _words(self, text: str, message_id: str, event: Event, *, is_last: bool) -> None:
        """Words as they come; of two who speak at once the second is heard when it is done."""
        streaming, namespace = self._streaming
        busy = streaming not in {"", message_id} and namespace != event.namespace
        if busy or message_id in self._held:
            self._held[message_id] = (self._held.get(message_id, ("", event))[0] + text, event)
            if is_last:
                self._release(message_id)
            return
        if message_id != streaming:
            self._streaming, self._said = (message_id, event.namespace), ""
        if text:
            self._by(event)
            self._said += text
            self._screen.token(text)
        if is_last:
            self._streaming = ("", ())
            self._screen.end_answer()

    def _release(self, message_id: str) -> None:
        text, event = self._held.pop(message_id)
        if text.strip():
            self._by(event)
            self._screen.answer(text)

    def _whole(self, message: Json, event: Event) -> None:
        """A message that was not streamed."""
        calls = cast("Sequence[Json]", message.get("tool_calls") or ())
        text = _text(message)
        if self.composer or (self._answered and not calls):
            text = ""
        if text or calls:
            self._by(event)
        if text and text.strip() != self._said.strip():
            self._screen.answer(text)
            self._said = text
        for call in calls:
            self._screen.call(str(call.get("name")), cast("Json", call.get("args") or {}))


def _text(message: Json) -> str:
    content: Any = message.get("content")
    if isinstance(content, str):
        return content
    blocks = cast("list[Any]", content) if isinstance(content, list) else []
    return "".join(str(one.get("text") or "") for one in blocks if isinstance(one, Mapping))
