"""What was said of runs, in Redis: all of a tenant in one slot, so that it is found by run, thread and key alike."""

from __future__ import annotations

import functools
import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from pydantic import TypeAdapter
from redis.asyncio import Redis

from motet.errors import AlreadyExists, DataDamaged, InvalidInput, LinkUnusable, NotFound
from motet.memory.feedback import Feedback, FeedbackPage, Once
from motet.memory.redis.client import answering
from motet.memory.redis.keys import Keys
from motet.memory.redis.records import to_json
from motet.memory.redis.scripts import Argument, Scripts
from motet.memory.redis.sealing import Sealing
from motet.memory.serde import AesCipher

_WEEK_S = 7 * 24 * 3600
_AT_ONCE = 200
_MOST_READ = 1_000
"""Pieces of feedback that are looked at for a page, at most."""
_FORGOTTEN_AT_ONCE = 500
_UNUSABLE = {b"used": "was used", b"over": "has expired"}
"""What a one-time link is told that isn't taken."""
_DIGITS = 16
"""Of the microseconds since 1970, in places and in the index: enough until the year 2286."""


class RedisFeedbacks:
    """`Feedbacks` on Redis.

    A ZSET that is ordered by the bytes of its rows is the index: a row is what it is looked for by, the time at which
    it was said, and its id. So a page is a range of rows, wherever it begins.
    """

    def __init__(
        self,
        client: Redis,
        keys: Keys,
        scripts: Scripts,
        *,
        retention_s: float = _WEEK_S,
        cipher: AesCipher | None = None,
    ) -> None:
        """Feedback of one tenant.

        Args:
            client: what `client.connect` gave.
            keys: names of the tenant's keys.
            scripts: of that client.
            retention_s: seconds for which feedback is kept after it was said or changed last.
            cipher: encrypts what was said, not of which run, and under which key; None keeps it as it is.
        """
        self._client = client
        self._scripts = scripts
        self._keys = keys.feedback()
        self._secret_key = keys.feedback_secret()
        self._keep_ms = round(retention_s * 1000)
        self._sealing = Sealing(cipher)
        self._secret = b""

    async def add(self, feedback: Feedback, *, once: Once | None = None) -> None:
        """See `Feedbacks.add`."""
        told = [feedback.run_id, feedback.thread_id, feedback.key, _digits(feedback.created_at)]
        right: list[Argument] = ["", 0] if once is None else [once.nonce, round(once.expires_at * 1000)]
        args = [feedback.feedback_id, self._closed(feedback), "\0".join(told), self._keep_ms, *right]
        with answering(self._client):
            outcome = await self._scripts.run("feedback_add", keys=self._keys, args=args)
        if outcome in _UNUSABLE:
            raise LinkUnusable(_UNUSABLE[outcome])
        if outcome == b"there":
            raise AlreadyExists("feedback", feedback.feedback_id)

    async def get(self, feedback_id: str) -> Feedback:
        """See `Feedbacks.get`."""
        return self._opened(await self._read(feedback_id))

    async def page(
        self,
        *,
        run_id: str | None = None,
        thread_id: str | None = None,
        key: str | None = None,
        limit: int = 100,
        after: str = "",
    ) -> FeedbackPage:
        """See `Feedbacks.page`."""
        begin = _begin(run_id, thread_id, key)
        wanted = {name: one for name, one in (("run_id", run_id), ("thread_id", thread_id), ("key", key)) if one}
        row, found, read = _row(begin, after), list[Feedback](), 0
        while read < _MOST_READ:
            args = ["", self._keep_ms, begin, row, _AT_ONCE]
            with answering(self._client):
                told: Sequence[bytes] = await self._scripts.read("feedback_read", keys=self._keys[:3], args=args)
            for at in range(0, len(told), 2):
                if not told[at + 1]:
                    continue
                one = self._opened(told[at + 1])
                if all(getattr(one, name) == value for name, value in wanted.items()):
                    if len(found) == limit:
                        return FeedbackPage(feedback=found, after=_place(found[-1]))
                    found.append(one)
            read += len(told) // 2
            if len(told) < 2 * _AT_ONCE:
                return FeedbackPage(feedback=found, after="")
            row = told[-2].decode()
        _, at_us, feedback_id = row.rsplit("\0", 2)
        return FeedbackPage(feedback=found, after=f"{at_us}.{feedback_id}")

    async def change(self, feedback_id: str, **changed: Any) -> Feedback:
        """See `Feedbacks.change`."""
        while True:
            before = await self._read(feedback_id)
            after = replace(self._opened(before), **changed)
            args: list[Argument] = [feedback_id, before, self._closed(after), self._keep_ms]
            with answering(self._client):
                outcome = await self._scripts.run("feedback_change", keys=self._keys[:3], args=args)
            if outcome == b"kept":
                return after
            if outcome == b"gone":
                raise NotFound("feedback", feedback_id)

    async def delete(self, feedback_id: str) -> None:
        """See `Feedbacks.delete`."""
        with answering(self._client):
            if not await self._scripts.run("feedback_forget", keys=self._keys[:3], args=[feedback_id]):
                raise NotFound("feedback", feedback_id)

    async def forget(self, thread_id: str, run_id: str | None = None) -> int:
        """See `Feedbacks.forget`."""
        args: list[Argument] = ["", _begin(run_id, thread_id, None), _FORGOTTEN_AT_ONCE]
        total = 0
        with answering(self._client):
            while gone := int(await self._scripts.run("feedback_forget", keys=self._keys[:3], args=args)):
                total += gone
                if gone < _FORGOTTEN_AT_ONCE:
                    break
        return total

    async def secret(self) -> bytes:
        """See `Feedbacks.secret`."""
        if not self._secret:
            proposed = secrets.token_bytes(32)
            with answering(self._client):
                self._secret = await self._scripts.run("feedback_secret", keys=[self._secret_key], args=[proposed])
        return self._secret

    async def _read(self, feedback_id: str) -> bytes:
        with answering(self._client):
            args = [feedback_id, self._keep_ms]
            told = await self._scripts.read("feedback_read", keys=self._keys[:3], args=args)
        if not told or told[0] is None:
            raise NotFound("feedback", feedback_id)
        return told[0]

    def _closed(self, feedback: Feedback) -> bytes:
        return self._sealing.closed(to_json("feedback", feedback))

    def _opened(self, kept: bytes) -> Feedback:
        told = self._sealing.opened(kept, "feedback")
        try:
            return _adapter().validate_python(orjson.loads(told))
        except ValueError as error:
            raise DataDamaged("feedback", str(error)) from error


def _begin(run_id: str | None, thread_id: str | None, key: str | None) -> str:
    """How the rows begin that are looked through: those of the narrowest that is told."""
    for letter, told in (("r", run_id), ("t", thread_id), ("k", key)):
        if told is not None:
            return f"{letter}\0{told}\0"
    return "a\0\0"


def _row(begin: str, after: str) -> str:
    """The row of the place that a page said; empty for the first page."""
    if not after:
        return ""
    at, _, feedback_id = after.partition(".")
    try:
        UUID(feedback_id)
    except ValueError:
        feedback_id = ""
    if not (feedback_id and len(at) == _DIGITS and at.isascii() and at.isdecimal()):
        raise InvalidInput("after", after, "what the page before said in X-Pagination-Next")
    return f"{begin}{at}\0{feedback_id}"


def _place(feedback: Feedback) -> str:
    return f"{_digits(feedback.created_at)}.{feedback.feedback_id}"


def _digits(at: str) -> str:
    moment = datetime.fromisoformat(at).astimezone(UTC)
    return f"{int(moment.timestamp()) * 1_000_000 + moment.microsecond:0{_DIGITS}d}"


@functools.cache
def _adapter() -> TypeAdapter[Feedback]:
    return TypeAdapter(Feedback)
