"""A thread's states, changing them, and copying and deleting threads, through the unmodified Python SDK."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import AsyncGenerator
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest
import pytest_asyncio
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.types import StateSnapshot
from tests.server.running import PROJECT, Running, refused, serving
from tests.support import wait_until

from motet.held import held_by
from motet.server import wire


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Running]:
    """A server of this file's own."""
    env = {"MOTET_REDIS_URL": redis_url, "MOTET_TENANT": f"state-{uuid4().hex[:8]}"}
    async with serving("--config", str(PROJECT), data_dir=tmp_path_factory.mktemp("state"), env=env) as running:
        yield running


@pytest_asyncio.fixture
async def http(server: Running) -> AsyncGenerator[httpx.AsyncClient]:
    """Without the SDK, for what it would never send."""
    async with httpx.AsyncClient(base_url=server.url) as client:
        yield client


async def _thread(client: Any, graph: str = "") -> str:
    """A thread, with one run of `graph` behind it."""
    thread_id = (await client.threads.create())["thread_id"]
    if graph:
        await client.runs.wait(thread_id, graph, input={})
    return thread_id


async def _working(client: Any) -> str:
    """A thread with a run of two seconds at work on it."""
    thread_id = await _thread(client)
    await client.runs.create(thread_id, "slow", input={"n": 0})

    async def begun() -> bool:
        return (await client.threads.get_state(thread_id))["values"].get("n", 0) > 0

    await wait_until(begun, description="the run took its first step")
    return thread_id


async def test_a_state_is_read_at_each_checkpoint(client: Any) -> None:
    """By its id or as a whole, a checkpoint gives the state as it was then."""
    thread_id = await _thread(client, "steps")
    newest: Any = await client.threads.get_state(thread_id)
    before_b: Any = next(one for one in await client.threads.get_history(thread_id) if one["next"] == ["b"])

    by_id = await client.threads.get_state(thread_id, checkpoint_id=before_b["checkpoint_id"])
    as_whole = await client.threads.get_state(thread_id, before_b["checkpoint"])

    assert newest["values"]["log"] == ["a", "b", "c"]
    assert by_id == as_whole == before_b
    assert (by_id["values"]["log"], by_id["tasks"][0]["name"]) == (["a"], "b")
    with refused(404, "Checkpoint with ID 1f0 not found"):
        await client.threads.get_state(thread_id, checkpoint_id="1f0")
    with refused(422, "checkpoint.thread_id"):
        await client.threads.get_state(thread_id, {**before_b["checkpoint"], "thread_id": str(uuid4())})
    with refused(404, "not found"):
        await client.threads.get_state(await _thread(client), checkpoint_id=before_b["checkpoint_id"])


async def test_a_state_has_the_fields_asked_for(client: Any, http: httpx.AsyncClient) -> None:
    """`select` narrows a state to some of its fields, and its values to some of theirs."""
    thread_id = await _thread(client, "steps")

    state = await client.threads.get_state(thread_id, select=["values.log", "next"])
    [newest] = await client.threads.get_history(thread_id, limit=1, select=["checkpoint"])

    assert state == {"values": {"log": ["a", "b", "c"]}, "next": []}
    assert set(newest) == {"checkpoint"}
    answer = await http.get(f"/threads/{thread_id}/state", params={"select": "value"})
    assert (answer.status_code, "query.select.0" in answer.json()["detail"]) == (422, True)


async def test_states_of_sub_graphs_are_found_by_their_tasks(client: Any) -> None:
    """A task with a sub-graph says where its state is, or carries it if asked; both lead to the same."""
    thread_id = await _thread(client)
    await client.runs.wait(thread_id, "outer_ask", input={})

    told: Any = await client.threads.get_state(thread_id)
    whole: Any = await client.threads.get_state(thread_id, subgraphs=True)

    [task], [full] = told["tasks"], whole["tasks"]
    assert task["state"] is None
    assert task["checkpoint"]["checkpoint_ns"].startswith("inner:")
    read: Any = await client.threads.get_state(thread_id, task["checkpoint"])
    assert read["next"] == full["state"]["next"] == ["ask"]
    assert await client.threads.get_state(thread_id, full["checkpoint"]) == read
    inner = await client.threads.get_history(thread_id, checkpoint=task["checkpoint"])
    assert [one["metadata"]["step"] for one in inner] == [0, -1]


