"""What tests of the operator's commands share: a tenant as commands see it, and commands in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.memory.life import Life
from typer.testing import CliRunner

from motet.errors import MotetError
from motet.memory.redis.client import connected
from motet.memory.redis.keys import Keys
from motet.server.__main__ import app, exit_code


@asynccontextmanager
async def living(redis_url: str, tenant: str, *, lease_s: float = 30) -> AsyncGenerator[Life]:
    """The adapters of a tenant, under the prefix that commands use; its keys are deleted at the end."""
    keys = Keys(tenant=tenant)
    async with connected(redis_url) as client:
        try:
            yield Life(client, keys, lease_s=lease_s)
        finally:
            left = [name async for name in client.scan_iter(match=f"{keys.prefix}:{{{tenant}*", count=1000)]
            if left:
                await client.delete(*left)


async def motet(*arguments: str, env: Mapping[str, str]) -> tuple[int, str]:
    """Exit code and output of `motet ARGUMENTS`, errors included; a process of its own would take a second."""
    done = await asyncio.to_thread(CliRunner().invoke, app, arguments, env=env)
    if isinstance(done.exception, MotetError):
        return exit_code(done.exception), f"{done.output}motet: {done.exception}"
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


async def told(*arguments: str, env: Mapping[str, str]) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and the objects of `motet ARGUMENTS --json`."""
    code, said = await motet(*arguments, "--json", env=env)
    return code, [json.loads(line) for line in said.splitlines()]
