"""Reading: text with structure from every kind of file, and a reason for each that has none."""

from __future__ import annotations

import os
from pathlib import Path

import pypdf
import pytest
from tests.tools.documents.workbench import fill, pdf_of

from motet.tools.documents import reading
from motet.tools.documents.reading import document_files, read_file, title_of
from motet.tools.documents.structure import Structure

MARKDOWN = """---
title: The whole story
---

# One

Text *here*.

```python
# no heading
```

Two `words`
-----------

| a | b |
|---|---|
| 1 | 2 |

> # quoted
"""

HTML = """<!DOCTYPE html><html><head><title>Shop &amp; more</title><style>p {color: red}</style></head>
<body><nav><a href="/">Home</a></nav><h1>The <em>shop</em></h1><p>Opens at&nbsp;9,
closes <b>late</b>.<!-- secret --><script>alert("x")</script></p>
<h2>Prices</h2><table><tr><th>Thing</th><th>Price</th></tr><tr><td>Tea</td><td>3</td></tr></table>
<pre>keep
  this</pre><ul><li>one<li>two</ul><footer>imprint</footer></body></html>"""


def read(path: Path) -> Structure:
    """What is read of a file that can be read."""
    _, found = read_file(path)
    assert isinstance(found, Structure), found
    return found


def reason(path: Path) -> str:
    """Why a file can't be read."""
    _, found = read_file(path)
    assert isinstance(found, str)
    return found


def test_markdown_keeps_its_characters(tmp_path: Path) -> None:
    """The text is the file's; headings, tables and code are where the parser finds them, and nowhere else."""
    fill(tmp_path, {"a.md": MARKDOWN})

    found = read(tmp_path / "a.md")

    assert found.text == MARKDOWN
    assert [(one.level, one.text) for one in found.headings] == [(1, "One"), (2, "Two words")]
    assert found.text[found.headings[1].start :].startswith("Two `words`\n---")
    assert [found.text[one.start : one.end].strip() for one in found.blocks] == [
        "```python\n# no heading\n```",
        "| a | b |\n|---|---|\n| 1 | 2 |",
    ]
    assert title_of(found, tmp_path / "a.md") == "The whole story"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_do_not_move_offsets(tmp_path: Path, end: str) -> None:
    """Offsets count the file's own characters, whatever ends its lines."""
    fill(tmp_path, {"a.md": end.join(["# One", "", "text", "", "## Two", ""])})

    found = read(tmp_path / "a.md")

    assert [found.text[one.start :].split(end)[0] for one in found.headings] == ["# One", "## Two"]


def test_html_is_what_a_reader_sees(tmp_path: Path) -> None:
    """Scripts, styles, comments, navigation and footers are dropped; rows are lines, and code keeps its spaces."""
    fill(tmp_path, {"a.html": HTML})

    found = read(tmp_path / "a.html")

    assert found.text == (
        "The shop\n\nOpens at 9, closes late.\n\nPrices\n\nThing | Price\nTea | 3\n\nkeep\n  this\n\none\ntwo"
    )
    assert [(one.level, one.text, found.text[one.start :][:3]) for one in found.headings] == [
        (1, "The shop", "The"),
        (2, "Prices", "Pri"),
    ]
    assert [found.text[one.start : one.end] for one in found.blocks] == ["Thing | Price\nTea | 3", "keep\n  this"]
    assert title_of(found, tmp_path / "a.html") == "Shop & more"


def test_html_nested_without_end_is_read(tmp_path: Path) -> None:
    """Ten thousand open tags are no reason to fail."""
    fill(tmp_path, {"a.html": "<div><b>" * 10_000 + "deep"})

    assert read(tmp_path / "a.html").text == "deep"


def test_pages_of_a_pdf_are_known(tmp_path: Path) -> None:
    """Each page's text is where the structure says it is."""
    fill(tmp_path, {"a.pdf": pdf_of(["The first page", "", "The third page"])})

    found = read(tmp_path / "a.pdf")

    assert [found.text[start:].strip().split("\n")[0] for start in found.pages] == [
        "The first page",
        "The third page",
        "The third page",
    ]
    assert found.pages[1] < found.text.index("The third") == found.pages[2]


