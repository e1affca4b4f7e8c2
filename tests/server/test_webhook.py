"""What happens to approvals is told outside: signed, in order, at least once, by one of all processes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from tests.server.receiver import HANG, Received, Receiver, receiving
from tests.support import free_port, wait_until

from motet.errors import InvalidConfig, StoreUnavailable
from motet.memory.redis.client import connected
from motet.memory.redis.embedded import EmbeddedRedis
from motet.memory.redis.journal import RedisJournal
from motet.memory.redis.keys import Keys
from motet.memory.redis.scripts import Scripts
from motet.memory.redis.webhooks import RedisWebhookPosition
from motet.memory.webhooks import Position
from motet.server.outbound import AddressRule
from motet.server.webhook import PAUSES_S, Outcome, Webhook, WebhookSettings, signature

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
INSIDE = AddressRule(allow_private=True)


@dataclass(slots=True)
class House:
    """A tenant whose approvals are told to a receiver on loopback."""

    redis: Redis
    keys: Keys
    thread_id: str = field(default_factory=lambda: str(uuid4()))
    counted: list[Outcome] = field(default_factory=list[Outcome])
    written: int = 0

    @property
    def position(self) -> RedisWebhookPosition:
        return RedisWebhookPosition(self.redis, self.keys, Scripts(self.redis))

    async def happens(self, *events: str, detail: dict[str, Any] | None = None, in_s: float = 0) -> None:
        """Approvals change, one after the other, as scripts and the loop that attends to them write it down."""
        who = {"actor": "Ada", "verified_as": "api-key"}
        for event in events:
            self.written += 1
            at_us = time.time_ns() // 1000 + round(in_s * 1e6)
            entry = [str(at_us), str(at_us), event, f"{self.written:032x}", "a-run", who, detail or {}]
            texts = [json.dumps(one) if isinstance(one, dict) else one for one in entry]
            await self.redis.rpush(self.keys.journal(self.thread_id), json.dumps(texts))
        await RedisJournal(self.redis, self.keys, Scripts(self.redis)).relay(self.thread_id)

    def webhook(self, port: int, **settings: Any) -> Webhook:
        """One process' webhook, whose pauses are short; `position` may be another than the house's."""
        position = settings.pop("position", self.position)
        quick: dict[str, Any] = {"pauses_s": (0.02, 0.05), **settings}
        told = WebhookSettings(url=f"http://127.0.0.1:{port}/hook", secret=SECRET, rule=INSIDE, **quick)
        journal = RedisJournal(self.redis, self.keys, Scripts(self.redis))
        return Webhook(told, journal, position, counted=self.counted.append)

    async def _begun(self) -> bool:
        return bool(await self.redis.exists(self.keys.webhook()))

    @asynccontextmanager
    async def telling(self, port: int, **settings: Any) -> AsyncGenerator[asyncio.Task[None]]:
        """A webhook runs for as long as the context lasts; whoever tells is known by then."""
        task = asyncio.create_task(self.webhook(port, **settings).run())
        try:
            await wait_until(self._begun, description="somebody tells")
            yield task
        finally:
            task.cancel()
            (ended,) = await asyncio.gather(task, return_exceptions=True)
            assert isinstance(ended, asyncio.CancelledError)


@pytest.fixture
async def house(redis: Redis, keys: Keys) -> AsyncGenerator[House]:
    yield House(redis, keys)
    await redis.delete(keys.audit(), keys.audit_head())


def told(requests: Sequence[Received]) -> list[str]:
    """The types of what was sent, in order."""
    return [json.loads(one.body)["type"].removeprefix("approval.") for one in requests]


def numbers(requests: Sequence[Received]) -> list[int]:
    """The journal's numbers of what was sent, in order."""
    return [json.loads(one.body)["data"]["number"] for one in requests]


async def until(receiver: Receiver, count: int) -> None:
    await wait_until(lambda: len(receiver.requests) >= count, description=f"{count} requests")


