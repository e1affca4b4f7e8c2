"""A person's regular expression, matched for a bounded time: some that look harmless take years over a page."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from motet.errors import InvalidConfig, InvalidInput

LIMIT_S = 1.0
"""For one look at one text."""


class BoundedPattern:
    """Python's `re`, by the package `regex`, which alone can stop: `re` holds the whole process until it is done."""

    def __init__(self, field: str, pattern: str, flags: re.RegexFlag = re.NOFLAG) -> None:
        """`field` is what errors call it, such as `regex.pattern`.

        Raises:
            InvalidConfig: it is no regular expression.
        """
        import regex  # noqa: PLC0415 - only those pay for it who match

        library: Any = regex
        self._field = field
        self._pattern = pattern
        try:
            self.groups = frozenset(re.compile(pattern, flags).groupindex)
            """The names of its groups."""
            self._compiled: Any = library.compile(pattern, library.IGNORECASE if flags & re.IGNORECASE else 0)
        except (re.error, library.error) as error:
            raise InvalidConfig(field, f"{pattern!r} is no regular expression: {error}") from error

    def search(self, text: str) -> re.Match[str] | None:
        """The first match. Raises InvalidInput: it took too long."""
        return self._bounded(lambda: self._compiled.search(text, timeout=LIMIT_S), text)

    def fullmatch(self, text: str) -> re.Match[str] | None:
        """The match of all of it. Raises InvalidInput: it took too long."""
        return self._bounded(lambda: self._compiled.fullmatch(text, timeout=LIMIT_S), text)

    def all(self, text: str) -> Sequence[re.Match[str]]:
        """Every match, one behind the other. Raises InvalidInput: they took too long."""
        return self._bounded(lambda: list(self._compiled.finditer(text, timeout=LIMIT_S)), text)

    def _bounded(self, match: Callable[[], Any], text: str) -> Any:
        try:
            return match()
        except TimeoutError:
            allowed = f"a pattern that is done with {len(text):,} characters within {LIMIT_S:g} s"
            raise InvalidInput(self._field, self._pattern, allowed) from None
