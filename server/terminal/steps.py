"""The steps that our own graphs tell of, as lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from motet.server.terminal.conversation import Json
from motet.server.terminal.screen import Screen, in_short

ASSISTANTS_OWN = frozenset({"recall", "route", "handoff", "compose", "verify", "sent_back", "left_out", "guard"})
"""Steps of a graph that has others work and makes the answer of what they found."""

_NEXT = {
    "link_schema": "writing a query",
    "draft": "checking the query",
    "execute": "running the query",
    "check_result": "putting it into words",
    "search": "reading",
    "read": "putting it into words",
    "compose": "checking what it says",
    "sent_back": "working on it again",
}
"""What is done after a step."""

_BY = {"rules": "by rules", "exemplars": "by similar questions", "model": "by the model"}
_TO = "\u2013"
"""The dash of a range."""
_WORDS = 400
"""Characters of a quote or a claim that are shown."""


class Steps:
    """Shows steps; remembers what each agent drafted, to show it when it is sent back."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._drafted: dict[str, str] = {}

    def show(self, agent: str, step: str, told: Json) -> None:
        """One step; those that a person needn't see are passed over."""
        if step in ASSISTANTS_OWN:
            self._assistant(step, told)
        elif problem := told.get("problem"):
            self._problem(agent, step, str(problem), str(told.get("sql") or ""))
            return
        elif step in {"search", "read"}:
            self._librarian(step, told)
        else:
            self._analyst(agent, step, told)
        if step in _NEXT:
            self._screen.working(_NEXT[step])

    def quotes(self, told: Json) -> None:
        """What an answer rests on, word by word, with the place it stands at."""
        for quote in cast("Sequence[Json]", told.get("quotes") or ()):
            text, start = str(quote.get("text") or ""), int(quote.get("start") or 0)
            self._screen.step(f"{quote.get('file')}:{start}{_TO}{start + len(text)}")
            self._screen.words(in_short(text, _WORDS))

    def _analyst(self, agent: str, step: str, told: Json) -> None:
        match step:
            case "link_schema":
                self._screen.step(f"looks at {', '.join(told.get('tables') or ())}")
            case "draft":
                self._drafted[agent] = str(told.get("sql") or "")
                if (attempt := told.get("attempt", 1)) > 1:
                    self._screen.step(f"writes another query (attempt {attempt})")
            case "execute":
                self._screen.step("query_workspace")
                self._screen.sql(str(told.get("sql")))
            case "check_result":
                self._found(told)
            case _:
                pass

    def _found(self, told: Json) -> None:
        """What the query gave: how many rows, and the first of them."""
        number, first = int(told.get("rows", 0)), cast("Sequence[Sequence[Any]]", told.get("first") or ())
        more = " or more" if told.get("truncated") else ""
        these = f", the first {len(first)}:" if 0 < len(first) < number else ""
        self._screen.step(f"→ {_counted(number, 'row')}{more}{these}")
        if first:
            self._screen.rows(cast("Sequence[str]", told.get("columns")), first)

    def _librarian(self, step: str, told: Json) -> None:
        if step == "read":
            self._screen.step(f"reads {told.get('file')}:{told.get('start')}{_TO}{told.get('end')}")
            return
        self._screen.step(f"searches for {in_short(str(told.get('question') or ''))}")
        passages, files = int(told.get("passages") or 0), cast("Sequence[str]", told.get("files") or ())
        if passages:
            self._screen.step(f"→ {_counted(passages, 'passage')} in {', '.join(files)}")
        else:
            self._screen.step("→ nothing found", doubtful=True)

    def _problem(self, agent: str, step: str, problem: str, mended: str) -> None:
        """A specialist's own check sent something back."""
        if step == "answer":
            instead = "; the rows speak for themselves" if agent in self._drafted else ""
            self._screen.step(f"that sentence doesn't hold: {problem}{instead}", doubtful=True)
            return
        if step in {"static_check", "explain"}:
            self._screen.step("a first query" if mended else "a query")
            self._screen.sql(self._drafted.get(agent, ""))
        self._screen.step(f"{step.replace('_', ' ')}: {problem}", doubtful=True)
        if agent in self._drafted:
            self._screen.working("running the mended query" if mended else "writing the query anew")

    def _assistant(self, step: str, told: Json) -> None:
        problem = str(told.get("problem") or "")
        match step:
            case "recall":
                if number := int(told.get("notes") or 0):
                    context = in_short(str(told.get("context") or ""))
                    self._screen.step(f"remembers {_counted(number, 'earlier turn')}{f': {context}' * bool(context)}")
                for one in cast("Sequence[str]", told.get("remembered") or ()):
                    self._screen.step(f"recalls “{in_short(one)}”")
            case "route":
                self._route([one for one in cast("Sequence[Json]", told.get("parts") or ()) if one])
            case "handoff":
                self._screen.step(f"→ {told.get('to')}: {told.get('reason')}")
                self._screen.step(f"  {in_short(str(told.get('question') or ''))}")
            case "compose" if problem:
                self._screen.step(f"nothing could be put together: {problem}", doubtful=True)
            case "compose":
                self._screen.step(f"puts the answer together{', asks the model' * (told.get('by') == 'model')}")
            case "sent_back":
                attempt = told.get("attempt", 1)
                self._screen.step(f"sent back to {told.get('to')} (attempt {attempt}): {problem}", doubtful=True)
            case "guard":
                self._guard(told, problem)
            case _:
                self._checked(step, told, problem)

    def _route(self, parts: Sequence[Json]) -> None:
        """Who takes what, and why."""
        for number, part in enumerate(parts, start=1):
            agents = " and ".join(cast("Sequence[str]", part.get("agents") or ())) or "nobody"
            if len(parts) > 1:
                self._screen.step(f"{number}. {in_short(str(part.get('question') or ''))}")
                self._screen.step(f"   → {agents}{_why(part)}")
            else:
                self._screen.step(f"→ {agents}{_why(part)}")

    def _checked(self, step: str, told: Json, problem: str) -> None:
        """What the verifier found."""
        claim = in_short(str(told.get("claim") or ""), _WORDS)
        whom = f" {who}" if (who := str(told.get("of") or "")) and who != told.get("agent") else ""
        if step == "left_out":
            self._screen.step(f"left out “{claim}”: {problem}", doubtful=True)
        elif problem:
            said = f"“{claim}” doesn't hold" if claim else "doesn't hold"
            self._screen.step(f"{said}: {problem}", doubtful=True)
        else:
            claims, held = int(told.get("claims") or 0), int(told.get("held") or 0)
            number = "the claim holds" if claims == held == 1 else f"{held} of {_counted(claims, 'claim')} hold"
            self._screen.step(f"checked{whom}: {number}" if claims else "nothing to check", doubtful=held < claims)

    def _guard(self, told: Json, problem: str) -> None:
        if redacted := cast("Sequence[str]", told.get("redacted") or ()):
            self._screen.step(f"taken out before it is told on: {', '.join(redacted)}", doubtful=True)
        if problem:
            self._screen.step(problem, doubtful=True)


def _why(part: Mapping[str, Any]) -> str:
    """The reason for a choice, with how it was made and how sure that is."""
    if part.get("by") == "person":
        return ", as you said"
    known = part.get("confidence") is not None and part.get("by") != "only"
    sure = f"{float(part['confidence']):.0%} sure" if known else ""
    made = ", ".join(one for one in (_BY.get(str(part.get("by")), ""), sure) if one)
    reason = str(part.get("reason") or "")
    return f"{f': {reason}' if reason else ''}{f' ({made})' if made else ''}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
