"""LangGraph's synchronous calls over the same saver: without a loop, beside one, and refused where they would hang."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable

import pytest
from langgraph.types import Command
from redis.asyncio import Redis
from tests.memory.savers import asking, chain, checkpoint, id_of, put, step, thread, values_of

from motet.memory.redis.checkpoints import RedisCheckpointer
from motet.memory.redis.keys import Keys


def test_a_graph_runs_without_any_loop(redis_url: str, keys: Keys) -> None:
    """`with RedisCheckpointer.from_url(url)` serves invoke, stream, state, history, update, interrupt and resume."""
    config = thread("t")
    with RedisCheckpointer.from_url(redis_url, keys, ttl_s=60) as saver:
        graph = asking(saver)
        waiting = graph.invoke({"log": ["in"]}, config)
        assert waiting["__interrupt__"][0].value == "?"
        assert graph.get_state(config).next == ("ask",)
        updates = list(graph.stream(Command(resume="yes"), config, stream_mode="updates"))
        assert updates == [{"ask": {"log": ["?yes"]}}, {"after": {"log": ["after"]}}]
        assert [state.next for state in graph.get_state_history(config)] == [
            *((), ("after",), ("ask",), ("before",), ("__start__",)),
        ]
        past = list(graph.get_state_history(config))[2].config
        graph.update_state(past, {"log": ["otherwise"]}, as_node="ask")
        assert graph.invoke(None, config)["log"] == ["in", "before", "otherwise", "after"]

    with RedisCheckpointer.from_url(redis_url, keys) as saver:
        assert asking(saver).get_state(config).values["log"] == ["in", "before", "otherwise", "after"]
        assert next(saver.list(config, limit=1)).config == asking(saver).get_state(config).config
        saver.copy_thread("t", "copy")
        saver.prune(["copy"])
        assert len(list(saver.list(thread("copy")))) == 1
        made = checkpoint(value=1)
        put_ = saver.put(thread("copy"), made, {"run_id": "run"}, made["channel_versions"])
        saver.put_writes(put_, [("a", 1)], "task")
        assert saver.get_delta_channel_history(config=put_, channels=["a"]) == {"a": {"writes": []}}
        read = saver.get_tuple(put_)
        assert read is not None
        assert read.pending_writes == [("task", "a", 1)]
        saver.delete_for_runs(["run"])
        assert saver.get_tuple(put_) is None
        for name in ("t", "copy"):
            saver.delete_thread(name)
        assert list(saver.list(None)) == []


async def test_a_worker_thread_uses_the_loops_saver(redis: Redis, keys: Keys) -> None:
    """While the loop runs, threads invoke graphs on its saver, several at once, beside asynchronous calls."""
    saver = RedisCheckpointer(redis, keys)
    graph = chain(saver, step("a"), step("b"))

    done = await asyncio.gather(
        *(asyncio.to_thread(graph.invoke, {"log": []}, thread(f"sync {number}")) for number in range(4)),
        *(graph.ainvoke({"log": []}, thread(f"async {number}")) for number in range(4)),
    )

    assert [one["log"] for one in done] == [["a", "b"]] * 8


async def test_on_the_loops_own_thread_it_is_refused(redis: Redis, keys: Keys) -> None:
    """A call that would wait for the loop on the loop says so and what to do, and leaves nothing un-awaited."""
    saver = RedisCheckpointer(redis, keys)
    made = checkpoint(value=1)
    calls: list[Callable[[], object]] = [
        lambda: saver.get_tuple(thread("t")),
        lambda: list(saver.list(thread("t"))),
        lambda: saver.put(thread("t"), made, {}, {}),
        lambda: saver.put_writes(thread("t", checkpoint_id="c"), [("a", 1)], "task"),
        lambda: saver.delete_thread("t"),
        lambda: saver.delete_for_runs(["run"]),
        lambda: saver.copy_thread("t", "u"),
        lambda: saver.prune(["t"]),
        lambda: saver.get_delta_channel_history(config=thread("t"), channels=["a"]),
        lambda: chain(saver, step("a")).invoke({"log": []}, thread("t")),
    ]

    for call in calls:
        with pytest.raises(RuntimeError, match=r"await the method named a…"):
            call()
    gc.collect()
    assert await saver.aget_tuple(thread("t")) is None


def test_without_its_loop_it_is_refused(redis_url: str, keys: Keys) -> None:
    """After its loop has ended, or where there never was one, a saver says so instead of hanging."""
    with RedisCheckpointer.from_url(redis_url, keys) as saver:
        pass
    with pytest.raises(RuntimeError, match="has ended"):
        saver.get_tuple(thread("t"))
    gc.collect()


async def test_a_list_may_be_left_in_the_middle(redis_url: str, redis: Redis, keys: Keys) -> None:
    """Who stops iterating leaves nothing open; the next call works."""
    saver = RedisCheckpointer(redis, keys)
    config = thread("t")
    for number in range(30):
        config = await put(saver, config, number=number)

    def some() -> list[str]:
        with RedisCheckpointer.from_url(redis_url, keys) as own:
            listed = own.list(thread("t"))
            ids = [id_of(next(listed).config) for _ in range(2)]
            del listed
            gc.collect()
            return [*ids, *(id_of(one.config) for one in own.list(thread("t"), limit=1))]

    assert (await asyncio.to_thread(some))[::2] == [id_of(config)] * 2
    assert await values_of(saver, config) == {"number": 29}


def test_many_threads_share_one_saver(redis_url: str, keys: Keys) -> None:
    """Calls from several threads at once neither mix nor block one another."""
    failed: list[BaseException] = []

    def work(saver: RedisCheckpointer, number: int) -> None:
        try:
            graph = chain(saver, step(str(number)))
            for _ in range(3):
                graph.invoke({"log": []}, thread(f"t{number}"))
            assert graph.get_state(thread(f"t{number}")).values["log"] == [str(number)] * 3
        except BaseException as error:  # noqa: BLE001 - reported to the test's own thread
            failed.append(error)

    with RedisCheckpointer.from_url(redis_url, keys, ttl_s=60) as saver:
        workers = [threading.Thread(target=work, args=(saver, number)) for number in range(8)]
        for one in workers:
            one.start()
        for one in workers:
            one.join()

    assert failed == []
