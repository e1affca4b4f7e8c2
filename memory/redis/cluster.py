"""Redis Cluster behind the calls of one server: each command goes to the node that has its key.

redis-py's cluster client routes and follows redirections (a node that answers MOVED, ASK or TRYAGAIN did
nothing). What this module changes is what happens when a connection breaks: the library would send the command
again, though nobody knows whether it was done.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from redis.asyncio.cluster import ClusterPipeline, RedisCluster, TransactionStrategy
from redis.asyncio.connection import Connection, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import EqualJitterBackoff, NoBackoff
from redis.exceptions import AskError, AuthenticationError, ClusterDownError, MovedError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from motet.memory.redis.connections import Candid
from motet.memory.redis.refusals import chain

_REDIRECTIONS = 5
"""How often a transaction follows a slot that has moved."""

_GONE = (RedisConnectionError, RedisTimeoutError, ClusterDownError)
"""Errors after which another node may have the slots."""


def patience() -> Retry:
    """How often opening a connection is tried, with growing, jittered pauses: 1.5 to 3 s in all."""
    return Retry(EqualJitterBackoff(base=0.05, cap=0.8), retries=6)


def may_pass(error: Exception) -> bool:
    """Whether a connection that failed with `error` may be opened a moment later: not if the server refused it."""
    return not any(isinstance(one, AuthenticationError | ResponseError) for one in chain(error))


class Cluster(RedisCluster):
    """A cluster's nodes as one client. A command is sent once; only opening a connection is tried again.

    A node that is gone makes its commands fail until another has taken its slots; each failure makes the
    next command ask for the nodes anew.
    """

    def __init__(self, **options: Any) -> None:
        """`options` as `RedisCluster` has them; opens nothing."""
        # A fifth redirection would close every connection, under whatever other tasks await on them.
        super().__init__(**options, retry=Retry(NoBackoff(), 0), reinitialize_steps=0)
        patient = _PatientTls if options.get("ssl") else _PatientTcp
        self.connection_kwargs["connection_class"] = patient
        for node in self.startup_nodes:
            node.connection_class = patient
        self.address = f"{'rediss' if options.get('ssl') else 'redis'}://{options['host']}:{options.get('port', 6379)}"
        """The node asked first, without user and password."""

    def pipeline(self, transaction: Any | None = None, shard_hint: Any | None = None) -> ClusterPipeline:
        """Commands sent together; with `transaction` (MULTI), all keys must be in one slot. No WATCH."""
        return _Pipeline(self, transaction, shard_hint)  # pyright: ignore[reportAbstractUsage]  # redis-py's own, too

    async def learn(self, moved: MovedError) -> None:
        """Remember which node has a slot, as the one that lost it said."""
        await self.nodes_manager.move_slot(moved)

    def look_again(self) -> None:
        """Ask for the nodes and their slots before the next command."""
        self._initialize = True


class _Pipeline(ClusterPipeline):
    def __init__(self, client: Cluster, transaction: Any | None, shard_hint: Any | None) -> None:
        del shard_hint  # a single server's, and of no meaning there either
        super().__init__(client, transaction)
        self._owner = client
        if transaction:
            self._execution_strategy = _Transaction(self)

    async def execute(self, raise_on_error: bool = True, allow_redirections: bool = True) -> list[Any]:  # noqa: FBT001, FBT002  # redis-py's signature
        await self._owner.initialize()
        try:
            answers = await super().execute(raise_on_error, allow_redirections)
        except _GONE:
            self._owner.look_again()
            raise
        if any(isinstance(one, _GONE) for one in answers):
            self._owner.look_again()
        return answers


class _Transaction(TransactionStrategy):
    """MULTI on one slot; the library's own starts a thread and an event loop to queue a command."""

    def __init__(self, pipe: _Pipeline) -> None:
        super().__init__(pipe)
        self._retry = Retry(NoBackoff(), _REDIRECTIONS, supported_errors=(MovedError, AskError))

    def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        self._pipeline_slots.add(self._pipe.cluster_client.keyslot(_first_key(args)))
        kwargs.pop("keys", None)  # for a cache; the library would hand it to what reads the answer
        return super(TransactionStrategy, self).execute_command(*args, **kwargs)


def _first_key(command: tuple[Any, ...]) -> Any:
    return command[3] if str(command[0]).upper() in {"EVAL", "EVALSHA"} else command[1]


class _Patient(Connection):
    """Opens itself with patience before a command, and never after one; an idle one that died is replaced."""

    _opening = False

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:  # noqa: FBT001, FBT002  # redis-py's signature
        if not self._opening and not (self.is_connected and await self._is_quiet()):
            self._opening = True
            try:
                await patience().call_with_retry(self._answered, self._closed, is_retryable=may_pass)
            finally:
                self._opening = False
        await super().send_packed_command(command, check_health)

    async def _is_quiet(self) -> bool:
        """Whether nothing has arrived: before a command, that would be an older one's answer or the end."""
        try:
            quiet = not await self.can_read()
        except (RedisError, OSError):
            quiet = False
        if not quiet:
            await self.disconnect(nowait=True)
        return quiet

    async def _answered(self) -> None:
        await self.connect()
        await self.send_command("PING")
        await self.read_response()

    async def _closed(self, _: Exception) -> None:
        await self.disconnect(nowait=True)


class _PatientTcp(Candid, _Patient):
    pass


class _PatientTls(Candid, _Patient, SSLConnection):
    pass
