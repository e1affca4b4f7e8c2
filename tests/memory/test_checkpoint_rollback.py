"""A run that is taken back leaves the thread as it was: its questions wait again, and nothing of it stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, interrupt
from redis.asyncio import Redis
from tests.memory.savers import (
    Log,
    asking,
    chain,
    claimed,
    commands_of,
    names,
    orphans,
    put,
    put_of_run,
    step,
    thread,
    values_of,
)

from motet.memory.redis.checkpoints import RedisCheckpointer
from motet.memory.redis.keys import Keys

Built = Callable[[RedisCheckpointer], CompiledStateGraph[Log]]


@pytest.fixture
def saver(redis: Redis, keys: Keys) -> RedisCheckpointer:
    return RedisCheckpointer(redis, keys)


async def stored(redis: Redis, keys: Keys, thread_id: str = "t") -> list[Any]:
    """All that the thread's keys hold, but for its epoch."""
    ids, records, values, elements, writes, runs, _ = keys.checkpoints(thread_id)
    hashes: list[Any] = [await cast("Any", redis.hgetall(key)) for key in (records, values, elements)]
    lists: list[Any] = [await redis.zrange(key, 0, -1) for key in (ids, writes)]
    return [*hashes, *lists, await cast("Any", redis.smembers(runs))]


def asking_twice(saver: RedisCheckpointer) -> CompiledStateGraph[Log]:
    """One node asks two questions: the second replaces what is stored of the first, and its answers grow."""

    def ask(state: Log) -> dict[str, Any]:  # noqa: ARG001 - a node's signature
        return {"log": [interrupt("one?"), interrupt("two?"), interrupt("three?")]}

    return chain(saver, step("before"), ("ask", ask), step("after"))


def asking_in_parallel(saver: RedisCheckpointer) -> CompiledStateGraph[Log]:
    """Two nodes ask side by side, and a third doesn't."""

    def ask(question: str) -> Any:
        return lambda state: {"log": [f"{question}{interrupt(question)}"]}  # noqa: ARG005 - a node's signature

    builder = StateGraph(Log)
    for name, node in (("a", ask("a?")), ("b", ask("b?")), step("c")):
        builder.add_node(name, node)
        builder.add_edge(START, name)
    return builder.compile(checkpointer=saver)


def asking_inside(saver: RedisCheckpointer) -> CompiledStateGraph[Log]:
    """The question is asked two sub-graphs down, one of which keeps its state."""
    return chain(saver, step("x"), ("outer", chain(True, step("y"), ("inner", asking(None)), step("z"))))


GRAPHS: dict[str, Built] = {
    "one question": asking,
    "three questions of a node": asking_twice,
    "questions side by side": asking_in_parallel,
    "a question in sub-graphs": asking_inside,
}


@pytest.mark.parametrize("built", GRAPHS.values(), ids=GRAPHS.keys())
@pytest.mark.parametrize("fenced", [True, False])
async def test_a_question_waits_again(
    saver: RedisCheckpointer, redis: Redis, keys: Keys, built: Built, *, fenced: bool
) -> None:
    """After the answering run is taken back, every byte of the thread is as before, and another answer ends it."""

    async def saver_of(run_id: str) -> RedisCheckpointer:
        return saver.for_claim(await claimed(redis, keys, run_id)) if fenced else saver

    def config_of(run_id: str) -> RunnableConfig:
        return thread("t") | {"metadata": {"run_id": run_id}}

    waiting = await built(await saver_of("asks")).ainvoke({"log": ["in"]}, config_of("asks"), durability="sync")
    answer: Command[Any] = Command(resume={one.id: "yes" for one in waiting["__interrupt__"][:1]})
    before = await stored(redis, keys), await built(saver).aget_state(thread("t"), subgraphs=True)
    for run_id in ("first", "second"):
        answering = await saver_of(run_id)
        await built(answering).ainvoke(answer, config_of(run_id), durability="sync")
        assert await stored(redis, keys) != before[0]

        await answering.adelete_for_runs([run_id])

        assert await stored(redis, keys) == before[0]
        assert await built(RedisCheckpointer(redis, keys)).aget_state(thread("t"), subgraphs=True) == before[1]

    left: Any = waiting
    last = built(await saver_of("last"))
    while left.get("__interrupt__"):
        again: Command[Any] = Command(resume={one.id: "no" for one in left["__interrupt__"]})
        left = await last.ainvoke(again, config_of("last"), durability="sync")
    assert not [said for said in left["log"] if "yes" in said]


