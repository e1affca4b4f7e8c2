"""The tenant's journal in Redis: each entry once whatever breaks off, without secrets, followed as it grows."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing, suppress
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from tests import engines
from tests.memory.servers import valkey
from tests.support import wait_until

from motet.errors import DataDamaged, InvalidInput, StoreUnavailable
from motet.memory.approvals import Entry
from motet.memory.journal import ORIGIN, verify
from motet.memory.redis import arrivals
from motet.memory.redis.client import connected
from motet.memory.redis.journal import RedisJournal
from motet.memory.redis.keys import Keys
from motet.memory.redis.scripts import Argument, Scripts
from motet.observability.trajectory.redact import know

AT_US = 1_767_323_045_000_006
AT = "2026-01-02T03:04:05.000006+00:00"


class Died(Exception):
    """The process ended here."""


class Mortal(Scripts):
    """Scripts of a process that dies before or after it ran the one named."""

    def __init__(self, client: Redis, *, at: str, before: bool) -> None:
        super().__init__(client)
        self._at = at
        self._before = before

    async def run(self, name: str, *, keys: Sequence[str], args: Sequence[Argument] = ()) -> Any:
        if name == self._at and self._before:
            raise Died
        answer = await super().run(name, keys=keys, args=args)
        if name == self._at:
            raise Died
        return answer


def journal_of(client: Redis, keys: Keys) -> RedisJournal:
    return RedisJournal(client, keys, Scripts(client))


async def leave(client: Redis, keys: Keys, thread_id: str, *numbers: int, **told: Any) -> None:
    """Leave entries with a thread, as scripts do."""
    for n in numbers:
        one: dict[str, Any] = {"event": "seen", "approval": f"{n}", "run_id": "r", "who": "", "detail": "", **told}
        fields = [one["event"], one["approval"], one["run_id"], one["who"], one["detail"]]
        await client.rpush(keys.journal(thread_id), json.dumps([f"{n}", f"{AT_US}", *fields]))


async def taken(client: Redis, keys: Keys) -> list[str]:
    """Of which threads it is noted what was taken."""
    names: Any = await client.hkeys(keys.audit_head())
    return sorted(name.decode() for name in names if name.startswith(b"taken:"))


async def whole(journal: RedisJournal) -> list[Entry]:
    """All entries, which make a whole chain that ends in the head."""
    entries = list(await journal.read(limit=100_000))
    assert verify(entries, after=None) is None
    assert await journal.head() == ((entries[-1].number, entries[-1].hash) if entries else (0, ORIGIN))
    return entries


async def test_entries_move_in_order_and_once(redis: Redis, keys: Keys) -> None:
    """What scripts left with threads stands in the journal, and nothing is left with the threads."""
    journal = journal_of(redis, keys)
    await leave(redis, keys, "t", 5, 7)
    await leave(redis, keys, "u", 6, event="granted", who='{"actor": "Ann"}', detail='{"text": "always"}')

    assert [len(await journal.relay(thread_id)) for thread_id in ("t", "u", "t", "never")] == [2, 1, 0, 0]

    entries = await whole(journal)
    assert [entry.approval_id for entry in entries] == ["t.5", "t.7", "u.6"]
    assert (entries[0].at, entries[0].event, entries[0].run_id) == (AT, "seen", "r")
    assert (entries[0].who, entries[0].detail) == (None, {})
    assert (entries[2].who, entries[2].detail) == ({"actor": "Ann"}, {"text": "always"})
    assert await redis.exists(keys.journal("t"), keys.journal("u")) == 0
    assert await taken(redis, keys) == []


async def test_an_approval_keeps_its_whole_name(redis: Redis, keys: Keys) -> None:
    """A script may name an approval with or without its thread; the journal has both parts."""
    await leave(redis, keys, "t", 1, approval="t.abc")
    await leave(redis, keys, "t", 2, approval="abc")
    await journal_of(redis, keys).relay("t")

    assert [one.approval_id for one in await whole(journal_of(redis, keys))] == ["t.abc", "t.abc"]


async def test_many_entries_are_read_in_pages(redis: Redis, keys: Keys) -> None:
    """A long list moves whole, and is read from any number on."""
    journal = journal_of(redis, keys)
    await leave(redis, keys, "t", *range(1, 251))

    assert len(await journal.relay("t")) == 250
    assert [one.number for one in await journal.read(after=120, limit=3)] == [121, 122, 123]
    assert await journal.read(after=250) == []
    assert (len(await whole(journal)), await journal.last()) == (250, 250)
    with pytest.raises(InvalidInput, match="after: -1 is not allowed"):
        await journal.read(after=-1)


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("at", ["journal_append", "journal_trim", "journal_forget"])
async def test_each_entry_is_taken_once_wherever_a_relay_dies(
    redis: Redis, keys: Keys, at: str, *, before: bool
) -> None:
    """Relays that die before or after any of their steps, again and again, lose nothing and take nothing twice."""
    mortal = RedisJournal(redis, keys, Mortal(redis, at=at, before=before))
    journal = journal_of(redis, keys)
    for round_ in range(3):
        await leave(redis, keys, "t", 10 * round_ + 1, 10 * round_ + 2)
        for _ in range(2):
            with suppress(Died):
                await mortal.relay("t")
        await leave(redis, keys, "t", 10 * round_ + 3)
    await journal.relay("t")

    found = [one.approval_id for one in await whole(journal)]
    assert found == [f"t.{10 * round_ + one}" for round_ in range(3) for one in (1, 2, 3)]
    assert await taken(redis, keys) == []
    assert not await redis.exists(keys.journal("t"))


async def test_a_note_of_what_was_taken_goes_with_its_list(redis: Redis, keys: Keys) -> None:
    """A hundred threads leave no trace in the head; one whose relay died leaves a note until it is looked at again."""
    journal = journal_of(redis, keys)
    for thread in range(100):
        await leave(redis, keys, f"t{thread}", 1)
        await journal.relay(f"t{thread}")
    await leave(redis, keys, "x", 1)
    with pytest.raises(Died):
        await RedisJournal(redis, keys, Mortal(redis, at="journal_trim", before=False)).relay("x")

    assert await taken(redis, keys) == ["taken:x"]
    assert len(await journal.relay("x")) == 0
    assert await taken(redis, keys) == []


async def test_a_note_isnt_forgotten_while_it_keeps_entries_out(redis: Redis, keys: Keys) -> None:
    """Who trimmed up to an entry doesn't forget the note of a later one that another process just took."""
    await leave(redis, keys, "t", 1)
    journal = journal_of(redis, keys)
    with pytest.raises(Died):
        await RedisJournal(redis, keys, Mortal(redis, at="journal_trim", before=True)).relay("t")
    await leave(redis, keys, "t", 2)
    with pytest.raises(Died):
        await RedisJournal(redis, keys, Mortal(redis, at="journal_trim", before=True)).relay("t")

    await Scripts(redis).run("journal_trim", keys=[keys.journal("t")], args=[1])
    await Scripts(redis).run("journal_forget", keys=[keys.audit_head()], args=["t", 1])
    assert await taken(redis, keys) == ["taken:t"]
    assert len(await journal.relay("t")) == 0

    assert [one.approval_id for one in await whole(journal)] == ["t.1", "t.2"]
    assert await taken(redis, keys) == []


