"""What a person sees of a conversation: quiet lines for the work, plain ones for what matters."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.markdown import Markdown
from rich.padding import Padding
from rich.panel import Panel
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from motet.server.terminal.flow import Flow

INDENT = "  "
_TOP = len(INDENT)
_ARGUMENT, _RESULT = 60, 200
"""Characters of an argument and of a result that stand in one quiet line."""

_MARKDOWN = re.compile(r"^(?:> |\||```|#|[-*] )", re.MULTILINE)

Row = Sequence[Any]


class Screen:
    """Writes to one console; at most one spinner turns, and it is gone before anything is written."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._spinner: Progress | None = None
        self._flow: Flow | None = None
        self._fetching = ""
        """What the bar shows; empty while there is none."""

    def close(self) -> None:
        """Stop what moves, and end an unfinished line."""
        self._rest()

    def heading(self, text: str) -> None:
        """The beginning of a step."""
        self._rest()
        self.console.print()
        self.console.print(Rule(Text(text, style="bold"), align="left", style="bright_black"))

    def say(self, text: str, style: str = "", *, hang: int = 0) -> None:
        """A line for the person."""
        self._rest()
        self.console.print(Padding(Text(text, style=style), (0, 0, 0, _TOP + hang), expand=False))

    def quiet(self, text: str) -> None:
        """A line about the work."""
        self.say(text, "bright_black")

    def problem(self, text: str) -> None:
        """Something went wrong."""
        self.say(text, "red")

    def blank(self) -> None:
        """An empty line."""
        self._rest()
        self.console.print()

    def agent(self, name: str) -> None:
        """Who works from here on."""
        self._rest()
        self.console.print(Text(f"{INDENT}● {name}", style="cyan"))

    def step(self, text: str, *, doubtful: bool = False) -> None:
        """What the agent did."""
        self.say(text, "yellow" if doubtful else "bright_black", hang=2)

    def words(self, text: str) -> None:
        """Words that are quoted."""
        self.say(text, "italic", hang=4)

    def working(self, text: str) -> None:
        """Turn a spinner beside `text`, with the seconds, until the next line. Nothing where nobody watches."""
        self._rest()
        if not self.console.is_terminal:
            return
        self._spinner = Progress(
            TextColumn(INDENT),
            SpinnerColumn(style="cyan"),
            TextColumn("{task.description}", style="bright_black"),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
        )
        self._spinner.add_task(text, total=None)
        self._spinner.start()

    def download(self, what: str, done: int, total: int) -> None:
        """A bar that is moved by each call; where nobody watches, a line for each thing."""
        if not self.console.is_terminal:
            if what != self._fetching:
                self.quiet(f"{what} ({total / 1e6:,.0f} MB)")
            self._fetching = what
            return
        if self._spinner is None or not self._fetching:
            self._rest()
            self._fetching = what
            self._spinner = Progress(
                TextColumn(f"{INDENT}{{task.description}}"),
                BarColumn(),
                DownloadColumn(),
                TimeRemainingColumn(),
                console=self.console,
                transient=True,
            )
            self._spinner.add_task(what, total=total)
            self._spinner.start()
        self._spinner.update(self._spinner.task_ids[0], description=what, completed=done, total=total)

    def token(self, piece: str) -> None:
        """A piece of an answer."""
        if self._flow is None:
            self._rest()
            self.console.print()
            self._flow = Flow(self.console, indent=INDENT, style="bold")
        self._flow.write(piece)

    def end_answer(self) -> None:
        """The answer is whole."""
        self._rest()

    def answer(self, text: str) -> None:
        """A whole answer at once: its Markdown drawn at a terminal, kept as it is in a pipe."""
        if not self.console.is_terminal or not _MARKDOWN.search(text):
            self.token(text)
            self.end_answer()
            return
        self._rest()
        self.console.print()
        self.console.print(Padding(Markdown(text, code_theme="ansi_dark"), (0, _TOP, 0, _TOP)))

    def sql(self, query: str) -> None:
        """A query."""
        self._rest()
        code = Syntax(query, "sql", theme="ansi_dark", background_color="default", word_wrap=True)
        self.console.print(Padding(code, (0, 0, 0, _TOP + 4)))

    def rows(self, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Rows of a result."""
        self._rest()
        table = Table(box=None, header_style="bright_black", padding=(0, 2, 0, 0))
        numbers = [all(isinstance(row[i], int | float) for row in rows) for i in range(len(columns))]
        for name, is_number in zip(columns, numbers, strict=True):
            table.add_column(Text(name), justify="right" if is_number else "left")
        for row in rows:
            table.add_row(*(Text(_cell(value)) for value in row))
        self.console.print(Padding(table, (0, 0, 0, _TOP + 4)))

    def call(self, tool: str, arguments: Mapping[str, Any]) -> None:
        """A tool is called."""
        told = ", ".join(f"{name}={in_short(value, _ARGUMENT)}" for name, value in arguments.items())
        self.step(f"{tool}({told})")

    def result(self, text: str, *, failed: bool) -> None:
        """What a tool answered."""
        self.say(f"→ {in_short(text)}", "red" if failed else "bright_black", hang=2)

    def panel(self, title: str, parts: Sequence[RenderableType]) -> None:
        """Something that asks for a person's attention."""
        self._rest()
        self.console.print()
        self.console.print(
            Panel(Group(*parts), title=Text(title, style="bold yellow"), title_align="left", border_style="yellow")
        )

    def _rest(self) -> None:
        spinner, self._spinner, self._fetching = self._spinner, None, ""
        if spinner is not None:
            spinner.stop()
        flow, self._flow = self._flow, None
        if flow is not None:
            flow.end()


def in_short(value: Any, limit: int = _RESULT) -> str:
    """`value` on one line of bearable length."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[:limit]}… ({len(text)} characters)"


def _cell(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, float):
        return f"{value:.4f}".rstrip("0").rstrip(".") if abs(value) >= 1 else f"{round(value, 4):g}"
    return in_short(value)
