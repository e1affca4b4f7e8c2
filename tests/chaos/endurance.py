"""A long run: many clients, faults in random order, and in the end the checker and a table."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import httpx
from tests.chaos.checker import Evidence, violations
from tests.chaos.client import Client, client
from tests.chaos.disk import NoSmallDisk, small_disk
from tests.chaos.dump import Dump, dump, effects_of
from tests.chaos.faults import FAULTS, OF_A_DISK, Fault, Harm
from tests.chaos.fleet import Child, Fleet, Store, store
from tests.chaos.history import History
from tests.chaos.proxy import proxy
from tests.chaos.traffic import Visitor
from tests.support import wait_until

from motet.memory.redis.keys import Keys

TENANTS = ("alice", "bob")
QUIET_S = 120.0
"""How long what was accepted may take to end, once nothing is broken any more."""
RECOVERY_S = 30.0
"""A probe that takes longer than this is a violation by itself."""
_DISK_MB = 2_000


@dataclass(slots=True, kw_only=True)
class Report:
    """What happened, and what was wrong."""

    seed: int
    seconds: float = 0.0
    runs: int = 0
    """Accepted."""
    kills: int = 0
    """By SIGKILL: servers, workers, Redis; poisoned runs come on top."""
    deaths: int = 0
    """Processes that had to be started again, for whatever reason."""
    recoveries: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    """Of each fault, the seconds from its end until a new run had succeeded."""
    handovers: list[float] = field(default_factory=list[float])
    """Seconds from the death of a worker until its run's next attempt began."""
    outcomes: dict[str, int] = field(default_factory=dict[str, int])
    violations: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])

    def recovered(self, fault: str) -> tuple[float, float]:
        """Median and longest recovery from a fault, in seconds."""
        return median(self.recoveries[fault]), max(self.recoveries[fault])


async def endure(folder: Path, *, seconds: float, seed: int, visitors: int = 5, tell: Callable[[str], None]) -> Report:
    """Break things for `seconds`, then wait until all is quiet and look at everything.

    Args:
        folder: for logs, histories and data.
        seconds: how long faults happen.
        seed: what random choices follow from; processes and networks have chances of their own.
        visitors: clients of each tenant.
        tell: hears of progress.
    """
    report, chance = Report(seed=seed), random.Random(seed)  # noqa: S311 - a repeatable sequence
    begun = time.monotonic()
    async with AsyncExitStack() as stack:
        disk = _disk(stack, folder, report)
        data = (disk or folder / "disk") / "data"
        data.mkdir(parents=True)
        running = await stack.enter_async_context(store(data, "--auto-aof-rewrite-percentage", "0"))
        network = await stack.enter_async_context(proxy(running.port))
        crews = [await stack.enter_async_context(_crew(folder, running, one, network.port)) for one in TENANTS]
        harm = Harm(
            store=running, processes=lambda: [one for crew in crews for one in crew.fleet.alive], network=network,
            chance=chance, disk=disk,
        )  # fmt: skip
        async with _background(crews, chance, visitors):
            await _break(harm, crews[0], report, seconds, tell)
            tell("waiting until all is quiet")
        await _conclude(running, crews, report)
        report.kills = harm.kills
        report.notes += [f"mended by a start: {one.file.name}, {one.zeros} bytes of zeros" for one in running.mended]
        report.notes.append(f"{running.rewrites} files with a gap written anew")
        report.deaths = sum(crew.restarts for crew in crews)
    report.seconds = time.monotonic() - begun
    return report


class Crew:
    """One tenant's servers and workers, started again when they die."""

    def __init__(self, fleet: Fleet, asking: Client, network_port: int) -> None:
        """One of the workers reaches Redis through the port `network_port`."""
        self.fleet = fleet
        self.client = asking
        self.restarts = 0
        away = {"MOTET_REDIS_URL": f"redis://127.0.0.1:{network_port}"}
        self._starts = [
            fleet.server,
            lambda: fleet.server(workers=2),
            fleet.worker,
            lambda: fleet.worker(env=away),
        ]
        self._members: list[Child] = []

    async def start(self) -> None:
        """Start one of each."""
        self._members = [await begin() for begin in self._starts]

    async def supervise(self) -> None:
        """Start dead ones again, for ever; one that can't start because of a fault is tried again."""
        while True:
            for at, begin in enumerate(self._starts):
                if not self._members[at].alive:
                    self.restarts += 1
                    try:
                        self._members[at] = await begin()
                    except AssertionError:
                        continue
            await asyncio.sleep(0.2)

    def servers(self) -> Sequence[Child]:
        """Those that live now."""
        return [one for one in self._members if one.alive and one.url]


