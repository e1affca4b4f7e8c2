"""A process that is told to end does: in order, whenever it is told, and in bounded time."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

logger = logging.getLogger(__name__)

CLOSING_S = 60.0
"""What may pass after the time that runs have to end: they are given back, and everything is closed."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

End = Callable[[], object]
"""Has the block come to its end."""


@contextmanager
def ended_by_signal(within_s: float) -> Generator[Callable[[End], None]]:
    """SIGTERM or Ctrl-C cancels the block, or calls what it gave to what is yielded; a second one ends the process.

    A block that hasn't ended `within_s` seconds after the signal is cut off with the process, exit code 1, and the log
    says where each task waits. Its runs go on elsewhere when their leases are over.
    """
    loop, task, asked = asyncio.get_running_loop(), asyncio.current_task(), False
    assert task is not None, "called within a task"
    late = threading.Timer(within_s, _cut_off, (loop, within_s))
    late.daemon = True

    def cancel() -> None:
        nonlocal asked
        asked = True
        task.cancel()

    end: End = cancel

    def by(given: End) -> None:
        nonlocal end
        end = given

    def heard() -> None:
        _end_at_once_by_signal(loop)
        late.start()
        end()

    for number in _SIGNALS:
        loop.add_signal_handler(number, heard)
    try:
        yield by
    except asyncio.CancelledError:
        if not asked:
            raise
    finally:
        late.cancel()
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def _end_at_once_by_signal(loop: asyncio.AbstractEventLoop) -> None:
    """From now on a signal ends the process without a word: no KeyboardInterrupt, which would end a graph's task."""
    for number in _SIGNALS:
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_DFL)


def _cut_off(loop: asyncio.AbstractEventLoop, within_s: float) -> None:
    logger.error("told to end %g s ago, and held up; it is cut off. What waits:\n%s", within_s, _stacks(loop))
    sys.stdout.flush()
    os._exit(1)


def _stacks(loop: asyncio.AbstractEventLoop) -> str:
    return "\n".join(f"{task.get_name()}:\n{''.join(_awaited(task.get_coro()))}" for task in asyncio.all_tasks(loop))


def _awaited(one: Any) -> Iterator[str]:
    """What a task awaits, and what that awaits, and so on: its own stack has but the first."""
    while (frame := getattr(one, "cr_frame", None) or getattr(one, "ag_frame", None)) is not None:
        yield from traceback.format_list(traceback.extract_stack(frame, limit=1))
        one = getattr(one, "cr_await", None) or getattr(one, "ag_await", None)