async def test_numbers_that_begin_anew_are_taken_all_the_same(redis: Redis, keys: Keys) -> None:
    """A thread deleted and made again on a server whose clock is behind loses no entry."""
    journal = journal_of(redis, keys)
    for n in (900, 5):
        await leave(redis, keys, "t", n)
        assert len(await journal.relay("t")) == 1

    assert [one.approval_id for one in await whole(journal)] == ["t.900", "t.5"]


@pytest.mark.parametrize("dies", [False, True])
async def test_many_processes_at_once_take_each_entry_once(
    redis_url: str, redis: Redis, keys: Keys, *, dies: bool
) -> None:
    """Eight relays with connections of their own, on the same threads, while entries come in; some of them die."""
    threads = [f"t{thread}" for thread in range(4)]
    left = dict.fromkeys(threads, 0)
    in_order = asyncio.Lock()  # as the scripts are, which number and leave an entry at once
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connected(redis_url)) for _ in range(8)]
        steps = ("journal_append", "journal_trim", "journal_forget")
        chance = random.Random(7)  # noqa: S311 - the same in every run

        async def work(client: Redis) -> None:
            for _ in range(15):
                thread = chance.choice(threads)
                async with in_order:
                    left[thread] += 1
                    await leave(client, keys, thread, left[thread])
                scripts = Scripts(client)
                if dies and chance.random() < 0.5:
                    scripts = Mortal(client, at=chance.choice(steps), before=chance.random() < 0.5)
                try:
                    await RedisJournal(client, keys, scripts).relay(thread)
                except Died:
                    continue

        async with asyncio.timeout(20):
            await asyncio.gather(*map(work, clients))
        journal = journal_of(clients[0], keys)
        for thread in threads:
            await journal.relay(thread)
        entries = await whole(journal)
    assert len(entries) == 120
    assert {one.approval_id for one in entries} == {
        f"{thread}.{n + 1}" for thread in threads for n in range(left[thread])
    }
    assert await taken(redis, keys) == []


