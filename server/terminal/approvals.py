"""An approval at the prompt: exactly what would happen, and what the person says to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from rich.console import RenderableType
from rich.text import Text

from motet.server.terminal.conversation import Json, Waiting
from motet.server.terminal.inbox import description_lines, effect_line, said
from motet.server.terminal.inbox_diff import diff
from motet.server.terminal.inbox_exact import Exact, arguments_of, in_line, visible
from motet.server.terminal.screen import Screen

ROUTE = "route"
"""The action that does nothing but choose who takes a question."""
_HASH = "arguments_sha256"
_WHO = "Who should take this?"
_ALL = ("approve", "edit", "reject", "respond")
_KEYS = {"approve": "a", "edit": "e", "reject": "r", "respond": "s"}
_EDITABLE = 200
"""Characters; a longer argument, or one of several lines, is kept when a person edits."""

Prompt = Callable[[str], str]
"""Asks for one line. Raises EOFError when there are no more, KeyboardInterrupt on Ctrl-C."""


def decide(screen: Screen, waiting: Waiting, prompt: Prompt) -> Any:
    """Show what waits, ask, and return the answer in the shape it asks for."""
    actions = actions_of(waiting)
    if not actions:
        return free_answer(screen, waiting.value, prompt)
    decisions: list[Json] = []
    for action, allowed in actions:
        show(screen, action, waiting.value)
        decide_on = _choice if action.get("name") == ROUTE else decision
        decisions.append(decide_on(screen, action, allowed, prompt))
    return {"decisions": decisions}


def approve(waiting: Waiting) -> Any:
    """The answer that approves everything `waiting` asks, bound to the arguments it shows."""
    return {"decisions": [_bound(action, {"type": "approve"}) for action, _ in actions_of(waiting)]}


def actions_of(waiting: Waiting) -> Sequence[tuple[Json, Sequence[str]]]:
    """The actions that a tool approval asks about, with the decisions each allows; empty for any other question."""
    match waiting.value:
        case {"action_requests": list(requests), **more}:
            reviews = {one.get("action_name"): one for one in more.get("review_configs") or ()}
            return [
                (one, (reviews.get(one.get("name")) or {}).get("allowed_decisions") or _ALL)
                for one in cast("list[Json]", requests)
            ]
        case _:
            return []


def is_choice(waiting: Waiting) -> bool:
    """Whether it only asks who takes a question."""
    return any(action.get("name") == ROUTE for action, _ in actions_of(waiting))


def show(screen: Screen, action: Json, question: Any = None) -> None:
    """What would happen, argument by argument, nothing shortened or hidden; or who should take a question.

    `question`: what the action is part of, which may carry the agent's words and what the tool does to the world.
    """
    if action.get("name") == ROUTE:
        _show_choice(screen, action)
        return
    asked = cast("Json", question) if isinstance(question, Mapping) else {}
    parts: list[RenderableType] = []
    if description := str(action.get("description") or ""):
        parts.append(Exact(description_lines(description)))
    if effect := str(action.get("effect") or asked.get("effect") or ""):
        parts.append(effect_line(effect))
    if parts:
        parts.append(Text())
    parts.append(Exact(arguments_of(cast("Json", action.get("args") or {}))))
    parts += said(*_words(asked))
    if sha := str(action.get(_HASH) or ""):
        parts += [Text(), Text(f"arguments sha256 {in_line(sha[:16])}…", style="bright_black")]
    screen.panel(f"Approval needed: {in_line(str(action.get('name')))}", parts)


def _words(asked: Json) -> tuple[str, Sequence[Json]]:
    """What the agent said with its question, and what it cites."""
    why, evidence = asked.get("why"), asked.get("evidence")
    cited = cast("list[Any]", evidence) if isinstance(evidence, list) else []
    return why if isinstance(why, str) else "", [one for one in cited if isinstance(one, Mapping)]


def _show_choice(screen: Screen, action: Json) -> None:
    arguments = cast("Mapping[str, Any]", action.get("args") or {})
    parts: list[RenderableType] = [Text(visible(str(arguments.get("question") or "")), style="bold")]
    if description := str(action.get("description") or "").removeprefix(_WHO).strip():
        parts += [Text(), Text(visible(description))]
    screen.panel(_WHO, [*parts, Text.assemble("Suggested: ", (in_line(str(arguments.get("agent"))), "cyan"))])


def _choice(screen: Screen, action: Json, allowed: Sequence[str], prompt: Prompt) -> Json:
    """Ask who takes the question; Enter takes the suggestion."""
    arguments = dict(cast("Mapping[str, Any]", action.get("args") or {}))
    suggested = str(arguments.get("agent"))
    names = {"approve": suggested, "edit": "another", "respond": "in other words", "reject": "drop it"}
    by_key = {_KEYS.get(one, one): one for one in allowed}
    while True:
        screen.say("   ".join(f"[{key}] {names.get(one, one)}" for key, one in by_key.items()))
        typed = prompt("who > ").strip()
        chosen = by_key.get(typed.lower(), typed.lower()) if typed else "approve"
        match chosen if chosen in allowed else None:
            case "approve":
                return _bound(action, {"type": "approve"})
            case "edit":
                if agent := prompt("name > ").strip():
                    edited = {"name": ROUTE, "args": {**arguments, "agent": agent}}
                    return _bound(action, {"type": "edit", "edited_action": edited})
            case "respond":
                if words := prompt("in other words > ").strip():
                    return _bound(action, {"type": "respond", "message": words})
            case "reject":
                return _bound(action, {"type": "reject"})
            case _:
                screen.problem(f"{typed!r} is none of them")


def decision(screen: Screen, action: Json, allowed: Sequence[str], prompt: Prompt) -> Json:
    """Ask until the answer is one of those allowed; an edit is shown as what it changes."""
    by_key = {_KEYS.get(one, one): one for one in allowed}
    offered = "   ".join(f"[{key}] {name}" for key, name in by_key.items())
    while True:
        screen.say(offered)
        typed = prompt("decision > ").strip().lower()
        chosen = by_key.get(typed) or (typed if typed in allowed else None)
        match chosen:
            case "approve":
                return _bound(action, {"type": "approve"})
            case "edit":
                if edited := _edited(screen, action, prompt):
                    return _bound(action, {"type": "edit", "edited_action": edited})
            case "reject":
                reason = prompt("why (may be empty) > ").strip()
                return _bound(action, {"type": "reject", **({"message": reason} if reason else {})})
            case "respond":
                if answer := prompt("answer in its place > ").strip():
                    return _bound(action, {"type": "respond", "message": answer})
            case _:
                screen.problem(f"{typed!r} is none of them" if typed else "nothing was decided")


def _edited(screen: Screen, action: Json, prompt: Prompt) -> Json | None:
    """Ask for each short argument anew; the others stay as they are. None if all do."""
    old = cast("Json", action.get("args") or {})
    new = dict(old)
    kept = [name for name, value in new.items() if not _is_editable(value)]
    for name in [one for one in new if one not in kept]:
        if typed := prompt(f"{in_line(name)} (Enter keeps it) > ").strip():
            new[name] = typed
    if kept:
        screen.quiet(f"{', '.join(in_line(one) for one in kept)}: kept as shown")
    if new == old:
        screen.problem("nothing was changed")
        return None
    screen.panel(f"Edited: {in_line(str(action.get('name')))}", [diff(old, new)])
    return {"name": action.get("name"), "args": new}


def _is_editable(value: object) -> bool:
    return isinstance(value, str) and "\n" not in value and len(value) <= _EDITABLE


def _bound(action: Json, decision: dict[str, Any]) -> Json:
    """The decision with the hash of the arguments that were shown, so that it can't be taken for others."""
    return {**decision, _HASH: action[_HASH]} if action.get(_HASH) else decision


def free_answer(screen: Screen, value: Any, prompt: Prompt) -> Any:
    """Any other question: the answer is JSON if it reads as such, else the text."""
    told = visible(value) if isinstance(value, str) else visible(json.dumps(value, ensure_ascii=False, indent=2))
    screen.panel("A question waits", [Exact(told.split("\n"))])
    typed = prompt("answer > ").strip()
    try:
        return json.loads(typed)
    except json.JSONDecodeError:
        return typed
