"""Whatever graph is recorded, with whatever its models said: replayed, it does the same, and asks none of them."""

from __future__ import annotations

import itertools
from random import Random
from typing import Any

import pytest
from tests.observability.random_graphs import random_graph
from tests.observability.recording import Recording, replayed

from motet.testing import forbid_model_requests


async def _is_the_same(shape: int) -> None:
    graph: Any = random_graph(shape, Random(shape)).compile()  # noqa: S311 - shapes, no secrets
    recording, counted = Recording(graph), itertools.count()
    trajectory = await recording.run({"messages": [("human", "hi")]}, lambda _: f"yes {next(counted)}")

    with forbid_model_requests():
        verdict = await replayed(trajectory, graph)

    assert verdict.divergence is None, f"graph {shape}: {verdict.divergence}"
    assert verdict.stood_in == [], f"graph {shape}"


@pytest.mark.parametrize("shape", range(60))
async def test_a_random_graph_replays_the_same(shape: int) -> None:
    """Loops, fan-outs, sub-graphs, agents, questions, failures and retries, sixty graphs of them."""
    await _is_the_same(shape)


@pytest.mark.all
@pytest.mark.parametrize("block", range(10))
async def test_a_thousand_random_graphs_replay_the_same(block: int) -> None:
    """The same of a thousand others."""
    for shape in range(1000 + 100 * block, 1100 + 100 * block):
        await _is_the_same(shape)