async def test_no_secret_and_no_argument_is_journalled(redis: Redis, keys: Keys) -> None:
    """Secrets go by their shape, their name or because they are known; of arguments only the hash stays."""
    forget = know(["correct horse battery"])
    detail = {
        "tool": "pay",
        "arguments": {"iban": "DE02 1203 0000"},
        "message": "use sk-abcdefghijklmnop1234 or correct horse battery",
        "decisions": [{"type": "edit", "arguments": {"b": 1, "a": 2}}, {"type": "approve", "arguments": None}],
        "api_key": "anything at all",
    }
    who = {"actor": "ghp_abcdefghijklmnopqrstu1", "verified_as": "api-key"}
    await leave(redis, keys, "t", 1, who=json.dumps(who), detail=json.dumps(detail))
    await leave(redis, keys, "t", 2, detail='{"arguments": {"iban": "DE02')
    await leave(redis, keys, "t", 3, detail='{"arguments": "DE02", "arguments_sha256": "known"}')
    await journal_of(redis, keys).relay("t")
    forget()

    first, second, third = await whole(journal_of(redis, keys))
    assert first.who == {"actor": "[redacted]", "verified_as": "api-key"}
    assert first.detail["message"] == "use [redacted] or [redacted]"
    assert first.detail["api_key"] == "[redacted]"
    assert first.detail["decisions"] == [
        {"type": "edit", "arguments_sha256": "d3626ac30a87e6f7a6428233b3c68299976865fa5508e4267c5415c76af7a772"},
        {"type": "approve"},
    ]
    assert list(second.detail) == ["unreadable_sha256"]
    assert third.detail == {"arguments_sha256": "known"}
    stored = str(await redis.xrange(keys.audit()))
    assert not [one for one in ("DE02", "sk-abc", "horse", "anything", "ghp_") if one in stored]


@pytest.mark.parametrize(
    "text", ["{}", "no JSON", "[]", '["1", "2", "gone", "a", "r", "", ""]', '["x", "2", "seen", "a", "r", "", ""]']
)
async def test_an_entry_that_no_script_wrote_is_refused(redis: Redis, keys: Keys, text: str) -> None:
    """What can't be read stays where it is, is named, and nothing is guessed in its place."""
    await redis.rpush(keys.journal("t"), text)

    with pytest.raises(DataDamaged, match="an entry of thread t for the journal"):
        await journal_of(redis, keys).relay("t")
    assert await redis.llen(keys.journal("t")) == 1
    assert not await redis.exists(keys.audit())
    await redis.delete(keys.journal("t"))


async def test_a_lost_head_is_not_made_up(redis: Redis, keys: Keys) -> None:
    """Without its head the journal takes nothing, and what waits goes on waiting."""
    journal = journal_of(redis, keys)
    await leave(redis, keys, "t", 1)
    await journal.relay("t")
    await redis.delete(keys.audit_head())
    await leave(redis, keys, "t", 2)

    with pytest.raises(DataDamaged, match="the journal's head"):
        await journal.relay("t")
    assert await redis.llen(keys.journal("t")) == 1
    await redis.delete(keys.journal("t"))


