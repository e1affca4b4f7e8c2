"""Tells an address outside what happens to approvals: signed, in order, at least once, by one process of many.

What is sent is as Standard Webhooks 1.0 has it. It names what happened and where to look, and holds neither arguments
nor results. Nothing waits for it: it reads the journal afterwards, at its own pace.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import uuid4

import orjson

from motet.errors import InvalidConfig, InvalidInput, OperatorError, ServerUnavailable
from motet.memory.approvals import Entry, Journal
from motet.memory.webhooks import Position, WebhookPosition
from motet.observability.trajectory.redact import redacted
from motet.server.outbound import AddressRule, Outbound

logger = logging.getLogger(__name__)

EVENTS = frozenset({"opened", "decided", "expired", "reopened", "withdrawn", "ran"})
"""What is told; who saw an approval, and what is granted beforehand, is nobody's business outside."""

DETAILS = frozenset(
    {"tool", "tools", "arguments_sha256", "result_sha256", "decisions", "type", "status", "reason", "deadline_s"}
)
"""What of an entry's detail is told."""

PAUSES_S = (5.0, 15.0, 45.0, 135.0, 405.0, 1215.0, 3645.0, 10800.0)
"""Seconds after the first failed attempt, the second and so on; each is made up to a quarter shorter or longer."""

DAY_S = 24 * 3600.0

Outcome = Literal["delivered", "failed", "given_up"]
"""What came of an attempt. given_up comes after the last `failed`."""

