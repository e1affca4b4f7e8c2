"""A run's trajectory drawn as a tree."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from rich.text import Text
from rich.tree import Tree

from motet.observability.trajectory.model import Message
from motet.observability.trajectory.tree import Branch

_OUTCOMES = {
    "ok": ("✓", "green"),
    "error": ("✗", "red"),
    "interrupted": ("‖", "yellow"),
    "cancelled": ("○", "yellow"),
    "unfinished": ("…", "yellow"),
}
_KINDS = {"model": "magenta", "tool": "blue", "interrupt": "yellow", "node": "cyan", "run": "bold"}
_LINE = 100
_SHORT_S = 0.1


def drawn(run: Branch) -> Tree:
    """The whole run: when each part began, how long it took, its tokens and how it ended."""
    tree = Tree(_label(run, run.started), guide_style="bright_black")
    _told(tree, run)
    for child in run.children:
        _draw(tree, child, run.started)
    return tree


def _draw(above: Tree, branch: Branch, since: str) -> None:
    here = above.add(_label(branch, since))
    _told(here, branch)
    for child in branch.children:
        _draw(here, child, since)


def _label(branch: Branch, since: str) -> Text:
    sign, colour = _OUTCOMES[branch.outcome]
    label = Text.assemble((sign, colour), " ", (branch.name or branch.kind, _KINDS[branch.kind]))
    if branch.kind in {"model", "tool", "interrupt"}:
        label.append(f" {branch.kind}", "bright_black")
    begun = datetime.fromisoformat(branch.started) - datetime.fromisoformat(since)
    facts = [f"+{begun.total_seconds():.2f} s"] if branch.kind != "run" else [f"at {branch.started[:19]}Z"]
    facts += [f"took {_time(branch.duration_s)}"] if branch.duration_s is not None else []
    facts += [f"{branch.tokens} tokens"] if branch.tokens else []
    facts += [branch.outcome] if branch.outcome != "ok" else []
    label.no_wrap, label.overflow = True, "ellipsis"
    return label.append(f"   {' · '.join(facts)}", "bright_black")


def _told(tree: Tree, branch: Branch) -> None:
    """Lines below a branch: what went in and what came out."""
    detail = branch.detail
    for line in _lines(branch.kind, detail):
        tree.add(Text(line, "bright_black", no_wrap=True, overflow="ellipsis"))
    if error := detail.get("error"):
        tree.add(Text(_short(error), "red"))


def _lines(kind: str, detail: Mapping[str, Any]) -> Sequence[str]:
    match kind:
        case "run":
            spent = [_counted(detail[name], noun) for name, noun in _COUNTS.items() if detail.get(name) is not None]
            return [f"thread {detail.get('thread_id', '?')}", *([" · ".join(spent)] if spent else [])]
        case "model":
            response = detail.get("response")
            return [f"said: {_short(_said(response))}"] if isinstance(response, Message) else []
        case "tool":
            return [f"with: {_short(detail.get('arguments'))}", f"gave: {_short(detail.get('result'))}"]
        case "interrupt":
            return [f"asked: {_asked(one)}" for one in cast("Sequence[Mapping[str, Any]]", detail.get("questions", ()))]
        case _:
            return []


_COUNTS = {"model_calls": "model call", "tool_calls": "tool call", "tokens": "token"}


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= _SHORT_S else f"{seconds * 1000:.0f} ms"


def _said(response: Message) -> object:
    calls = [f"{call.name}({json.dumps(call.arguments, ensure_ascii=False)})" for call in response.tool_calls]
    return response.content or ", ".join(calls)


def _asked(question: Mapping[str, Any]) -> str:
    match question.get("value"):
        case {"action_requests": [Mapping() as action, *_]}:
            return f"{action.get('name')}: {_short(action.get('description') or action.get('args'))}"
        case value:
            return _short(value)


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)
    line = " ".join(text.split())
    return line if len(line) <= _LINE else f"{line[:_LINE]}…"
