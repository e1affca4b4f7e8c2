"""The record of an effect: absent, started, done; written by whoever holds the run, and by nobody else."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from langchain_core.messages import HumanMessage, ToolMessage
from langgraph.types import Command, Send
from redis.asyncio import Redis
from tests.memory.attempts import Attempts

from motet.errors import EffectNotRecorded, StaleClaim, StoreUnavailable
from motet.memory.effects import Ambiguous, Begun, Done
from motet.memory.ports import Claim
from motet.memory.redis.client import connect
from motet.memory.redis.effects import MONTH_S, RedisEffects
from motet.memory.redis.embedded import EmbeddedRedis
from motet.memory.redis.keys import Keys
from motet.memory.redis.scripts import Scripts
from motet.memory.serde import encrypted_serializer, state_serializer


@dataclasses.dataclass
class Unlisted:
    n: int


@pytest.fixture
def attempts(redis: Redis, keys: Keys) -> Attempts:
    return Attempts(redis, keys)


async def test_what_was_done_is_given_back(attempts: Attempts) -> None:
    """Absent, begun, done: whoever comes then gets the result, also for another run of the thread."""
    first = await attempts.claim()

    assert await attempts.effects.begin(attempts.key(), first) == Begun()
    await attempts.effects.done(attempts.key(), first, "sent")

    later = await attempts.claim(run_id="another")
    assert await attempts.effects.begin(attempts.key(), later) == Done(result="sent")
    assert await attempts.effects.begin(attempts.key(), later, again=True) == Done(result="sent")


async def test_a_start_without_an_end_is_ambiguous_and_says_whose(attempts: Attempts) -> None:
    """Found by another attempt or the same: when it was started, by which attempt of which run, and nothing moves."""
    first = await attempts.claim()
    before = datetime.now(UTC)
    await attempts.effects.begin(attempts.key(), first)
    same = await attempts.effects.begin(attempts.key(), first)
    second = await attempts.claim()

    found = await attempts.effects.begin(attempts.key(), second)

    assert isinstance(found, Ambiguous)
    assert found == same == await attempts.effects.begin(attempts.key(), second)
    assert (found.run_id, found.attempt, found.epoch) == (first.run_id, 1, first.epoch)
    assert abs((datetime.fromisoformat(found.started_at) - before).total_seconds()) < 60
    await attempts.effects.undone(attempts.key(), second)


async def test_begun_again_it_is_the_later_attempts(attempts: Attempts) -> None:
    """A start that is taken over is a new start, with its own epoch and time."""
    await attempts.effects.begin(attempts.key(), await attempts.claim())
    old = await attempts.effects.begin(attempts.key(), second := await attempts.claim())

    assert await attempts.effects.begin(attempts.key(), second, again=True) == Begun()

    new = await attempts.effects.begin(attempts.key(), await attempts.claim())
    assert isinstance(new, Ambiguous)
    assert isinstance(old, Ambiguous)
    assert (new.epoch, new.attempt) == (second.epoch, 2)
    assert new.started_at > old.started_at
    await attempts.effects.undone(attempts.key(), await attempts.claim())


async def test_an_effect_that_wasnt_made_is_absent_or_as_doubtful_as_it_was(attempts: Attempts) -> None:
    """After `undone` the next begins it; or finds the very doubt that was there before, to the microsecond."""
    claim = await attempts.claim()
    await attempts.effects.begin(attempts.key(), claim)
    await attempts.effects.undone(attempts.key(), claim)
    assert await attempts.effects.begin(attempts.key(), claim) == Begun()

    doubt = await attempts.effects.begin(attempts.key(), second := await attempts.claim())
    assert isinstance(doubt, Ambiguous)
    await attempts.effects.begin(attempts.key(), second, again=True)
    await attempts.effects.undone(attempts.key(), second, was=doubt)

    assert await attempts.effects.begin(attempts.key(), second) == doubt
    await attempts.effects.undone(attempts.key(), second)


@pytest.mark.parametrize(
    "write",
    [
        lambda a, c: a.effects.begin(a.key(), c),
        lambda a, c: a.effects.begin(a.key(), c, again=True),
        lambda a, c: a.effects.done(a.key(), c, "mine"),
        lambda a, c: a.effects.undone(a.key(), c),
    ],
    ids=["begin", "begin again", "done", "undone"],
)
@pytest.mark.parametrize("change", [-1, 1])
async def test_who_lost_the_run_writes_nothing(
    attempts: Attempts, write: Callable[[Attempts, Claim], Awaitable[object]], change: int
) -> None:
    """Any epoch but the thread's own is refused, and the record stays what it was."""
    holder = await attempts.claim()
    await attempts.effects.begin(attempts.key(), holder)
    name = attempts.keys.effects(attempts.thread_id)
    before = await attempts.redis.hgetall(name)

    with pytest.raises(StaleClaim):
        await write(attempts, dataclasses.replace(holder, epoch=holder.epoch + change))

    assert await attempts.redis.hgetall(name) == before


async def test_another_call_is_another_effect(attempts: Attempts) -> None:
    """Thread, task, call, tool and arguments each tell effects apart, and no two parts run together."""
    claim = await attempts.claim()
    await attempts.effects.begin(attempts.key(), claim)

    for change in ({"namespace": "n:2"}, {"call_id": "d"}, {"tool": "pay"}, {"arguments_hash": "i"}):
        assert await attempts.effects.begin(attempts.key(**change), claim) == Begun()
    shifted = attempts.key(namespace="n:", call_id="1c")
    assert await attempts.effects.begin(shifted, claim) == Begun()
    assert dataclasses.replace(shifted, thread_id="t").digest != shifted.digest


