"""`motet chat`: a talk at the terminal, one question for a script, or events for a machine."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from typing import Any

import orjson
from rich.console import Console

from motet.errors import OperatorError, ServerRefused
from motet.server.settings import Settings
from motet.server.terminal import approvals, prompt, weights
from motet.server.terminal.account import Account, citations
from motet.server.terminal.conversation import CONFLICT, UNPROCESSABLE, Event, Situation, Waiting
from motet.server.terminal.screen import Screen
from motet.server.terminal.session import Session, Where, opened, show_last
from motet.server.terminal.turn import Turn

DONE, FAILED, WAITS, LEFT = 0, 1, 3, 130
"""Exit codes: all went well; the run failed; a decision is waited for; left while a run works."""


def chat(
    where: Where,
    settings: Settings,
    *,
    thread_id: str | None,
    assistant: str | None,
    question: str | None,
    private: bool = False,
) -> int:
    """Talk until the person leaves, or answer `question`; returns the exit code."""
    screen = Screen(Console(highlight=False))
    try:
        _prepare(where, settings, screen)
        with opened(where, settings, screen, thread_id=thread_id, assistant=assistant, private=private) as session:
            talk = _Talk(session, screen, where, known=thread_id is not None)
            try:
                return talk.once(question) if question is not None else talk.on()
            except KeyboardInterrupt:
                return talk.left()
            except OperatorError:
                talk.stranded()
                raise
    except KeyboardInterrupt:
        screen.close()
        return LEFT


def chat_in_json(
    where: Where,
    settings: Settings,
    *,
    thread_id: str | None,
    assistant: str | None,
    question: str | None,
    private: bool = False,
) -> int:
    """One JSON object a line: each event, then the summary; what is meant for people goes to standard error."""
    screen = Screen(Console(stderr=True, highlight=False))
    _prepare(where, settings, screen)
    with opened(where, settings, screen, thread_id=thread_id, assistant=assistant, private=private) as session:
        before = session.situation() if thread_id else None
        seen = Account()

        def show(event: Event) -> None:
            seen.take(event)
            _line({"event": event.name, "namespace": event.namespace, "data": event.data})

        if question is not None:
            session.follow(session.conversation.ask(question), show)
        now = session.situation()
        summary = _summary(session, seen, before, now)
        _line({"event": "summary", "namespace": [], "data": summary})
        last = seen.ended or (summary["findings"][-1] if summary["findings"] else {})
        unanswered = last.get("status") == "failed"
        return FAILED if seen.error or unanswered else WAITS if now.waiting else DONE


def _prepare(where: Where, settings: Settings, screen: Screen) -> None:
    """Fetch the embedded model where our own assistant will ask it, while a person can watch."""
    if where.url is None and where.workspace is not None:
        asyncio.run(weights.fetch(settings, screen))


class _Talk:
    """What is said around the turns."""

    def __init__(self, session: Session, screen: Screen, where: Where, *, known: bool) -> None:
        self._session = session
        self._screen = screen
        self._where = where
        self._known = known
        self._prompt = partial(prompt.ask, screen.console)

    def on(self) -> int:
        """Take questions until there are no more."""
        self._introduce()
        if self._known:
            self._catch_up()
        if not self._settle():
            return WAITS
        while True:
            try:
                question = self._prompt("you > ").strip()
            except EOFError:
                self._screen.blank()
                self._screen.quiet("Go on later:")
                self._say_how_to_go_on()
                return DONE
            if question and not (self._take(question) and self._settle()):
                return WAITS

    def once(self, question: str) -> int:
        """Answer one question."""
        if self._known and not self._settle():
            return WAITS
        turn = self._session.ask(question)
        self._closing(turn)
        if turn.failed or turn.unanswered:
            return FAILED
        return DONE if self._settle() else WAITS

    def left(self) -> int:
        """Ctrl-C: say what goes on without the person, and how to come back."""
        self._screen.blank()
        own = self._where.url is None
        match self._session.phase:
            case "run" if own:
                self._screen.say("The run is kept: it goes on as soon as a server is started on the same data.")
            case "run":
                self._screen.say("You stopped watching; the run goes on in the server.")
            case "decision":
                self._screen.say("Nothing was decided; the thread waits, for as long as it takes.")
            case _:
                pass
        self.stranded()
        return {"run": LEFT, "decision": WAITS}.get(self._session.phase, DONE)

    def stranded(self) -> None:
        """The talk can't go on here: say how to come back to the thread."""
        self._screen.close()
        self._screen.say(f"Thread {self._session.conversation.thread_id}. Go on with:")
        self._say_how_to_go_on()

    def _take(self, question: str) -> bool:
        """One turn of a talk; what the server refuses is said, and the talk goes on."""
        try:
            self._closing(self._session.ask(question))
        except ServerRefused as refused:
            self._screen.problem(refused.detail)
            if refused.answered not in {CONFLICT, UNPROCESSABLE}:
                raise
        return True

    def _settle(self) -> bool:
        """Ask for every decision that waits; False if nobody is there to be asked."""
        if not prompt.can_ask():
            waiting = self._session.situation().waiting
            for one in waiting:
                for action, _ in approvals.actions_of(one):
                    approvals.show(self._screen, action)
            if waiting:
                self._screen.say("A decision is waited for, and nobody is at a terminal. Decide with:")
                self._say_how_to_go_on()
            return not waiting
        for turn in self._session.settle(self._decide):
            self._closing(turn)
        return True

    def _decide(self, waiting: Waiting) -> Any:
        try:
            return approvals.decide(self._screen, waiting, self._prompt)
        except EOFError:
            raise KeyboardInterrupt from None

    def _introduce(self) -> None:
        self._screen.heading("Motet")
        for told in self._session.told:
            self._screen.quiet(told)
        self._screen.quiet(f"Thread: {self._session.conversation.thread_id}")
        self._screen.quiet("Ctrl-D leaves; nothing is lost.")

    def _catch_up(self) -> None:
        self._screen.blank()
        show_last(self._screen, self._session.situation())

    def _closing(self, turn: Turn) -> None:
        self._screen.quiet(f"{turn.seconds:.1f} s · run {turn.run_id}")

    def _say_how_to_go_on(self) -> None:
        """On a line that a terminal may break but a copy doesn't."""
        command = self._where.chat(self._session.conversation.thread_id)
        self._screen.console.print(f"  {command}", soft_wrap=True, style="cyan")


def _summary(session: Session, seen: Account, before: Situation | None, now: Situation) -> dict[str, Any]:
    old = len(before.messages) if before else 0
    said = [one for one in now.messages[old:] if one.get("type") == "ai" and one.get("content")]
    found = now.findings[len(before.findings) if before else 0 :]
    last = seen.ended or (found[-1] if found else None)
    return {
        "thread_id": session.conversation.thread_id,
        "run_id": seen.run_id,
        "status": "error" if seen.error else now.status if now.waiting else "success",
        "answer": last.get("answer") if last else said[-1]["content"] if said else None,
        "route": seen.route,
        "citations": citations(found),
        "verification": seen.verification,
        "findings": found,
        "waiting": [{"interrupt_id": one.interrupt_id, "value": one.value} for one in now.waiting],
        "error": seen.error,
    }


def _line(value: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(value) + b"\n")
    sys.stdout.buffer.flush()