async def test_what_happens_is_told_signed(house: House) -> None:
    """A receiver that computes the signature itself finds it right, made now, over the bytes that came."""
    detail = {"tool": "send", "arguments_sha256": "ab" * 32}
    async with receiving() as receiver, house.telling(receiver.port):
        await house.happens("opened", detail=detail)
        await until(receiver, 1)

    (request,) = receiver.requests
    message_id, at = request.headers["webhook-id"], request.headers["webhook-timestamp"]
    expected = hmac.digest(KEY, message_id.encode() + b"." + at.encode() + b"." + request.body, hashlib.sha256)
    assert request.headers["webhook-signature"] == f"v1,{base64.b64encode(expected).decode()}"
    assert (abs(time.time() - int(at)) < 10, "." in message_id) == (True, False)
    sent = json.loads(request.body)
    approval_id = f"{house.thread_id}.{1:032x}"
    assert (sent["type"], set(sent)) == ("approval.opened", {"type", "timestamp", "data"})
    assert len(sent["data"].pop("hash")) == 64
    assert sent["data"] == {
        "number": 1,
        "approval_id": approval_id,
        "thread_id": house.thread_id,
        "run_id": "a-run",
        "who": {"actor": "Ada", "verified_as": "api-key"},
        "detail": detail,
        "link": f"/approvals/{approval_id}",
    }


def test_the_signature_is_the_standards() -> None:
    """The known answer that the libraries of Standard Webhooks are tested with."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    made = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')

    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_nothing_private_leaves(house: House) -> None:
    """Of a detail only names, hashes and kinds are told, at any depth; and not who looked or was trusted beforehand."""
    edited = {"type": "edit", "arguments": {"to": "hidden"}, "message": "hidden", "arguments_sha256": "cd"}
    detail = {"decisions": [edited], "value": "hidden", "result": "hidden", "answer": {"tool": "hidden"}}
    async with receiving() as receiver, house.telling(receiver.port):
        await house.happens("seen", "granted", "revoked", "decided", detail=detail)
        await house.happens("ran")
        await until(receiver, 2)

    assert told(receiver.requests) == ["decided", "ran"]
    assert b"hidden" not in receiver.requests[0].body
    sent = json.loads(receiver.requests[0].body)["data"]["detail"]
    assert sent == {"decisions": [{"type": "edit", "arguments_sha256": "cd"}]}


async def test_a_failed_attempt_is_made_again_before_what_comes_after(house: House) -> None:
    """Refused, redirected, without an answer: the same entry comes again, under the same id, in its turn."""
    answers = [500, HANG, 302, 410, 200]
    async with receiving(answers=answers) as receiver, house.telling(receiver.port, timeout_s=1.5):
        await house.happens("opened", "decided", "ran")
        await wait_until(lambda: len(house.counted) == 7, description="all is settled")

    assert told(receiver.requests) == ["opened"] * 5 + ["decided", "ran"]
    assert len({one.headers["webhook-id"] for one in receiver.requests[:5]}) == 1
    assert len({one.body for one in receiver.requests[:5]}) == 1
    assert house.counted == ["failed"] * 4 + ["delivered"] * 3


async def test_a_receiver_that_comes_late_misses_nothing(house: House) -> None:
    """While nobody listens it is tried again; whoever listens then gets all in order."""
    port = free_port()
    async with house.telling(port):
        await house.happens("opened", "decided")
        await wait_until(lambda: house.counted.count("failed") >= 3, description="it was tried")
        async with receiving(port=port) as receiver:
            await wait_until(lambda: _failures(house, None), description="it fails no more")
            await until(receiver, 2)

    assert told(receiver.requests) == ["opened", "decided"]


async def test_pauses_grow_to_hours_and_fill_a_day() -> None:
    """The first pause is seconds, none is shorter than the one before, and a dozen and a half attempts make a day."""
    assert PAUSES_S[0] <= 5
    assert list(PAUSES_S) == sorted(PAUSES_S)
    assert 12 <= len(PAUSES_S) + (24 * 3600 - sum(PAUSES_S)) / PAUSES_S[-1] <= 18


async def test_the_first_start_begins_with_what_happens_from_now_on(house: House) -> None:
    """What was in the journal before there was a webhook isn't told."""
    await house.happens("opened", "decided")
    async with receiving() as receiver, house.telling(receiver.port):
        await house.happens("withdrawn")
        await until(receiver, 1)

    assert told(receiver.requests) == ["withdrawn"]