async def test_effects_go_a_month_after_the_last_change_but_for_open_questions(attempts: Attempts) -> None:
    """The answer to a question must find the start it is about, however long the person takes."""
    first, other = attempts.key(), attempts.key(call_id="other")
    claim = await attempts.claim()
    await attempts.effects.begin(first, claim)
    assert MONTH_S - 60 < await attempts.ttl() <= MONTH_S

    await attempts.effects.begin(first, claim)
    await attempts.effects.begin(first, claim)
    await attempts.effects.begin(other, claim)
    await attempts.effects.done(other, claim, "x")
    assert await attempts.ttl() == -1

    await attempts.effects.done(first, claim, "it happened")
    assert MONTH_S - 60 < await attempts.ttl() <= MONTH_S
    assert not await attempts.redis.hexists(attempts.keys.effects(attempts.thread_id), "waiting")


@pytest.mark.parametrize(
    "result",
    [
        None,
        "é \x00",
        b"\x00\xff",
        {"n": 2**62, "nested": [1.5, None, {"t": [1, 2]}], 3: "int key"},
        Decimal("1.10"),
        datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
        ToolMessage("sent", tool_call_id="c", name="send", status="error", artifact={"raw": [1, 2]}, id="m"),
        ToolMessage([{"type": "text", "text": "a"}], tool_call_id="c"),
        Command(update={"messages": [HumanMessage("hi", id="h")]}, goto=[Send("next", {"n": 1})], graph=Command.PARENT),
        [ToolMessage("a", tool_call_id="c"), Command(goto="end")],
    ],
    ids=lambda one: type(one).__name__,
)
async def test_a_result_comes_back_equal(attempts: Attempts, result: Any) -> None:
    """Whatever a tool may give to a graph is given again, of the same class."""
    claim = await attempts.claim()
    await attempts.effects.begin(attempts.key(), claim)
    await attempts.effects.done(attempts.key(), claim, result)

    found = await attempts.effects.begin(attempts.key(), await attempts.claim())

    assert isinstance(found, Done)
    assert found.result == result
    assert type(found.result) is type(result)


async def test_a_result_that_cant_be_kept_is_said_and_leaves_the_doubt(redis: Redis, keys: Keys) -> None:
    """Too large, or of a class that wouldn't come back: the tool and the reason are named, and nothing is recorded."""
    attempts = Attempts(redis, keys, max_result_bytes=100)
    claim = await attempts.claim()
    await attempts.effects.begin(attempts.key(), claim)

    with pytest.raises(EffectNotRecorded, match=r"send: the call was made.* has 1,003 bytes, more than 100"):
        await attempts.effects.done(attempts.key(), claim, "x" * 1000)
    for odd in (Unlisted(1), lambda: 1):
        with pytest.raises(EffectNotRecorded, match="send: the call was made"):
            await attempts.effects.done(attempts.key(), claim, odd)

    assert isinstance(await attempts.effects.begin(attempts.key(), claim), Ambiguous)
    await attempts.effects.undone(attempts.key(), claim)


async def test_results_are_encrypted_where_checkpoints_are(redis: Redis, keys: Keys) -> None:
    """With an encrypting serializer neither result nor arguments can be read in Redis, and the result comes back."""
    attempts = Attempts(redis, keys)
    sealed = RedisEffects(redis, keys, Scripts(redis), serde=encrypted_serializer(b"k" * 16))
    claim = await attempts.claim()
    await sealed.begin(attempts.key(), claim)
    await sealed.done(attempts.key(), claim, "a secret")

    stored = await redis.hgetall(keys.effects(attempts.thread_id))
    assert "secret" not in repr(stored)
    assert await sealed.begin(attempts.key(), claim) == Done(result="a secret")


async def test_each_step_is_one_round_trip(attempts: Attempts, monkeypatch: pytest.MonkeyPatch) -> None:
    """begin, done and undone send one command each."""
    claim = await attempts.claim()
    for key in (attempts.key(), attempts.key(call_id="warm")):
        await attempts.effects.begin(key, claim)
        await attempts.effects.undone(key, claim)
    sent: list[object] = []
    send = attempts.redis.execute_command

    async def counted(*command: Any, **options: Any) -> Any:
        sent.append(command[0])
        return await send(*command, **options)

    monkeypatch.setattr(attempts.redis, "execute_command", counted)
    await attempts.effects.begin(attempts.key(), claim)
    await attempts.effects.done(attempts.key(), claim, {"a": 1})
    await attempts.effects.undone(attempts.key(), claim)

    assert sent == ["EVALSHA"] * 3


async def test_a_redis_that_is_gone_is_said_so(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> None:
    """Nobody takes a lost connection for a tool's failure: it is StoreUnavailable, as everywhere."""
    async with EmbeddedRedis(tmp_path_factory.mktemp("gone")) as url:
        client = await connect(url)
    effects = RedisEffects(client, keys, Scripts(client), serde=state_serializer())
    attempts = Attempts(client, keys)
    claim = Claim(run_id="r", thread_id="t", worker="w", epoch=1, attempt=1)

    with pytest.raises(StoreUnavailable):
        await effects.begin(attempts.key(), claim)
    await client.aclose()
