"""Steps of a run's life that tests tell their stories with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

from redis.asyncio import Redis
from tests.support import wait_until

from motet.memory.ports import CancelAction, Claimed, Ending, Run, RunRequest, StoredEvent, WaitingInterrupt
from motet.memory.redis.events import RedisEvents
from motet.memory.redis.keys import Keys
from motet.memory.redis.runs import RedisRuns
from motet.memory.redis.scripts import Scripts
from motet.memory.redis.threads import RedisThreads


def question(interrupt_id: str) -> WaitingInterrupt:
    """An interrupt whose value no careless decoding survives."""
    value = {"big": 2**62 + 1, "float": 0.1, "empty": [], "text": 'é "/\x00'}
    return WaitingInterrupt(interrupt_id=interrupt_id, task_id=f"task of {interrupt_id}", value=value)


class Life:
    """The adapters of one tenant."""

    def __init__(self, redis: Redis, keys: Keys, *, lease_s: float) -> None:
        self.redis = redis
        self.keys = keys
        self.lease_s = lease_s
        scripts = Scripts(redis)
        self.threads = RedisThreads(redis, keys, scripts)
        self.runs = RedisRuns(redis, keys, scripts, lease_s=lease_s)
        self.events = RedisEvents(redis, keys)

    async def thread(self) -> str:
        """Id of a new thread."""
        return (await self.threads.create(str(uuid4()), {}, if_exists="raise")).thread_id

    def request(self, thread_id: str, **changes: Any) -> RunRequest:
        """A request for a run on the thread, as accepted by default."""
        request = RunRequest(
            run_id=str(uuid4()), thread_id=thread_id, assistant_id="a", graph_id="g", payload={"input": {"n": 1}}
        )
        return replace(request, **changes)

    async def submit(self, thread_id: str, **changes: Any) -> Run:
        """Have a run accepted."""
        return (await self.runs.create(self.request(thread_id, **changes))).run

    async def claim(self, worker: str = "w", *, wait_s: float = 5) -> Claimed:
        """Claim the next run; there must be one."""
        claimed = await self.runs.claim(worker, wait_s=wait_s)
        assert claimed is not None
        return claimed

    async def nothing_to_claim(self) -> bool:
        """Whether no run may start now."""
        return await self.runs.claim("w", wait_s=0) is None

    async def ask(self, *interrupt_ids: str) -> str:
        """Id of a thread on which these interrupts wait."""
        thread_id = await self.thread()
        await self.submit(thread_id)
        await self.interrupt(await self.claim(), *interrupt_ids)
        return thread_id

    async def interrupt(self, claimed: Claimed, *interrupt_ids: str) -> None:
        """End a run with questions."""
        ending = Ending(status="interrupted", interrupts=[question(one) for one in interrupt_ids])
        await self.runs.finish(claimed.claim, ending)

    async def succeed(self, claimed: Claimed) -> None:
        """End a run well."""
        await self.runs.finish(claimed.claim, Ending(status="success"))

    async def cancel(self, run: Run, action: CancelAction) -> bool:
        """Have a run end; whether it has."""
        return await self.runs.cancel(run.request.thread_id, run.request.run_id, action)

    async def waiting(self, thread_id: str) -> list[str]:
        """Ids of the interrupts that wait."""
        return [one.interrupt_id for one in (await self.threads.get(thread_id)).interrupts]

    async def lapse(self, claimed: Claimed) -> None:
        """Put the end of a lease into the past."""
        name = self.keys.run(claimed.claim.thread_id, claimed.claim.run_id)
        await self.redis.hset(name, "deadline_ms", "0")

    async def lose(self, claimed: Claimed) -> list[str]:
        """Have a lease run out; ids of the runs that the sweep then made ready again."""
        await self.lapse(claimed)
        return await self.taken(claimed)

    async def taken(self, claimed: Claimed) -> list[str]:
        """Sweep until a lease has run out; ids of the runs that the sweep then made ready again."""
        swept: list[str] = []

        async def is_over() -> bool:
            swept.extend(await self.runs.sweep())
            status = (await self.runs.get(claimed.claim.thread_id, claimed.claim.run_id)).status
            return status != "running"

        await wait_until(is_over, description="the sweep takes the run from its worker")
        return swept

    async def events_of(self, run: Run, *, after: str = "0") -> list[StoredEvent]:
        """All events of a run up to its end."""
        reading = self.events.read(run.request.thread_id, run.request.run_id, after=after)
        return [event async for event in reading]

    async def snapshot(self, *names: str) -> Sequence[bytes | None]:
        """Whole keys as bytes, to see that nothing changed."""
        return [await self.redis.dump(name) for name in names]