async def test_one_of_many_processes_tells(house: House) -> None:
    """Three webhooks over one journal: each entry is delivered once, in order."""
    async with receiving() as receiver:
        async with house.telling(receiver.port), house.telling(receiver.port), house.telling(receiver.port):
            for _ in range(4):
                await house.happens("opened", "decided", "ran")
            await until(receiver, 12)
            await wait_until(lambda: house.counted.count("delivered") == 12, description="all is settled")

    assert numbers(receiver.requests) == list(range(1, 13))


async def test_a_restart_goes_on_where_it_was(house: House) -> None:
    """What was delivered isn't again, what failed is tried when it is due, and what happened meanwhile follows."""
    async with receiving(answers=[200, 200, 500]) as receiver:
        async with house.telling(receiver.port, pauses_s=(0.6,)):
            await house.happens("opened", "decided", "ran")
            await wait_until(lambda: house.counted.count("failed") == 1, description="the third failed")
            await wait_until(lambda: _failures(house, b"1"), description="that was noted")
        await house.happens("opened")
        async with house.telling(receiver.port):
            await until(receiver, 5)

    assert numbers(receiver.requests) == [1, 2, 3, 3, 4]
    assert receiver.requests[3].at - receiver.requests[2].at > 0.4


async def _failures(house: House, count: bytes | None) -> bool:
    """Whether so many are noted, and since when if any."""
    failures, since = await house.redis.hmget(house.keys.webhook(), ["failures", "since_ms"])
    return failures == count and (since is None) == (count is None)


async def test_who_stops_hands_over_at_once(house: House) -> None:
    """A webhook that ends in order lets another tell without waiting for its lease."""
    async with house.telling(free_port(), lease_s=60):
        assert await house.position.take("another", lease_s=60, begin=0) is None

    assert await house.position.take("another", lease_s=60, begin=0) is not None


async def test_who_was_killed_is_followed_when_its_lease_ends(house: House) -> None:
    """Nobody else tells before; then another does, from where the dead one was."""
    before = time.monotonic()
    await house.position.take("dead", lease_s=0.4, begin=0)
    await house.happens("opened")
    async with receiving() as receiver, house.telling(receiver.port, lease_s=0.3):
        await until(receiver, 1)

    assert receiver.requests[0].at - before >= 0.4
    assert numbers(receiver.requests) == [1]


async def test_who_was_late_changes_nothing(house: House) -> None:
    """After another took over, an owner that slept past its lease neither advances nor notes a failure."""
    first = house.position
    await first.take("late", lease_s=0.02, begin=7)
    await wait_until(lambda: _taken(house, "new"), description="another took over")

    assert not await first.advance("late", 9, delivered=True)
    assert await first.failed("late", pause_s=1) is None
    await first.release("late")
    assert await first.take("late", lease_s=9, begin=0) is None
    now = await first.take("new", lease_s=9, begin=0)
    assert now is not None
    assert (now.number, now.failures) == (7, 0)


async def _taken(house: House, owner: str) -> bool:
    return await house.position.take(owner, lease_s=9, begin=0) is not None


