"""A process that does nothing but fork: its children start with everything imported, and nothing running.

A process with an event loop, threads and connections can't be forked safely, so this one is made before there is any.
Memory is shared until somebody writes to it, and imports that take seconds aren't paid again.

It ends when the other end of its socket is closed, and kills its children first. Where the kernel can be asked for it
(Linux), each process is also killed with its parent, whatever it is doing.

On the socket, a line each: `N work JSON` and `N signal NUMBER` from the parent, `N started PID`, `N ended CODE`
(negative: a signal) and `N failed REASON` back. N is the parent's number for a piece of work.
"""

from __future__ import annotations

import ctypes
import gc
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

Work = Callable[[bytes], int]
"""What a child does with the JSON it was sent; its exit code."""

_CHUNK = 65_536
_CRASHED = 1
_PR_SET_PDEATHSIG = 1
_OF_A_GROUP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""A terminal, or an init system, sends them to every process; the parent ends the zygote in time."""
_FIRST_TO_GO = "500"
"""To the kernel that needs memory, a child looks as if it took half of the machine more than it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Zygote:
    """The parent's end."""

    pid: int
    connection: socket.socket


def start(work: Work) -> Zygote:
    """Fork the zygote, whose children do `work`.

    To be called in the main thread, when what `work` needs is imported and this process has neither an event loop nor
    a thread nor a connection yet.
    """
    ours, theirs = socket.socketpair()
    parent = os.getpid()
    pid = os.fork()
    if not pid:
        ours.close()
        _end_with(lambda: _Forking(theirs, work).serve(parent))
    theirs.close()
    return Zygote(pid=pid, connection=ours)


def _end_with(life: Callable[[], int]) -> NoReturn:
    """End this process with what `life` returns; nothing of the process it was forked from is run or closed."""
    code = _CRASHED
    try:
        code = life()
    except BaseException:  # noqa: BLE001 - nobody is left to catch it: it is shown, and the process ends
        traceback.print_exc()
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _die_with(parent: int) -> None:
    """Be killed when the parent ends; end now if it has."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(_CRASHED)


class _Forking:
    """The zygote's life."""

    def __init__(self, connection: socket.socket, work: Work) -> None:
        self._connection = connection
        self._work = work
        self._numbers: dict[int, int] = {}
        """Of the children that live, by process id."""
        self._unread = b""

    def serve(self, parent: int) -> int:
        _die_with(parent)
        for number in _OF_A_GROUP:
            signal.signal(number, signal.SIG_IGN)
        woken, waking = os.pipe()
        for end in (woken, waking):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        gc.freeze()
        with selectors.DefaultSelector() as ready:
            ready.register(self._connection, selectors.EVENT_READ)
            ready.register(woken, selectors.EVENT_READ)
            while True:
                for key, _ in ready.select():
                    if key.fd == woken:
                        with suppress(BlockingIOError):
                            os.read(woken, _CHUNK)
                    elif not self._read():
                        return self._end()
                self._reap()

    def _read(self) -> bool:
        """Do what the parent asks; False once it is gone."""
        try:
            chunk = self._connection.recv(_CHUNK)
        except ConnectionError:
            chunk = b""
        *lines, self._unread = (self._unread + chunk).split(b"\n")
        for line in lines:
            number, verb, told = line.split(b" ", 2)
            if verb == b"work":
                self._fork(int(number), told)
            else:
                self._signal(int(number), int(told))
        return bool(chunk)

    def _fork(self, number: int, told: bytes) -> None:
        zygote = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            self._say(number, f"failed {error.strerror}")
            return
        if not pid:
            _end_with(lambda: self._live(zygote, told))
        self._numbers[pid] = number
        self._say(number, f"started {pid}")

    def _live(self, zygote: int, told: bytes) -> int:
        """A child's life. In a session of its own: no terminal's signals, and whatever it starts can be found."""
        _die_with(zygote)
        self._connection.close()
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, *_OF_A_GROUP):
            signal.signal(number, signal.SIG_DFL)
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO, encoding="ascii")
        return self._work(told)

    def _signal(self, number: int, which: int) -> None:
        """To the child alone, which ends in order; SIGKILL to all that it started, too."""
        for pid, own in self._numbers.items():
            if own == number:
                with suppress(ProcessLookupError):
                    (os.killpg if which == signal.SIGKILL else os.kill)(pid, which)

    def _reap(self) -> None:
        while self._numbers:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            self._say(self._numbers.pop(pid), f"ended {os.waitstatus_to_exitcode(status)}")

    def _end(self) -> int:
        for number in [*self._numbers.values()]:
            self._signal(number, signal.SIGKILL)
        return 0

    def _say(self, number: int, words: str) -> None:
        # A parent that is gone is seen at the next read.
        with suppress(ConnectionError):
            self._connection.sendall(f"{number} {words}\n".encode())
