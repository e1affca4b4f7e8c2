"""A chat model that plays a script, and fails a test that asks it more or less than that."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Any, Self, TypeAlias

from langchain_core.messages import BaseMessage
from pydantic import PrivateAttr

from motet.errors import UnconsumedSteps, UnexpectedCall
from motet.testing.answering import AnsweringModel, Call
from motet.testing.replies import Reply, is_reply

Step: TypeAlias = Reply | Callable[[list[BaseMessage]], Reply | Awaitable[Reply]]
"""A reply, or a function of the messages that gives it."""


class ScriptedModel(AnsweringModel):
    """Answers call after call with the next step of its script.

    As a context manager it fails a test that leaves steps unplayed; `assert_complete` does it where that doesn't
    fit. Agents that run in parallel share one script in no certain order: give each its own, or use FunctionModel.

    Raises:
        TypeError: something in `steps` is no step.
        UnexpectedCall: out of a call beyond the last step.
    """

    model_name: str = "scripted"
    _steps: int = PrivateAttr(default=0)
    _left: deque[Step] = PrivateAttr(default_factory=deque[Step])
    _unexpected: list[UnexpectedCall] = PrivateAttr(default_factory=list[UnexpectedCall])

    def __init__(self, steps: Iterable[Step], **fields: Any) -> None:
        super().__init__(**fields)
        self._left.extend(steps)
        self._steps = len(self._left)
        for position, step in enumerate(self._left):
            if not (callable(step) or is_reply(step)):
                raise TypeError(f"steps[{position}] is no step: {step!r}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Unless the test failed already, see that the script was played."""
        if error is None:
            self.assert_complete()

    def assert_complete(self) -> None:
        """See that each step was played, and nothing beyond.

        Raises:
            UnconsumedSteps: some steps were never asked for.
            UnexpectedCall: there was a call too many, and what is tested swallowed its error.
        """
        if self._unexpected:
            raise self._unexpected[0]
        if self._left:
            raise UnconsumedSteps(self._steps, [_shown(step) for step in self._left])

    def _answer(self, call: Call) -> Reply | Awaitable[Reply]:
        try:
            step = self._left.popleft()
        except IndexError:
            last = call.messages[-1] if call.messages else None
            error = UnexpectedCall(f"{last.type}: {last.text}" if last else "", steps=self._steps, tools=[*call.tools])
            self._unexpected.append(error)
            raise error from None
        return step(list(call.messages)) if callable(step) else step


def _shown(step: Step) -> str:
    return step if isinstance(step, str) else repr(step)
