"""Files become text with structure; those that can't are named with the reason."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from motet.observability.trajectory.redact import masked
from motet.tools.documents.markdown import read_markdown
from motet.tools.documents.pdf import read_pdf
from motet.tools.documents.structure import Heading, Structure
from motet.tools.documents.webpage import read_html
from motet.tools.loading import Skipped

FILE_BYTES = 20_000_000
"""Larger files are skipped."""
TEXT_CHARACTERS = 5_000_000
"""Files with more text are skipped."""
FILES = 10_000
"""Documents that are read of one folder, in the order of their paths."""

READING = "1"
"""Part of each revision: another number reads, splits and indexes every file again."""

_MARKDOWN = frozenset({".md", ".markdown"})
_HTML = frozenset({".html", ".htm", ".xhtml"})
_PLAIN = frozenset({".txt", ".text", ".rst", ".adoc"})
_PDF = ".pdf"
_READ = _MARKDOWN | _HTML | _PLAIN | {_PDF}
_NAMED_ONLY = frozenset({".doc", ".docx", ".odt", ".rtf", ".epub", ".ppt", ".pptx", ".odp", ".pages"})
"""Kinds that people take for documents and that aren't read."""
_PLAIN_NAMES = frozenset({"readme", "license", "licence", "copying", "notice", "changelog", "changes", "authors"})
"""Files without a suffix that are text by custom."""

_LEFT_OUT = frozenset({"node_modules", "__pycache__", "venv", "site-packages"})
_OWN = "reports"
"""What Motet writes, in the folder itself, is no evidence."""

_UNDERLINED = re.compile(r"^(?P<title>[^\s].{0,200})\n(?P<line>([=\-~^\"'`#*+.:_])\3{2,})[ \t]*$", re.MULTILINE)
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_BINARY_SHARE = 0.02
"""Texts have next to no control characters."""


def document_files(folder: Path) -> tuple[list[Path], list[Skipped]]:
    """Every file under `folder` that may be a document, by path, and those that can't be; reads no contents.

    Read are Markdown, plain text (.txt, .text, .rst, .adoc, README and its like), HTML and PDF. Left out without a
    word: hidden files and folders, the folder's own `reports/` (what Motet wrote is no evidence), node_modules,
    virtual environments, and links to folders. Named: links that lead out of `folder`, other kinds of
    documents, files of more than 20 MB, what isn't a file, and all beyond the first 10,000.
    """
    found: list[Path] = []
    skipped: list[Skipped] = []
    root = folder.resolve()
    for path in _candidates(folder):
        if reason := _unfit(path, root):
            skipped.append(Skipped(source=sayable(path.relative_to(folder)), reason=reason))
        elif len(found) == FILES:
            skipped.append(Skipped(source=sayable(path.relative_to(folder)), reason=_beyond()))
            break
        else:
            found.append(path)
    return found, skipped


def sayable(path: Path) -> str:
    """A path with `/`, and `?` for what no Unicode text can hold."""
    return path.as_posix().encode("utf-8", "replace").decode()


def read_file(path: Path) -> tuple[str, Structure | str]:
    """The revision of a file (a hash of its bytes), and its text with structure, or why it has none; blocks.

    Text is UTF-8 or, with a byte order mark, UTF-16; what is neither is taken for Windows-1252, whose every byte is
    a letter of Western Europe. A mark at the beginning isn't part of the text. Secrets whose shape is known (keys,
    tokens) are masked by as many characters, so that offsets are those of the file.
    """
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES + 1)
    except OSError as error:
        return "", f"it can't be read ({error.strerror})"
    revision = f"{READING}:{sha256(data).hexdigest()}"
    if len(data) > FILE_BYTES:
        return revision, _too_large()
    read = _structured(path, data)
    if isinstance(read, str):
        return revision, read
    if not read.text.strip():
        return revision, "it is empty"
    if len(read.text) > TEXT_CHARACTERS:
        return revision, f"it has more than {TEXT_CHARACTERS:,} characters"
    return revision, _masked(read)


def title_of(read: Structure, path: Path) -> str:
    """What the document is called: by itself, by its first heading, or by its file's name."""
    return masked(read.title) or next((heading.text for heading in read.headings), path.name)


def _structured(path: Path, data: bytes) -> Structure | str:
    suffix = path.suffix.lower()
    if suffix == _PDF:
        return read_pdf(data)
    text = _decoded(data)
    if text is None:
        return "it is binary, not text"
    readers: dict[bool, Callable[[str], Structure]] = {suffix in _MARKDOWN: read_markdown, suffix in _HTML: read_html}
    return readers.get(True, _read_plain)(text)


def _read_plain(text: str) -> Structure:
    """Plain text; a line that is underlined all along is a heading, its level by the order of the marks."""
    levels: dict[str, int] = {}
    headings: list[Heading] = []
    for found in _UNDERLINED.finditer(text):
        title = found["title"].strip()
        if len(found["line"]) >= len(title) and any(character.isalnum() for character in title):
            level = levels.setdefault(found["line"][0], len(levels) + 1)
            headings.append(Heading(start=found.start(), level=level, text=title))
    return Structure(text=text, headings=tuple(headings))


def _decoded(data: bytes) -> str | None:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    return None if "\0" in text or len(_CONTROL.findall(text)) > _BINARY_SHARE * len(text) else text


def _masked(read: Structure) -> Structure:
    """The same without secrets, nor anything that can't be stored or shown."""
    text = _CONTROL.sub(" ", _SURROGATE.sub("\ufffd", masked(read.text)))
    headings = tuple(replace(heading, text=masked(heading.text)) for heading in read.headings)
    return replace(read, text=text, headings=headings)


def _candidates(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        here = Path(root)
        folders[:] = sorted(name for name in folders if _entered(here / name, folder))
        for name in sorted(files):
            suffix = Path(name).suffix.lower()
            known = suffix in _READ or suffix in _NAMED_ONLY or name.lower() in _PLAIN_NAMES
            if known and not name.startswith((".", "~$")):
                yield here / name


def _entered(path: Path, folder: Path) -> bool:
    if path.name.startswith(".") or path.name in _LEFT_OUT or (path.name == _OWN and path.parent == folder):
        return False
    return not (path / "pyvenv.cfg").exists()


def _unfit(path: Path, root: Path) -> str:
    if path.suffix.lower() in _NAMED_ONLY:
        return f"files of this kind ({path.suffix.lower()}) are not read; save it as PDF, HTML or text"
    try:
        if not path.resolve().is_relative_to(root):
            return "it is a link that leads out of the workspace"
        told = path.stat()
    except (OSError, RuntimeError) as error:  # a link to nothing, or to itself
        return f"it can't be read ({getattr(error, 'strerror', None) or 'a link that leads nowhere'})"
    if not stat.S_ISREG(told.st_mode):
        return "it is not a file"
    if not told.st_size:
        return "it is empty"
    return _too_large() if told.st_size > FILE_BYTES else ""


def _too_large() -> str:
    return f"it is larger than {FILE_BYTES // 1_000_000} MB"


def _beyond() -> str:
    return f"the folder holds more than {FILES:,} documents; this one and those after it are left out"
