"""`motet` processes that start in a blink: forked from a process that has imported everything once.

A fresh Python needs 2 to 4 s of CPU for the imports, and the tests start hundreds of processes. The standard library's
fork server is used: it forks from a process without threads, reaps, and hands back exit codes; a server of our own
would have to do the same three things. It lives as long as the process that first asked it.

What differs from `python -m motet.server`: modules are there before they are asked for, and nothing registered with
`atexit` runs. So each command is also started fresh by some test.
"""

from __future__ import annotations

import asyncio
import io
import multiprocessing
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any, TextIO

_STANDARD = (0, 1, 2)

_PATH = tuple(sys.path)
"""Where modules are looked for, as it is before a test loads a project into this process."""


class Process:
    """What the tests use of `asyncio.subprocess.Process`, of a process that was forked."""

    def __init__(
        self, forked: BaseProcess, stdout: asyncio.StreamReader | None, stderr: asyncio.StreamReader | None
    ) -> None:
        """`stdout`, `stderr`: where the process writes, if that is a pipe of ours."""
        assert forked.pid is not None
        self.pid = forked.pid
        self.stdout = stdout
        self.stderr = stderr
        self._forked = forked
        self._over = asyncio.Event()
        asyncio.get_running_loop().add_reader(forked.sentinel, self._end)

    @property
    def returncode(self) -> int | None:
        """None while it lives; negative for a signal."""
        return self._forked.exitcode

    def send_signal(self, number: int) -> None:
        """To the process alone; nothing where it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    async def wait(self) -> int:
        """The exit code, once it has ended."""
        await self._over.wait()
        assert self.returncode is not None
        return self.returncode

    async def communicate(self) -> tuple[bytes, bytes]:
        """All it writes to its pipes until it has ended."""
        said, complained, _ = await asyncio.gather(_read(self.stdout), _read(self.stderr), self.wait())
        return said, complained

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._forked.sentinel)
        self._over.set()


async def start(
    arguments: Sequence[str], env: Mapping[str, str], *, stdin: int = DEVNULL, stdout: int = PIPE, stderr: int = STDOUT
) -> Process:
    """Run `motet ARGUMENTS` in a session of its own; what isn't given is as for a process of asyncio's."""
    opened: list[int] = []
    readers: dict[int, asyncio.StreamReader] = {}

    async def end_of(given: int, number: int) -> int:
        if given == PIPE:
            ours, theirs = os.pipe()
            readers[number] = await _reading(ours)
        elif given == DEVNULL:
            theirs = os.open(os.devnull, os.O_RDWR)
        else:
            return given
        opened.append(theirs)
        return theirs

    try:
        ends = [await end_of(given, number) for given, number in ((stdin, 0), (stdout, 1))]
        ends.append(ends[1] if stderr == STDOUT else await end_of(stderr, 2))
        forked = await asyncio.to_thread(_fork, arguments, env, ends)
    finally:
        for end in opened:
            os.close(end)
    return Process(forked, readers.get(1), readers.get(2))


async def run(program: str, *arguments: str) -> int:
    """The exit code of `python -c PROGRAM ARGUMENTS`, which reads nothing and writes where this process does."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    try:
        forked = await asyncio.to_thread(_fork, arguments, os.environ, [nothing, 1, 2], program)
    finally:
        os.close(nothing)
    return await Process(forked, None, None).wait()


def start_logged(arguments: Sequence[str], env: Mapping[str, str], log: Path) -> BaseProcess:
    """Run `motet ARGUMENTS` in a session of its own, its outputs added to `log`. Blocks, the first time for seconds."""
    with log.open("ab") as output, Path(os.devnull).open("rb") as nothing:
        return _fork(arguments, env, [nothing.fileno(), output.fileno(), output.fileno()])


def _fork(arguments: Sequence[str], env: Mapping[str, str], ends: Sequence[int], program: str = "") -> BaseProcess:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.preloaded"])
    sent = [_Sent(end) for end in ends]
    process = context.Process(target=_run, args=(list(arguments), dict(env), sent, _PATH, program))
    process.start()
    return process


async def _reading(pipe: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(pipe, "rb", buffering=0)
    )
    return reader


async def _read(reader: asyncio.StreamReader | None) -> bytes:
    return b"" if reader is None else await reader.read()


class _Sent:
    """A file descriptor that is duplicated into the new process."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __getstate__(self) -> Any:
        return DupFd(self._number)

    def __setstate__(self, sent: Any) -> None:
        self._number = sent.detach()

    def becomes(self, number: int) -> None:
        os.dup2(self._number, number)
        os.close(self._number)


def _run(arguments: list[str], env: dict[str, str], ends: list[_Sent], path: Sequence[str], program: str) -> None:
    os.setsid()
    # A job in the background, as which tests may run, is born deaf to Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(env)
    for end, number in zip(ends, _STANDARD, strict=True):
        end.becomes(number)
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False))
    sys.stdout, sys.stderr = _unbuffered(1, sys.stdout), _unbuffered(2, sys.stderr)
    sys.argv, sys.path = ["motet", *arguments], [*path]
    if program:
        exec(compile(program, "<program>", "exec", dont_inherit=True), {"__name__": "__main__"})  # noqa: S102 - a test's own
        return
    from motet.server.__main__ import main  # noqa: PLC0415 - in the forked process, not in the test's

    main()


def _unbuffered(number: int, before: TextIO) -> io.TextIOWrapper:
    """As under PYTHONUNBUFFERED; text is encoded as it was before."""
    output = io.FileIO(number, "w", closefd=False)
    return io.TextIOWrapper(
        output, encoding=before.encoding, errors=before.errors, line_buffering=True, write_through=True
    )