def test_underlined_lines_of_plain_text_are_headings(tmp_path: Path) -> None:
    """As reStructuredText writes them; a rule or a box isn't one."""
    fill(tmp_path, {"a.rst": "Top\n===\n\ntext\n\nBelow\n-----\n\n*** * ***\n**********\nlonger than the line\n---\n"})

    found = read(tmp_path / "a.rst")

    assert [(one.level, one.text) for one in found.headings] == [(1, "Top"), (2, "Below")]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\xef\xbb\xbfcaf\xc3\xa9", "café"),
        ("café".encode("utf-16"), "café"),
        (b"caf\xe9 \x93quoted\x94", "café \u201cquoted\u201d"),
    ],
)
def test_other_encodings_are_read(tmp_path: Path, data: bytes, text: str) -> None:
    """Marks of UTF-8 and UTF-16 are heeded; what is no UTF-8 is taken for Windows-1252."""
    fill(tmp_path, {"a.txt": data})

    assert read(tmp_path / "a.txt").text == text


def test_secrets_are_masked_in_place(tmp_path: Path) -> None:
    """A key's characters never get into the index, and what follows it stays where it is."""
    key = "sk-" + "a1B2" * 8
    fill(tmp_path, {"a.md": f"# Key {key}\n\nuse {key} here\n"})

    found = read(tmp_path / "a.md")

    assert key not in found.text + found.headings[0].text
    assert "a1B2" not in found.text + found.headings[0].text
    assert found.text.index(" here") == f"# Key {key}\n\nuse {key} here\n".index(" here")


def test_what_has_no_text_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Binary, broken, encrypted, scanned, blank and huge files each have their reason, and none raises."""
    encrypted = pypdf.PdfWriter()
    encrypted.add_blank_page(100, 100)
    encrypted.encrypt("password", algorithm="RC4-128")
    encrypted.write(tmp_path / "locked.pdf")
    good = pdf_of(["text"])
    fill(
        tmp_path,
        {
            "binary.md": b"\x89PNG\r\n\x1a\n\0\0\0",
            "broken.pdf": b"%PDF-1.4\nnothing of the kind",
            "cut.pdf": good[: len(good) // 3],
            "scan.pdf": pdf_of([""]),
            "blank.txt": " \n\n",
            "huge.txt": "x" * 2_000,
        },
    )
    monkeypatch.setattr(reading, "FILE_BYTES", 1_999)
    assert "encrypted" in reason(tmp_path / "locked.pdf")
    assert "binary" in reason(tmp_path / "binary.md")
    assert "no PDF" in reason(tmp_path / "broken.pdf")
    assert reason(tmp_path / "cut.pdf")
    assert "no text" in reason(tmp_path / "scan.pdf")
    assert "empty" in reason(tmp_path / "blank.txt")
    assert "larger" in reason(tmp_path / "huge.txt")
    assert "can't be read" in reason(tmp_path / "missing.txt")


def test_only_documents_of_the_folder_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hidden, installed and own files are left out; links that lead out, other kinds and strange files are named."""
    outside = fill(tmp_path / "outside", {"secret.md": "secret", "more/secret.md": "secret"})
    folder = fill(
        tmp_path / "folder",
        {
            "README": "x",
            "a.md": "x",
            "deep/er/b.HTML": "x",
            "deep/reports/kept.md": "x",
            "data.csv": "x",
            "report.docx": "x",
            "empty.txt": "",
            ".hidden/c.md": "x",
            ".d.md": "x",
            "reports/e.md": "x",
            "node_modules/f/README.md": "x",
            "env/pyvenv.cfg": "",
            "env/g.txt": "x",
        },
    )
    (folder / "link.md").symlink_to(outside / "secret.md")
    (folder / "folder_link").symlink_to(outside)
    (folder / "inside.md").symlink_to(folder / "a.md")
    (folder / "loop.md").symlink_to(folder / "loop.md")
    os.mkfifo(folder / "pipe.txt")

    found, skipped = document_files(folder)

    assert [path.relative_to(folder).as_posix() for path in found] == [
        *("README", "a.md", "inside.md", "deep/er/b.HTML", "deep/reports/kept.md"),
    ]
    assert [one.source for one in skipped] == ["empty.txt", "link.md", "loop.md", "pipe.txt", "report.docx"]
    assert "out of the workspace" in skipped[1].reason

    monkeypatch.setattr(reading, "FILES", 1)
    found, skipped = document_files(folder)
    assert [path.name for path in found] == ["README"]
    assert "more than 1 documents" in skipped[-1].reason
