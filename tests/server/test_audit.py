"""The audit: each kind of tampering, done directly in Redis or to an exported file, is found and named."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from motet.errors import DataDamaged, InvalidInput
from motet.memory.journal import ORIGIN, from_line, hash_of, to_line
from motet.memory.redis.journal import RedisJournal
from motet.memory.redis.keys import Keys
from motet.memory.redis.scripts import Scripts
from motet.server.audit import export, verify_all, verify_file

COUNT = 23

Lines = dict[str, str]
"""What stands at which place of the stream."""


@pytest_asyncio.fixture
async def journal(redis: Redis, keys: Keys) -> RedisJournal:
    """A journal of `COUNT` entries."""
    return await filled(redis, keys, COUNT)


async def filled(redis: Redis, keys: Keys, count: int) -> RedisJournal:
    journal = RedisJournal(redis, keys, Scripts(redis))
    told = [json.dumps([f"{n}", f"{n}000000", "seen", f"{n}", "r", "", '{"n": 1}']) for n in range(1, count + 1)]
    await redis.rpush(keys.journal("t"), *told)
    assert len(await journal.relay("t")) == count
    return journal


async def lines_of(redis: Redis, keys: Keys) -> Lines:
    rows: Any = await redis.xrange(keys.audit())
    return {place.decode(): fields[b"line"].decode() for place, fields in rows}


async def rewrite(redis: Redis, keys: Keys, lines: Lines) -> None:
    """Put other lines in the stream's place, behind the server's back."""
    async with redis.pipeline(transaction=True) as pipe:
        pipe.delete(keys.audit())
        for place, line in lines.items():
            pipe.xadd(keys.audit(), {"line": line}, id=place)
        await pipe.execute()


def changed(line: str, *, fits: bool, **told: Any) -> str:
    """The line with other fields; `fits`: and with a hash that fits them."""
    entry = replace(from_line(line), **told)
    return to_line(replace(entry, hash=hash_of(entry)) if fits else entry)


async def test_a_long_journal_is_verified_page_by_page(redis: Redis, keys: Keys) -> None:
    """All of it fits; the verdict has its head to note, and says what it can't know. Later pages are looked at, too."""
    journal = await filled(redis, keys, 1203)
    found = await verify_all(journal)
    await redis.xdel(keys.audit(), "1100-0")
    broken = await verify_all(journal)

    assert (found.ok, found.entries, found.head, found.problem) == (True, 1203, (await journal.head())[1], "")
    assert "--expect" in found.caution
    assert list(found.told())[:2] == ["1,203 entries verified, none changed, left out or moved", f"head {found.head}"]
    assert (broken.ok, broken.entries) == (False, 1099)
    assert broken.problem == "entry 1100: left out: entry 1101 stands in its place"


async def test_a_journal_without_entries_is_right(redis: Redis, keys: Keys) -> None:
    """Nothing happened yet: nothing is wrong."""
    journal = RedisJournal(redis, keys, Scripts(redis))

    assert await verify_all(journal, expect=ORIGIN) == verify_file([], expect=ORIGIN)
    assert (await verify_all(journal)).ok
    assert await export(journal, pytest.fail) == 0


def _content(lines: Lines) -> None:
    lines["7-0"] = changed(lines["7-0"], fits=False, detail={"n": 2})


def _forged(lines: Lines) -> None:
    lines["7-0"] = changed(lines["7-0"], fits=True, detail={"n": 2})


def _unreadable(lines: Lines) -> None:
    lines["19-0"] = lines["19-0"][:-1]


def _deleted(lines: Lines) -> None:
    del lines["7-0"]


def _first_deleted(lines: Lines) -> None:
    del lines["1-0"]


def _many_deleted(lines: Lines) -> None:
    for number in range(9, 20):
        del lines[f"{number}-0"]


def _swapped(lines: Lines) -> None:
    lines["7-0"], lines["9-0"] = lines["9-0"], lines["7-0"]


def _put_in_between(lines: Lines) -> None:
    late = {place: lines.pop(place) for place in list(lines)[7:]}
    lines["7-1"] = lines["7-0"]
    lines.update(late)


def _numbered_anew(lines: Lines) -> None:
    rest = [lines.pop(f"{number}-0") for number in range(7, COUNT + 1)][1:]
    for number, line in enumerate(rest, 7):
        lines[f"{number}-0"] = changed(line, fits=True, number=number)


@pytest.mark.parametrize(
    ("tamper", "entries", "problem"),
    [
        (_content, 6, "entry 7: changed: "),
        (_forged, 7, "entry 8: chain broken: "),
        (_unreadable, 18, "entry 19 of the journal: "),
        (_deleted, 6, "entry 7: left out: entry 8 stands in its place"),
        (_first_deleted, 0, "entry 1: left out: entry 2 stands in its place"),
        (_many_deleted, 8, "entry 9: left out: entry 20 stands in its place"),
        (_swapped, 6, "entry 7 of the journal: what is stored can't be read (entry 9 stands in its place)"),
        (_put_in_between, 7, "entry 7-1 of the journal: "),
        (_numbered_anew, 6, "entry 7: chain broken: "),
        (dict.clear, 0, "entry 1: left out: 23 was the last to be written; the newest were deleted"),
    ],
)
async def test_tampering_in_redis_is_found(
    redis: Redis, keys: Keys, journal: RedisJournal, *, tamper: Callable[[Lines], None], entries: int, problem: str
) -> None:
    """Who writes to the stream itself is found out, at the first entry that isn't as it was."""
    lines = await lines_of(redis, keys)
    tamper(lines)
    await rewrite(redis, keys, lines)

    found = await verify_all(journal)

    assert not found.ok
    assert found.problem.startswith(problem)
    assert found.entries == entries
    assert next(found.told()) == f"BROKEN: {found.problem}"


