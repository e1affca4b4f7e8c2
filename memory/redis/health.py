"""What a Redis is like to depend on: what it may lose, what it lacks, as findings that say what to do.

Read from INFO and, where the user may, from CONFIG GET; nothing is changed. The log of a start and `motet doctor`
show the same findings.
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, ResponseError

from motet.errors import InvalidConfig, MotetError, StoreUnavailable
from motet.memory.redis.cluster import Cluster

Level = Literal["ok", "warning", "error"]
Told = Mapping[str, Any]
"""INFO's fields, and CONFIG GET's `appendfsync` where it is told."""

FLOOR = (6, 2)
"""The oldest Redis whose commands suffice."""

_PATCHED = {
    "Redis": {(6, 2): 20, (7, 2): 11, (7, 4): 6, (8, 0): 4, (8, 2): 2},
    "Valkey": {(7, 2): 11, (8, 0): 6, (8, 1): 4},
}
"""From which patch release a series has the fix of CVE-2025-49844; every later series has it."""

PINGS = 20
"""How many round trips a median is of."""

_NEARLY_FULL = 0.8
_STEP = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    level: Level
    """warning: data can be lost or the server is at risk. error: Motet can't work with it."""
    what: str
    advice: str = ""
    """What to do; empty if nothing."""
    setup: bool = False
    """Of an error: whoever configured this must choose another server; else whoever runs it must repair it."""

    def refused(self, where: str) -> MotetError:
        """An error as what stops a start."""
        text = f"{self.what}; {self.advice}"
        return InvalidConfig(f"Redis at {where}", text) if self.setup else StoreUnavailable(where, text)


async def look(client: Redis) -> Sequence[Finding]:
    """The findings about a server, or about every node of a cluster that takes writes. Two round trips a node.

    redis-py's errors pass through; a refusal of INFO or CONFIG is no error.
    """
    if not isinstance(client, Cluster):
        return findings(await _told(client))
    nodes = client.get_primaries()
    found = [(node.name, findings(await _told(client, target_nodes=node))) for node in nodes]
    together = Finding(level="ok", what=f"a cluster of {len(nodes)} nodes that take writes")
    return [together, *_merged(found)]


async def round_trip_ms(client: Redis) -> float:
    """The median of some PINGs, in milliseconds. redis-py's errors pass through."""
    took: list[float] = []
    for _ in range(PINGS):
        started = time.perf_counter()
        await client.ping()
        took.append((time.perf_counter() - started) * 1000)
    return statistics.median(took)


async def appendfsync(client: Redis, **target: Any) -> str:
    """How often the server, or a cluster's node, syncs its file; empty where it doesn't tell. One round trip."""
    try:
        pair: Any = await client.execute_command("CONFIG GET", "appendfsync", **target)
    except ResponseError:
        return ""
    values = list(pair.values()) if isinstance(pair, Mapping) else list(pair)
    last: Any = values[-1] if values else ""
    return last.decode() if isinstance(last, bytes) else str(last)


def findings(told: Told) -> Sequence[Finding]:
    """What `told` says, in a fixed order; one warning if nothing was told."""
    if "redis_version" not in told:
        return [
            Finding(
                level="warning",
                what="its version and settings can't be checked: its user may not run INFO",
                advice="allow it: ACL SETUSER … +info",
            )
        ]
    looks: Sequence[Callable[[Told], Finding | None]] = (_version, _patches, _role, _persistence, _disk, _eviction)
    return [found for one in looks if (found := one(told)) is not None] + [_memory(told)]


async def _told(client: Redis, **target: Any) -> Told:
    try:
        info: Any = await client.execute_command("INFO", **target)
    except NoPermissionError:
        return {}
    return {**info, "appendfsync": await appendfsync(client, **target)}


def _merged(found: Sequence[tuple[str, Sequence[Finding]]]) -> Sequence[Finding]:
    """The findings of all nodes, each once; one that isn't every node's says whose it is."""
    whose: dict[Finding, list[str]] = {}
    for name, one in found:
        for finding in one:
            whose.setdefault(finding, []).append(name)
    return [
        finding
        if len(names) == len(found)
        else Finding(level=finding.level, what=f"{finding.what} ({', '.join(names)})", advice=finding.advice)
        for finding, names in whose.items()
    ]


