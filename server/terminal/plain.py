"""Anybody's data as one line that a terminal may show: no line breaks, no control characters, no megabytes."""

from __future__ import annotations

import json


def line(value: object, limit: int = 100) -> str:
    """`value` as text or JSON, of `limit` characters at most."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)
    text = " ".join(text[: 4 * limit].split())
    shown = "".join(one if one.isprintable() else "�" for one in text)
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"
