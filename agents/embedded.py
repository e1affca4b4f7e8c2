"""The embedded model as a supervised child process: started on first use, restarted when it died."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from pathlib import Path

import httpx

from motet.agents.openmp import fetch_openmp, lacks_openmp, searched_first
from motet.errors import ModelUnavailable
from motet.tools.index import Progress

START_TIMEOUT_S = 120.0
"""Loading takes 2 s on a quiet machine; a cold disk or a busy one may need much longer."""

_STOP_TIMEOUT_S = 5.0
_MOST_THREADS = 8


class EmbeddedModel:
    """Serves one file of weights over the OpenAI API on loopback.

    Owns the process: whoever makes an `EmbeddedModel` must `aclose` it. Any number of calls may be
    under way; the process answers one after the other. Where the system lacks the OpenMP runtime,
    that is fetched into `data_dir`, and `progress` is told.
    """

    def __init__(self, file: Path, *, data_dir: Path, progress: Progress) -> None:
        self._file = file
        self._data_dir = data_dir
        self._progress = progress
        self._process: Process | None = None
        self._url = ""
        self._starting = asyncio.Lock()
        self._said = deque[str](maxlen=30)
        """The last lines of the process's standard error."""
        self._listening: asyncio.Task[None] | None = None

    async def base_url(self) -> str:
        """Where it serves now, as `http://127.0.0.1:port`; starts the process if none lives.

        Raises:
            ModelUnavailable: the runtime isn't installed, the OpenMP runtime can't be had, or the
                process didn't come up; carries the last lines it printed.
        """
        async with self._starting:
            if self._process is None or self._process.returncode is not None:
                require_runtime()
                await self._stop()
                await self._start()
            return self._url

    async def aclose(self) -> None:
        """End the process; it may be started again by another call of `base_url`."""
        async with self._starting:
            await self._stop()

    async def _start(self) -> None:
        self._said.clear()
        fetched = await fetch_openmp(self._data_dir, self._progress) if lacks_openmp() else None
        threads = min(_MOST_THREADS, len(os.sched_getaffinity(0)))
        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "motet.agents.local", "--file", str(self._file), "--threads", str(threads)),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=searched_first(fetched) if fetched else None,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        self._listening = asyncio.create_task(self._listen(process.stderr))
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                line = await process.stdout.readline()
        except BaseException as stopped:
            if process.returncode is None:
                process.kill()
            await self._stop()
            if isinstance(stopped, TimeoutError):
                raise self._failed(f"it wasn't ready after {START_TIMEOUT_S:g} s") from None
            raise
        if not line:
            await self._stop()
            raise self._failed(f"its process ended with status {process.returncode}")
        self._url = json.loads(line)["base_url"]

    async def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        if self._listening is not None:
            await self._listening

    async def _listen(self, stderr: asyncio.StreamReader) -> None:
        while line := await stderr.readline():
            self._said.append(line.decode(errors="replace").rstrip())

    def _failed(self, reason: str) -> ModelUnavailable:
        said = "\n".join(self._said) or "(nothing)"
        return ModelUnavailable(self._file.name, f"the embedded model didn't start: {reason}. It printed last:\n{said}")


class CurrentAddress(httpx.AsyncBaseTransport):
    """Sends each request to where the embedded model serves now, so that a model object outlives a crash."""

    def __init__(self, embedded: EmbeddedModel) -> None:
        self._embedded = embedded
        self._inner = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        now = httpx.URL(await self._embedded.base_url())
        request.url = request.url.copy_with(host=now.host, port=now.port)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


def require_runtime() -> None:
    """Refuse when the library that runs the embedded model isn't installed.

    Raises:
        ModelUnavailable: says how to install it.
    """
    if importlib.util.find_spec("xllamacpp") is None:
        raise ModelUnavailable(
            "embedded",
            "its runtime isn't installed: `pip install 'motet[local]'`, or set MOTET_MODEL to another model",
        )