_SECRET_BYTES = range(24, 65)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """Where to, and with which secret. Raises InvalidConfig for an address or a secret that can't be used."""

    url: str = field(repr=False)
    secret: str = field(repr=False)
    """`whsec_` and 24 to 64 bytes in base64; the receiver has the same."""
    rule: AddressRule = field(default_factory=AddressRule)
    timeout_s: float = 15.0
    """How long one attempt may take."""
    lease_s: float = 30.0
    """How long a silent process keeps others from telling."""
    pauses_s: Sequence[float] = PAUSES_S
    give_up_s: float = DAY_S
    """An entry so old is given up while the receiver has failed for so long."""

    def __post_init__(self) -> None:
        try:
            self.rule.url(self.url)
        except InvalidInput as error:
            raise InvalidConfig("MOTET_WEBHOOK_URL", str(error)) from None
        _ = self.key

    @property
    def key(self) -> bytes:
        """The secret's bytes."""
        try:
            key = base64.b64decode(self.secret.removeprefix("whsec_"), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not self.secret.startswith("whsec_") or len(key) not in _SECRET_BYTES:
            raise InvalidConfig(
                "MOTET_WEBHOOK_SECRET", "it must be whsec_ and 24 to 64 random bytes in base64, as the receiver has it"
            )
        return key


class Webhook:
    """Tells one receiver. Any number of processes may `run` one over the same journal: one of them tells."""

    def __init__(
        self,
        settings: WebhookSettings,
        journal: Journal,
        position: WebhookPosition,
        *,
        counted: Callable[[Outcome], None],
    ) -> None:
        """`counted` hears of each attempt, and of each entry that is given up."""
        self._settings = settings
        self._journal = journal
        self._position = position
        self._counted = counted
        self._outbound = Outbound(settings.rule, timeout_s=settings.timeout_s)
        self._owner = uuid4().hex
        self._failures = 0

    async def run(self) -> None:
        """Tell whatever happens, until cancelled; outlives Redis' absence.

        The first time ever it begins with what happens from now on.
        """
        try:
            while True:
                try:
                    position = await self._take()
                    if position is not None:
                        await self._tell_while_ours(position)
                except OperatorError as error:
                    logger.warning("the webhook pauses: %s", error)
                except Exception:
                    # Nobody would notice that it had ended.
                    logger.exception("the webhook pauses")
                await asyncio.sleep(self._settings.lease_s / 3 * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
        finally:
            with suppress(OperatorError):
                await self._position.release(self._owner)

    async def _take(self) -> Position | None:
        last = await self._journal.last()
        return await self._position.take(self._owner, lease_s=self._settings.lease_s, begin=last)

    async def _tell_while_ours(self, position: Position) -> None:
        telling = asyncio.create_task(self._tell(position))
        try:
            while not telling.done():
                await asyncio.wait([telling], timeout=self._settings.lease_s / 3)
                if not telling.done() and await self._take() is None:
                    return
            await telling
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)

    async def _tell(self, position: Position) -> None:
        """Tell entry after entry; comes back when another does."""
        self._failures = position.failures
        await asyncio.sleep(position.due_s)
        async with aclosing(self._journal.follow(after=position.number)) as entries:
            async for entry in entries:
                if entry.event in EVENTS and not await self._settled(entry):
                    return

    async def _settled(self, entry: Entry) -> bool:
        """Try until the entry is delivered or given up; False if another tells by now."""
        while (reason := await self._refused(entry)) is not None:
            self._counted("failed")
            self._failures += 1
            position = await self._position.failed(self._owner, pause_s=self._pause_s())
            if position is None:
                return False
            if min(position.failing_s, _age_s(entry)) >= self._settings.give_up_s:
                return await self._given_up(entry, reason)
            logger.warning("%s was not told: %s; again in %.0f s", _named(entry), reason, position.due_s)
            await asyncio.sleep(position.due_s)
        self._failures = 0
        ours = await self._position.advance(self._owner, entry.number, delivered=True)
        self._counted("delivered")
        return ours

    async def _given_up(self, entry: Entry, reason: str) -> bool:
        self._counted("given_up")
        logger.error("%s was given up and will not be told: %s", _named(entry), reason)
        ours = await self._position.advance(self._owner, entry.number, delivered=False)
        await asyncio.sleep(self._settings.pauses_s[0])
        return ours

    async def _refused(self, entry: Entry) -> str | None:
        """Why the receiver didn't take it; None if it did."""
        sent = body(entry)
        try:
            status = await self._outbound.post(self._settings.url, sent, headers(entry, sent, self._settings.key))
        except (InvalidInput, ServerUnavailable) as error:
            return str(error)
        return None if status // 100 == 2 else f"the receiver answered {status}"  # noqa: PLR2004 - 2xx is success

    def _pause_s(self) -> float:
        pauses_s = self._settings.pauses_s
        return pauses_s[min(self._failures, len(pauses_s)) - 1] * random.uniform(0.75, 1.25)  # noqa: S311 - jitter


def body(entry: Entry) -> bytes:
    """What is sent of an entry: JSON, the same each time."""
    data = {
        "number": entry.number,
        "approval_id": entry.approval_id,
        "thread_id": entry.approval_id.rpartition(".")[0],
        "run_id": entry.run_id,
        "who": entry.who,
        "detail": _told(entry.detail),
        "hash": entry.hash,
        "link": f"/approvals/{entry.approval_id}",
    }
    return orjson.dumps({"type": f"approval.{entry.event}", "timestamp": entry.at, "data": redacted(data)})


def headers(entry: Entry, sent: bytes, key: bytes) -> Mapping[str, str]:
    """The headers by which a receiver knows who sent it, when, and whether it came before."""
    told, at = f"msg_{entry.hash[:32]}", str(int(time.time()))
    return {
        "content-type": "application/json",
        "webhook-id": told,
        "webhook-timestamp": at,
        "webhook-signature": signature(key, told, at, sent),
    }


def signature(key: bytes, message_id: str, timestamp: str, sent: bytes) -> str:
    """Standard Webhooks' `v1` signature: HMAC-SHA256 of id, time and body, dots between them."""
    signed = f"{message_id}.{timestamp}.".encode() + sent
    return f"v1,{base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()}"


def _told(detail: Any) -> Any:
    """What of a detail may leave the house, at every depth."""
    if isinstance(detail, Mapping):
        return {name: _told(value) for name, value in detail.items() if name in DETAILS}
    return [_told(one) for one in detail] if isinstance(detail, list) else detail


def _age_s(entry: Entry) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(entry.at)).total_seconds()


def _named(entry: Entry) -> str:
    return f"webhook: entry {entry.number} ({entry.event}, approval {entry.approval_id})"
