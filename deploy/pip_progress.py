"""Follow a `pip install` and show it as one line that moves: on a terminal in place, elsewhere every few seconds."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

TAIL_LINES = 12
REDRAW_S = 0.2
REPEAT_S = 5.0
ROUTINE = ("Collecting", "Downloading", "Looking in", "Processing", "Using cached", "Requirement already", "Ignoring")
"""How lines begin that explain no failure."""


def watch(command: list[str], *, cwd: Path, env: dict[str, str], expected: int, log: TextIO) -> tuple[int, list[str]]:
    """Run pip (with `--progress-bar raw`) to its end; its exit code and its last lines that may explain a failure.

    `expected` is the number of packages the lock names. All of pip's output goes to `log`.
    """
    progress = ProgressLine(expected)
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    with subprocess.Popen(command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as pip:
        assert pip.stdout is not None
        for said in lines(pip.stdout.fileno(), progress.draw):
            if progress.read(said):
                continue
            log.write(said + "\n")
            if not said.startswith(ROUTINE):
                tail.append(said)
    progress.close()
    return pip.returncode, list(tail)


def lines(descriptor: int, idle: Callable[[], None]) -> Iterator[str]:
    """The lines that arrive on a pipe, until its end; `idle` is called between them, at least each `REDRAW_S`."""
    rest = b""
    while True:
        idle()
        if not select.select([descriptor], [], [], REDRAW_S)[0]:
            continue
        chunk = os.read(descriptor, 65536)
        if not chunk:
            return
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line.decode("utf-8", "replace").strip() for line in whole)


class ProgressLine:
    """What pip is doing, in a few words."""

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self._started = time.monotonic()
        self._seen = 0
        self._name = ""
        self._doing = "starting pip"
        self._terminal = sys.stdout.isatty()
        self._drawn_at = 0.0

    def read(self, said: str) -> bool:
        """Take note of a line of pip's; True if it was nothing but a step of a download."""
        if step := re.fullmatch(r"Progress (\d+) of (\d+)", said):
            done, whole = (int(number) / 1e6 for number in step.groups())
            if whole >= 1:
                self._doing = f"{self._name} {done:.0f} of {whole:.0f} MB"
            return True
        if step := re.match(r"(?:Collecting|Requirement already satisfied:) ([\w.-]+)", said):
            self._seen += 1
            self._name = self._doing = step[1]
        elif said.startswith("Installing collected packages"):
            self._doing = "unpacking"
        elif said.startswith("WARNING: Retrying"):
            self._doing = f"{self._name}: no answer from the package index, trying again"
        return False

    def draw(self) -> None:
        """Show the state, if it is time to."""
        now = time.monotonic()
        if now - self._drawn_at < (REDRAW_S if self._terminal else REPEAT_S):
            return
        self._drawn_at = now
        text = f"   {now - self._started:4.0f} s  {self._seen} of {self._expected} packages, {self._doing}"
        print(f"\r{text[:100]}\x1b[K" if self._terminal else text, end="" if self._terminal else "\n", flush=True)

    def close(self) -> None:
        """Leave the line as it is and go to the next."""
        if self._terminal:
            print(flush=True)
