"""One test's Redis, processes, clients and evidence."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis
from tests.chaos.checker import Evidence, violations
from tests.chaos.client import Client, client
from tests.chaos.dump import dump, effects_of
from tests.chaos.fleet import Child, Fleet, Store
from tests.chaos.history import History
from tests.support import wait_until

from motet.memory.redis.keys import Keys


@dataclass(slots=True, kw_only=True)
class Scene:
    """What a test of faults has; `quiet` ends it."""

    store: Store
    fleet: Fleet
    client: Client
    history: History
    random: random.Random

    async def quiet(self, *, within_s: float = 30.0) -> Evidence:
        """Wait until no run is left to be worked, then look at everything; fails on a violation."""
        async with self.store.client() as redis:
            await wait_until(
                lambda: _idle(redis, self.fleet.tenant), description="every run has ended", timeout_s=within_s
            )
            evidence = Evidence(
                history=list(self.history),
                dump=await dump(redis, self.fleet.tenant),
                effects=effects_of(self.fleet.effects),
            )
        found = violations(evidence)
        assert not found, "\n".join(found)
        return evidence

    async def ended(self, server: Child, thread_id: str, run_id: str, *, within_s: float = 20.0) -> str:
        """Wait for a run's end; how it ended."""

        async def over() -> bool:
            return await self.client.ended(server.url, thread_id, run_id)

        await wait_until(over, description=f"run {run_id} ends", timeout_s=within_s)
        return await self.client.status(server.url, thread_id, run_id)

    def steps(self, tag: str) -> Sequence[str]:
        """The counter's steps that were done for `tag`, in the order in which they were."""
        return [
            effect.key.rpartition(":")[2] for effect in effects_of(self.fleet.effects) if effect.key.startswith(tag)
        ]

    async def stepped(self, tag: str, steps: int = 1, *, within_s: float = 20.0) -> None:
        """Wait until the counter has done `steps` steps for `tag`."""
        await wait_until(
            lambda: len(self.steps(tag)) >= steps, description=f"{tag} did {steps} steps", timeout_s=within_s
        )


async def _idle(redis: Redis, tenant: str) -> bool:
    return not await redis.exists(Keys(tenant).active())


@asynccontextmanager
async def scene(folder: Path, running: Store, *, seed: int, tenant: str = "chaos") -> AsyncGenerator[Scene]:
    """A scene on a store that runs. The seed is printed: it's shown when the test fails."""
    print(f"seed {seed}")  # noqa: T201 - pytest shows it with a failure
    history = History(folder / f"history-{tenant}.jsonl")
    async with Fleet(folder / tenant, running.url, tenant=tenant) as fleet, client(history, tenant) as asking:
        yield Scene(store=running, fleet=fleet, client=asking, history=history, random=random.Random(seed))  # noqa: S311 - a repeatable sequence
