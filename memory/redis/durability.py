"""Strict durability: a write counts once it can't be lost, and says so when it isn't.

Normally Redis answers a write before it is on a disk: a machine that goes down loses the last second, two when
its disk is busy. `WAITAOF` (Redis 7.2, Valkey) answers once the writes of its own connection are on the server's
disk; `WAIT` answers once replicas have them. Sent behind the write, on the same connection, it costs no round
trip of its own, only the disk's or the replica's time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from motet.errors import InvalidConfig
from motet.memory.redis.client import address, answering
from motet.memory.redis.cluster import Cluster
from motet.memory.redis.health import appendfsync

_PROBE_S: Mapping[Literal["WAITAOF", "WAIT"], float] = {"WAITAOF": 5.0, "WAIT": 0.5}
"""How long the first question may take."""

_WHAT_TO_DO = (
    "strict needs a server that can say when a write is safe: Redis 7.2 or newer or Valkey with appendonly yes "
    "and appendfsync always or everysec, or a replica that follows it; change the server, or set normal"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Durability:
    """What a write waits for before it counts as done."""

    command: Literal["WAITAOF", "WAIT"]
    timeout_s: float
    """After this long the write is reported as not safe, though it may become so."""

    def question(self) -> Sequence[str | int]:
        """The command to send right behind the write."""
        within_ms = max(1, round(self.timeout_s * 1000))
        return ("WAITAOF", 1, 0, within_ms) if self.command == "WAITAOF" else ("WAIT", 1, within_ms)

    def reached(self, answer: Any) -> bool:
        """Whether `answer` to `question()` says that the write is safe."""
        return bool(answer[0] if self.command == "WAITAOF" else answer)

    def __str__(self) -> str:
        """What is waited for, as a phrase."""
        return "the server's disk (WAITAOF)" if self.command == "WAITAOF" else "a replica (WAIT)"


async def strict(client: Redis, *, timeout_s: float = 10.0) -> Durability:
    """The strongest promise the server can keep: its disk, else one replica's memory. Two or three round trips a node.

    A file that is never synced (`appendfsync no`) is noticed where the user may run CONFIG GET; else the first write
    says that it isn't safe.

    Raises:
        InvalidConfig: it can keep neither; says what to change.
        StoreUnavailable: it doesn't answer.
    """
    refused: list[str] = []
    with answering(client):
        for command, probe_s in _PROBE_S.items():
            why = await _why_not(client, Durability(command=command, timeout_s=probe_s))
            if not why:
                return Durability(command=command, timeout_s=timeout_s)
            refused.append(f"{command}: {why}")
    raise InvalidConfig("MOTET_DURABILITY", f"{_WHAT_TO_DO} ({address(client)} said: {'; '.join(refused)})")


async def _why_not(client: Redis, wanted: Durability) -> str:
    """What speaks against `wanted` on any node that takes writes; empty if nothing does."""
    targets: list[dict[str, Any]] = [{}]
    if isinstance(client, Cluster):
        targets = [{"target_nodes": node} for node in client.get_primaries()]
    for target in targets:
        # WAITAOF itself says yes until there is a write to wait for.
        if wanted.command == "WAITAOF" and await appendfsync(client, **target) == "no":
            return "appendfsync is no"
        try:
            answer: Any = await client.execute_command(*wanted.question(), **target)
        except ResponseError as error:
            return str(error)
        if not wanted.reached(answer):
            return f"not within {wanted.timeout_s:g} s" if wanted.command == "WAITAOF" else "no replica follows it"
    return ""
