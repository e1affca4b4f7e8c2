"""Runs become examples of a dataset, whoever adds others at the same moment."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from redis.asyncio import Redis
from tests.observability import patterns
from tests.observability.recording import Recording

from motet.memory.redis.datasets import RedisDatasets
from motet.memory.redis.keys import Keys
from motet.memory.redis.scripts import Scripts
from motet.observability.trajectory import file
from motet.server.evaluation.adding import add_runs


async def exported(folder: Path, number: int) -> str:
    """A file of a run's own."""
    path = folder / f"{number}.jsonl"
    run = await Recording(patterns.agent_with_tools()).run({"messages": [("human", f"go {number}")]})
    with path.open("wb") as opened:
        file.write(run, opened)
    return str(path)


async def test_nothing_is_lost_that_several_add_at_once(redis: Redis, keys: Keys, tmp_path: Path) -> None:
    """Six people add a run each at the same moment, to a dataset that isn't there yet: it has all six."""
    datasets = RedisDatasets(redis, keys, Scripts(redis))
    here: Any = SimpleNamespace(datasets=datasets)
    runs = [await exported(tmp_path, number) for number in range(6)]

    kept = await asyncio.gather(*(add_runs(here, "together", [run]) for run in runs))

    try:
        newest = await datasets.load("together")
        assert len(newest.examples) == 6
        assert sorted(one.examples for one in kept) == [1, 2, 3, 4, 5, 6]
    finally:
        await datasets.delete("together")