async def collected(entries: AsyncGenerator[Entry], into: list[int]) -> None:
    async with aclosing(entries):
        async for entry in entries:
            into += [entry.number]


async def test_followers_have_each_entry_at_once(redis: Redis, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever follows, from wherever, gets each entry once and in order as it is written, over one connection."""
    monkeypatch.setattr(arrivals, "_LOOK_S", 60)  # word comes, and nobody waits for a look of his own
    journal = journal_of(redis, keys)
    await leave(redis, keys, "t", 1, 2)
    await journal.relay("t")
    found: list[list[int]] = [[], [], []]
    tasks = [asyncio.create_task(collected(journal.follow(after=at), found[at])) for at in range(3)]
    try:
        await wait_until(lambda: found == [[1, 2], [2], []], description="what there was is read")
        for n in (3, 4):
            await leave(redis, keys, "t", n)
            await journal_of(redis, keys).relay("t")
            await wait_until(lambda: all(one[-1:] == [n] for one in found), description="all have it")  # noqa: B023 - called within the round
        pool: Any = redis.connection_pool
        await wait_until(lambda: len(pool._in_use_connections) == 1, description="all wait on one connection")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    assert found == [[1, 2, 3, 4], [2, 3, 4], [3, 4]]
    assert not pool._in_use_connections


async def test_followers_outlive_a_restart(tmp_path: Path, keys: Keys) -> None:
    """A Redis that goes away and comes back is followed on; one that stays away is an error."""
    found: list[int] = []
    async with AsyncExitStack() as stack:
        async with valkey(tmp_path) as server:
            client = await stack.enter_async_context(connected(server.url))
            journal = RedisJournal(client, keys, Scripts(client), patience_s=8)
            task = asyncio.create_task(collected(journal.follow(after=0), found))
            await leave(client, keys, "t", 1)
            await journal.relay("t")
            await wait_until(lambda: found == [1], description="the first entry is there")
            await client.execute_command("WAITAOF", 1, 0, 2000)
        async with valkey(tmp_path):
            await leave(client, keys, "t", 2)
            await journal.relay("t")
            await wait_until(lambda: found == [1, 2], description="the second entry is there")
        impatient = RedisJournal(client, keys, Scripts(client), patience_s=0)
        with pytest.raises(StoreUnavailable):
            await anext(impatient.follow(after=2))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_user_with_few_rights_keeps_a_journal(tmp_path: Path, keys: Keys) -> None:
    """Reading, relaying and following need the commands named here, on the tenant's own keys."""
    commands = ["eval", "evalsha", "hmget", "hget", "hset", "hdel", "lrange", "lindex", "lpop", "rpush"]
    commands += ["xadd", "xrange", "xrevrange", "xread", "ping", "info"]
    async with valkey(tmp_path) as server, connected(server.url) as admin:
        rules = ["on", ">secret", f"~{keys.prefix}:*", *(f"+{one}" for one in commands)]
        await admin.execute_command("ACL", "SETUSER", "few", *rules)
        async with connected(f"unix://few:secret@{server.url.removeprefix('unix://')}") as client:
            journal = journal_of(client, keys)
            await leave(client, keys, "t", 1)
            assert len(await journal.relay("t")) == 1
            async with aclosing(journal.follow(after=0)) as entries:
                assert (await anext(entries)).number == 1


@pytest.mark.all
async def test_a_cluster_keeps_a_journal(tmp_path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads on all nodes relay to the one that has the journal, at once, and followers hear of it."""
    monkeypatch.setattr(arrivals, "_LOOK_S", 60)
    found: list[int] = []
    async with engines.cluster_of_three(tmp_path) as url, connected(url) as client, connected(url) as other:
        task = asyncio.create_task(collected(journal_of(other, keys).follow(after=0), found))
        threads = [f"t{number}" for number in range(12)]
        for thread in threads:
            await leave(client, keys, thread, 1, 2)
        both = [journal_of(client, keys), journal_of(other, keys)]
        moved = await asyncio.gather(*(one.relay(thread) for thread in threads for one in both))
        assert sum(map(len, moved)) == 24
        assert len(await whole(both[0])) == 24
        await wait_until(lambda: found == list(range(1, 25)), description="the follower has all")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
