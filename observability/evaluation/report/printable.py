"""Texts of runs, fit for files that forbid some characters."""

from __future__ import annotations

import re

_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no place for, and the control characters that it only advises against."""


def printable(text: str) -> str:
    """`text` with `�` for each character that neither XML nor HTML can hold."""
    return _FORBIDDEN.sub("�", text)
