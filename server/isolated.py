"""What a child of the zygote does: one claimed run, from the connection to Redis to the run's end."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import uvloop

from motet.errors import MotetError
from motet.memory.ports import Claimed
from motet.observability import langsmith
from motet.server.attempt import Attempt
from motet.server.claimed_json import claimed_from_json
from motet.server.contained import contain_tasks
from motet.server.isolation import DRAIN, LEAVE
from motet.server.run_memory import limit_memory
from motet.server.services import opened
from motet.server.settings import Settings
from motet.server.worker import beating

logger = logging.getLogger(__name__)

_FAILED = 1


def work(settings: Settings, config: Path | None, workspace: Path | None, told: bytes) -> int:
    """Work the run in this process, which has nothing open yet, and return the process's exit code.

    The loop isn't closed: that would wait for threads that a graph left behind.
    """
    claimed = claimed_from_json(told)
    try:
        uvloop.new_event_loop().run_until_complete(_work(settings, config, workspace, claimed))
    except asyncio.CancelledError:
        return 0
    except MotetError as error:
        logger.error("run %s: %s", claimed.claim.run_id, error)  # noqa: TRY400 - ours say it in one line
        return _FAILED
    return 0


async def _work(settings: Settings, config: Path | None, workspace: Path | None, claimed: Claimed) -> None:
    contain_tasks()
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None, "run by a loop"
    for number in (DRAIN, LEAVE):
        loop.add_signal_handler(number, task.cancel)
    async with (
        opened(settings, config=config, workspace=workspace, progress=_quietly) as services,
        beating(services) as beats,
    ):
        attempt = Attempt(services, claimed)
        loop.add_signal_handler(DRAIN, attempt.drain)
        if settings.run_memory_mb is not None:
            limit_memory(settings.run_memory_mb)
        with beats.holding(attempt):
            await attempt.work()
        await langsmith.flush()


def _quietly(doing: str, done: int, total: int) -> None:
    """The parent has told it."""