async def test_the_history_is_newest_first(client: Any, http: httpx.AsyncClient) -> None:
    """A page of the history, what is before a checkpoint, and what fits some metadata."""
    thread_id = await _thread(client, "steps")
    await client.runs.wait(thread_id, "steps", input={})
    [second, first] = await client.runs.list(thread_id)

    history = await client.threads.get_history(thread_id, limit=100)
    steps = [one["metadata"]["step"] for one in history]
    page = await client.threads.get_history(thread_id, limit=2, before=history[3]["checkpoint"])
    of_first = await client.threads.get_history(thread_id, limit=100, metadata={"run_id": first["run_id"]})
    answer = await http.get(f"/threads/{thread_id}/history", params={"limit": 2, "before": history[3]["checkpoint_id"]})

    assert steps == sorted(steps, reverse=True)
    assert len(await client.threads.get_history(thread_id)) == 10 == len(history)
    assert page == answer.json() == history[4:6]
    assert of_first == history[5:]
    assert history[0]["metadata"]["run_id"] == second["run_id"]
    assert history[0]["parent_checkpoint"] == history[1]["checkpoint"]
    assert await client.threads.get_history(await _thread(client)) == []
    assert (await http.get(f"/threads/{thread_id}/history", params={"limit": 0})).status_code == 422


async def test_a_page_of_history_costs_the_same_after_many_turns(client: Any) -> None:
    """Ten states are read as fast from a long history as from a short one, give or take."""
    thread_id = await _thread(client, "steps")

    async def fastest() -> float:
        times: list[float] = []
        for _ in range(8):
            begun = time.perf_counter()
            await client.threads.get_history(thread_id)
            times.append(time.perf_counter() - begun)
        return min(times)

    await client.runs.wait(thread_id, "steps", input={})
    short = await fastest()
    for _ in range(15):
        await client.runs.wait(thread_id, "steps", input={})

    assert await fastest() < 3 * short + 0.02


async def test_a_state_is_changed_as_if_by_a_node(client: Any) -> None:
    """An update goes through the graph's reducers, and the next run goes on behind the node it stands for."""
    thread_id = await _thread(client, "steps")

    told: Any = await client.threads.update_state(thread_id, {"log": ["by hand"]}, as_node="b")
    state: Any = await client.threads.get_state(thread_id)
    values = await client.runs.wait(thread_id, "steps", input=None)

    assert told["checkpoint"] == told["configurable"] == state["checkpoint"]
    assert told["checkpoint_id"] == state["checkpoint_id"]
    assert (state["values"]["log"][-1], state["next"]) == ("by hand", ["c"])
    assert values["log"] == ["a", "b", "c", "by hand", "c"]


async def test_a_change_at_an_earlier_checkpoint_is_a_fork(client: Any) -> None:
    """Changed at an old checkpoint, that branch is the newest, and the other stays in the history."""
    thread_id = await _thread(client, "steps")
    before_b: Any = next(one for one in await client.threads.get_history(thread_id) if one["next"] == ["b"])

    await client.threads.update_state(thread_id, {"log": ["fork"]}, as_node="a", checkpoint=before_b["checkpoint"])
    by_id: Any = await client.threads.update_state(thread_id, None, checkpoint_id=before_b["checkpoint_id"])

    history = await client.threads.get_history(thread_id)
    assert [one["values"]["log"] for one in history[:3]] == [["a"], ["a", "fork"], ["a", "b", "c"]]
    assert history[0]["checkpoint_id"] == by_id["checkpoint_id"]
    assert history[1]["parent_checkpoint"] == before_b["checkpoint"]
    with refused(404, "Checkpoint with ID 1f0"):
        await client.threads.update_state(thread_id, {}, checkpoint_id="1f0")


