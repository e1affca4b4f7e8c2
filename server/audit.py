"""The audit of a tenant's journal: verified where it stands or from a file, and exported as lines of JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from motet.errors import DataDamaged, InvalidInput
from motet.memory.approvals import Entry, Journal
from motet.memory.journal import HASH, ORIGIN, from_line, to_line, verify, verify_head

_CAUTION = (
    "Entries deleted from the end, or a journal written anew as a whole, leave a chain that fits: only a head noted "
    "elsewhere (--expect HASH) shows them."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What verifying a journal found."""

    ok: bool
    entries: int
    """How many fit, up to the first that doesn't."""
    head: str
    """Hash of the last of them: what to note elsewhere. 64 zeros for none."""
    problem: str = ""
    """The first thing that is wrong, as a sentence; empty if nothing is."""
    caution: str = ""
    """What such a verdict can't know; empty if it was told which hash to expect."""

    def told(self) -> Iterator[str]:
        """The verdict in lines for a person."""
        if not self.ok:
            yield f"BROKEN: {self.problem}"
            yield f"Before that, {_entries(self.entries)} fit; the last has the hash {self.head}"
            return
        yield f"{_entries(self.entries)} verified, none changed, left out or moved"
        yield f"head {self.head}"
        if self.caution:
            yield self.caution


async def verify_all(journal: Journal, *, expect: str = "") -> Verdict:
    """Verify the journal where it stands, while it goes on being written; a page at a time.

    Args:
        journal: the tenant's.
        expect: a hash that was its head once; an entry must have it.

    Raises:
        InvalidInput: `expect` is no hash.
        StoreUnavailable: Redis is gone.
    """
    walk = _Walk(expect)
    while True:
        # The head before the page: what is written in between is on the page.
        number, head = await journal.head()
        try:
            page = await journal.read(after=walk.count)
        except DataDamaged as error:
            return walk.verdict(str(error))
        if not page:
            broken = verify_head(walk.last, number=number, hash=head)
            return walk.verdict(str(broken) if broken else "")
        if broken := verify(walk.passing(page), after=walk.last):
            return walk.verdict(str(broken))


def verify_file(lines: Iterable[str], *, expect: str = "") -> Verdict:
    """Verify a whole journal that was exported; one line at a time.

    Args:
        lines: with or without their ends.
        expect: a hash that was its head once; an entry must have it.

    Raises:
        InvalidInput: `expect` is no hash.
    """
    walk = _Walk(expect)
    unreadable: list[str] = []

    def entries() -> Iterator[Entry]:
        for number, line in enumerate(lines, 1):
            try:
                yield from_line(line.rstrip("\r\n"))
            except InvalidInput as error:
                unreadable.append(f"line {number}: {error}")
                return

    broken = verify(walk.passing(entries()), after=None)
    return walk.verdict(str(broken) if broken else "".join(unreadable))


async def export(journal: Journal, write: Callable[[str], object], *, after: int = 0) -> int:
    """Write the entries after the one numbered `after` as lines of JSON; how many there were.

    Ends with the entry that is the newest when it begins.

    Raises:
        DataDamaged: an entry isn't one; those before it are written.
    """
    written, end = 0, await journal.last()
    while after < end and (page := await journal.read(after=after)):
        for entry in page:
            write(f"{to_line(entry)}\n")
        written, after = written + len(page), page[-1].number
    return written


class _Walk:
    """How far a journal was found right."""

    def __init__(self, expect: str) -> None:
        if expect and not HASH.fullmatch(expect):
            raise InvalidInput("expect", expect, "the hash of an entry: 64 hexadecimal digits, in small letters")
        self._expect = expect
        self._met = expect in ("", ORIGIN)
        self.last: Entry | None = None
        """The last that is right."""
        self.count = 0

    def passing(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """The entries, for `verify`: it asks for the next one once the one before was right."""
        for entry in entries:
            yield entry
            if entry.number == self.count + 1:  # not where it only looks whether one stands later
                self._met = self._met or entry.hash == self._expect
                self.last, self.count = entry, entry.number

    def verdict(self, problem: str) -> Verdict:
        """What was found, and whether what was expected is among it."""
        if not problem and not self._met:
            problem = (
                f"no entry has the hash {self._expect}: entries were deleted or written anew since it was noted, "
                "or it is another journal's"
            )
        return Verdict(
            ok=not problem,
            entries=self.count,
            head=self.last.hash if self.last else ORIGIN,
            problem=problem,
            caution="" if self._expect else _CAUTION,
        )


def _entries(count: int) -> str:
    return "1 entry" if count == 1 else f"{count:,} entries"
