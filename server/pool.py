"""The runs that one process works at a time: where they come from, and how the process is emptied."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol, TypeVar
from uuid import uuid4

from motet.errors import OperatorError, StaleClaim
from motet.memory.ports import Claimed, Json, Run, RunLifecycle, RunRequest

logger = logging.getLogger(__name__)

_WAIT_S = 1.0
_LONGEST_PAUSE_S = 5.0

_LEAVE_S = 20.0
"""What is cut off gives its run back within this time: it has to let go of a graph, or of a process, and ask Redis."""

T = TypeVar("T")


class Underway(Protocol):
    """A run while it is worked."""

    async def work(self) -> None:
        """Work it to its end. Cancelled, it gives the run back. What is wrong with the run itself isn't raised."""
        ...

    def drain(self) -> None:
        """Stop at the next superstep and give the run back."""
        ...


Begin = Callable[[Claimed, int], Underway]
"""Makes what works a claimed run; told when the claim began, in nanoseconds since 1970."""


class Pool:
    """Works up to so many runs at a time, until it is drained.

    A run that is accepted in this process while there is room starts in the same round trip; others are claimed as
    they become ready, by whichever process has room first.
    """

    def __init__(self, runs: RunLifecycle) -> None:
        self.name = f"{socket.gethostname()}-{uuid4().hex[:8]}"
        """The worker that claims are given to."""
        self._runs = runs
        self._begin: Begin | None = None
        self._room = 0
        self._freed = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        """What must end before the pool is empty: claims that are being made, and runs."""
        self._underway: dict[asyncio.Task[Any], Underway] = {}

    async def create(self, request: RunRequest, *, new_thread: Json | None = None) -> Run:
        """As `RunLifecycle.create`; the run starts here at once if there is room and it may.

        Cancelled, it is recorded all the same, and is worked.
        """
        if self._room < 1 or self._begin is None:
            return (await self._runs.create(request, new_thread=new_thread)).run
        return await self._whole(self._accept(request, new_thread))

    @asynccontextmanager
    async def working(self, begin: Begin, *, at_once: int, grace_s: float) -> AsyncGenerator[None]:
        """Work up to `at_once` runs at a time until the context ends; then give back those that don't end in time.

        Args:
            begin: makes what works a run.
            at_once: 0 works none.
            grace_s: seconds for runs to reach the end of their superstep.
        """
        self._begin, self._room = begin, at_once
        claiming = asyncio.create_task(self._claim_forever()) if at_once else None
        try:
            yield
        finally:
            self._begin = None
            for underway in self._underway.values():
                underway.drain()
            if claiming is not None:
                claiming.cancel()
                await asyncio.gather(claiming, return_exceptions=True)
            await self._emptied(grace_s)

    async def _emptied(self, grace_s: float) -> None:
        """Wait for what is under way, then cut off the runs; a claim ends by itself, and what it claims is given back.

        What doesn't end even so is left: it can't be waited for.
        """
        await self._until_empty(grace_s)
        for task in list(self._underway):
            task.cancel()
        await self._until_empty(_LEAVE_S)
        if self._tasks:
            logger.warning("worker %s: %d runs could not be given back in time", self.name, len(self._tasks))

    async def _until_empty(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self._tasks and (left := deadline - time.monotonic()) > 0:
            await asyncio.wait(set(self._tasks), timeout=left)

    async def _claim_forever(self) -> None:
        pause = _Pause()
        while self._begin is not None:
            if self._room < 1:
                self._freed.clear()
                await _within(self._freed.wait(), _WAIT_S)
                continue
            try:
                if not await self._whole(self._claim()):
                    await self._runs.wait(_WAIT_S)
                pause.reset()
            except OperatorError as error:
                logger.warning("worker %s: %s", self.name, error)
                await pause.take()
            except Exception:
                # Whatever is wrong with one record, other runs wait: a claimer that ended would be missed by nobody.
                logger.exception("worker %s: a run could not be claimed", self.name)
                await pause.take()

    async def _claim(self) -> bool:
        claimed, began_ns = None, time.time_ns()
        try:
            claimed = await self._runs.claim(self.name, wait_s=0)
        finally:
            self._settle(claimed, began_ns)
        return claimed is not None

    async def _accept(self, request: RunRequest, new_thread: Json | None) -> Run:
        claimed, began_ns = None, time.time_ns()
        try:
            accepted = await self._runs.create(request, new_thread=new_thread, worker=self.name)
            claimed = accepted.claimed
        finally:
            self._settle(claimed, began_ns)
        return accepted.run

    async def _whole(self, claiming: Coroutine[Any, Any, T]) -> T:
        """Set room aside and claim, whoever gives up waiting: cut off in the middle, a claim costs an attempt."""
        self._room -= 1
        return await asyncio.shield(self._kept(claiming))

    def _settle(self, claimed: Claimed | None, began_ns: int) -> None:
        """Use the room that was set aside for a run, or give it back."""
        if claimed is None:
            self._free()
            return
        self._kept(self._work(claimed, began_ns)).add_done_callback(self._ended)

    async def _work(self, claimed: Claimed, began_ns: int) -> None:
        task = asyncio.current_task()
        assert task is not None, "run by create_task"
        try:
            if self._begin is None:
                # Claimed in the moment in which the pool was closed.
                await self._runs.release(claimed.claim)
                return
            self._underway[task] = underway = self._begin(claimed, began_ns)
            await underway.work()
        except (OperatorError, StaleClaim) as error:
            # The run is taken over when its lease runs out, or was already.
            logger.warning("worker %s: run %s: %s", self.name, claimed.claim.run_id, error)
        except Exception:
            logger.exception("worker %s: run %s could not be worked", self.name, claimed.claim.run_id)

    def _kept(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._underway.pop(task, None)
        self._free()

    def _free(self) -> None:
        self._room += 1
        self._freed.set()


async def _within(wanted: Awaitable[object], seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await wanted


class _Pause:
    """Growing, jittered pauses between attempts to reach Redis."""

    def __init__(self) -> None:
        self._seconds = 0.1

    def reset(self) -> None:
        self._seconds = 0.1

    async def take(self) -> None:
        await asyncio.sleep(self._seconds * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, no secret
        self._seconds = min(self._seconds * 2, _LONGEST_PAUSE_S)
