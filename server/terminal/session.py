"""A person's visit to a conversation: where it is held, its turns, and the decisions on the way."""

from __future__ import annotations

import asyncio
import shlex
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from motet.errors import ServerRefused
from motet.server.settings import Settings
from motet.server.terminal import approvals
from motet.server.terminal.conversation import CONFLICT, UNPROCESSABLE, Conversation, Event, Situation, Waiting
from motet.server.terminal.own_server import OwnServer
from motet.server.terminal.screen import Screen
from motet.server.terminal.turn import Turn

Phase = Literal["opening", "prompt", "run", "decision"]
Decide = Callable[[Waiting], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Which server holds the conversation."""

    url: str | None = None
    """A running one; None starts one of our own over `workspace` and `config`."""
    workspace: Path | None = None
    config: Path | None = None
    data_dir: Path | None = None
    """The data directory, where it isn't the usual one."""

    def chat(self, thread_id: str) -> str:
        """What a person types to go on with the thread."""
        options = (("--url", self.url), ("--workspace", self.workspace), ("--config", self.config))
        given = [part for name, value in options if value for part in (name, _shown(value))]
        return self._typed("chat", *given, "--thread", thread_id)

    def trace(self, run_id: str) -> str:
        """What a person types to see what a run did."""
        return self._typed("trace", "show", run_id)

    def _typed(self, *words: str) -> str:
        setting = f"MOTET_DATA_DIR={shlex.quote(str(self.data_dir.resolve()))} " if self.data_dir else ""
        return setting + shlex.join([*_program(), *words])


class Session:
    """Turns of one conversation. Blocking: the loop runs while a run is followed, and stands while a person thinks.

    So Ctrl-C is a KeyboardInterrupt at the prompt and ends no more than the watching during a run; `phase` says
    which of them it met.
    """

    def __init__(self, runner: asyncio.Runner, conversation: Conversation, screen: Screen, told: Sequence[str]) -> None:
        self.phase: Phase = "prompt"
        self.conversation = conversation
        self.told = told
        """What our own server said of itself; empty for another's."""
        self._composer = ""
        self._runner = runner
        self._screen = screen

    def follow(self, events: AsyncIterator[Event], watch: Callable[[Event], None]) -> None:
        """Hand each event to `watch` until the run ends."""

        async def follow() -> None:
            async for event in events:
                watch(event)

        self.phase = "run"
        self._runner.run(follow())
        self.phase = "prompt"

    def ask(self, question: str) -> Turn:
        """Send a question and show what happens."""
        return self._turn(self.conversation.ask(question))

    def situation(self) -> Situation:
        """How the thread stands; waits for a run that is still at work on it."""
        now = self._runner.run(self.conversation.situation())
        if now.status == "busy":
            self.phase = "run"
            self._screen.working("a run is at work on this thread")
            now = self._runner.run(self.conversation.settled())
            self._screen.close()
            self.phase = "prompt"
        return now

    def settle(self, decide: Decide) -> list[Turn]:
        """Have all that waits decided, and show what comes of it, until nothing waits.

        An answer that comes too late, or for what has changed meanwhile, is said, and what waits now is shown anew.
        """
        turns: list[Turn] = []
        while waiting := self.situation().waiting:
            self.phase = "decision"
            answers = {one.interrupt_id: decide(one) for one in waiting}
            if any(approvals.is_choice(one) for one in waiting):
                self._composer = self.conversation.assistant
            try:
                turns.append(self._turn(self.conversation.answer(answers)))
            except ServerRefused as refused:
                if refused.answered not in {CONFLICT, UNPROCESSABLE}:
                    raise
                self._refused(refused)
        self.phase = "prompt"
        return turns

    def _turn(self, events: AsyncIterator[Event]) -> Turn:
        turn = Turn(self._screen, self.conversation.assistant, composer=self._composer)
        self._screen.working("sending")
        try:
            self.follow(events, turn.show)
        finally:
            turn.end()
            self._composer = turn.composer
        return turn

    def _refused(self, refused: ServerRefused) -> None:
        self._screen.problem(f"The decision was not taken: {refused.detail}")
        if refused.answered == CONFLICT and not (now := self.situation()).waiting:
            self._screen.say("It was decided elsewhere. The thread now says:")
            show_last(self._screen, now)


@contextmanager
def opened(
    where: Where,
    settings: Settings,
    screen: Screen,
    *,
    thread_id: str | None,
    assistant: str | None,
    private: bool = False,
) -> Generator[Session]:
    """A session on a thread of the server that `where` names; a server of our own is stopped at the end.

    A new thread is `private` if that is said: nothing is remembered from it, and nothing recalled into it.

    Raises:
        ServerUnavailable, ServerRefused.
        typer.Exit: our own server didn't start; its words have been passed on.
    """
    with ExitStack() as ending:
        runner = ending.enter_context(asyncio.Runner())
        ending.callback(screen.close)
        url, told = where.url, list[str]()
        if url is None:
            screen.working("starting the server")
            server = runner.run(OwnServer.start(workspace=where.workspace, config=where.config, doing=screen.working))
            ending.callback(lambda: _stop(runner, server, screen))
            url, told = server.url, server.told
        key = settings.auth.get_secret_value() if settings.auth else None
        opening = Conversation.open(url, key=key, thread_id=thread_id, assistant=assistant, private=private)
        conversation = runner.run(opening)
        ending.callback(lambda: runner.run(conversation.aclose()))
        screen.close()
        yield Session(runner, conversation, screen, told)


def _stop(runner: asyncio.Runner, server: OwnServer, screen: Screen) -> None:
    screen.working("stopping the server")
    runner.run(server.stop())
    screen.close()


def show_last(screen: Screen, now: Situation) -> None:
    """The last question and the last words of the thread."""
    for role in ("human", "ai"):
        said = [str(one.get("content") or "") for one in now.messages if one.get("type") == role]
        if said and said[-1]:
            screen.say(f"{'you > ' if role == 'human' else ''}{said[-1]}", "bright_black" if role == "human" else "")


def _program() -> Sequence[str]:
    """How this very program was called, as it can be typed again."""
    called = Path(sys.argv[0])
    if called.name != "motet":
        return (sys.executable, "-m", "motet.server")
    found = shutil.which("motet")
    return ("motet",) if found and Path(found).resolve() == called.resolve() else (str(called),)


def _shown(value: object) -> str:
    return str(value.resolve()) if isinstance(value, Path) else str(value)
