"""Passages: stretches of a document that are found, read and cited as one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from langchain_text_splitters import RecursiveCharacterTextSplitter

from motet.memory.document_index import Passage
from motet.tools.documents.structure import Heading, Structure

LONGEST = 1_200
"""Characters a passage may have: about as many as the embedded model for vectors reads."""

_PROSE = ["\n\n", "\n", ". ", "? ", "! ", "; ", ", ", " ", ""]
_LINES = ["\n", " ", ""]


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch that is no longer than a passage may be."""

    start: int
    end: int


def passages(read: Structure) -> tuple[Passage, ...]:
    """The passages of a document, in its order, apart from each other; only white space lies between them.

    A passage never crosses a heading or a page. A section of up to 1,200 characters is one; a longer one is cut
    at paragraphs, else at sentences. A table or piece of code stays whole, or is cut between its lines.
    """
    found: list[Passage] = []
    for start, end, headings in _sections(read):
        pieces = [piece for low, high in _by_page(read, start, end) for piece in _merged(_pieces(read, low, high))]
        for piece in pieces:
            low, high = _trimmed(read.text, piece)
            if low < high:
                page = bisect_right(read.pages, low) or None
                found.append(Passage(start=low, end=high, headings=headings, page=page))
    return tuple(found)


def _sections(read: Structure) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Stretches between headings with the headings above them; a heading without a text goes with the next one."""
    path: list[Heading] = []
    start = 0
    for heading, end in zip(read.headings, [*(one.start for one in read.headings[1:]), len(read.text)], strict=False):
        if start < heading.start and not path:
            yield start, heading.start, ()
            start = heading.start
        path = [*(one for one in path if one.level < heading.level), heading]
        first_line = read.text.find("\n", heading.start, end)
        if end < len(read.text) and not _says(read.text[first_line:end] if first_line >= 0 else ""):
            continue
        yield start, end, tuple(one.text for one in path)
        start = end
    if start < len(read.text):
        yield start, len(read.text), tuple(one.text for one in path)


def _says(text: str) -> bool:
    """Whether there are words in what follows a heading's first line, which may be its underline."""
    return any(character.isalnum() for character in text)


def _by_page(read: Structure, start: int, end: int) -> Iterator[tuple[int, int]]:
    cuts = [start, *(page for page in read.pages if start < page < end), end]
    yield from pairwise(cuts)


def _pieces(read: Structure, start: int, end: int) -> Iterator[_Piece]:
    """The stretch in pieces that fit, without a gap."""
    position = start
    blocks = read.blocks[bisect_right(read.blocks, start, key=lambda block: block.end) :]
    for block in blocks:
        if block.start >= end:
            break
        yield from _cut(read.text, position, max(block.start, position), _PROSE)
        low, high = max(block.start, position), min(block.end, end)
        yield from _cut(read.text, low, high, _LINES)
        position = high
    yield from _cut(read.text, position, end, _PROSE)


def _cut(text: str, start: int, end: int, separators: list[str]) -> Iterator[_Piece]:
    if end - start <= LONGEST:
        if start < end:
            yield _Piece(start, end)
        return
    splitter = RecursiveCharacterTextSplitter(
        separators=separators,
        keep_separator="end",
        chunk_size=LONGEST,
        chunk_overlap=0,
        strip_whitespace=False,
        add_start_index=True,
    )
    for document in splitter.create_documents([text[start:end]]):
        low = start + document.metadata["start_index"]
        yield _Piece(low, low + len(document.page_content))


def _merged(pieces: Iterator[_Piece]) -> Iterator[_Piece]:
    """Neighbours joined as long as they fit into one passage."""
    held: _Piece | None = None
    for piece in pieces:
        if held and piece.end - held.start <= LONGEST:
            held = _Piece(held.start, piece.end)
            continue
        if held:
            yield held
        held = piece
    if held:
        yield held


def _trimmed(text: str, piece: _Piece) -> tuple[int, int]:
    told = text[piece.start : piece.end]
    low = piece.start + len(told) - len(told.lstrip())
    return low, low + len(told.strip())
