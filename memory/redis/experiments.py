"""Experiments in Redis, each with its trials' results and trajectories, in the tenant's slot for evaluations."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, TypeVar, cast

import orjson
from pydantic import TypeAdapter
from redis.asyncio import Redis

from motet.errors import AlreadyExists, DataDamaged, InvalidInput, NotFound
from motet.memory.redis.client import answering
from motet.memory.redis.datasets import checked_name
from motet.memory.redis.keys import Keys
from motet.memory.redis.scripts import Scripts
from motet.memory.redis.sealing import Sealing
from motet.memory.serde import AesCipher
from motet.observability.evaluation.experiment import Experiment, Plan, TrialResult, trial_key

_T = TypeVar("_T")

_AT_ONCE = 500
"""Results fetched by one command: a reply stays small enough that other clients wait a few milliseconds at most."""

_LISTED = 8
"""Ids that are named when several begin alike."""


class RedisExperiments:
    """`Experiments` on Redis. Plans, results and trajectories are compressed, and encrypted where there is a key."""

    def __init__(self, client: Redis, keys: Keys, scripts: Scripts, *, cipher: AesCipher | None = None) -> None:
        """`cipher`: encrypts what is kept; None keeps it as it is."""
        self._client = client
        self._keys = keys
        self._scripts = scripts
        self._sealing = Sealing(cipher)

    async def create(self, plan: Plan) -> None:
        """See `Experiments.create`."""
        checked_name("experiment_id", plan.experiment_id)
        checked_name("experiment", plan.name)
        keys = [self._keys.experiments(), self._keys.experiment(plan.experiment_id)[0]]
        told = self._sealing.closed(orjson.dumps(plan))
        with answering(self._client):
            if not await self._scripts.run("experiment_create", keys=keys, args=[plan.experiment_id, told]):
                raise AlreadyExists("experiment", plan.experiment_id)

    async def load(self, experiment_id: str) -> Experiment:
        """See `Experiments.load`."""
        experiment_id = await self._whole_id(experiment_id)
        experiment, results, _ = self._keys.experiment(experiment_id)
        with answering(self._client):
            kept, stopped = cast("list[bytes | None]", await self._client.hmget(experiment, ["plan", "stopped"]))
        if kept is None:
            raise NotFound("experiment", experiment_id)
        plan = self._plan(experiment_id, kept)
        found: list[TrialResult] = []
        trials = _trials(plan)
        for begin in range(0, len(trials), _AT_ONCE):
            with answering(self._client):
                told = cast("list[bytes | None]", await self._client.hmget(results, trials[begin : begin + _AT_ONCE]))
            found += [self._result(experiment_id, one) for one in told if one is not None]
        return Experiment(plan=plan, results=found, stopped=(stopped or b"").decode())

    async def all(self) -> Sequence[tuple[Plan, int]]:
        """See `Experiments.all`."""
        ids = await self._ids()
        with answering(self._client):
            async with self._client.pipeline(transaction=False) as pipe:
                for one in ids:
                    experiment, results, _ = self._keys.experiment(one)
                    pipe.hget(experiment, "plan")
                    pipe.hlen(results)
                told: list[Any] = await pipe.execute() if ids else []
        plans = zip(ids, told[::2], told[1::2], strict=True)
        return [(self._plan(one, kept), count) for one, kept, count in plans if kept is not None]

    async def record(self, experiment_id: str, result: TrialResult, trajectory: bytes = b"") -> bool:
        """See `Experiments.record`."""
        keys = self._keys.experiment(checked_name("experiment_id", experiment_id))
        told = self._sealing.closed(orjson.dumps(result))
        exported = self._sealing.closed(trajectory) if trajectory else b""
        with answering(self._client):
            kept = await self._scripts.run("experiment_record", keys=keys, args=[result.key, told, exported])
        if kept is None:
            raise NotFound("experiment", experiment_id)
        return bool(kept)

    async def stop(self, experiment_id: str, reason: str) -> None:
        """See `Experiments.stop`."""
        keys = self._keys.experiment(checked_name("experiment_id", experiment_id))[:1]
        with answering(self._client):
            if not await self._scripts.run("experiment_stop", keys=keys, args=[reason]):
                raise NotFound("experiment", experiment_id)

    async def trajectory(self, experiment_id: str, key: str) -> bytes:
        """See `Experiments.trajectory`."""
        _, _, trajectories = self._keys.experiment(checked_name("experiment_id", experiment_id))
        with answering(self._client):
            kept = cast("bytes | None", await self._client.hget(trajectories, key))
        if kept is None:
            raise NotFound("trajectory", f"{experiment_id} {key}")
        return self._sealing.opened(kept, f"the trajectory of trial {key} of experiment {experiment_id}")

    async def delete(self, experiment_id: str) -> None:
        """See `Experiments.delete`."""
        keys = self._keys.experiment(checked_name("experiment_id", experiment_id))
        with answering(self._client):
            async with self._client.pipeline(transaction=True) as pipe:
                pipe.zrem(self._keys.experiments(), experiment_id)
                pipe.unlink(*keys)
                was, _ = await pipe.execute()
        if not was:
            raise NotFound("experiment", experiment_id)

    async def _ids(self) -> Sequence[str]:
        with answering(self._client):
            found = cast("list[bytes]", await self._client.zrevrange(self._keys.experiments(), 0, -1))
        return [one.decode() for one in found]

    async def _whole_id(self, told: str) -> str:
        checked_name("experiment_id", told)
        found = [one for one in await self._ids() if one.startswith(told)]
        if told in found or len(found) == 1:
            return told if told in found else found[0]
        if not found:
            raise NotFound("experiment", told)
        some = ", ".join(found[:_LISTED]) + (" …" if len(found) > _LISTED else "")
        raise InvalidInput("experiment_id", told, f"the beginning of one id; it begins {len(found)}: {some}")

    def _plan(self, experiment_id: str, kept: bytes) -> Plan:
        return self._decoded(_plans(), kept, f"the plan of experiment {experiment_id}")

    def _result(self, experiment_id: str, kept: bytes) -> TrialResult:
        return self._decoded(_results(), kept, f"a result of experiment {experiment_id}")

    def _decoded(self, adapter: TypeAdapter[_T], kept: bytes, where: str) -> _T:
        opened = self._sealing.opened(kept, where)
        try:
            return adapter.validate_json(opened)
        except ValueError as error:
            raise DataDamaged(where, "it has another form") from error


def _trials(plan: Plan) -> list[str]:
    """The keys of all trials, in the plan's order."""
    return [
        trial_key(target.name, example_id, repeat)
        for target in plan.targets
        for example_id in plan.example_ids
        for repeat in range(plan.repeats)
    ]


@functools.cache
def _plans() -> TypeAdapter[Plan]:
    return TypeAdapter(Plan)


@functools.cache
def _results() -> TypeAdapter[TrialResult]:
    return TypeAdapter(TrialResult)
