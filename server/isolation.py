"""Runs that lost a worker are worked in a process each, where all that they can end is their own attempt.

See `docs/design/0010-poison-runs.md`.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from motet.errors import OperatorError, StaleClaim
from motet.memory.ports import Claim, Claimed, RunLifecycle
from motet.server.claimed_json import claimed_to_json
from motet.server.zygote import Zygote

logger = logging.getLogger(__name__)

DRAIN = signal.SIGTERM
"""Asks a child to give its run back at the next superstep."""
LEAVE = signal.SIGINT
"""Asks it to give the run back now."""

LEAVE_S = 8.0
"""How long that may take before the child is killed."""

_STARTING_S = 60.0
"""What a child may take beside its run: it connects, and loads the project."""

_GONE = "gone"
_LATE = "late"
_GUESSES = {"SIGKILL": " (out of memory?)", "SIGSEGV": " (endless recursion?)"}


@dataclass(slots=True)
class _Child:
    """A process that works a run."""

    claim: Claim
    end: asyncio.Future[str]
    """How it ended, in the zygote's words, or one of the two above."""
    leaving: bool = False
    """It was asked to give the run back."""


class Isolation:
    """What works claimed runs in children of a zygote."""

    def __init__(
        self, writer: asyncio.StreamWriter, runs: RunLifecycle, *, heartbeat_s: float, longest_s: float
    ) -> None:
        """`writer`: to the zygote. `longest_s`: what a run may take; its process may take a minute more."""
        self._writer = writer
        self._runs = runs
        self._heartbeat_s = heartbeat_s
        self._longest_s = longest_s + _STARTING_S
        self._numbers = itertools.count(1)
        self._children: dict[int, _Child] = {}
        self._gone = False

    async def work(self, claimed: Claimed) -> bool:
        """Have a child work the run, and take the run from it if it ends without having ended the run.

        Cancelled, it has the child give the run back at once, and ends when the child has ended, or was killed.

        Returns False, with nothing done, where there can be no child: the zygote ended, which can't be started again
        in a process with threads, or the machine has no room for another process. The caller works the run itself.

        Raises:
            StoreUnavailable: Redis went away; the run stays as it is and is taken over later.
        """
        claim = claimed.claim
        if self._gone:
            logger.warning("run %s is worked beside others: the process that forks has ended", claim.run_id)
            return False
        number = next(self._numbers)
        child = self._children[number] = _Child(claim, asyncio.get_running_loop().create_future())
        # Until the child has loaded all that it needs, nobody but its parent beats.
        beating = asyncio.create_task(self._beat(claim))
        try:
            self._writer.write(b"%d work %b\n" % (number, claimed_to_json(claimed)))
            how = await self._until(number, child)
            if how.startswith("failed"):
                logger.warning("run %s is worked beside others: no process for it: %s", claim.run_id, how)
                return False
            await self._take_back(child, how)
        except asyncio.CancelledError:
            await self._leave(number, child)
            raise
        finally:
            beating.cancel()
            del self._children[number]
        return True

    def drain(self, claim: Claim) -> None:
        """Have the child that works the run, if there is one, give it back at the next superstep."""
        for number, child in self._children.items():
            if child.claim == claim:
                child.leaving = True
                self._signal(number, DRAIN)

    async def listen(self, reader: asyncio.StreamReader) -> None:
        """Hear how children end, until the zygote does; then all of them have."""
        try:
            async for line in reader:
                number, _, words = line.decode().rstrip().partition(" ")
                child = self._children.get(int(number))
                if child is not None and not child.end.done() and not words.startswith("started"):
                    child.end.set_result(words)
        finally:
            self._gone = True
            for child in self._children.values():
                if not child.end.done():
                    child.end.set_result(_GONE)

    async def _until(self, number: int, child: _Child) -> str:
        await asyncio.wait({child.end}, timeout=self._longest_s)
        if child.end.done():
            return child.end.result()
        self._signal(number, signal.SIGKILL)
        await child.end
        return _LATE

    async def _take_back(self, child: _Child, how: str) -> None:
        """Take the run from a child that ended, unless it ended the run, or gave it back."""
        with suppress(StaleClaim):
            if child.leaving:
                await self._runs.release(child.claim)
            else:
                await self._runs.lose(child.claim, _reason(how))
                logger.warning("run %s: %s", child.claim.run_id, _reason(how))

    async def _leave(self, number: int, child: _Child) -> None:
        child.leaving = True
        self._signal(number, LEAVE)
        try:
            await asyncio.wait({child.end}, timeout=LEAVE_S)
        finally:
            if not child.end.done():
                self._signal(number, signal.SIGKILL)
        await self._take_back(child, await child.end)

    async def _beat(self, claim: Claim) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_s)
            try:
                await self._runs.beat(claim)
            except StaleClaim:
                return  # the child sees it too
            except OperatorError as error:
                logger.warning("run %s: %s", claim.run_id, error)

    def _signal(self, number: int, which: signal.Signals) -> None:
        self._writer.write(b"%d signal %d\n" % (number, which))


@asynccontextmanager
async def isolating(
    zygote: Zygote, runs: RunLifecycle, *, heartbeat_s: float, longest_s: float
) -> AsyncGenerator[Isolation]:
    """Isolation by this zygote, which ends with the context, and its children with it."""
    reader, writer = await asyncio.open_connection(sock=zygote.connection)
    isolation = Isolation(writer, runs, heartbeat_s=heartbeat_s, longest_s=longest_s)
    listening = asyncio.create_task(_listen(isolation, reader, writer, zygote.pid))
    try:
        yield isolation
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        if not writer.is_closing():
            await _let_go(writer, zygote.pid)


async def _listen(
    isolation: Isolation, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, zygote: int
) -> None:
    await isolation.listen(reader)
    await _let_go(writer, zygote)


async def _let_go(writer: asyncio.StreamWriter, zygote: int) -> None:
    """The zygote has ended, or ends now; it is waited for, so that no trace of it is left."""
    writer.close()
    await asyncio.to_thread(os.waitpid, zygote, 0)


def _reason(how: str) -> str:
    """What is told of a run whose process ended before it did."""
    if how == _LATE:
        return "its process didn't end in time, and was killed"
    if how == _GONE:
        return "its process was killed with the one it was forked from"
    code = int(how.removeprefix("ended "))
    if code >= 0:
        return f"its process ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:  # a real-time signal
        name = f"signal {-code}"
    return f"its process was killed by {name}{_GUESSES.get(name, '')}"
