"""Lua scripts as typed functions: loaded once, called by their hash, all keys declared."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import MovedError, NoScriptError

from motet.errors import StoreUnavailable
from motet.memory.redis.client import address
from motet.memory.redis.cluster import Cluster
from motet.memory.redis.direct import several
from motet.memory.redis.durability import Durability

Argument = str | int | float | bytes
Call = tuple[str, Sequence[str], Sequence[Argument]]
"""A script's name, its keys and its arguments."""

_REDIRECTIONS = 5
"""How often a write follows its slot to another node."""


@cache
def source(name: str) -> str:
    """The text of `lua/NAME.lua` in this package; a line `--!include OTHER` stands for the text of another, once."""
    included: set[str] = set()

    def text_of(wanted: str) -> str:
        if wanted in included:
            return ""
        included.add(wanted)
        text = resources.files("motet.memory.redis").joinpath("lua", f"{wanted}.lua").read_text(encoding="utf-8")
        return re.sub(r"^--!include (\w+)$", lambda found: text_of(found[1]), text, flags=re.MULTILINE)

    return text_of(name)


@cache
def _digest(name: str) -> str:
    return hashlib.sha1(source(name).encode(), usedforsecurity=False).hexdigest()


class Scripts:
    """The scripts of one client. One EVALSHA a call; one EVAL more the first time a server sees a script.

    EVAL loads what it runs, so no SCRIPT command is needed: a user who may not run it is served, too.
    In a cluster a script runs where its keys are.
    """

    def __init__(self, client: Redis, *, durability: Durability | None = None) -> None:
        """`durability`: what each `run` waits for in its own round trip; None: for the answer only."""
        self._client = client
        self._cluster = client if isinstance(client, Cluster) else None
        self._durability = durability

    async def run(self, name: str, *, keys: Sequence[str], args: Sequence[Argument] = ()) -> Any:
        """Run `NAME.lua`, which writes, on `keys` with `args`; what it returns, undecoded.

        Raises:
            StoreUnavailable: the script ran, but what `durability` asks for wasn't reached in time.
        """
        call = (len(keys), *keys, *args)
        try:
            return await self._write("EVALSHA", _digest(name), *call)
        except NoScriptError:
            return await self._write("EVAL", source(name), *call)

    async def together(self, calls: Sequence[Call]) -> list[Any]:
        """Run scripts that write, in this order, in one round trip; what each returns. Not atomic.

        In a cluster they run one after the other, each where its keys are. As `run`, waits for what `durability`
        asks for, once, and raises what it raises.
        """
        if self._cluster is not None:
            return [await self.run(name, keys=keys, args=args) for name, keys, args in calls]
        commands: list[Sequence[Argument]] = [
            ("EVALSHA", _digest(name), len(keys), *keys, *args) for name, keys, args in calls
        ]
        if self._durability is not None:
            commands.append(self._durability.question())
        answers = await several(self._client, commands)
        if self._durability is not None:
            self._check(answers.pop())
        for at, (name, keys, args) in enumerate(calls):
            if isinstance(answers[at], NoScriptError):
                answers[at] = await self.run(name, keys=keys, args=args)
            elif isinstance(answers[at], Exception):
                raise answers[at]
        return answers

    async def read(self, name: str, *, keys: Sequence[str], args: Sequence[Argument] = ()) -> Any:
        """Run `NAME.lua`, which only reads, on `keys` with `args`; what it returns, undecoded."""
        call = (len(keys), *keys, *args)
        try:
            return await self._client.execute_command("EVALSHA", _digest(name), *call)
        except NoScriptError:
            return await self._client.execute_command("EVAL", source(name), *call)

    async def _write(self, *command: Argument) -> Any:
        if self._durability is None:
            return await self._client.execute_command(*command)
        answer, waited = await self._together(command, self._durability.question())
        if isinstance(answer, Exception):
            raise answer
        self._check(waited)
        return answer

    def _check(self, waited: Any) -> None:
        """Raise unless what `durability` asked says that it was reached."""
        assert self._durability is not None, "nothing was asked"
        if isinstance(waited, Exception):
            raise waited
        if not self._durability.reached(waited):
            raise StoreUnavailable(
                address(self._client),
                f"a write was done, but didn't reach {self._durability} within {self._durability.timeout_s:g} s; "
                "it may be lost if the server goes down now",
            )

    async def _together(self, write: Sequence[Argument], question: Sequence[Argument]) -> list[Any]:
        """Both answers, or errors in their place, of two commands on one connection in one round trip."""
        if self._cluster is None:
            return await several(self._client, [write, question])
        return await self._on_the_keys_node(self._cluster, write, question)

    async def _on_the_keys_node(
        self, cluster: Cluster, write: Sequence[Argument], question: Sequence[Argument]
    ) -> list[Any]:
        """As `_together`; a redirected write takes its question along, or it would be about another node's disk."""
        answers = await self._sent_to(cluster, write, question)
        for _ in range(_REDIRECTIONS):
            if not isinstance(answers[0], MovedError):
                break
            await cluster.learn(answers[0])
            answers = await self._sent_to(cluster, write, question)
        return answers

    async def _sent_to(self, cluster: Cluster, write: Sequence[Argument], question: Sequence[Argument]) -> list[Any]:
        async with cluster.pipeline(transaction=False) as pipe:
            node = cluster.get_node_from_key(str(write[3]))
            pipe.execute_command(*write, target_nodes=node)
            pipe.execute_command(*question, target_nodes=node)
            return await pipe.execute(raise_on_error=False, allow_redirections=False)
