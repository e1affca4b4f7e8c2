"""The sample workspace's documents, made of texts that a package carries beside its data."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import NotRequired, TypedDict

_LINK = re.compile(r"`([^`<]+?)\s*<([^`>]+)>`_")
_FOOTNOTE = re.compile(r"\[(\d+)\]_")
_BADGE = re.compile(r"\[!\[.*\]\(.*\)\]\(.*\)")

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title></head>
<body>
<h1>{title}</h1>
{body}</body>
</html>
"""


class _Described(TypedDict):
    """What the package says of one data set."""

    description: str
    """One paragraph of reStructuredText."""
    references: NotRequired[list[str]]
    """Plain text; `[1]_` in the description means the first."""


def write_catalogue(source: Path, target: Path) -> None:
    """From JSON of descriptions by data set: a page with a heading, a paragraph and a list of references each."""
    described: dict[str, _Described] = json.loads(source.read_bytes())
    body = "".join(_section(name, one) for name, one in described.items())
    target.write_text(_PAGE.format(title="Descriptions of the data sets", body=body), encoding="utf-8")


def write_readme(source: Path, target: Path) -> None:
    """From a wheel's METADATA: the description in its body, without badges."""
    _, _, body = source.read_text("utf-8").partition("\n\n")
    kept = [line for line in body.splitlines() if not _BADGE.fullmatch(line)]
    target.write_text(re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip() + "\n", encoding="utf-8")


def _section(name: str, one: _Described) -> str:
    listed = "".join(f"<li>{html.escape(reference, quote=False)}</li>\n" for reference in one.get("references", []))
    references = f"<p>References:</p>\n<ol>\n{listed}</ol>\n" if listed else ""
    return f"<h2>{html.escape(name)}</h2>\n<p>{_paragraph(one['description'])}</p>\n{references}"


def _paragraph(text: str) -> str:
    """Links and footnote marks of reStructuredText as HTML, all else as it stands."""
    pieces: list[str] = []
    done = 0
    for link in _LINK.finditer(text):
        pieces += [_plain(text[done : link.start()]), f'<a href="{html.escape(link[2])}">{html.escape(link[1])}</a>']
        done = link.end()
    return "".join([*pieces, _plain(text[done:])])


def _plain(text: str) -> str:
    return html.escape(_FOOTNOTE.sub(r"[\1]", text), quote=False)
