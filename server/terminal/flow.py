"""Text that arrives in pieces, wrapped at words as it comes."""

from __future__ import annotations

from rich.cells import cell_len
from rich.console import Console


class Flow:
    """Writes pieces of one text, indented; a word is held back until it is whole."""

    def __init__(self, console: Console, *, indent: str, style: str) -> None:
        self._console = console
        self._indent = indent
        self._style = style
        self._column = 0
        self._held = ""

    def write(self, piece: str) -> None:
        """Add `piece`."""
        for character in piece.expandtabs(4):
            if character in {" ", "\n"}:
                self._release()
                self._blank() if character == " " else self._newline()
            else:
                self._held += character

    def end(self) -> None:
        """Write what was held back and end the line."""
        self._release()
        if self._column:
            self._newline()

    def _release(self) -> None:
        word, self._held = self._held, ""
        if not word:
            return
        room = self._console.width - len(self._indent)
        if self._column and self._column + cell_len(word) > room:
            self._newline()
        self._put(word)

    def _blank(self) -> None:
        if 0 < self._column < self._console.width - len(self._indent):
            self._put(" ")

    def _put(self, text: str) -> None:
        if not self._column:
            self._print(self._indent)
        self._print(text, style=self._style)
        self._column += cell_len(text)

    def _newline(self) -> None:
        self._print("\n")
        self._column = 0

    def _print(self, text: str, *, style: str = "") -> None:
        self._console.print(text, end="", style=style, markup=False, highlight=False, soft_wrap=True)
