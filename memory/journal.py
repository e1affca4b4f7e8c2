"""What makes a journal provable: the canonical form of an entry, its hash, the chain, and lines of JSON.

An entry's hash is the SHA-256 of the JSON object of its other fields, in UTF-8, names sorted at every depth, nothing
between the tokens, as `orjson` writes it. Whoever has the lines can check them without us.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import orjson

from motet.errors import InvalidInput
from motet.memory.approvals import Entry, JournalEvent
from motet.memory.ports import Json

ORIGIN = "0" * 64
"""What the first entry has for the hash of the one before."""

NUMBERS = 2**53
"""Numbers of entries are below it: every reader of JSON takes them whole."""

HASH = re.compile(r"[0-9a-f]{64}")

How = Literal["changed", "left out", "out of order", "chain broken", "head mismatch"]
"""changed: its hash isn't that of its content. left out: it isn't there, and a later one is. out of order: it stands
elsewhere, or another stands again in its place. chain broken: it follows upon another entry than the one before it.
head mismatch: the journal doesn't end as it is noted to end."""

_FIELDS = ("approval_id", "at", "detail", "event", "hash", "number", "previous", "run_id", "who")
_EVENTS = get_args(JournalEvent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """The first thing that is wrong with a journal."""

    number: int
    """Of the first entry that isn't there as it was written."""
    how: How
    reason: str
    """What was found, as a phrase."""

    def __str__(self) -> str:
        return f"entry {self.number}: {self.how}: {self.reason}"


def sealed(
    *,
    number: int,
    at: str,
    event: JournalEvent,
    approval_id: str,
    run_id: str,
    who: Json | None,
    detail: Json,
    previous: str,
) -> Entry:
    """The entry with its hash. `who` and `detail` hold what JSON can hold, and no secret: it stays for ever."""
    told: dict[str, Any] = {
        "number": number,
        "at": at,
        "event": event,
        "approval_id": approval_id,
        "run_id": run_id,
        "who": who,
        "detail": detail,
        "previous": previous,
    }
    return Entry(**told, hash=hashlib.sha256(_json(told)).hexdigest())


def hash_of(entry: Entry) -> str:
    """What its hash must be."""
    told = _told(entry)
    del told["hash"]
    return hashlib.sha256(_json(told)).hexdigest()


def verify(entries: Iterable[Entry], *, after: Entry | None) -> Broken | None:
    """The first thing that is wrong with `entries`, which follow upon `after` (None: upon nothing); None if all fit.

    Holds one entry at a time. What was taken from the end can't be seen here: nothing is missing from what is left.
    """
    rest = iter(entries)
    last = after
    for entry in rest:
        number = last.number + 1 if last else 1
        if entry.hash != hash_of(entry):
            return Broken(number=number, how="changed", reason=f"its content has the hash {hash_of(entry)}")
        if entry.number != number:
            stands_later = entry.number < number or any(other.number == number for other in rest)
            how = "out of order" if stands_later else "left out"
            return Broken(number=number, how=how, reason=f"entry {entry.number} stands in its place")
        previous = last.hash if last else ORIGIN
        if entry.previous != previous:
            reason = f"it follows upon {entry.previous}, and before it stands {previous}"
            return Broken(number=number, how="chain broken", reason=reason)
        last = entry
    return None


def verify_head(last: Entry | None, *, number: int, hash: str) -> Broken | None:  # noqa: A002 - the field's name
    """Whether a journal whose last entry is `last` ends as it is noted to end."""
    found = (last.number, last.hash) if last else (0, ORIGIN)
    if found == (number, hash):
        return None
    if found[0] < number:
        gone = f"{number} was the last to be written; the newest were deleted"
        return Broken(number=found[0] + 1, how="left out", reason=gone)
    reason = f"the journal's head is entry {number} with the hash {hash}, and the last one here has {found[1]}"
    return Broken(number=found[0], how="head mismatch", reason=reason)


def to_line(entry: Entry) -> str:
    """One line of JSON, without its end. Raises InvalidInput if JSON can't hold it."""
    try:
        return _json(_told(entry)).decode()
    except orjson.JSONEncodeError as error:
        raise InvalidInput("entry", entry.number, f"what JSON can hold ({error})") from error


def from_line(line: str | bytes) -> Entry:
    """The entry that `to_line` wrote; its hash and its place in the chain aren't looked at.

    Raises InvalidInput for anything that `to_line` doesn't write, were it one space more.
    """
    try:
        told: Any = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise InvalidInput("line", line, f"one entry as a JSON object ({error})") from error
    if not isinstance(told, dict) or set(told) != set(_FIELDS):
        raise InvalidInput("line", line, f"a JSON object with the fields {', '.join(_FIELDS)}")
    for name, allowed, fits in _checks(told):
        if not fits:
            raise InvalidInput(name, told[name], allowed)
    entry = Entry(**told)
    if to_line(entry) != (line if isinstance(line, str) else line.decode()):
        raise InvalidInput("line", line, "names sorted, each once, and nothing between the tokens")
    return entry


def _checks(told: Mapping[str, Any]) -> Iterable[tuple[str, str, bool]]:
    """Each field of a line with what it may be and whether it is."""
    number = told["number"]
    yield "number", "an integer from 1 on", type(number) is int and 0 < number < NUMBERS
    yield "event", ", ".join(_EVENTS), told["event"] in _EVENTS
    for name in ("at", "approval_id", "run_id"):
        yield name, "text", isinstance(told[name], str)
    yield "who", "an object or null", told["who"] is None or isinstance(told["who"], dict)
    yield "detail", "an object", isinstance(told["detail"], dict)
    for name in ("previous", "hash"):
        value = told[name]
        yield name, "64 hexadecimal digits", isinstance(value, str) and HASH.fullmatch(value) is not None


def _told(entry: Entry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in _FIELDS}


def _json(told: Mapping[str, Any]) -> bytes:
    return orjson.dumps(told, option=orjson.OPT_SORT_KEYS)