@asynccontextmanager
async def _crew(folder: Path, running: Store, tenant: str, network_port: int) -> AsyncGenerator[Crew]:
    history = History(folder / f"history-{tenant}.jsonl")
    async with Fleet(folder / tenant, running.url, tenant=tenant) as fleet, client(history, tenant) as asking:
        crew = Crew(fleet, asking, network_port)
        await crew.start()
        yield crew


@asynccontextmanager
async def _background(crews: Sequence[Crew], chance: random.Random, visitors: int) -> AsyncGenerator[None]:
    """Supervisors, and visitors who finish what they began before the context ends."""
    leaving = asyncio.Event()

    async def come(crew: Crew, own: random.Random) -> None:
        visitor = Visitor(crew.client, crew.servers, own)
        while not leaving.is_set():
            await visitor.visit()

    coming = [
        asyncio.create_task(come(crew, random.Random(chance.random())))  # noqa: S311 - a repeatable sequence
        for crew in crews
        for _ in range(visitors)
    ]
    supervising = [asyncio.create_task(crew.supervise()) for crew in crews]
    try:
        yield
        leaving.set()
        await asyncio.gather(*coming)
    finally:
        for task in (*coming, *supervising):
            task.cancel()
        await asyncio.gather(*coming, *supervising, return_exceptions=True)


async def _break(harm: Harm, crew: Crew, report: Report, seconds: float, tell: Callable[[str], None]) -> None:
    until = time.monotonic() + seconds
    faults = {fault: weight for fault, weight in FAULTS.items() if harm.disk is not None or fault not in OF_A_DISK}
    pending: list[Fault] = list(faults)
    harm.chance.shuffle(pending)
    while time.monotonic() < until:
        fault = pending.pop() if pending else harm.chance.choices(list(faults), list(faults.values()))[0]
        await fault(harm)
        took = await _probe(crew)
        report.recoveries.setdefault(fault.__name__, []).append(took)
        if took > RECOVERY_S:
            report.violations.append(f"no run succeeded within {RECOVERY_S:g} s of {fault.__name__}")
        tell(f"{fault.__name__}: a run succeeds {took:.1f} s later")
        await asyncio.sleep(harm.chance.uniform(0.3, 2.0))


async def _probe(crew: Crew) -> float:
    """Seconds until a new run has succeeded, asked for again while it can't be."""
    begun = time.monotonic()
    while (took := time.monotonic() - begun) <= RECOVERY_S:
        one = Visitor(crew.client, crew.servers, random.Random(0))  # noqa: S311 - only chooses among servers
        try:
            thread_id = await crew.client.thread(await one.url())
            run_id = await one.counter(thread_id, until=1)
            if run_id and await one.follow(thread_id, run_id) == "success":
                return time.monotonic() - begun
        except httpx.HTTPError:
            pass
        await asyncio.sleep(0.05)
    return took


async def _conclude(running: Store, crews: Sequence[Crew], report: Report) -> None:
    async with running.client() as redis:

        async def quiet() -> bool:
            return not any([await redis.exists(Keys(tenant).active()) for tenant in TENANTS])

        try:
            await wait_until(quiet, description=f"all is quiet {QUIET_S:g} s after the last fault", timeout_s=QUIET_S)
        except AssertionError as late:
            report.violations.append(str(late))
        held = await dump(redis, *TENANTS)
    history = [one for crew in crews for one in crew.client.history]
    effects = [effect for crew in crews for effect in effects_of(crew.fleet.effects)]
    report.violations += violations(Evidence(history=history, dump=held, effects=effects))
    report.runs = sum(one.kind == "create" and one.outcome == "ok" for one in history)
    for thread in held.threads:
        for run in thread.runs:
            report.outcomes[run.status or "rolled back"] = report.outcomes.get(run.status or "rolled back", 0) + 1
    report.handovers = _handovers(held)


def _handovers(held: Dump) -> list[float]:
    """Of each attempt after a run's first, the seconds since the last sign of life of the one before."""
    waits: list[float] = []
    for thread in held.threads:
        for run in thread.runs:
            begins = [at for at, event in enumerate(run.events) if event.name == "metadata" and at]
            waits += [(run.events[at].ms - run.events[at - 1].ms) / 1000 for at in begins]
    return waits


def _disk(stack: AsyncExitStack, folder: Path, report: Report) -> Path | None:
    try:
        return stack.enter_context(small_disk(folder / "disk", megabytes=_DISK_MB))
    except NoSmallDisk as error:
        report.notes.append(f"no disk was filled: {error}")
        return None
