"""A person at a terminal: runs `motet …` on a pseudo-terminal, reads its screen, types."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import signal
import struct
import sys
import termios
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from tests import warm
from tests.support import wait_until

_CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|[\x01\x02\x07]")
_ROWS, _COLUMNS = 50, 100
_FRESH = ("env", "--default-signal=INT", sys.executable, "-m", "motet.server")
"""A terminal's programs hear Ctrl-C; those of a job in the background, as which tests may run, are born deaf to it."""

Process = asyncio.subprocess.Process | warm.Process


class Person:
    """Sees what the command wrote and types lines to it."""

    def __init__(self, process: Process, terminal: int) -> None:
        self.process = process
        self._terminal = terminal
        self._raw = bytearray()
        self._read = 0

    @property
    def screen(self) -> str:
        """All that was written so far, without colours."""
        return _CONTROLS.sub("", self._raw.decode(errors="replace")).replace("\r", "")

    async def sees(self, text: str) -> None:
        """Wait until `text` appears after what was seen before."""
        try:
            await wait_until(lambda: text in self.screen[self._read :], description=f"{text!r} is seen", timeout_s=30)
        except AssertionError as error:
            raise AssertionError(f"{error}; the screen shows: {self.screen[self._read :][-1500:]}") from None
        self._read = self.screen.index(text, self._read) + len(text)

    def types(self, line: str) -> None:
        """Type a line and Enter."""
        os.write(self._terminal, f"{line}\n".encode())

    def presses_ctrl_c(self) -> None:
        """Interrupt the whole process group, as a terminal does."""
        os.killpg(self.process.pid, signal.SIGINT)

    async def leaves(self) -> int:
        """Wait for the command's end; its exit code."""
        return await asyncio.wait_for(self.process.wait(), 30)

    def reads(self) -> None:
        """Take what the terminal has."""
        try:
            self._raw += os.read(self._terminal, 65_536)
        except OSError:
            asyncio.get_running_loop().remove_reader(self._terminal)


@asynccontextmanager
async def at_terminal(*arguments: str, env: Mapping[str, str], fresh: bool = False) -> AsyncGenerator[Person]:
    """Run `motet ARGUMENTS` on a terminal of its own; killed at the end if it still runs.

    `fresh`: in a Python of its own, as a person does.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
    env = {**env, "TERM": "xterm-256color"}
    if fresh:
        process = await asyncio.create_subprocess_exec(
            *_FRESH, *arguments, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
    else:
        process = await warm.start(arguments, env, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    person = Person(process, ours)
    asyncio.get_running_loop().add_reader(ours, person.reads)
    try:
        yield person
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        asyncio.get_running_loop().remove_reader(ours)
        os.close(ours)


async def without_terminal(
    *arguments: str, env: Mapping[str, str], timeout_s: float = 40, fresh: bool = False
) -> tuple[int, str, str]:
    """Run `motet ARGUMENTS` with nobody at the terminal: exit code, output, errors. `fresh`: as `at_terminal`."""
    if fresh:
        process = await asyncio.create_subprocess_exec(
            *_FRESH, *arguments, env=env, stdin=DEVNULL, stdout=PIPE, stderr=PIPE
        )
    else:
        process = await warm.start(arguments, env, stdout=PIPE, stderr=PIPE)
    try:
        said, complained = await asyncio.wait_for(process.communicate(), timeout_s)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, said.decode(), complained.decode()
