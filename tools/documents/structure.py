"""A document's text and what is known of its structure; offsets are characters of the text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A heading, and where it begins."""

    start: int
    level: int
    """1 is the outermost."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A stretch that should stay in one piece: a table, a piece of code."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """What reading a file gives."""

    text: str
    headings: tuple[Heading, ...] = ()
    """In the text's order."""
    blocks: tuple[Block, ...] = ()
    """In the text's order, apart from each other."""
    pages: tuple[int, ...] = ()
    """Where each page of a PDF begins; empty for all else."""
    title: str = ""
    """As the file itself says it; empty where it doesn't."""
