"""What is asked of the data, what is asked of the documents, and what is known to answer it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from motet.server.evaluation.crew_examples.tables import Tables

Said = str | Sequence[str]
"""Words that an answer must hold; of several, any one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataQuestion:
    """One value of the tables is asked for; it is computed twice, by two ways that share nothing."""

    name: str
    """Letters, digits and dashes; names it among its table's."""
    table: str
    template: str
    """Questions of one template differ by a value alone: one cluster."""
    text: str
    sql: str
    """Gives one row of one column: a number or a text, a date as YYYY-MM-DD or YYYY-MM."""
    again: Callable[[Tables], object]
    """The same in plain Python."""
    among: Sequence[str] = ()
    """What it is one of: the right one must be the first that an answer names."""

    @property
    def group(self) -> str:
        """Its cluster."""
        return f"{self.table}/{self.template}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentQuestion:
    """Something that a document says is asked for."""

    name: str
    file: str
    section: str
    """Questions about one section are one cluster."""
    text: str
    quote: str
    """The document's words that answer it: they stand in this file and in no other."""
    says: Sequence[Said]
    """What an answer must hold, each of it in the quote."""

    @property
    def group(self) -> str:
        """Its cluster."""
        return f"{self.file}/{self.section}"

    @property
    def answer(self) -> str:
        """The shortest right answer."""
        return ", ".join(one if isinstance(one, str) else one[0] for one in self.says)
