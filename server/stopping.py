"""A process that is told to end while it still starts: it closes what it opened, as it does later."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Generator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def end_at_once_by_signal(loop: asyncio.AbstractEventLoop) -> None:
    """From now on a signal ends the process without a word: no KeyboardInterrupt, which would end a graph's task."""
    for number in SIGNALS:
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def ended_by_signal() -> Generator[None]:
    """SIGTERM or Ctrl-C cancels the block, which then ends in order; a second one ends the process."""
    loop, task, asked = asyncio.get_running_loop(), asyncio.current_task(), False
    assert task is not None, "called within a task"

    def end() -> None:
        nonlocal asked
        asked = True
        end_at_once_by_signal(loop)
        task.cancel()

    for number in SIGNALS:
        loop.add_signal_handler(number, end)
    try:
        yield
    except asyncio.CancelledError:
        if not asked:
            raise
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
