"""HTML: the text is what a reader sees, a line for each block; what frames a page is dropped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from bs4 import BeautifulSoup, Tag
from bs4.element import NavigableString, PageElement, PreformattedString

from motet.tools.documents.structure import Block, Heading, Structure

_DROPPED = (
    *("head", "script", "style", "noscript", "template", "nav", "footer", "svg", "iframe", "object", "form"),
    *("button", "select", "dialog"),
)
_LINE = frozenset(
    re.findall(
        r"\w+",
        "address article aside blockquote body caption dd details div dl dt fieldset figcaption figure header hr li "
        "main ol p pre section summary table tbody tfoot thead tr ul h1 h2 h3 h4 h5 h6",
    )
)
"""What begins a line of its own."""
_APART = frozenset({"p", "pre", "table", "ul", "ol", "dl", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6"})
"""What an empty line stands before."""
_CELL = frozenset({"td", "th"})
_WHOLE = frozenset({"pre", "table"})
_HEADING = re.compile(r"h[1-6]\Z")


def read_html(source: str) -> Structure:
    """Text and structure of a page. Cells of a row stand in one line, parted by ` | `."""
    soup = BeautifulSoup(source, "html.parser")
    title = soup.title.get_text(" ", strip=True) if soup.title else ""
    for tag in soup.find_all(_DROPPED):
        if not tag.decomposed:
            tag.decompose()
    writer = _Writer()
    for event, element in _walk(soup):
        if isinstance(element, Tag):
            (writer.enter if event == "enter" else writer.leave)(element.name)
        elif isinstance(element, NavigableString) and not isinstance(element, PreformattedString):
            writer.write(str(element))
    return Structure(
        text=writer.text(),
        headings=tuple(writer.headings),
        blocks=tuple(writer.blocks),
        title=re.sub(r"\s+", " ", title),
    )


def _walk(soup: BeautifulSoup) -> Iterator[tuple[Literal["enter", "leave"], PageElement]]:
    """Every element in order, tags twice; without recursion, because pages nest without end."""
    stack: list[tuple[Tag, Iterator[PageElement]]] = [(soup, iter(soup.contents))]
    while stack:
        tag, children = stack[-1]
        child = next(children, None)
        if child is None:
            stack.pop()
            yield "leave", tag
            continue
        yield "enter", child
        if isinstance(child, Tag):
            stack.append((child, iter(child.contents)))


class _Writer:
    """Lays text out in lines, and notes where headings and blocks come to stand."""

    def __init__(self) -> None:
        self.headings: list[Heading] = []
        self.blocks: list[Block] = []
        self._pieces: list[str] = []
        self._length = 0
        self._break = 0
        """Line ends owed before the next text."""
        self._space = False
        """Whether a space is owed before the next text."""
        self._preformatted = 0
        self._whole: list[int | None] = []
        """Where each open block began; None while it holds no text."""
        self._heading: tuple[int, int] | None = None
        """Where the text since the last opened heading began: piece and character."""

    def text(self) -> str:
        return "".join(self._pieces)

    def enter(self, name: str) -> None:
        if name == "br":
            self._break = max(self._break, 1)
        if name in _CELL and not self._break and self._length:
            self._add(" | ")
            self._space = False
        if name in _LINE:
            self._break = max(self._break, 2 if name in _APART and not any(self._whole_open()) else 1)
        if name in _WHOLE:
            self._whole.append(None)
        self._preformatted += name == "pre"
        if _HEADING.match(name):
            self._heading = None

    def leave(self, name: str) -> None:
        if _HEADING.match(name) and self._heading is not None:
            piece, start = self._heading
            told = " ".join("".join(self._pieces[piece:]).split())
            self.headings.append(Heading(start=start, level=int(name[1]), text=told))
            self._heading = None
        if name in _WHOLE and self._whole:
            start = self._whole.pop()
            if start is not None and not any(self._whole_open()):
                self.blocks.append(Block(start=start, end=self._length))
        self._preformatted -= name == "pre"
        if name in _LINE:
            self._break = max(self._break, 2 if name in _APART and not any(self._whole_open()) else 1)

    def write(self, text: str) -> None:
        if self._preformatted:
            self._put(text.replace("\r\n", "\n"))
            return
        words = " ".join(text.split())
        if not words:
            self._space = self._space or bool(text)
            return
        self._space = self._space or text[0].isspace()
        self._put(words)
        self._space = text[-1].isspace()

    def _put(self, text: str) -> None:
        if self._break and self._length:
            self._add("\n" * self._break)
        elif self._space and self._length:
            self._add(" ")
        self._break, self._space = 0, False
        self._whole = [self._length if start is None else start for start in self._whole]
        if self._heading is None:
            self._heading = (len(self._pieces), self._length)
        self._add(text)

    def _add(self, text: str) -> None:
        self._pieces.append(text)
        self._length += len(text)

    def _whole_open(self) -> Iterator[bool]:
        return (start is not None for start in self._whole)
