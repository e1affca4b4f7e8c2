"""A trajectory drawn as a tree beside a time axis."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import StringIO

from rich.console import Console
from rich.text import Text

from motet.observability.trajectory.tree import Branch, walk
from motet.server.terminal.plain import line
from motet.server.terminal.printable import printable
from motet.server.terminal.time_axis import Axis
from motet.server.terminal.trace_content import contents, folded
from motet.server.terminal.trace_facts import Facts, cost, count, names, took

OUTCOMES = {
    "ok": ("✓", "green"),
    "error": ("✗", "red"),
    "interrupted": ("‖", "yellow"),
    "cancelled": ("○", "yellow"),
    "unfinished": ("…", "yellow"),
}
KINDS = {
    "trajectory": "bold",
    "run": "bold",
    "attempt": "bold",
    "node": "cyan",
    "model": "magenta",
    "tool": "blue",
    "store": "bright_black",
    "question": "yellow",
    "answer": "green",
    "feedback": "green",
    "parted": "yellow",
}
DIM = "bright_black"

_LABEL = 30
"""Columns that a label has at least."""
_BAR = (8, 48)


def drawn(root: Branch, *, width: int | None, full: bool = False) -> Iterator[Text]:
    """The tree, line by line: each part's name, its span of time, how long it took, its tokens, cost and outcome.

    Args:
        root: as `tree_detail.detailed` gives it.
        width: columns of the terminal; None for what is no terminal: lines of any length, without bars and guides.
        full: what was said is shown whole, not in a line each.
    """
    page = _Page(root, width, full=full)
    if page.columns.bar:
        yield page.ruler()
    yield from map(printable, page.lines(root, "", ""))


@dataclass(frozen=True, slots=True)
class _Columns:
    """Widths of what stands right of the label; 0 where it isn't shown."""

    bar: int = 0
    took: int = 0
    tokens: int = 0
    cost: int = 0

    @classmethod
    def of(cls, root: Branch, width: int | None) -> _Columns:
        if width is None or width < _LABEL + 10:
            return cls()
        tokens = max(len(count(root.tokens)), 6) + 2 if root.tokens and width >= _LABEL + 20 else 0
        prices = max(len(cost(one.cost_usd)) for one in walk(root))
        price = max(prices, 4) + 2 if prices and width >= _LABEL + 30 else 0
        left = width - 10 - tokens - price - _LABEL
        bar = min(_BAR[1], left * 2 // 3) if left >= _BAR[0] else 0
        return cls(bar=bar, took=10, tokens=tokens, cost=price)

    @property
    def right(self) -> int:
        return sum((self.bar, self.took, self.tokens, self.cost))


class _Page:
    def __init__(self, root: Branch, width: int | None, *, full: bool) -> None:
        self._width, self._full = width, full
        self.columns = _Columns.of(root, width)
        runs = [one for one in walk(root) if one.kind == "run"]
        self._axis = Axis([(one.begin, one.end) for one in runs])

    def ruler(self) -> Text:
        """The time axis' ends, above the bars."""
        bar = self.columns.bar
        end = took(self._axis.length_s)
        text = Text(" " * ((self._width or 0) - self.columns.right))
        text.append("0 s " + "─" * (bar - len(end) - 5) + f" {end}" if bar > len(end) + 8 else " " * bar, DIM)
        for title, width in (("took", self.columns.took), ("tokens", self.columns.tokens), ("cost", self.columns.cost)):
            text.append(f"{title:>{width}}" if width else "", DIM)
        return text

    def lines(self, branch: Branch, first: str, rest: str, since: datetime | None = None) -> Iterator[Text]:
        """`branch` and all inside it; `first` stands before its own line, `rest` before those below."""
        since = branch.begin if branch.kind in {"run", "trajectory"} or since is None else since
        yield self._line(branch, first, since)
        inner = rest + ("│ " if branch.children and self._width is not None else "  ")
        yield from self._told(branch, inner)
        for at, child in enumerate(branch.children):
            last = at == len(branch.children) - 1
            if self._width is None:
                yield from self.lines(child, f"{rest}  ", f"{rest}  ", since)
            else:
                yield from self.lines(child, rest + ("└ " if last else "├ "), rest + ("  " if last else "│ "), since)

    def _line(self, branch: Branch, guide: str, since: datetime) -> Text:
        label = Text().append(guide, DIM)
        sign, colour = OUTCOMES[branch.outcome] if branch.kind != "parted" else ("≠", KINDS["parted"])
        label.append_text(Text.assemble((sign, colour), " ", names(branch, KINDS[branch.kind])))
        facts = Facts(branch, since)
        if self._width is None or not self.columns.took:
            label.append(f"   {' · '.join(facts.all())}", DIM)
            return self._fitting(label)
        for one in facts.beside_columns():
            label.append(f" {one}", DIM)
        label.truncate(max(self._width - self.columns.right - 1, 1), overflow="ellipsis", pad=True)
        label.append(" ")
        return self._with_columns(label, branch, facts)

    def _with_columns(self, label: Text, branch: Branch, facts: Facts) -> Text:
        columns = self.columns
        if columns.bar:
            colour = "red" if branch.outcome == "error" else KINDS[branch.kind]
            label.append(self._axis.bar(branch.begin, branch.end, columns.bar), colour)
        label.append(f"{facts.took:>{columns.took}}")
        if columns.tokens:
            label.append(f"{facts.tokens:>{columns.tokens}}", DIM)
        if columns.cost:
            label.append(f"{facts.cost:>{columns.cost}}", DIM)
        return label

    def _told(self, branch: Branch, guide: str) -> Iterator[Text]:
        told: Iterable[tuple[str, str, str]]
        told = contents(branch) if self._full else folded(branch)
        for title, text, style in told:
            if self._full:
                yield from self._whole(guide, title, text, style)
            else:
                limit = 1_000 if self._width is None else max(self._width - len(guide) - len(title), 8)
                said = Text().append(guide, DIM)
                said.append(title, DIM).append(line(text, limit), style)
                yield self._fitting(said)

    def _whole(self, guide: str, title: str, text: str, style: str) -> Iterator[Text]:
        """Each line of a text, broken where the terminal ends."""
        space = max((self._width or 1_000_000) - len(guide) - len(title), 16)
        for at, one in enumerate(broken(text, space)):
            said = Text().append(guide, DIM)
            yield said.append(title if at == 0 else " " * len(title), DIM).append(one, style)

    def _fitting(self, text: Text) -> Text:
        if self._width is not None:
            text.truncate(self._width, overflow="ellipsis")
        return text


def broken(text: str, width: int) -> Sequence[str]:
    """`text` in lines of at most `width` columns, at words where it can; without control characters."""
    lines: list[str] = []
    measuring = Console(file=StringIO())
    for one in text.splitlines() or [""]:
        shown = Text("".join(sign if sign.isprintable() else "�" for sign in one.expandtabs(4)))
        lines += (
            [part.plain.rstrip() for part in shown.wrap(measuring, width)] if shown.cell_len > width else [shown.plain]
        )
    return lines
