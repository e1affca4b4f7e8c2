"""Servers and workers that start in a blink: forked from a process that has imported everything once.

A fresh Python needs 3 s of CPU for the imports, and a long run kills hundreds of processes. The standard library's
fork server is used: it forks from a process without threads, reaps, and hands back exit codes; a server of our own
would have to do the same three things. It lives as long as the process that first asked it.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path


def start(arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> BaseProcess:
    """Run `motet ARGUMENTS` in a session of its own, its outputs added to `log`. Blocks, the first time for seconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.chaos.preloaded"])
    process = context.Process(target=_run, args=(list(arguments), dict(environment), str(log)))
    process.start()
    return process


def _run(arguments: list[str], environment: dict[str, str], log: str) -> None:
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    sys.argv = ["motet", *arguments]
    from motet.server.__main__ import main  # noqa: PLC0415 - in the forked process, not in the test's

    main()
