"""A process that is told to end does."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys

import pytest

HELD_UP = """
import asyncio
from contextlib import suppress
from motet.server.stopping import ended_by_signal

async def never_ends():
    while True:
        with suppress(asyncio.CancelledError):
            print("waits", flush=True)
            await asyncio.Event().wait()

async def main():
    with ended_by_signal({within_s}):
        await never_ends()

asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_an_end_that_is_held_up_is_cut_off_and_says_by_what(number: signal.Signals) -> None:
    """Nothing that forgets that it was cancelled keeps a process: it ends in time, and its log names what waited."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HELD_UP.format(within_s=0.5), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"waits\n"
    process.send_signal(number)
    _, complained = await process.communicate()
    assert process.returncode == 1
    assert "told to end 0.5 s ago" in complained.decode()
    assert "never_ends" in complained.decode()


async def test_a_second_signal_ends_a_process_that_is_held_up() -> None:
    """Whoever can't wait any longer tells it twice."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HELD_UP.format(within_s=60), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    for _ in range(2):
        assert await process.stdout.readline() == b"waits\n"
        process.terminate()
    await process.communicate()
    assert process.returncode == -signal.SIGTERM
