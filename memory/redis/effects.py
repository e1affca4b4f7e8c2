"""The ledger of effects in Redis: one hash a thread, one field an effect."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from langgraph.checkpoint.serde.base import SerializerProtocol
from redis.asyncio import Redis

from motet.errors import EffectNotRecorded, StaleClaim, TypeNotAllowed
from motet.memory.effects import Ambiguous, Begun, Done, EffectKey
from motet.memory.ports import Claim
from motet.memory.redis.client import answering
from motet.memory.redis.keys import Keys
from motet.memory.redis.scripts import Scripts

MAX_RESULT_BYTES = 1024 * 1024
"""Largest result that is kept, in bytes of its stored form."""

MONTH_S = 30 * 24 * 3600

_UNIX = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class RedisEffects:
    """`EffectLedger` on Redis.

    A result is stored as a checkpointer stores a value, encrypted if it does, and comes back as that would.
    """

    def __init__(
        self,
        client: Redis,
        keys: Keys,
        scripts: Scripts,
        *,
        serde: SerializerProtocol,
        max_result_bytes: int = MAX_RESULT_BYTES,
        retention_s: float = MONTH_S,
    ) -> None:
        """Effects of one tenant.

        Args:
            client: what `client.connect` gave.
            keys: names of the tenant's keys.
            scripts: shared with the other adapters of this client.
            serde: makes bytes of results, and results of bytes: the checkpointer's.
            max_result_bytes: a larger result isn't recorded.
            retention_s: seconds for which a thread's effects are remembered after the last change, questions aside.
        """
        self._client = client
        self._keys = keys
        self._scripts = scripts
        self._serde = serde
        self._max_result_bytes = max_result_bytes
        self._ttl_ms = round(retention_s * 1000)

    async def begin(self, key: EffectKey, claim: Claim, *, again: bool = False) -> Begun | Done | Ambiguous:
        """See `EffectLedger.begin`."""
        args = (claim.epoch, key.digest, claim.attempt, claim.run_id, int(again), self._ttl_ms)
        with answering(self._client):
            answer = await self._scripts.run("effect_begin", keys=self._of(key), args=args)
        if isinstance(answer, bytes):
            return self._read(answer)
        if not answer:
            raise StaleClaim(claim.run_id, epoch=claim.epoch)
        return Begun()

    async def done(self, key: EffectKey, claim: Claim, result: object) -> None:
        """See `EffectLedger.done`."""
        await self._settle(key, claim, self._written(key.tool, result))

    async def undone(self, key: EffectKey, claim: Claim, *, was: Ambiguous | None = None) -> None:
        """See `EffectLedger.undone`."""
        if was is None:
            await self._settle(key, claim, b"")
            return
        at = (datetime.fromisoformat(was.started_at) - _UNIX) // _MICROSECOND
        await self._settle(key, claim, f"w{was.epoch} {was.attempt} {at} {was.run_id}".encode())

    async def _settle(self, key: EffectKey, claim: Claim, record: bytes) -> None:
        args = (claim.epoch, key.digest, record, self._ttl_ms)
        with answering(self._client):
            written = await self._scripts.run("effect_settle", keys=self._of(key), args=args)
        if not written:
            raise StaleClaim(claim.run_id, epoch=claim.epoch)

    def _of(self, key: EffectKey) -> list[str]:
        return [self._keys.effects(key.thread_id), self._keys.epoch(key.thread_id)]

    def _written(self, tool: str, result: object) -> bytes:
        try:
            encoding, data = self._serde.dumps_typed(result)
        except (TypeNotAllowed, TypeError) as error:
            raise EffectNotRecorded(tool, str(error)) from error
        if len(data) > self._max_result_bytes:
            reason = f"it has {len(data):,} bytes, more than {self._max_result_bytes:,}; return a reference to it"
            raise EffectNotRecorded(tool, reason)
        return b"d" + encoding.encode() + b"\0" + data

    def _read(self, record: bytes) -> Done | Ambiguous:
        kind, rest = record[:1], record[1:]
        if kind == b"d":
            encoding, _, data = rest.partition(b"\0")
            result: Any = self._serde.loads_typed((encoding.decode(), data))
            return Done(result=result)
        epoch, attempt, at, run_id = rest.decode().split(" ", 3)
        started = _UNIX + int(at) * _MICROSECOND
        return Ambiguous(
            epoch=int(epoch),
            attempt=int(attempt),
            started_at=started.isoformat(timespec="microseconds"),
            run_id=run_id,
        )
