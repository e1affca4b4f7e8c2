"""Markdown: the text is the file's; headings, tables and code are where the CommonMark parser finds them."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.token import Token

from motet.tools.documents.structure import Block, Heading, Structure

_WHOLE = frozenset({"fence", "code_block", "table_open", "html_block"})
_LINE_END = re.compile(r"\r\n|\r|\n")
_FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n(?:.*\r?\n)*?---[ \t]*(?:\r?\n|\Z)")
_TITLE = re.compile(r"^title:[ \t]*(.+?)[ \t]*\r?$", re.MULTILINE)


def read_markdown(text: str) -> Structure:
    """The structure of Markdown with tables; a front matter of YAML is text, but no heading."""
    front = _FRONT_MATTER.match(text)
    title = _TITLE.search(front.group()) if front else None
    # The parser takes the closing dashes for a heading's underline: it sees blank lines, as many as there were.
    body = "\n" * len(_LINE_END.findall(front.group())) + text[front.end() :] if front else text
    starts = [0, *(found.end() for found in _LINE_END.finditer(text)), len(text)]
    tokens = MarkdownIt("commonmark").enable("table").parse(body)
    headings: list[Heading] = []
    blocks: list[Block] = []
    for place, token in enumerate(tokens):
        if token.map is None or token.level:
            continue
        first, behind = (starts[min(line, len(starts) - 1)] for line in token.map)
        if token.type == "heading_open":
            headings.append(Heading(start=first, level=int(token.tag[1]), text=_plain(tokens[place + 1])))
        elif token.type in _WHOLE:
            blocks.append(Block(start=first, end=behind))
    return Structure(
        text=text,
        headings=tuple(heading for heading in headings if heading.text),
        blocks=tuple(blocks),
        title=title.group(1).strip("'\"") if title else "",
    )


def _plain(inline: Token) -> str:
    pieces = (child.content or " " for child in inline.children or ())
    return re.sub(r"\s+", " ", "".join(pieces)).strip()