async def test_a_change_that_does_not_fit_changes_nothing(client: Any) -> None:
    """A node that isn't there and values that the graph can't take are 422 with the field's name."""
    thread_id = await _thread(client, "steps")
    before = await client.threads.get_state(thread_id)

    with refused(422, "as_node: 'd' is not allowed; allowed: a node of the graph: __start__, a, b, c"):
        await client.threads.update_state(thread_id, {"log": []}, as_node="d")
    with refused(422, "values: "):
        await client.threads.update_state(thread_id, {"log": 7}, as_node="a")
    with refused(422, "values: "):
        await client.threads.update_state(thread_id, [{"log": ["x"]}], as_node="a")
    with refused(422, "values.lgo: ['x'] is not allowed; allowed: values of the graph: log, messages, n"):
        await client.threads.update_state(thread_id, {"lgo": ["x"]}, as_node="a")
    with refused(422, "checkpoint.checkpoint_ns: 'd:1'"):
        await client.threads.update_state(thread_id, {"log": ["x"]}, checkpoint={"checkpoint_ns": "d:1"})
    with refused(422, "has a graph"):
        await client.threads.update_state(await _thread(client), {"log": ["x"]})

    assert await client.threads.get_state(thread_id) == before
    assert (await client.threads.get(thread_id))["status"] == "idle"


async def test_a_thread_with_a_graph_can_be_filled_before_its_first_run(client: Any) -> None:
    """A thread that was made for a graph takes a state by hand."""
    thread_id = (await client.threads.create(graph_id="steps"))["thread_id"]

    await client.threads.update_state(thread_id, {"log": ["before"]}, as_node="a")

    assert (await client.runs.wait(thread_id, "steps", input=None))["log"] == ["before", "b", "c"]


async def test_a_question_can_be_answered_or_withdrawn_by_hand(client: Any) -> None:
    """A change in place of the node that asks takes its question off the thread."""
    thread_id = await _thread(client, "ask")
    waiting: Any = await client.threads.get(thread_id)

    await client.threads.update_state(thread_id, {"log": ["decided elsewhere"]}, as_node="ask")

    thread: Any = await client.threads.get(thread_id)
    assert (waiting["status"], thread["status"], thread["interrupts"]) == ("interrupted", "idle", {})
    with refused(409, "the thread's state was changed by hand"):
        await client.runs.wait(thread_id, "ask", command={"resume": {"decisions": [{"type": "approve"}]}})


async def test_a_sub_graph_that_waits_is_changed_in_its_own_state(client: Any) -> None:
    """The checkpoint of a sub-graph leads to that sub-graph's state and nodes."""
    thread_id = await _thread(client, "outer_ask")
    told: Any = await client.threads.get_state(thread_id, subgraphs=True)
    [task] = told["tasks"]

    changed: Any = await client.threads.update_state(thread_id, {"log": ["inside"]}, checkpoint=task["checkpoint"])

    after: Any = await client.threads.get_state(thread_id, subgraphs=True)
    assert changed["checkpoint"]["checkpoint_ns"] == task["checkpoint"]["checkpoint_ns"]
    assert after["tasks"][0]["state"]["values"]["log"] == ["inside"]
    assert after["values"].get("log", []) == []


async def test_a_thread_at_work_is_neither_changed_nor_copied(client: Any) -> None:
    """While a run works on the thread its state is the run's: both are 409."""
    thread_id = await _working(client)

    with refused(409, "already running"):
        await client.threads.update_state(thread_id, {"log": ["x"]}, as_node="step")
    with refused(409, "already running"):
        await client.threads.copy(thread_id)

    [run] = await client.runs.list(thread_id)
    await client.runs.cancel(thread_id, run["run_id"], wait=True)


async def test_a_copy_goes_its_own_way(client: Any) -> None:
    """A copied thread has metadata, history and questions of its source, and neither sees the other's next runs."""
    source = (await client.threads.create(metadata={"owner": "ada"}))["thread_id"]
    await client.runs.wait(source, "ask", input={})

    copied: Any = await client.threads.copy(source)
    copy = copied["thread_id"]
    answer = {"resume": {"decisions": [{"type": "approve"}]}}
    values = await client.runs.wait(copy, "ask", command=answer)

    assert copied["metadata"]["owner"] == "ada"
    assert copied["status"] == "interrupted"
    assert values["log"] == ["approve:ada@example.org:"]
    assert (await client.threads.get(source))["status"] == "interrupted"
    assert [one["checkpoint_id"] for one in await client.threads.get_history(source)] == [
        one["checkpoint_id"] for one in await client.threads.get_history(copy)
    ][-2:]
    assert len(await client.runs.list(copy)) == 1
    with refused(404, "not found"):
        await client.threads.copy(str(uuid4()))


