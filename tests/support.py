"""What tests share: waiting for a fact instead of sleeping, and free ports."""

from __future__ import annotations

import asyncio
import inspect
import socket
import time
from collections.abc import Awaitable, Callable


async def wait_until(
    predicate: Callable[[], bool | Awaitable[bool]], *, description: str, timeout_s: float = 10.0
) -> None:
    """Return as soon as `predicate` holds; fail with `description` after `timeout_s` seconds."""
    deadline = time.monotonic() + timeout_s
    while True:
        outcome = predicate()
        if await outcome if inspect.isawaitable(outcome) else outcome:
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {description}")
        await asyncio.sleep(0.01)


def free_port() -> int:
    """A loopback port that nothing listened on a moment ago; for who must know it before anything can listen."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
