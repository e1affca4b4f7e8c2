"""PDF: the text of each page, in pypdf's reading order."""

from __future__ import annotations

import io
import time
import zlib
from itertools import accumulate

from pypdf import PdfReader
from pypdf.errors import FileNotDecryptedError, PyPdfError

from motet.tools.documents.structure import Structure

PAGES = 2_000
"""Pages that are read of one file."""
SECONDS = 60.0
"""How long the pages of one file may take."""

_BETWEEN = "\n\n"
_ENCRYPTED = "it is encrypted"
_BROKEN = (
    *(PyPdfError, ArithmeticError, AssertionError, AttributeError, LookupError, OSError, RuntimeError),
    *(TypeError, ValueError, zlib.error),
)
"""What pypdf raises on files that aren't what they say; it promises nothing narrower."""


def read_pdf(data: bytes) -> Structure | str:
    """Text and pages, or why there are none. Images aren't read."""
    try:
        pages = _pages(PdfReader(io.BytesIO(data)))
    except FileNotDecryptedError:
        return _ENCRYPTED
    except _BROKEN as error:
        return f"it is no PDF that can be read ({type(error).__name__})"
    if isinstance(pages, str):
        return pages
    if not any(page.strip() for page in pages):
        return "it holds no text; images of text are not read"
    starts = accumulate((len(page) + len(_BETWEEN) for page in pages[:-1]), initial=0)
    return Structure(text=_BETWEEN.join(pages), pages=tuple(starts))


def _pages(reader: PdfReader) -> list[str] | str:
    if reader.is_encrypted and not reader.decrypt(""):
        return _ENCRYPTED
    if len(reader.pages) > PAGES:
        return f"it has more than {PAGES:,} pages"
    started = time.monotonic()
    pages: list[str] = []
    for page in reader.pages:
        pages.append(page.extract_text())
        if time.monotonic() - started > SECONDS:
            return f"reading its pages took longer than {SECONDS:g} seconds"
    return pages
