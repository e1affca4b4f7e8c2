# ruff: noqa: INP001 - a script, no package
"""How long a search by meaning takes in `RedisStore`, beside LangGraph's InMemoryStore in the same run.

`python benchmarks/store.py [--items 100000] [--searches 200] [--peer 2000]`

Each item has one vector of 384 numbers, drawn with a seed; embedding costs nothing here, so what is measured is the
search. One tenth of the items is in each of ten namespaces. Redis is the embedded one. The first search of a process
copies all vectors; it is shown alone. InMemoryStore compares lists of floats, so it gets as many items as can be
waited for, and RedisStore is measured with that many, too: their ratio is for equal work.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from zlib import crc32

import numpy as np
from langgraph.store.base import BaseStore, IndexConfig, PutOp
from langgraph.store.memory import InMemoryStore

from motet.memory.redis.embedded import EmbeddedRedis
from motet.memory.redis.keys import Keys
from motet.memory.redis.store import RedisStore

DIMENSIONS = 384
AT_ONCE = 500
SPACES = 10
TARGET_MS = 150.0


def embed(texts: Sequence[str]) -> list[list[float]]:
    """Each text's own numbers."""
    return [np.random.default_rng(crc32(text.encode())).standard_normal(DIMENSIONS).tolist() for text in texts]


INDEX: IndexConfig = {"dims": DIMENSIONS, "embed": embed, "fields": ["text"]}


def say(text: str) -> None:
    """Print at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def fill(store: BaseStore, items: int) -> float:
    """Put so many items; the seconds it took."""
    started = time.perf_counter()
    for start in range(0, items, AT_ONCE):
        await store.abatch(
            PutOp(("memories", str(number % SPACES)), str(number), {"text": f"memory {number}", "tenth": number % 10})
            for number in range(start, min(start + AT_ONCE, items))
        )
    return time.perf_counter() - started


async def measure(name: str, search: Callable[[str], Awaitable[object]], searches: int) -> tuple[float, float]:
    """Ask one query after the other; print the percentiles in milliseconds and return the median and the 95th."""
    for number in range(5):
        await search(f"warm {number}")
    took: list[float] = []
    for number in range(searches):
        started = time.perf_counter()
        await search(f"query {number}")
        took.append((time.perf_counter() - started) * 1000)
    p50, p95, p99 = np.percentile(took, [50, 95, 99])
    say(f"{name:58} {len(took):5} {p50:8.1f} {p95:8.1f} {p99:8.1f}")
    return float(p50), float(p95)


def everywhere(store: BaseStore) -> Callable[[str], Awaitable[object]]:
    """Searches through all namespaces."""
    return lambda query: store.asearch(("memories",), query=query, limit=10)


async def measure_at(url: str, items: int, searches: int) -> tuple[float, float]:
    """Fill a store and search it; median and 95th percentile of the plain search."""
    async with RedisStore.from_url(url, Keys(f"items-{items}"), index=INDEX) as store:
        say(f"\n{items:,} items put in {await fill(store, items):.1f} s")
        started = time.perf_counter()
        await everywhere(store)("first")
        say(f"a process' first search: {time.perf_counter() - started:.2f} s")
        say(f"{'milliseconds a search':58} {'n':>5} {'p50':>8} {'p95':>8} {'p99':>8}")
        plain = await measure(f"RedisStore, {items:,} items", everywhere(store), searches)
        await measure("  one namespace of ten", lambda query: store.asearch(("memories", "3"), query=query), searches)
        await measure(
            "  a filter that one in ten fits",
            lambda query: store.asearch(("memories",), query=query, filter={"tenth": 3}),
            searches,
        )

        async def changed(query: str) -> None:
            await store.aput(("memories", "0"), "0", {"text": query, "tenth": 0})
            await everywhere(store)(query)

        await measure("  after a put each time, the put included", changed, searches)
        return plain


async def run(items: int, searches: int, peer: int) -> bool:
    """Measure all; whether the target was met."""
    with tempfile.TemporaryDirectory(prefix="motet-benchmark-") as private:
        async with EmbeddedRedis(Path(private)) as url:
            ours, _ = await measure_at(url, peer, searches)
            memory = InMemoryStore(index=INDEX)
            await fill(memory, peer)
            theirs, _ = await measure(f"peer: InMemoryStore, {peer:,} items", everywhere(memory), min(searches, 30))
            say(f"InMemoryStore takes {theirs / ours:.0f} times as long (medians, {peer:,} items)")
            _, p95 = await measure_at(url, items, searches)
    say(f"\ntarget: p95 of a search over {items:,} items at most {TARGET_MS:g} ms: {verdict(p95)}")
    return p95 <= TARGET_MS


def verdict(p95: float) -> str:
    """Whether the target was met, as a word."""
    return "met" if p95 <= TARGET_MS else "MISSED"


def main() -> None:
    """Read the arguments and measure; exits 1 if the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--searches", type=int, default=200)
    parser.add_argument("--peer", type=int, default=2_000, help="how many items InMemoryStore gets")
    told = parser.parse_args()
    if not asyncio.run(run(told.items, told.searches, told.peer)):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
