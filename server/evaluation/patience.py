"""Going on when Redis is away for a while."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from motet.errors import StoreUnavailable

logger = logging.getLogger(__name__)

PATIENCE_S = 300.0
"""An experiment waits so long for a Redis that is gone; then it ends, and can be resumed."""

_LONGEST_PAUSE_S = 3.0

T = TypeVar("T")


async def patiently(ask: Callable[[], Awaitable[T]], *, patience_s: float = PATIENCE_S) -> T:
    """What `ask` gives, asked again until Redis answers.

    Raises:
        StoreUnavailable: it didn't for so long.
    """
    loop = asyncio.get_running_loop()
    pause_s, deadline = 0.1, loop.time() + patience_s
    while True:
        try:
            return await ask()
        except StoreUnavailable as error:
            if loop.time() >= deadline:
                raise
            logger.info("Redis is away, and is asked again: %s", error)
        await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, no secret
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
