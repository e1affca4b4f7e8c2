"""LangGraph's published suite for checkpointers, on every engine, with the numbers that say nothing was left out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any, cast

from langgraph.checkpoint.conformance import checkpointer_test, validate
from tests.conformance.conftest import SUITE, Engine

from motet.memory.redis.checkpoints import RedisCheckpointer

EXPECTED = {
    "put": 17,
    "put_writes": 10,
    "get_tuple": 10,
    "list": 16,
    "delete_thread": 5,
    "delete_for_runs": 7,
    "copy_thread": 8,
    "prune": 8,
}
"""Tests per capability. The suite skips what a saver lacks and calls the rest "FULL": the numbers are the promise."""


async def test_all_81_tests_of_the_suite_pass(
    engine: Engine, saver: RedisCheckpointer, record_property: Callable[[str, object], None]
) -> None:
    """Every capability is there, every test of it passes, and none is skipped unseen."""

    @checkpointer_test(name="RedisCheckpointer")
    async def savers() -> AsyncGenerator[RedisCheckpointer]:
        yield saver

    report = await validate(cast("Any", savers))

    passed = {name: result.tests_passed for name, result in report.results.items()}
    expected = sum(EXPECTED.values())
    record_property(SUITE, f"{sum(passed.values())} of {expected} on {engine.title}")
    assert {name: result.failures for name, result in report.results.items() if result.failures} == {}
    assert passed == EXPECTED
    assert expected == 81
