"""A real `motet serve` or `motet worker` as a child process, stopped by its process id."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client
from langgraph_sdk.errors import APIStatusError
from tests import warm

PROJECT = Path(__file__).parent / "project" / "langgraph.json"
_READY = re.compile(r"Motet (?:listens on (?P<url>\S+)|works)")


@dataclass(slots=True)
class Running:
    """A child process that is ready."""

    process: warm.Process | Process
    url: str
    said: list[str] = field(default_factory=list[str])
    """Lines of its output so far."""

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[Any]:
        """The unmodified SDK's client of this server; its answers are unions that no test wants to narrow."""
        async with get_client(url=self.url, api_key=None) as sdk:
            yield sdk

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal and wait for the end; the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 20)


def environment(data_dir: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without any setting of Motet, LangSmith or OpenTelemetry but those given.

    Documents are searched by words, so that nothing is fetched.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MOTET_", "LANGGRAPH_", "LANGSMITH_", "LANGCHAIN_", "OTEL_", "OPENAI_", "ANTHROPIC_"))
    }
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    ours = {"MOTET_DATA_DIR": str(data_dir), "MOTET_EMBEDDINGS": "none", "PYTHONUNBUFFERED": "1"}
    return kept | ours | dict(extra or {})


async def start(arguments: Sequence[str], env: Mapping[str, str], *, fresh: bool = False) -> Running:
    """Run `motet ARGUMENTS` and wait until it says that it is ready; `fresh` in a Python of its own."""
    if fresh:
        command = [sys.executable, "-m", "motet.server", *arguments]
        process = await asyncio.create_subprocess_exec(*command, env=dict(env), stdout=PIPE, stderr=STDOUT)
    else:
        process = await warm.start(arguments, env)
    running = Running(process=process, url="")
    try:
        await asyncio.wait_for(_until_ready(running), 40)
    except BaseException:
        if process.returncode is None:
            process.kill()
        await process.wait()
        raise
    return running


async def _until_ready(running: Running) -> None:
    assert running.process.stdout is not None
    async for line in running.process.stdout:
        running.said.append(line.decode().rstrip())
        if found := _READY.match(running.said[-1]):
            running.url = found["url"] or ""
            return
    raise AssertionError(f"ended before it was ready: {running.said}")


@asynccontextmanager
async def serving(
    *arguments: str, data_dir: Path, env: Mapping[str, str] | None = None, fresh: bool = False
) -> AsyncGenerator[Running]:
    """`motet serve` on a free port with these arguments, until the context ends; `fresh` in a Python of its own."""
    running = await start(["serve", "--port", "0", *arguments], environment(data_dir, env), fresh=fresh)
    try:
        yield running
    finally:
        await running.stop()


@asynccontextmanager
async def server_and_worker(project: Path, data_dir: Path, env: Mapping[str, str]) -> AsyncGenerator[Running]:
    """`motet serve` that works no run itself, and a `motet worker` beside it; the server."""
    commands = (["serve", "--port", "0", "--workers", "0"], ["worker"])
    starting = [
        asyncio.create_task(start([*command, "--config", str(project)], environment(data_dir, env)))
        for command in commands
    ]
    try:
        server, _ = await asyncio.gather(*starting)
        yield server
    finally:
        started = await asyncio.gather(*starting, return_exceptions=True)
        await asyncio.gather(*(one.stop() for one in started if isinstance(one, Running)))


@contextmanager
def refused(status: int, said: str) -> Generator[None]:
    """The SDK raises for a refusal, by two kinds of exception; this is that status, and its text holds `said`."""
    with pytest.raises((httpx.HTTPStatusError, APIStatusError)) as caught:
        yield
    assert caught.value.response.status_code == status
    assert said in "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
