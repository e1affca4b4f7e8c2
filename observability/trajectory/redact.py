"""Takes secrets out of what is about to be written: by the name of a field, and by a key's known shape."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

REDACTED = "[redacted]"

_FIELD = re.compile(
    r"(?:^|_)(?:password|passwd|pwd|passphrase|secret|authorization|cookie|credentials?"
    r"|(?:api|access|private|secret|signing|encryption)_?key|apikey"
    r"|(?:access|auth|refresh|bearer|session|id|csrf|api)_?token|token)$"
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_SHAPES: tuple[tuple[str, re.Pattern[str], str], ...] = tuple(
    # Each begins with a literal (what must stand before it is looked up after it): megabytes pass in no time.
    (marker, re.compile(pattern, re.DOTALL), replacement)
    for marker, pattern, replacement in (
        ("sk-", r"sk-(?<![A-Za-z0-9]sk-)[A-Za-z0-9_-]{16,}", REDACTED),
        ("github_pat_", r"github_pat_[A-Za-z0-9_]{20,}", REDACTED),
        ("gh", r"gh[opsur]_[A-Za-z0-9]{20,}", REDACTED),
        ("xox", r"xox[abeoprs]-[A-Za-z0-9-]{10,}", REDACTED),
        ("AKIA", r"AKIA[0-9A-Z]{16}", REDACTED),
        ("ASIA", r"ASIA[0-9A-Z]{16}", REDACTED),
        ("AIza", r"AIza[0-9A-Za-z_-]{35}", REDACTED),
        ("lsv2_", r"lsv2_[a-z]{2}_[0-9a-f_]{16,}", REDACTED),
        ("eyJ", r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*", REDACTED),
        ("PRIVATE KEY-----", r"-----BEGIN[A-Z ]* KEY-----.*?(?:-----END[A-Z ]* KEY-----|\Z)", REDACTED),
        ("://", r"://[^/\s:@]{0,256}:[^/\s@]{1,256}@", f"://{REDACTED}@"),
        ("earer", r"earer\s+(?=[A-Za-z._~+/-]*\d)[A-Za-z0-9._~+/-]{16,}=*", f"earer {REDACTED}"),
    )
)


def _without_keys(text: str) -> str:
    for marker, pattern, replacement in _SHAPES:
        if marker in text:
            text = pattern.sub(replacement, text)
    return text


def redacted(value: Any) -> Any:
    """A copy of JSON-like `value` without secrets; tuples come back as lists."""
    if isinstance(value, str):
        return _without_keys(value)
    if isinstance(value, Mapping):
        return {
            redacted(name): REDACTED if inner and is_secret_name(name) and isinstance(inner, str) else redacted(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [redacted(inner) for inner in value]
    return value


def is_secret_name(name: str) -> bool:
    """Whether a field called `name` (in any spelling: apiKey, api-key, API_KEY) holds a secret."""
    return _FIELD.search(_CAMEL.sub("_", name).replace("-", "_").lower()) is not None