async def _newest_gone(redis: Redis, keys: Keys) -> None:
    await redis.xdel(keys.audit(), f"{COUNT}-0", f"{COUNT - 1}-0")


async def _last_forged(redis: Redis, keys: Keys) -> None:
    lines = await lines_of(redis, keys)
    lines[f"{COUNT}-0"] = changed(lines[f"{COUNT}-0"], fits=True, run_id="another")
    await rewrite(redis, keys, lines)


async def _one_added(redis: Redis, keys: Keys) -> None:
    line = (await lines_of(redis, keys))[f"{COUNT}-0"]
    added = changed(line, fits=True, number=COUNT + 1, previous=from_line(line).hash)
    await redis.xadd(keys.audit(), {"line": added}, id=f"{COUNT + 1}-0")


async def _head_gone(redis: Redis, keys: Keys) -> None:
    await redis.delete(keys.audit_head())


@pytest.mark.parametrize(
    ("tamper", "problem"),
    [
        (_newest_gone, "entry 22: left out: 23 was the last to be written; the newest were deleted"),
        (_last_forged, "entry 23: head mismatch: "),
        (_one_added, "entry 24: head mismatch: "),
        (_head_gone, "entry 23: head mismatch: "),
    ],
)
async def test_an_end_that_isnt_the_noted_one_is_found(
    redis: Redis, keys: Keys, journal: RedisJournal, tamper: Callable[[Redis, Keys], Awaitable[None]], problem: str
) -> None:
    """Entries cut off, changed or added at the end don't fit the head."""
    await tamper(redis, keys)

    assert (await verify_all(journal)).problem.startswith(problem)


async def test_a_cut_with_its_head_is_found_by_who_noted_another(
    redis: Redis, keys: Keys, journal: RedisJournal
) -> None:
    """Who deletes the newest entries and turns back the head is found out only with a head noted elsewhere."""
    _, noted = await journal.head()
    before = from_line((await lines_of(redis, keys))[f"{COUNT - 1}-0"])
    await redis.xdel(keys.audit(), f"{COUNT}-0")
    await redis.hset(keys.audit_head(), mapping={"number": before.number, "hash": before.hash})

    unaware = await verify_all(journal)
    aware = await verify_all(journal, expect=noted)

    assert unaware.ok
    assert "Entries deleted from the end" in unaware.caution
    assert not aware.ok
    assert aware.problem.startswith(f"no entry has the hash {noted}")
    assert (await verify_all(journal, expect=before.previous)).ok
    with pytest.raises(InvalidInput, match="expect: 'abc' is not allowed"):
        await verify_all(journal, expect="abc")


async def test_what_is_exported_verifies_without_redis(journal: RedisJournal) -> None:
    """The file has every entry; from a number on it has the rest."""
    lines: list[str] = []
    rest: list[str] = []

    assert await export(journal, lines.append) == COUNT
    assert await export(journal, rest.append, after=COUNT - 2) == 2
    assert rest == lines[-2:]
    assert verify_file(lines) == await verify_all(journal)
    assert verify_file([f"{line.rstrip()}\r\n" for line in lines], expect=(await journal.head())[1]).ok
    assert verify_file(lines[:-1]).ok
    assert not verify_file(lines[:-1], expect=(await journal.head())[1]).ok


async def test_tampering_with_a_file_is_found(journal: RedisJournal) -> None:
    """A line that is changed, deleted, moved, repeated or not a line is named, with how much fits before it."""
    lines: list[str] = []
    await export(journal, lines.append)
    head = from_line(lines[5].rstrip()).hash
    for told, problem in (
        ([*lines[:6], lines[6].replace('"n":1', '"n":2'), *lines[7:]], "entry 7: changed: "),
        ([*lines[:6], *lines[7:]], "entry 7: left out: entry 8 stands in its place"),
        ([*lines[:6], lines[19], *lines[7:19], lines[6], *lines[20:]], "entry 7: out of order: entry 20 "),
        ([*lines[:6], lines[2], *lines[6:]], "entry 7: out of order: entry 3 stands in its place"),
        ([*lines[:6], "\n", *lines[6:]], "line 7: line: "),
        ([*lines[:6], lines[6].replace('"n":1', '"n": 1'), *lines[7:]], "line 7: line: "),
    ):
        found = verify_file(told)
        assert (found.ok, found.entries, found.head) == (False, 6, head)
        assert found.problem.startswith(problem)


async def test_an_export_ends_at_what_isnt_an_entry(redis: Redis, keys: Keys, journal: RedisJournal) -> None:
    """What comes before the damage is written, and the damage is told."""
    lines = await lines_of(redis, keys)
    _unreadable(lines)
    await rewrite(redis, keys, lines)
    written: list[str] = []

    with pytest.raises(DataDamaged, match="entry 19 of the journal"):
        await export(journal, written.append)
    assert len(written) == 18


async def test_a_journal_is_verified_while_it_grows(redis: Redis, keys: Keys, journal: RedisJournal) -> None:
    """Entries that are written meanwhile are no damage."""

    class Growing(RedisJournal):
        """Another process writes entries before the first two pages and after the last."""

        written = 0

        async def read(self, *, after: int = 0, limit: int = 1000) -> Any:
            if self.written < 2:
                await self._grow()
            page = await super().read(after=after, limit=limit)
            if not page:
                await self._grow()
            return page

        async def _grow(self) -> None:
            self.written += 1
            await redis.rpush(keys.journal("u"), json.dumps([f"{self.written}", "1", "seen", "a", "r", "", ""]))
            await journal.relay("u")

    found = await verify_all(Growing(redis, keys, Scripts(redis)))

    assert (found.ok, found.entries) == (True, COUNT + 2)
