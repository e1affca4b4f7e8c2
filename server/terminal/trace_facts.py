"""What is said of each line of a trajectory's tree besides its content: names, times, tokens, cost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.text import Text

from motet.observability.trajectory.tree import Branch
from motet.server.durations import spelled
from motet.server.terminal.plain import line

_FINE_S, _SHORT_S = 60, 0.1
_FINE_USD = 0.001
_NAME = 60
_RUNS = frozenset({"trajectory", "run", "attempt"})


def took(seconds: float) -> str:
    """A length of time: `40 ms`, `2.40 s`, `3 min`."""
    if seconds >= _FINE_S:
        return spelled(seconds)
    return f"{seconds:.2f} s" if seconds >= _SHORT_S else f"{seconds * 1000:.0f} ms"


def count(tokens: int) -> str:
    """`1,204`; nothing for none."""
    return f"{tokens:,}" if tokens else ""


def cost(dollars: float | None) -> str:
    """`$1.20`, `$0.0123`, `$0.000041`; nothing for none, or where the price isn't known."""
    if not dollars:
        return ""
    return f"${dollars:,.2f}" if dollars >= 1 else f"${dollars:.4f}" if dollars >= _FINE_USD else f"${dollars:.6f}"


def names(branch: Branch, style: str) -> Text:
    """What it is called, of what kind it is, and where."""
    detail = branch.detail
    if branch.kind in _RUNS:
        if branch.kind == "attempt":
            return Text(f"attempt {detail.get('attempt')}", style)
        runs = f" {len(detail['runs'])} runs of one trajectory" if branch.kind == "trajectory" else ""
        return Text.assemble((line(branch.name, _NAME), style), (runs, "bright_black"))
    name = Text(line(branch.name or _NAMELESS[branch.kind], _NAME), style)
    if branch.kind == "node":
        _, at, step = branch.path.rpartition("|")[2].rpartition("@")
        name.append(f"{at}{step}", "bright_black")
    elif branch.name:
        name.append(f" {branch.kind}", "bright_black")
    if handed := detail.get("handed_to"):
        name.append(f" → {line(handed, _NAME)}", "bold cyan")
    return name


class Facts:
    """The times, tokens and cost of one line, in words."""

    def __init__(self, branch: Branch, since: datetime) -> None:
        self._branch = branch
        self._begun = (branch.begin - since).total_seconds()
        self.took = "" if branch.duration_s is None else took(branch.duration_s)
        self.tokens = count(branch.tokens)
        self.cost = cost(branch.cost_usd)

    def all(self) -> Sequence[str]:
        """Everything, for a line without columns."""
        branch = self._branch
        when = [] if branch.kind in _RUNS else [f"+{self._begun:.2f} s"]
        spent = [f"took {self.took}"] if self.took else []
        spent += [f"{self.tokens} token{'' if branch.tokens == 1 else 's'}"] if self.tokens else []
        spent += [self.cost] if self.cost else []
        ended = [branch.outcome] if branch.outcome != "ok" and branch.kind != "question" else []
        return [*when, *spent, *self.beside_columns(), *ended]

    def beside_columns(self) -> Sequence[str]:
        """What has no column of its own."""
        branch, detail = self._branch, self._branch.detail
        told: list[str] = []
        if (agent := detail.get("agent")) and branch.kind == "node" and agent != branch.name:
            told.append(f"agent {line(agent, _NAME)}")
        if tries := detail.get("tries"):
            told.append(f"{tries} tries")
        told += ["from the cache"] if detail.get("cached") else []
        told += ["from the record"] if detail.get("from_run") and branch.kind != "parted" else []
        return told


_NAMELESS = {"store": "memory", "question": "asks a person", "answer": "a person answered", "parted": "parts here"}