async def test_an_entry_is_given_up_loudly(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """Old, with a receiver that failed all the time: logged and counted. What is younger is still tried, and told."""
    answers = [500] * 1000
    async with receiving(answers=answers) as receiver, house.telling(receiver.port, give_up_s=0.3):
        await house.happens("opened")
        await wait_until(lambda: "given_up" in house.counted, description="the first was given up")
        failed = len(house.counted)
        await house.happens("decided", in_s=60)  # however slow the machine, it is young
        await wait_until(lambda: len(house.counted) >= failed + 2, description="the second failed")
        receiver.answers.clear()
        await wait_until(lambda: "delivered" in house.counted, description="the second was told")

    assert house.counted.count("given_up") == 1
    (error,) = [one.getMessage() for one in caplog.records if one.levelno == logging.ERROR]
    assert "entry 1 (opened" in error
    assert "answered 500" in error
    assert numbers(receiver.requests)[-1] == 2


async def test_the_position_is_kept_a_month(house: House) -> None:
    """It goes by itself when nobody tells any more, and not before."""
    async with house.telling(free_port()):
        assert 29 * 86_400 < await house.redis.ttl(house.keys.webhook()) <= 30 * 86_400


async def test_it_outlives_redis(tmp_path: Path, keys: Keys) -> None:
    """A Redis that goes away and comes back: what happens then is told, and nothing before it is told again."""
    async with receiving() as receiver, AsyncExitStack() as restarted, AsyncExitStack() as running:
        async with EmbeddedRedis(tmp_path) as url:
            house = House(await running.enter_async_context(connected(url)), keys)
            await running.enter_async_context(house.telling(receiver.port, lease_s=0.3))
            await house.happens("opened")
            await wait_until(lambda: "delivered" in house.counted, description="the first is settled")
        await restarted.enter_async_context(EmbeddedRedis(tmp_path))
        await house.happens("decided")
        await until(receiver, 2)
        await wait_until(lambda: house.counted.count("delivered") == 2, description="the second is settled")

    assert numbers(receiver.requests) == [1, 2]


class AwayAtFirst(RedisWebhookPosition):
    """A position whose Redis doesn't answer the first question."""

    away = True

    async def take(self, owner: str, *, lease_s: float, begin: int) -> Position | None:
        if self.away:
            self.away = False
            raise StoreUnavailable("redis://gone", "nobody answers")
        return await super().take(owner, lease_s=lease_s, begin=begin)


async def test_what_nobody_foresaw_ends_no_webhook(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever is wrong is logged with its cause, and tried again: that nobody tells any more, nobody would notice."""

    class Broken(RedisWebhookPosition):
        broken = True

        async def take(self, owner: str, *, lease_s: float, begin: int) -> Position | None:
            if self.broken:
                self.broken = False
                raise ValueError("no such thing was ever stored")
            return await super().take(owner, lease_s=lease_s, begin=begin)

    broken = Broken(house.redis, house.keys, Scripts(house.redis))
    async with receiving() as receiver, house.telling(receiver.port, position=broken, lease_s=0.3):
        await house.happens("opened")
        await until(receiver, 1)

    assert "no such thing was ever stored" in caplog.text


async def test_it_waits_for_a_redis_that_does_not_answer(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """That is logged, and tried again."""
    position = AwayAtFirst(house.redis, house.keys, Scripts(house.redis))
    async with receiving() as receiver, house.telling(receiver.port, lease_s=0.3, position=position):
        await house.happens("opened")
        await until(receiver, 1)

    assert "the webhook pauses" in caplog.text


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        ({"url": "http://hooks.example/token"}, "MOTET_WEBHOOK_URL"),
        ({"url": "https://hooks.example:22/token"}, "MOTET_WEBHOOK_URL"),
        ({"url": "https://169.254.169.254/token"}, "MOTET_WEBHOOK_URL"),
        ({"secret": "token" + "A" * 40}, "MOTET_WEBHOOK_SECRET"),
        ({"secret": "whsec_token"}, "MOTET_WEBHOOK_SECRET"),
        ({"secret": "whsec_" + base64.b64encode(b"token" * 3).decode()}, "MOTET_WEBHOOK_SECRET"),
        ({"secret": "whsec_" + base64.b64encode(b"token" * 30).decode()}, "MOTET_WEBHOOK_SECRET"),
    ],
)
def test_settings_that_can_not_work_are_refused_at_the_start(changed: dict[str, str], names: str) -> None:
    """By the variable's name, and without what may be secret."""
    with pytest.raises(InvalidConfig, match=names) as refused:
        WebhookSettings(**{"url": "https://hooks.example/token", "secret": SECRET, **changed})  # pyright: ignore[reportArgumentType] - strings both

    assert "token" not in str(refused.value)