async def test_runs_are_taken_back_one_after_the_other(saver: RedisCheckpointer, redis: Redis, keys: Keys) -> None:
    """Of two answers given one after the other, the newest goes first, and each leaves what was before it."""
    states: list[Any] = []
    given: dict[str, Any] = {"a": {"log": []}, "b": Command(resume="b"), "c": Command(resume="c")}
    for run, input_ in given.items():
        states.append(await stored(redis, keys))
        graph = asking_twice(saver.for_claim(await claimed(redis, keys, run)))
        await graph.ainvoke(input_, thread("t"))

    for run in ("c", "b"):
        await saver.adelete_for_runs([run])
        assert await stored(redis, keys) == states.pop()


async def test_what_was_replaced_twice_is_as_before_the_first_time(
    saver: RedisCheckpointer, redis: Redis, keys: Keys
) -> None:
    """However often a run replaces another's write, what comes back is the other's."""
    asked = saver.for_claim(await claimed(redis, keys, "a"))
    config = await put(asked, thread("t"), value=1)
    await asked.aput_writes(config, [("__resume__", "m"), ("x", 1)], "task")
    before = await stored(redis, keys)
    answering = saver.for_claim(await claimed(redis, keys, "b"))
    for answer in ("z", "a", "q"):
        await answering.aput_writes(config, [("__resume__", answer), ("x", 2), ("y", 3)], "task")

    await answering.adelete_for_runs(["b"])

    assert await stored(redis, keys) == before


async def test_a_task_that_failed_before_fails_again(saver: RedisCheckpointer, redis: Redis, keys: Keys) -> None:
    """A run that went on where another failed leaves, once taken back, the failure and what succeeded beside it."""
    working: list[bool] = []

    def flaky(state: Log) -> dict[str, Any]:  # noqa: ARG001 - a node's signature
        if not working:
            raise ConnectionError("down")
        return {"log": ["flaky"]}

    builder = StateGraph(Log)
    for name, node in (step("steady"), ("flaky", flaky)):
        builder.add_node(name, node)
        builder.add_edge(START, name)
    failing = saver.for_claim(await claimed(redis, keys, "fails"))
    with pytest.raises(ConnectionError):
        await builder.compile(checkpointer=failing).ainvoke({"log": []}, thread("t"))
    before = await stored(redis, keys)
    working.append(True)
    retrying = saver.for_claim(await claimed(redis, keys, "retries"))
    await builder.compile(checkpointer=retrying).ainvoke(None, thread("t"))

    await saver.for_claim(await claimed(redis, keys, "retries")).adelete_for_runs(["retries"])

    assert await stored(redis, keys) == before


async def test_a_thread_that_waits_again_does_not_expire(redis: Redis, keys: Keys) -> None:
    """Where threads expire, the question that is back keeps its thread as it did before it was answered."""
    saver = RedisCheckpointer(redis, keys, ttl_s=60)
    await asking(saver.for_claim(await claimed(redis, keys, "asks"))).ainvoke({"log": []}, thread("t"))
    answering = saver.for_claim(await claimed(redis, keys, "answers"))
    await asking(answering).ainvoke(Command(resume="yes"), thread("t"))
    assert await redis.pttl(keys.checkpoints("t")[0]) > 0

    await answering.adelete_for_runs(["answers"])

    assert {await redis.pttl(key) for key in keys.checkpoints("t")[:-1] if await redis.exists(key)} == {-1}
    await saver.adelete_thread("t")


