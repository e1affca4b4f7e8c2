"""Splitting: passages keep to the structure, and are the very characters they say they are."""

from __future__ import annotations

import random

from motet.memory.document_index import Passage
from motet.tools.documents.markdown import read_markdown
from motet.tools.documents.splitting import LONGEST, passages
from motet.tools.documents.structure import Structure

SENTENCE = "The quick brown fox jumps over the lazy dog and comes back. "


def told(text: str, found: tuple[Passage, ...]) -> list[str]:
    """The passages' texts."""
    return [text[one.start : one.end] for one in found]


def test_a_section_is_a_passage_under_its_headings() -> None:
    """What is short stays whole; a heading without a text goes with what follows."""
    text = "before\n\n# One\n\nfirst\n\n## Two\n\n### Three\n\nthird\n\n# Four\n\nfourth\n"

    found = passages(read_markdown(text))

    assert told(text, found) == ["before", "# One\n\nfirst", "## Two\n\n### Three\n\nthird", "# Four\n\nfourth"]
    assert [one.headings for one in found] == [(), ("One",), ("One", "Two", "Three"), ("Four",)]


def test_nothing_but_white_space_is_lost() -> None:
    """Whatever a text looks like, its passages are in order, apart, short enough, and hold all its words."""
    chance = random.Random(3)  # noqa: S311 - a seed makes the texts, no secret
    kinds = [SENTENCE * 30, "# Head\n", "x" * 900, "\n\n", "```\n" + "code\n" * 400 + "```\n", "a b\n" * 200, "é ü\r\n"]
    for _ in range(60):
        text = "".join(chance.choice(kinds) + chance.choice(["", "\n", "\n\n"]) for _ in range(12))
        found = passages(read_markdown(text))
        position = 0
        for one in found:
            assert not text[position : one.start].strip()
            assert position <= one.start < one.end <= one.start + LONGEST
            position = one.end
        assert not text[position:].strip()


def test_long_prose_is_cut_between_sentences() -> None:
    """Passages of a paragraph that is too long end where a sentence does, and use the room they have."""
    text = SENTENCE * 100

    found = told(text, passages(Structure(text=text)))

    assert all(one.endswith(".") and one.startswith("The quick") for one in found)
    assert all(len(one) > LONGEST / 2 for one in found[:-1])


def test_a_table_and_a_piece_of_code_stay_whole() -> None:
    """They aren't cut while they fit into a passage."""
    code = "```\n" + "run(1)\n\n" * 100 + "```"
    table = "| a | b |\n|---|---|\n" + "| one | two |\n" * 60
    text = f"{SENTENCE * 10}\n\n{code}\n\n{SENTENCE * 10}\n\n{table}\n\n{SENTENCE * 10}\n"

    found = told(text, passages(read_markdown(text)))

    assert sum(code in one for one in found) == 1
    assert sum(table.strip() in one for one in found) == 1


def test_a_long_table_is_cut_between_its_rows() -> None:
    """Each passage of it holds whole lines."""
    rows = [f"| {number} | {'word ' * 20}|" for number in range(100)]
    text = "\n".join(["| a | b |", "|---|---|", *rows])

    found = told(text, passages(read_markdown(text)))

    assert [line for one in found for line in one.split("\n")] == text.split("\n")


def test_a_passage_never_crosses_a_page() -> None:
    """Each knows the page it is on."""
    text = "first page\n\nsecond page\n\nthird page"
    pages = (0, text.index("second"), text.index("third"))

    found = passages(Structure(text=text, pages=pages))

    assert [(one.page, text[one.start : one.end]) for one in found] == [
        (1, "first page"),
        (2, "second page"),
        (3, "third page"),
    ]
