"""Graphs of strangers, served: whatever they say, ask and raise reaches the client and harms nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from tests.server.running import Running, serving
from tests.server.test_wire import refused

PROJECT = Path(__file__).parent / "odd" / "langgraph.json"
MODEL = {"MOTET_MODEL": "openai:none", "OPENAI_API_KEY": "k"}
HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}]}
APPROVE = {"type": "approve"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def odd(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Running]:
    """`motet serve` over the strangers' project, with one worker only: who stops it is found out."""
    env = MODEL | {"MOTET_REDIS_URL": redis_url, "MOTET_TENANT": "odd"}
    data_dir = tmp_path_factory.mktemp("odd")
    async with serving("--config", str(PROJECT), "--workers", "1", data_dir=data_dir, env=env) as running:
        yield running


@pytest_asyncio.fixture
async def client(odd: Running) -> AsyncGenerator[Any]:
    """The unmodified SDK's client; its answers are unions that no test wants to narrow."""
    async with odd.client() as sdk:
        yield sdk


async def _thread(client: Any) -> str:
    return (await client.threads.create())["thread_id"]


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("huge", [str(10**30), True]),
        ("half a pair", {"a?": "b?"}),
        ("keys", {"(1, 2)": 3, "b'k'": {"x": 1}}),
        ("ring", [1, "…"]),
        ("nameless", "<Nameless>"),
    ],
)
async def test_a_value_that_json_can_not_hold_is_put_into_words(client: Any, kind: str, shown: Any) -> None:
    """A custom event never ends the run that sent it."""
    events = [
        (part.event, part.data)
        async for part in client.runs.stream(
            await _thread(client), "say", input={"kind": kind}, stream_mode=["custom", "values"]
        )
    ]

    assert ("custom", shown) in events
    assert events[-1][1]["log"] == ["said"]


async def test_such_a_value_in_the_state_can_be_read(client: Any) -> None:
    """A thread whose state has keys that aren't words goes on, and is shown."""
    thread_id = await _thread(client)
    for _ in range(2):
        await client.runs.wait(thread_id, "keep", input={})

    assert (await client.threads.get(thread_id))["values"] == {"held": {"(1, 2)": 3}, "log": ["kept", "kept"]}


async def test_an_error_of_any_text_ends_its_run_and_no_worker(client: Any) -> None:
    """Half a surrogate pair in an exception's text is told as `?`, and the only worker takes the next run."""
    thread_id = await _thread(client)

    failed = await client.runs.wait(thread_id, "half", input={}, raise_error=False)
    cancelled = await client.runs.wait(await _thread(client), "gives_up", input={}, raise_error=False)

    assert failed["__error__"] == {"error": "ValueError", "message": "half a pair: ?"}
    assert cancelled["__error__"]["error"] == "NodeCancelledError"
    assert await client.runs.wait(await _thread(client), "function", input=1) == 1


async def test_a_run_that_can_not_be_ended_leaves_its_worker_to_the_others(client: Any) -> None:
    """An error that can't even be told is left to the sweeper, and the only worker takes the next run."""
    thread_id = await _thread(client)
    stuck = await client.runs.create(thread_id, "speechless", input={})

    assert await asyncio.wait_for(client.runs.wait(await _thread(client), "function", input=2), 10) == 2
    assert await asyncio.wait_for(client.runs.wait(await _thread(client), "function", input=2), 10) == 2
    assert (await client.runs.get(thread_id, stuck["run_id"]))["status"] == "running"


async def test_a_factory_that_needs_the_config_has_a_state_that_can_be_read(client: Any) -> None:
    """`wait`, the state and the thread open the graph with the config that its last run had."""
    config = {"configurable": {"who": "ada"}}
    thread_id = await _thread(client)

    values = await client.runs.wait(thread_id, "made_for", input={}, config=config)
    thread, state = await client.threads.get(thread_id), await client.threads.get_state(thread_id)

    assert values == thread["values"] == state["values"] == {"log": ["ada"]}
    assert thread["config"] == config


async def test_a_function_may_return_no_object(client: Any) -> None:
    """A function's plain values are served, zero too, and a question on top of them is told."""
    thread_id = await _thread(client)

    first = await client.runs.wait(thread_id, "function", input=0)
    asked = await client.runs.wait(thread_id, "function", input=7)
    answered = await client.runs.wait(thread_id, "function", command={"resume": "yes"})

    assert (first, answered) == (0, "yes")
    assert [one["value"] for one in asked["__interrupt__"]] == ["sure?"]


async def test_a_question_of_a_sub_graph_is_answered(client: Any) -> None:
    """The root's state shows what the sub-graph asked, with its own state on request."""
    thread_id = await _thread(client)
    await client.runs.wait(thread_id, "inner_question", input={"kind": "set"})

    state: Any = await client.threads.get_state(thread_id, subgraphs=True)
    values = await client.runs.wait(thread_id, "inner_question", command={"resume": "yes"})

    [task] = state["tasks"]
    assert task["interrupts"] == task["state"]["interrupts"] == state["interrupts"]
    assert state["interrupts"][0]["value"] == {"s": [1], "t": [1, [2]]}
    assert values["log"] == ["yes"]


