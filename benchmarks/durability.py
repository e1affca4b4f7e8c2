# ruff: noqa: INP001 - a script, no package
"""What strict durability costs: milliseconds a write, beside the normal one, in the same run.

`python benchmarks/durability.py [--writes 300] [--bytes 4000] [--data-dir FOLDER]`

Each write is the script that records a thread, with metadata of `--bytes`, on the embedded server in a folder of
`--data-dir` (the system's for temporary files): whose disk that is decides the price. The rounds of the ways take
turns, one client writes one after the other, and medians are of all writes of a way.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from motet.memory.redis.client import connect
from motet.memory.redis.durability import strict
from motet.memory.redis.embedded import EmbeddedRedis
from motet.memory.redis.scripts import Scripts

ROUNDS = 5
SLOW_WRITES = 4
"""In a round of the way that waits for a sync once a second."""

NORMAL = "normal: everysec, no waiting"
ALWAYS = "strict: always + WAITAOF (what the embedded server does)"
EVERYSEC = "strict on a server that syncs every second (WAITAOF)"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--writes", type=int, default=300, help="of each way, in all")
    parser.add_argument("--bytes", type=int, default=4000, help="of a write")
    parser.add_argument("--data-dir", type=Path, help="a folder on the disk in question")
    told = parser.parse_args()
    took = asyncio.run(measure(told.writes, told.bytes, told.data_dir))
    usual = statistics.median(took[NORMAL])
    for name, each in took.items():
        median, late = statistics.median(each), sorted(each)[int(len(each) * 0.95)]
        sys.stdout.write(
            f"{name:58} {median:8.2f} ms median {late:8.2f} ms p95 {median / usual:6.1f} x, {len(each)} writes\n"
        )


async def measure(writes: int, size: int, folder: Path | None) -> Mapping[str, Sequence[float]]:
    """Milliseconds of each write, by way."""
    took: dict[str, list[float]] = {NORMAL: [], ALWAYS: [], EVERYSEC: []}
    with tempfile.TemporaryDirectory(dir=folder) as data_dir:
        async with EmbeddedRedis(Path(data_dir)) as url:
            client = await connect(url)
            plain, waiting = Scripts(client), Scripts(client, durability=await strict(client))
            for number in range(ROUNDS):
                here = writes // ROUNDS
                await client.config_set("appendfsync", "everysec")
                took[NORMAL] += await timed(plain, f"normal-{number}", here, size)
                took[EVERYSEC] += await timed(waiting, f"everysec-{number}", SLOW_WRITES, size)
                await client.config_set("appendfsync", "always")
                took[ALWAYS] += await timed(waiting, f"always-{number}", here, size)
            await client.aclose()
    return took


async def timed(scripts: Scripts, name: str, writes: int, size: int) -> list[float]:
    """Milliseconds of each of `writes`, one after the other."""
    took: list[float] = []
    for number in range(writes):
        started = time.perf_counter()
        await scripts.run("thread_create", keys=[f"{name}-{number}"], args=["x" * size, "status"])
        took.append((time.perf_counter() - started) * 1000)
    return took


if __name__ == "__main__":
    main()
