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

_LAST_WORDS_S = 1.0

_PATH = tuple(sys.path)
"""Where modules are looked for, as it is before a test loads a project into this process."""


class _Reader(asyncio.StreamReaderProtocol):
    """The reading end of a pipe."""

    def __init__(self) -> None:
        self.words = asyncio.StreamReader()
        super().__init__(self.words)
        self._pipe: asyncio.BaseTransport | None = None
        self._ended = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._pipe = transport

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._ended.set()

    async def close(self) -> None:
        """Close it, once all is read; what a process of its own keeps open for longer isn't waited for."""
        assert self._pipe is not None
        try:
            await asyncio.wait_for(self._ended.wait(), _LAST_WORDS_S)
        except TimeoutError:
            self._pipe.close()
            await self._ended.wait()


class Process:
    """What the tests use of `asyncio.subprocess.Process`, of a process that was forked."""

    def __init__(self, forked: BaseProcess, readers: Mapping[int, _Reader] | None = None) -> None:
        """`readers`: what reads its standard streams that are pipes of ours."""
        assert forked.pid is not None
        self.pid = forked.pid
        self._readers = readers or {}
        self.stdout = self._readers[1].words if 1 in self._readers else None
        self.stderr = self._readers[2].words if 2 in self._readers else None
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
        """The exit code, once it has ended; its pipes are closed then."""
        await self._over.wait()
        for reader in self._readers.values():
            await reader.close()
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
    readers: dict[int, _Reader] = {}

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
    return Process(forked, readers)


async def run(program: str, *arguments: str) -> int:
    """The exit code of `python -c PROGRAM ARGUMENTS`, which reads nothing and writes where this process does."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    try:
        forked = await asyncio.to_thread(_fork, arguments, os.environ, [nothing, 1, 2], program)
    finally:
        os.close(nothing)
    return await Process(forked).wait()


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


async def _reading(pipe: int) -> _Reader:
    reader = _Reader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: reader, os.fdopen(pipe, "rb", buffering=0))
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