@pytest.mark.parametrize(
    "answer",
    ["yes", {"decisions": [APPROVE]}, {"decisions": [APPROVE] * 3}, {"decisions": [APPROVE, {"type": "maybe"}]}],
)
async def test_an_answer_that_leaves_an_action_open_is_refused(client: Any, answer: Any) -> None:
    """LangChain's middleware would fail on it, with the question gone; here the question still waits."""
    thread_id = await _thread(client)
    await client.runs.wait(thread_id, "reviewed", input=HELLO)

    with refused(422, "command.resume"):
        await client.runs.wait(thread_id, "reviewed", command={"resume": answer})

    assert (await client.threads.get(thread_id))["status"] == "interrupted"


async def test_both_actions_of_one_question_are_decided(client: Any) -> None:
    """One answer decides on all the calls the middleware asks about."""
    thread_id = await _thread(client)
    await client.runs.wait(thread_id, "reviewed", input=HELLO)

    answer = {"decisions": [APPROVE, {"type": "reject", "message": "no"}]}
    values = await client.runs.wait(thread_id, "reviewed", command={"resume": answer})

    told = {one["tool_call_id"]: one["content"] for one in values["messages"] if one["type"] == "tool"}
    assert told["call_0"] == "sent ada"
    assert told["call_1"].endswith("no")


async def test_each_call_is_decided_by_its_id(client: Any) -> None:
    """In the mode with a question a call, one answer at a time is enough, of any shape that fits."""
    thread_id = await _thread(client)
    asked = await client.runs.wait(thread_id, "reviewed_per_call", input=HELLO)
    by_name = {one["value"]["args"]["to"]: one["id"] for one in asked["__interrupt__"]}

    with refused(422, "command.resume"):
        await client.runs.wait(
            thread_id, "reviewed_per_call", command={"resume": {by_name["ada"]: {"decisions": [APPROVE] * 2}}}
        )
    between = await client.runs.wait(
        thread_id, "reviewed_per_call", command={"resume": {by_name["bob"]: {"type": "reject"}}}
    )
    values = await client.runs.wait(
        thread_id, "reviewed_per_call", command={"resume": {by_name["ada"]: {"decisions": [APPROVE]}}}
    )

    assert [one["id"] for one in between["__interrupt__"]] == [by_name["ada"]]
    assert "sent ada" in [one["content"] for one in values["messages"]]


async def test_a_question_inside_a_tool_is_answered(client: Any) -> None:
    """The tool goes on with the answer, and the agent with the tool's."""
    thread_id = await _thread(client)
    await client.runs.wait(thread_id, "asking_tool", input=HELLO)

    values = await client.runs.wait(thread_id, "asking_tool", command={"resume": "because"})

    assert [one["content"] for one in values["messages"]][-2:] == ["a person said because", "done"]


async def test_a_class_of_the_project_comes_back_in_another_process(tmp_path: Path) -> None:
    """A state's classes are stored by a name that the next process knows them by."""
    kinds: list[str] = []
    thread_id = None
    for _ in range(2):
        async with serving("--config", str(PROJECT), data_dir=tmp_path, env=MODEL) as server, server.client() as client:
            thread_id = thread_id or await _thread(client)
            kinds.append((await client.runs.wait(thread_id, "typed", input={}))["kind"])

    assert kinds == ["NoneType", "Point"]


async def test_a_thread_that_is_there_already_is_answered_whole(client: Any) -> None:
    """Making a thread that exists gives what reading it gives, a failure before any values included."""
    spoken, failed = await _thread(client), await _thread(client)
    await client.runs.wait(spoken, "function", input=1)
    await client.runs.wait(failed, "keep", input=None, raise_error=False)

    again = [await client.threads.create(thread_id=one, if_exists="do_nothing") for one in (spoken, failed)]

    assert again == [await client.threads.get(one) for one in (spoken, failed)]
    assert again[0]["values"] == 1
    assert (again[1]["status"], again[1]["error"]["error"]) == ("error", "EmptyInputError")


async def test_a_thread_of_a_graph_that_is_not_served_is_told_all_the_same(client: Any) -> None:
    """What a client wrote into a thread's metadata, or a graph that is gone, hides no thread."""
    made = await client.threads.create(graph_id="gone")

    assert (await client.threads.get(made["thread_id"])) == made
    assert (made["metadata"], made["values"]) == ({"graph_id": "gone"}, None)
    with refused(422, "graph_id"):
        await client.threads.get_state(made["thread_id"])


async def test_a_stream_that_was_joined_says_where_it_can_be_joined_again(odd: Running, client: Any) -> None:
    """The SDKs come back to `Location` by themselves when a stream breaks off, a joined one too."""
    thread_id = await _thread(client)
    run = await client.runs.create(thread_id, "function", input=1)
    path = f"/threads/{thread_id}/runs/{run['run_id']}"

    async with httpx.AsyncClient(base_url=odd.url) as http:
        joined = await http.get(f"{path}/stream")

    assert (joined.headers["location"], joined.headers["content-location"]) == (f"{path}/stream", path)
