"""One line from the person at the terminal."""

from __future__ import annotations

import importlib
import sys
from contextlib import suppress

from rich.console import Console


def can_ask() -> bool:
    """Whether somebody sits there: input and output are a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def ask(console: Console, text: str) -> str:
    """Ask for a line, with history and editing.

    Raises:
        EOFError: there are no more lines (Ctrl-D).
        KeyboardInterrupt: Ctrl-C.
    """
    if not sys.stdin.isatty():
        return input()
    _give_editing()

    if console.color_system is None:
        return input(f"\n{text}")
    # The marks tell readline which characters take no room.
    return input(f"\n\001\x1b[1;36m\002{text}\001\x1b[0m\002")


def _give_editing() -> None:
    """Importing readline gives `input` history and editing, on systems that have it."""
    with suppress(ImportError):
        importlib.import_module("readline")