@pytest.mark.parametrize("at_work", [False, True])
async def test_a_deleted_thread_is_gone(client: Any, *, at_work: bool) -> None:
    """Its record, runs and states go, and a run at work on it writes nothing more."""
    thread_id = await _working(client) if at_work else await _thread(client, "steps")
    [run] = await client.runs.list(thread_id)

    await client.threads.delete(thread_id)

    for gone in (
        client.threads.get(thread_id),
        client.threads.get_state(thread_id),
        client.threads.get_history(thread_id),
        client.runs.get(thread_id, run["run_id"]),
        client.threads.delete(thread_id),
    ):
        with refused(404, "not found"):
            await gone
    await client.threads.create(thread_id=thread_id)
    assert await client.threads.get_history(thread_id) == []
    assert (await client.runs.wait(thread_id, "builder", input={}))["log"] == ["n=1"]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("state", {"values": {}, "as": "a"}, "as"),
        ("state", {"values": "text"}, "values"),
        ("state", {"values": {"n": 2**70}}, "values"),
        ("state", {"checkpoint": {"id": "x"}}, "checkpoint.id"),
        ("state/checkpoint", {}, "checkpoint"),
        ("history", {"limit": 0}, "limit"),
        ("history", {"offset": 3}, "offset"),
        ("history", {"before": {"checkpoint_ns": ""}}, "before.checkpoint_id"),
    ],
)
async def test_bad_input_names_the_field(
    client: Any, http: httpx.AsyncClient, path: str, body: dict[str, Any], field: str
) -> None:
    """What isn't understood is 422 with the field's name."""
    answer = await http.post(f"/threads/{await _thread(client, 'builder')}/{path}", json=body)

    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(field)


def test_a_history_has_each_states_own_values() -> None:
    """Values are written the same for one state and for many that share messages; a shared one is written once."""
    dumped: list[str] = []

    class Counted(HumanMessage):
        def model_dump(self, **how: Any) -> dict[str, Any]:
            dumped.append(str(self.content))
            return super().model_dump(**how)

    shared: list[Any] = [Counted(content="a"), AIMessage("b", response_metadata={"n": {1, 2}}), AIMessage("b")]
    held = ToolMessage("t", tool_call_id="c", artifact=object)
    all_values: list[Any] = [
        {"messages": shared, "n": 1},
        {"messages": [*shared, held], "other": [*shared, "text"], "one": shared[0], "none": []},
        {"messages": [shared[1], shared[0], HumanMessage("\ud800")]},
        [*shared, 2**70],
        None,
    ]
    states = [StateSnapshot(values, (), {"configurable": {}}, None, None, None, (), ()) for values in all_values]
    written = wire.Written()

    told = orjson.loads(orjson.dumps([written.values(states[0]) for _ in range(10)]))
    assert dumped == ["a"]
    assert told == [wire.values(states[0])] * 10

    told = orjson.loads(orjson.dumps([written.values(one) for one in states]))
    assert told == [wire.values(one) for one in states]


def test_messages_of_earlier_answers_are_recognised_by_all_that_they_hold() -> None:
    """The next answer's objects are others that hold the same; one that was changed is told as it is now."""
    known = wire.WrittenMessages()

    def told(*messages: Any) -> Any:
        values = {"messages": list(messages)}
        state = StateSnapshot(values, (), {"configurable": {}}, None, None, None, (), ())
        found = orjson.loads(orjson.dumps(wire.Written(known).values(state)))
        assert found == wire.values(state)
        return known.find(held_by(messages[0]) or b"")

    first = told(AIMessage("a", response_metadata={"n": [1]}))
    again = AIMessage("a", response_metadata={"n": [1]})
    assert told(again) is first
    again.response_metadata["n"][0] = 1.0
    assert told(again) is not first


def test_messages_of_earlier_answers_take_as_much_memory_as_is_counted() -> None:
    """However short they are: what `orjson` returns takes 4 kB, and would take ten times what is counted."""
    known = wire.WrittenMessages()
    states = [
        StateSnapshot({"messages": [HumanMessage(str(at), id=str(at))]}, (), {}, None, None, None, (), ())
        for at in range(500)
    ]
    tracemalloc.start()
    for state in states:
        wire.Written(known).values(state)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < 500 * 1500