async def test_a_plain_turn_keeps_no_record_of_how_it_is_undone(
    saver: RedisCheckpointer, redis: Redis, keys: Keys
) -> None:
    """A run that answers nothing is taken back to the byte, and stored nothing more for it."""
    await chain(saver.for_claim(await claimed(redis, keys, "a")), step("one")).ainvoke({"log": ["in"]}, thread("t"))
    before = await stored(redis, keys)
    second = saver.for_claim(await claimed(redis, keys, "b"))
    await chain(second, step("one")).ainvoke({"log": ["in"]}, thread("t"))
    pending: Any = await redis.zrange(keys.checkpoints("t")[4], 0, -1)
    assert not [write for write in pending if write.startswith(b"\xff")]

    await second.adelete_for_runs(["b"])

    assert await stored(redis, keys) == before


async def test_what_undoes_a_write_goes_with_its_checkpoint(saver: RedisCheckpointer, redis: Redis, keys: Keys) -> None:
    """A prune of an answered thread leaves nothing of the checkpoint on which the question was answered."""
    await asking(saver.for_claim(await claimed(redis, keys, "asks"))).ainvoke({"log": []}, thread("t"))
    await asking(saver.for_claim(await claimed(redis, keys, "answers"))).ainvoke(Command(resume="yes"), thread("t"))

    await saver.aprune(["t"])

    assert await orphans(redis, keys, "t") == []
    assert not await redis.exists(keys.checkpoints("t")[4])


async def test_a_run_under_a_claim_leaves_nothing(saver: RedisCheckpointer, redis: Redis, keys: Keys) -> None:
    """Once it is taken back, the tenant has the thread's epoch and no other key: no index, no list, no empty set."""
    fenced = saver.for_claim(await claimed(redis, keys, "run"))
    await asking(fenced).ainvoke({"log": []}, thread("t") | {"metadata": {"run_id": "run"}})

    await fenced.adelete_for_runs(["run"])

    assert await names(redis, keys) == [keys.epoch("t")]
    await saver.adelete_thread("t")


async def test_a_run_under_a_claim_is_noted_nowhere(
    saver: RedisCheckpointer, redis: Redis, keys: Keys, redis_url: str
) -> None:
    """Its first checkpoint on a thread is one round trip, and anyone can delete what it wrote, by its id only."""
    known = saver.for_claim(await claimed(redis, keys, "scripts are known", "s"))
    await put_of_run(known, thread("s"), "scripts are known", value=1)
    fenced = saver.for_claim(await claimed(redis, keys, "run"))
    assert await commands_of(redis_url, lambda: put(fenced, thread("t"), value=1), redis, keys) == ["EVALSHA"]
    await put_of_run(fenced, thread("elsewhere"), "run", value=1)
    await put_of_run(saver, thread("t"), "another", value=2)
    await saver.acopy_thread("t", "copy")

    await RedisCheckpointer(redis, keys).adelete_for_runs(["run"])

    assert await saver.aget_tuple(thread("elsewhere")) is None
    for name in ("t", "copy"):
        assert await values_of(saver, thread(name)) == {"value": 2}
        assert len([one async for one in saver.alist(thread(name))]) == 1
    await RedisCheckpointer(redis, keys).adelete_for_runs(["scripts are known"])
    assert await saver.aget_tuple(thread("s")) is None
    await saver.adelete_thread("s")


async def test_a_run_that_writes_elsewhere_too_is_deleted_everywhere(
    saver: RedisCheckpointer, redis: Redis, keys: Keys
) -> None:
    """A run under a claim that reaches another thread is found on both by anyone."""
    fenced = saver.for_claim(await claimed(redis, keys, "run"))
    for name in ("t", "elsewhere"):
        await put_of_run(fenced, thread(name), "run", value=1)

    await saver.adelete_for_runs(["run"])

    for name in ("t", "elsewhere"):
        assert await saver.aget_tuple(thread(name)) is None
    await saver.adelete_thread("t")
