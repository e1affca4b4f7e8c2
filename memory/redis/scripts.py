"""Lua scripts as typed functions: loaded once, called by their hash, all keys declared."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

from redis.asyncio import Redis
from redis.commands.core import AsyncScript

Argument = str | int | float | bytes


@cache
def source(name: str) -> str:
    """The text of `lua/NAME.lua` in this package."""
    return resources.files("motet.memory.redis").joinpath("lua", f"{name}.lua").read_text(encoding="utf-8")


class Scripts:
    """The scripts of one connection pool. One EVALSHA a call; one more the first time a server sees a script."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._loaded: dict[str, AsyncScript] = {}

    async def run(self, name: str, *, keys: Sequence[str], args: Sequence[Argument] = ()) -> Any:
        """Run `NAME.lua` on `keys` with `args`; what it returns, undecoded."""
        script = self._loaded.get(name)
        if script is None:
            script = self._loaded[name] = self._client.register_script(source(name))
        return await script(keys=list(keys), args=list(args))
