"""What goes wrong in a long run: each fault is done, lasts as long as it lasts, and is over when it returns."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from redis.exceptions import RedisError
from tests.chaos.disk import fill
from tests.chaos.fleet import LEASE_S, Child, Store
from tests.chaos.proxy import FaultProxy
from tests.support import wait_until

Fault = Callable[["Harm"], Awaitable[None]]


@dataclass(slots=True, kw_only=True)
class Harm:
    """What there is to be broken; whoever supervises the processes starts dead ones again."""

    store: Store
    processes: Callable[[], Sequence[Child]]
    network: FaultProxy
    """Between one of the workers and the store."""
    chance: random.Random
    disk: Path | None
    """A small file system that the store's file is on."""
    kills: int = 0

    def any(self, kind: str) -> Child | None:
        """One living process of a kind: serve or worker."""
        living = [one for one in self.processes() if one.alive and one.name.startswith(kind)]
        return self.chance.choice(living) if living else None

    async def command(self, *words: str | int) -> None:
        """Say something to the store; it may be in no state to hear it."""
        with suppress(RedisError):
            async with self.store.client() as redis:
                await redis.execute_command(*words)


async def _kill(harm: Harm, kind: str) -> None:
    if victim := harm.any(kind):
        await victim.kill()
        harm.kills += 1


async def kill_worker(harm: Harm) -> None:
    """Kill -9 of a worker."""
    await _kill(harm, "worker")


async def kill_server(harm: Harm) -> None:
    """Kill -9 of a server, with its streams and, if it has any, its runs."""
    await _kill(harm, "serve")


async def kill_store(harm: Harm) -> None:
    """Kill -9 of Redis, which comes back after a while."""
    await harm.store.kill()
    harm.kills += 1
    await asyncio.sleep(harm.chance.uniform(0.1, 1.5))
    await harm.store.start()


async def stop_worker(harm: Harm) -> None:
    """SIGTERM of a worker: it hands over what it holds."""
    if victim := harm.any("worker"):
        await victim.stop()


async def freeze_worker(harm: Harm) -> None:
    """A worker sleeps past its lease and wakes up as a zombie."""
    if victim := harm.any("worker"):
        victim.freeze()
        await asyncio.sleep(LEASE_S + harm.chance.uniform(0.5, 1.5))
        victim.thaw()


async def freeze_server(harm: Harm) -> None:
    """A server hangs for two seconds."""
    if victim := harm.any("serve"):
        victim.freeze()
        await asyncio.sleep(2.0)
        victim.thaw()


async def freeze_store(harm: Harm) -> None:
    """Redis hangs for a second."""
    harm.store.send(signal.SIGSTOP)
    await asyncio.sleep(1.0)
    harm.store.send(signal.SIGCONT)


async def pause_store(harm: Harm) -> None:
    """Redis keeps clients, or those that write, waiting."""
    await harm.command("CLIENT", "PAUSE", 1500, harm.chance.choice(["ALL", "WRITE"]))
    await asyncio.sleep(1.5)


async def sleep_store(harm: Harm) -> None:
    """Redis is busy with something that takes a second."""
    await harm.command("DEBUG", "SLEEP", "1")


async def fill_disk(harm: Harm) -> None:
    """The file system of Redis' file is full for a while; often it leaves a gap in that file (`append_only.py`)."""
    assert harm.disk is not None
    ballast = await asyncio.to_thread(fill, harm.disk)
    try:
        await asyncio.sleep(harm.chance.uniform(1.0, 2.5))
    finally:
        ballast.unlink()


async def rewrite_file(harm: Harm) -> None:
    """Redis writes its file anew. Never by itself here: see `docs/design/0011-durable-runs.md`."""
    await harm.command("BGREWRITEAOF")
    with suppress(RedisError):
        async with harm.store.client() as redis:

            async def written() -> bool:
                told = await redis.info("persistence")
                return not told["aof_rewrite_in_progress"] and not told["aof_rewrite_scheduled"]

            await wait_until(written, description="the file is rewritten", timeout_s=30)


async def take_memory(harm: Harm) -> None:
    """Redis refuses whatever needs memory."""
    await harm.command("CONFIG", "SET", "maxmemory", "1")
    await asyncio.sleep(1.0)
    await harm.command("CONFIG", "SET", "maxmemory", "0")


async def forget_scripts(harm: Harm) -> None:
    """Redis forgets every script."""
    await harm.command("SCRIPT", "FLUSH")


async def cut_network(harm: Harm) -> None:
    """A worker's connections are cut."""
    harm.network.reset()


async def swallow_network(harm: Harm) -> None:
    """A worker's connections stay open, and nothing comes through, for longer than its lease."""
    harm.network.behaviour = "blackhole"
    await asyncio.sleep(LEASE_S + 1.0)
    harm.network.behaviour = "pass"


async def kill_full_store(harm: Harm) -> None:
    """Kill -9 of Redis at once after its disk was full: the gap is found by the start, not by the guard.

    The kill waits for the file to be on the disk, and no longer: what a full disk keeps in memory is answered, too, and
    lost with the process. That is Redis' promise, and not to be tested here.
    """
    await rewrite_file(harm)
    await fill_disk(harm)
    await harm.command("WAITAOF", 1, 0, 10_000)
    await kill_store(harm)


FAULTS: Mapping[Fault, int] = {
    kill_worker: 5, kill_server: 3, kill_store: 3, stop_worker: 1, freeze_worker: 2, freeze_server: 1, freeze_store: 1,
    pause_store: 1, sleep_store: 1, fill_disk: 1, kill_full_store: 1, rewrite_file: 2, take_memory: 1,
    forget_scripts: 1, cut_network: 1, swallow_network: 1,
}  # fmt: skip
"""Each fault, and how often it happens."""

OF_A_DISK = {fill_disk, kill_full_store}
"""Need a disk that can be filled."""