def _named(told: Told) -> tuple[str, str]:
    """The server's own name and version: Valkey tells the Redis version it's compatible with besides its own."""
    if "valkey_version" in told:
        return "Valkey", str(told["valkey_version"])
    return "Redis", str(told["redis_version"])


def _numbers(version: str) -> tuple[int, int, int]:
    found = [int(part) for part in re.findall(r"\d+", version)[:3]]
    first, second, third = (*found, 0, 0, 0)[:3]
    return first, second, third


def _version(told: Told) -> Finding:
    name, version = _named(told)
    if name == "Redis" and _numbers(version)[:2] < FLOOR:
        floor = ".".join(map(str, FLOOR))
        return Finding(
            level="error",
            what=f"Redis {version} is too old",
            advice=f"use Redis {floor} or newer, or Valkey",
            setup=True,
        )
    return Finding(level="ok", what=f"{name} {version}")


def _patches(told: Told) -> Finding | None:
    name, version = _named(told)
    major, minor, patch = _numbers(version)
    fixed = _PATCHED[name]
    if (major, minor) < FLOOR:
        return None
    if (major, minor) > max(fixed) or patch >= fixed.get((major, minor), 1_000_000):
        return None
    newer = [f"{series[0]}.{series[1]}.{at}" for series, at in fixed.items() if series >= (major, minor)]
    return Finding(
        level="warning",
        what=f"{name} {version} is older than the fix of CVE-2025-49844: whoever may run scripts can take it over",
        advice=f"upgrade to {', '.join(newer)} or newer, unless your distribution's package has the fix "
        "(its changelog names the CVE)",
    )


def _role(told: Told) -> Finding | None:
    if told.get("role") != "slave":
        return None
    return Finding(
        level="error",
        what="it is a replica, which takes no writes",
        advice=f"give the address of its primary ({told.get('master_host')}:{told.get('master_port')})",
    )


def _persistence(told: Told) -> Finding:
    if not told.get("aof_enabled"):
        return Finding(
            level="warning",
            what="appendonly no: a crash loses everything since its last snapshot, accepted runs included",
            advice="set appendonly yes",
        )
    policy = told.get("appendfsync")
    if policy == "no":
        return Finding(
            level="warning",
            what="appendfsync no: a machine that goes down loses what its system hasn't written, 30 s or more",
            advice="set appendfsync everysec or always",
        )
    cost = {
        "always": "appendfsync always: what was answered is on its disk",
        "everysec": "appendfsync everysec: a machine that goes down loses the last second, two if its disk is busy",
    }
    return Finding(level="ok", what=f"appendonly yes, {cost.get(str(policy), 'how often it syncs is not told')}")


def _disk(told: Told) -> Finding | None:
    advice = "make room on its disk or repair it; its log says more"
    if told.get("aof_last_write_status", "ok") != "ok":
        return Finding(
            level="error",
            what="it can't write to its append-only file and refuses every write",
            advice=f"{advice}. Then BGREWRITEAOF at once (our own Redis does so by itself): Valkey, and Redis since 7, "
            "may have left a gap in the file, with which they don't start again",
        )
    if told.get("rdb_last_bgsave_status", "ok") != "ok":
        return Finding(level="warning", what="its last snapshot failed; it may refuse every write", advice=advice)
    return None


def _eviction(told: Told) -> Finding:
    policy = str(told.get("maxmemory_policy", "noeviction"))
    if policy == "noeviction":
        return Finding(level="ok", what="maxmemory-policy noeviction: nothing is thrown away")
    thrown = "any thread, run or memory" if policy.startswith("allkeys") else "threads and runs that expire, early"
    return Finding(
        level="warning",
        what=f"maxmemory-policy {policy}: when memory is short it throws away {thrown}",
        advice="set maxmemory-policy noeviction",
    )


def _memory(told: Told) -> Finding:
    limit, used = int(told.get("maxmemory", 0)), int(told.get("used_memory", 0))
    if not limit:
        return Finding(level="ok", what=f"{_size(used)} of memory used, no limit set")
    what = f"{_size(used)} of {_size(limit)} of memory used"
    if used < limit * _NEARLY_FULL:
        return Finding(level="ok", what=what)
    return Finding(
        level="warning", what=f"{what}: at the limit every write is refused", advice="raise maxmemory or delete data"
    )


def _size(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "KB", "MB"):
        if size < _STEP:
            return f"{size:.0f} {unit}"
        size /= _STEP
    return f"{size:.1f} GB"
