"""A `motet serve` of a command's own, for as long as the command lasts."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Self

import typer

from motet.server.cli.serve import PROGRESS

_READY = "Motet listens on "
_STOP_S = 20.0
_LAST_WORDS_S = 1.0
"""So long after its end, its last words are waited for: what it started and left may hold its pipes open for ever."""
_LOOK_S = 0.02
_KEPT_LINES = 20


class OwnServer:
    """The child process; `start` it, speak to `url`, `stop` it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.url = ""
        self.told: list[str] = []
        """What it said before it was ready: its model, its assistants, files it left out."""
        self._process = process
        self._complained = deque[str](maxlen=_KEPT_LINES)
        self._draining: list[asyncio.Task[None]] = []

    @classmethod
    async def start(cls, *, workspace: Path | None, config: Path | None, doing: Callable[[str], None]) -> Self:
        """Start it on a free loopback port and wait until it takes requests; `doing` is told what that waits for.

        It has a session of its own, so Ctrl-C in the terminal doesn't reach it; and it ends when this process does,
        however that happens.

        Raises:
            typer.Exit: it ended instead, with its exit code; its words have been passed on.
        """
        options = [
            *(("--workspace", str(workspace)) if workspace else ()),
            *(("--config", str(config)) if config else ()),
        ]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "motet.server.terminal.attended", "--port", "0"),
            *options,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        server = cls(process)
        try:
            await server._wait_until_ready(doing)
        except BaseException:
            await server.stop()
            raise
        return server

    async def stop(self) -> None:
        """End it: politely, and after 20 seconds for good."""
        if self._process.returncode is None:
            self._process.terminate()
            try:
                async with asyncio.timeout(_STOP_S):
                    await self._ended()
            except TimeoutError:
                self._process.kill()
                await self._ended()
        await self._drained()

    async def _wait_until_ready(self, doing: Callable[[str], None]) -> None:
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._draining.append(asyncio.create_task(_drain(self._process.stderr, self._complained)))
        while line := (await self._process.stdout.readline()).decode(errors="replace"):
            if line.startswith(_READY):
                self.url = line.removeprefix(_READY).strip()
                self._draining.append(asyncio.create_task(_drain(self._process.stdout, deque(maxlen=1))))
                return
            if line.startswith(PROGRESS):
                doing(line.removeprefix(PROGRESS).strip())
            else:
                self.told.append(line.rstrip())
        code = await self._ended()
        await self._drained()
        for said in self._complained:
            typer.echo(said, err=True)
        raise typer.Exit(code or 1)

    async def _ended(self) -> int:
        """Wait for its end, and not for that of its pipes, as `Process.wait` does before Python 3.13; its exit code."""
        while (code := self._process.returncode) is None:  # noqa: ASYNC110 - nothing else tells it
            await asyncio.sleep(_LOOK_S)
        return code

    async def _drained(self) -> None:
        """Wait for its last words, and close its pipes."""
        if self._draining:
            await asyncio.wait(self._draining, timeout=_LAST_WORDS_S)
        for one in self._draining:
            one.cancel()
        await asyncio.gather(*self._draining, return_exceptions=True)
        self._process._transport.close()  # noqa: SLF001  # pyright: ignore[reportAttributeAccessIssue]  # no other way


async def _drain(pipe: asyncio.StreamReader, lines: deque[str]) -> None:
    """Read to the end, so that the child never waits for a reader; keep the last lines."""
    while line := await pipe.readline():
        lines.append(line.decode(errors="replace").rstrip())
