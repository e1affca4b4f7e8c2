"""The heart of a worker process: an OS thread that beats for every run the process holds.

A thread of its own, with a loop and a connection of its own, so that a graph which blocks the process' event loop
neither looks dead nor goes unnoticed: leases are extended all the same, and the block is told with the stack that
causes it. (A C extension that never lets go of the interpreter's lock stops this thread, too; then the lease runs out.)
"""

from __future__ import annotations

import asyncio
import logging
import random
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from motet.errors import OperatorError, StaleClaim
from motet.memory.ports import CancelAction, Claim, Json, RunLifecycle

logger = logging.getLogger(__name__)

_LAG_EVERY_S = 0.25
_LAG_TOLD_S = 1.0
"""A loop that doesn't answer for so long is told, and again whenever the time has doubled."""

_HEAR_S = 5.0
_PAUSE_S = 0.5
_SIGNALS = 100


class Held(Protocol):
    """A run that this process works on. The last three are called on the loop that works it."""

    @property
    def claim(self) -> Claim:
        """The right to write for it."""
        ...

    def spent(self) -> Json:
        """What it spent of its budget so far. Called from the beating thread."""
        ...

    def cancel(self, action: CancelAction) -> None:
        """Someone wants it to end."""
        ...

    def lose(self) -> None:
        """Another worker owns it now: nothing more may be written."""
        ...

    def silent(self) -> None:
        """Redis has said nothing of it for a lease: another worker may own it as soon as Redis answers."""
        ...


@dataclass(slots=True)
class _Known:
    """What is known of a run that is held. Written by the beating thread alone: the other one adds and removes it."""

    ours_at: float
    """When it was last known to be ours, by the monotonic clock."""


