"""The position of a tenant's webhook in Redis: one hash."""

from __future__ import annotations

from typing import Any

from redis.asyncio import Redis

from motet.memory.redis.client import answering
from motet.memory.redis.keys import Keys
from motet.memory.redis.scripts import Argument, Scripts
from motet.memory.webhooks import Position

KEPT_S = 30 * 24 * 3600
"""So long after anybody last told something the position is forgotten: telling then begins at the journal's end."""


class RedisWebhookPosition:
    """`WebhookPosition` on Redis, by the server's clock."""

    def __init__(self, client: Redis, keys: Keys, scripts: Scripts) -> None:
        self._client = client
        self._keys = keys
        self._scripts = scripts

    async def take(self, owner: str, *, lease_s: float, begin: int) -> Position | None:
        """See `WebhookPosition.take`."""
        return _position(await self._run("webhook_take", owner, round(lease_s * 1000), begin, KEPT_S))

    async def advance(self, owner: str, number: int, *, delivered: bool) -> bool:
        """See `WebhookPosition.advance`."""
        return bool(await self._run("webhook_advance", owner, number, int(delivered)))

    async def failed(self, owner: str, *, pause_s: float) -> Position | None:
        """See `WebhookPosition.failed`."""
        return _position(await self._run("webhook_failed", owner, round(pause_s * 1000)))

    async def release(self, owner: str) -> None:
        """See `WebhookPosition.release`."""
        await self._run("webhook_release", owner)

    async def _run(self, name: str, *args: Argument) -> Any:
        with answering(self._client):
            return await self._scripts.run(name, keys=[self._keys.webhook()], args=args)


def _position(told: Any) -> Position | None:
    if told is None:
        return None
    number, failures, failing_ms, due_ms = (int(one) for one in told)
    return Position(number=number, failures=failures, failing_s=failing_ms / 1000, due_s=due_ms / 1000)
