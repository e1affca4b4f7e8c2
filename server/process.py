"""The process of a server or worker: an event loop, and an end that nothing can hold up."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
import threading
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from typing import Any

import uvloop

logger = logging.getLogger(__name__)

LEFT_OVER_S = 2.0
"""How long a graph may go on after everything was closed, in a thread or a task that doesn't listen."""


_NEW_OBJECTS = 5_000
"""So many more than were let go are looked through for garbage: some forty runs leave them. By Python's own 700, it is
one search for each six runs, and a hundredth of a run's time."""


@contextmanager
def settled() -> Generator[None]:
    """Inside, what was imported and made before is left out of every search for garbage: it stays anyway.

    A full search through it takes up to 0.1 s, in which no request is answered. What is new is searched less often
    than Python would.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run `main` to its end, and raise what it raises. What a graph still does then is cut off with the process."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = 1
        try:
            runner.run(main)
            code = 0
        finally:
            last = threading.Timer(LEFT_OVER_S, _cut_off, (code,))
            last.daemon = True
            last.start()


def _cut_off(code: int) -> None:
    logger.warning("a graph still works in a thread, or ignores that it was cancelled; it is cut off")
    sys.stdout.flush()
    os._exit(code)