class Beats:
    """Beats for runs from entering to leaving the context; enter it on the loop that works the runs."""

    def __init__(
        self,
        open_runs: Callable[[], AbstractAsyncContextManager[RunLifecycle]],
        *,
        heartbeat_s: float,
        lease_s: float,
        lagged: Callable[[float], None],
    ) -> None:
        """`open_runs` connects anew, on the thread's own loop; `lagged` is told how long the working loop slept."""
        self._open_runs = open_runs
        self._heartbeat_s = heartbeat_s
        self._lease_s = lease_s
        self._lagged = lagged
        self._held: dict[Held, _Known] = {}
        self._thread = threading.Thread(target=self._run, name="motet-beats", daemon=True)
        self._ready: asyncio.Future[None]
        self._working: asyncio.AbstractEventLoop
        self._own: asyncio.AbstractEventLoop
        self._wake = asyncio.Event()
        self._ending = asyncio.Event()
        self._watched = 0
        self._after = "$"
        """The last signal that was heard."""
        self._signals: deque[str] = deque(maxlen=_SIGNALS)
        """The runs of the last signals: one may be older than what it is for."""

    async def __aenter__(self) -> Self:
        """Raises what connecting raises."""
        self._working, self._own = asyncio.get_running_loop(), asyncio.new_event_loop()
        self._watched = threading.get_ident()
        self._ready = self._working.create_future()
        self._thread.start()
        try:
            await self._ready
        except BaseException:
            self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        await asyncio.to_thread(self._thread.join, _HEAR_S)

    @contextmanager
    def holding(self, held: Held) -> Generator[None]:
        """Beat for `held` inside the context."""
        self._held[held] = _Known(time.monotonic())
        if self.heard(held.claim.run_id):
            self._own.call_soon_threadsafe(self._wake.set)
        try:
            yield
        finally:
            self._held.pop(held, None)

    def heard(self, run_id: str) -> bool:
        """Whether the run was signalled lately."""
        return run_id in self._signals

    def _end(self) -> None:
        with suppress(RuntimeError):  # it could not begin, and its loop is closed
            self._own.call_soon_threadsafe(self._ending.set)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._own) as runner:
            runner.run(self._main())

    async def _main(self) -> None:
        try:
            async with self._open_runs() as runs:
                await self._listen(runs)
                self._began(None)
                turns = (lambda: self._beat(runs), lambda: self._hear(runs), self._watch)
                tasks = [asyncio.create_task(self._ever(turn)) for turn in turns]
                await self._ending.wait()
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        except Exception as error:
            logger.debug("beats ended", exc_info=error)
            self._began(error)

    def _began(self, error: Exception | None) -> None:
        """Tell whoever waits for the thread that it beats, or why it can't."""

        def tell() -> None:
            if not self._ready.done():
                self._ready.set_result(None) if error is None else self._ready.set_exception(error)

        with suppress(RuntimeError):  # nobody waits any more
            self._working.call_soon_threadsafe(tell)

    async def _beat(self, runs: RunLifecycle) -> None:
        await _either(self._wake.wait(), self._heartbeat_s)
        self._wake.clear()
        # At once: one that gets no answer mustn't hold up the others.
        await asyncio.gather(*(self._beat_for(runs, held) for held in list(self._held)))

    async def _beat_for(self, runs: RunLifecycle, held: Held) -> None:
        known = self._held.get(held)
        if known is None:
            return
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._heartbeat_s):
                cancel = await runs.beat(held.claim, held.spent())
        except StaleClaim:
            self._tell(held, held.lose)
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends in a beat or in the loss of the run
            logger.warning("no beat for run %s: %s", held.claim.run_id, str(error) or "no answer")
            if time.monotonic() - known.ours_at > self._lease_s:
                # Whoever sweeps may give the run away: what this process still did would be refused then.
                self._tell(held, held.silent)
            self._own.call_later(_jittered(_PAUSE_S), self._wake.set)
            return
        known.ours_at = began
        if cancel is not None:
            self._tell(held, lambda: held.cancel(cancel))

    def _tell(self, held: Held, call: Callable[[], None]) -> None:
        if held in self._held:
            self._working.call_soon_threadsafe(call)

    async def _listen(self, runs: RunLifecycle) -> None:
        """Hear what is signalled from now on. Where that can't be told now, the turns ask again."""
        try:
            await self._hear(runs)
        except Exception:
            logger.exception("beats: where signals end can't be read")

    async def _hear(self, runs: RunLifecycle) -> None:
        """Signals only hasten the next beat: a lost one costs the time until that."""
        try:
            self._after, run_ids = await runs.signalled(self._after, _HEAR_S)
        except OperatorError:
            await asyncio.sleep(_jittered(_PAUSE_S))
            return
        self._signals.extend(run_ids)
        if any(held.claim.run_id in run_ids for held in list(self._held)):
            self._wake.set()

    async def _ever(self, turn: Callable[[], Awaitable[None]]) -> None:
        """Take turns to the end, whatever goes wrong in one: without beats, every run would be taken from here."""
        while not self._ending.is_set():  # a turn may end in the moment in which it is cancelled
            try:
                await turn()
            except Exception:
                logger.exception("beats: a turn failed")
                await asyncio.sleep(_HEAR_S)

    async def _watch(self) -> None:
        await asyncio.sleep(_LAG_EVERY_S)
        asked, answered = time.monotonic(), asyncio.Event()
        self._working.call_soon_threadsafe(self._own.call_soon_threadsafe, answered.set)
        told_at = _LAG_TOLD_S
        while not await _either(answered.wait(), _LAG_EVERY_S):
            if (lag := time.monotonic() - asked) > told_at:
                self._lagged(lag)
                logger.warning(
                    "the event loop has been blocked for %.1f s, and every run of this process with it, by:\n%s",
                    lag, _stack(self._watched),
                )  # fmt: skip
                told_at *= 2
        self._lagged(time.monotonic() - asked)


async def _either(wanted: Awaitable[object], seconds: float) -> bool:
    """Whether `wanted` came within `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            await wanted
    except TimeoutError:
        return False
    return True


def _stack(thread: int) -> str:
    frame = sys._current_frames().get(thread)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # its documented name
    return "".join(traceback.format_stack(frame)[-6:]) if frame else ""


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, no secret
