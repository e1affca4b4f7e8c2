"""The wire, through the unmodified Python SDK."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4, uuid5

import httpx
import pytest
from tests.server.running import Running, refused

HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}]}


async def _thread(client: Any) -> str:
    return (await client.threads.create())["thread_id"]


async def _events(client: Any, thread_id: str | None, graph: str, **asked: Any) -> list[tuple[str, Any]]:
    return [(part.event, part.data) async for part in client.runs.stream(thread_id, graph, **asked)]


async def test_a_run_streams_metadata_then_the_modes_asked_for(client: Any) -> None:
    """The stream begins with the run's id and carries exactly the modes asked for."""
    asked = ["values", "updates", "messages-tuple", "custom"]

    events = await _events(client, await _thread(client), "echo", input=HELLO, stream_mode=asked)

    names = [name for name, _ in events]
    assert names[0] == "metadata"
    assert UUID(events[0][1]["run_id"]).version == 7
    assert set(names[1:]) == {"values", "updates", "messages", "custom"}
    assert ("custom", {"progress": 1}) in events
    assert [data for name, data in events if name == "values"][-1]["messages"][-1]["content"] == "echo: hello"


async def test_a_conversation_goes_on_over_runs(client: Any) -> None:
    """The second run on a thread sees what the first left."""
    thread_id = await _thread(client)
    await client.runs.wait(thread_id, "echo", input=HELLO)

    values = await client.runs.wait(thread_id, "echo", input=HELLO)

    assert [message["type"] for message in values["messages"]] == ["human", "ai", "human", "ai"]
    assert values["log"] == ["turn 1", "turn 3"]


async def test_parts_of_sub_graphs_carry_their_path(client: Any) -> None:
    """With subgraphs, an event of a sub-graph has its namespace behind its name."""
    events = await _events(
        client, await _thread(client), "nested", input={}, stream_mode=["updates"], stream_subgraphs=True
    )

    assert any(name.startswith("updates|child:") and data == {"inner": {"log": ["loaded"]}} for name, data in events)


async def test_without_subgraphs_only_the_root_is_seen(client: Any) -> None:
    """Without subgraphs no event of a sub-graph is sent."""
    events = await _events(client, await _thread(client), "nested", input={}, stream_mode=["updates"])

    assert not [name for name, _ in events if "|" in name]


@pytest.mark.parametrize(("graph", "log"), [("builder", ["n=1"]), ("factory", ["suffix=s"]), ("echo", ["turn 0"])])
async def test_a_project_may_name_a_graph_a_builder_or_a_factory(client: Any, graph: str, log: list[str]) -> None:
    """All three kinds that `langgraph.json` may name are served, and a factory sees the run's config."""
    values = await client.runs.wait(
        await _thread(client), graph, input={"n": 0}, config={"configurable": {"suffix": "s"}}
    )

    assert values["log"] == log


async def test_an_interrupt_is_met_resumed_and_read_from_the_state(client: Any) -> None:
    """A thread that waits says for what; an answer by id goes on where it stood."""
    thread_id = await _thread(client)
    asked = await client.runs.wait(thread_id, "ask", input={})
    state: Any = await client.threads.get_state(thread_id)
    thread: Any = await client.threads.get(thread_id)
    [interrupt] = state["interrupts"]

    answer = {"decisions": [{"type": "approve"}]}
    values = await client.runs.wait(thread_id, "ask", command={"resume": {interrupt["id"]: answer}})

    assert asked["__interrupt__"][0]["id"] == interrupt["id"]
    assert state["next"] == ["ask"]
    assert thread["status"] == "interrupted"
    assert interrupt["value"]["action_requests"][0]["args"] == {"to": "ada@example.org", "text": "hello"}
    assert next(iter(thread["interrupts"].values()))[0]["id"] == interrupt["id"]
    assert values["log"] == ["approve:ada@example.org:"]
    assert (await client.threads.get(thread_id))["status"] == "idle"


@pytest.mark.parametrize(
    ("decision", "log"),
    [
        (
            {"type": "edit", "edited_action": {"name": "send_mail", "args": {"to": "bob@example.org"}}},
            "edit:bob@example.org:",
        ),
        ({"type": "reject", "message": "no"}, "reject:ada@example.org:no"),
        ({"type": "respond", "message": "later"}, "respond:ada@example.org:later"),
    ],
)
async def test_each_decision_reaches_the_graph(client: Any, decision: dict[str, Any], log: str) -> None:
    """Edit, reject and respond arrive with what the person wrote."""
    thread_id = await _thread(client)
    await client.runs.wait(thread_id, "ask", input={})

    values = await client.runs.wait(thread_id, "ask", command={"resume": {"decisions": [decision]}})

    assert values["log"] == [log]


async def test_a_resume_of_nothing_changes_nothing(client: Any) -> None:
    """A resume on a thread where nothing waits gets 409 and leaves the thread as it was."""
    thread_id = await _thread(client)
    await client.runs.wait(thread_id, "echo", input=HELLO)
    before = await client.threads.get(thread_id)

    for resume in ("yes", {"0" * 32: "yes"}):
        with refused(409, "no answer can be given"):
            await client.runs.wait(thread_id, "echo", command={"resume": resume})

    assert await client.threads.get(thread_id) == before


async def test_of_simultaneous_answers_exactly_one_wins(client: Any) -> None:
    """Ten people answer at once: one answer is taken, nine get 409."""
    thread_id = await _thread(client)
    await client.runs.wait(thread_id, "ask", input={})
    answers = [{"decisions": [{"type": "reject", "message": str(number)}]} for number in range(10)]

    outcomes = await asyncio.gather(
        *(client.runs.wait(thread_id, "ask", command={"resume": answer}) for answer in answers), return_exceptions=True
    )

    won = [one for one in outcomes if isinstance(one, dict)]
    assert len(won) == 1
    lost = [one.response.status_code for one in outcomes if isinstance(one, httpx.HTTPStatusError)]
    assert lost == [409] * 9
    assert len((await client.threads.get_state(thread_id))["values"]["log"]) == 1


async def test_an_answer_on_other_arguments_is_refused(client: Any) -> None:
    """A decision that carries the hash of other arguments than those waiting gets 409; the right hash is taken."""
    thread_id = await _thread(client)
    asked = await client.runs.wait(thread_id, "ask", input={})
    seen = asked["__interrupt__"][0]["value"]["action_requests"][0]["arguments_sha256"]

    def decide(arguments_hash: str) -> dict[str, Any]:
        return {"resume": {"decisions": [{"type": "approve", "arguments_sha256": arguments_hash}]}}

    with refused(409, "look again"):
        await client.runs.wait(thread_id, "ask", command=decide("0" * 64))

    assert (await client.threads.get(thread_id))["status"] == "interrupted"
    assert (await client.runs.wait(thread_id, "ask", command=decide(seen)))["log"]


async def test_an_answer_that_does_not_fit_is_refused_before_anything_runs(client: Any) -> None:
    """A decision that isn't one of those allowed gets 422, and the question still waits."""
    thread_id = await _thread(client)
    await client.runs.wait(thread_id, "ask", input={})

    with refused(422, "command.resume"):
        await client.runs.wait(thread_id, "ask", command={"resume": {"decisions": [{"type": "maybe"}]}})

    assert (await client.threads.get(thread_id))["status"] == "interrupted"


async def test_several_questions_are_answered_one_at_a_time(client: Any) -> None:
    """Of two questions asked in parallel, the second still waits after the first was answered by its id."""
    thread_id = await _thread(client)
    asked = await client.runs.wait(thread_id, "two_questions", input={})
    by_name = {one["value"]["question"]: one["id"] for one in asked["__interrupt__"]}

    with refused(422, "interrupt id"):
        await client.runs.wait(thread_id, "two_questions", command={"resume": "which?"})
    between = await client.runs.wait(thread_id, "two_questions", command={"resume": {by_name["second"]: 2}})
    values = await client.runs.wait(thread_id, "two_questions", command={"resume": {by_name["first"]: 1}})

    assert [one["value"]["question"] for one in between["__interrupt__"]] == ["first"]
    assert sorted(values["log"]) == ["first=1", "second=2"]


async def test_a_new_input_does_not_discard_a_question(client: Any) -> None:
    """A plain input on a thread that waits for a decision gets 409, and the question still waits."""
    thread_id = await _thread(client)
    await client.runs.wait(thread_id, "ask", input={})

    with refused(409, "waits for a decision"):
        await client.runs.wait(thread_id, "ask", input={})

    assert (await client.threads.get(thread_id))["status"] == "interrupted"


async def test_a_graph_that_raises_ends_its_run_alone(client: Any) -> None:
    """The error is an event with class and message, the thread says so, and the next run is worked."""
    thread_id = await _thread(client)

    events = await _events(client, thread_id, "boom", input={})

    failure = {"error": "ValueError", "message": "boom happened"}
    assert events[-1] == ("error", failure)
    thread: Any = await client.threads.get(thread_id)
    assert (thread["status"], thread["error"]) == ("error", failure)
    assert (await client.runs.wait(await _thread(client), "echo", input=HELLO))["log"] == ["turn 1"]


async def test_a_broken_off_stream_goes_on_after_its_last_event(server: Running, client: Any) -> None:
    """Each frame has an id, and a stream joined with it continues behind that frame."""
    thread_id = await _thread(client)
    run: Any = await client.runs.create(thread_id, "echo", input=HELLO, stream_mode=["values", "updates"])
    await client.runs.join(thread_id, run["run_id"])
    path = f"{server.url}/threads/{thread_id}/runs/{run['run_id']}/stream"

    async with httpx.AsyncClient() as http:
        whole = (await http.get(path)).text
        ids = [line.removeprefix("id: ") for line in whole.splitlines() if line.startswith("id: ")]
        rest = (await http.get(path, headers={"Last-Event-ID": ids[1]})).text

    assert len(ids) == whole.count("event: ") > 3
    assert [line.removeprefix("id: ") for line in rest.splitlines() if line.startswith("id: ")] == ids[2:]


async def test_a_joined_stream_is_narrowed_to_the_modes_asked_for(client: Any) -> None:
    """Joining with stream modes sends those of the run's events, and those of sub-graphs too."""
    thread_id = await _thread(client)
    asked = ["values", "updates"]
    run = await client.runs.create(thread_id, "nested", input={}, stream_mode=asked, stream_subgraphs=True)

    parts = [part async for part in client.runs.join_stream(thread_id, run["run_id"], stream_mode="updates")]

    assert {part.event.partition("|")[0] for part in parts} == {"metadata", "updates"}
    assert any("|" in part.event for part in parts)


async def test_text_that_can_not_be_written_down_is_refused(server: Running, client: Any) -> None:
    """Half a surrogate pair, which JSON's escapes can carry, is 422 with the field's name."""
    path = f"{server.url}/threads/{await _thread(client)}/runs/wait"
    body = b'{"assistant_id": "echo", "input": {"messages": [{"role": "user", "content": "\\ud800"}]}}'

    async with httpx.AsyncClient() as http:
        answer = await http.post(path, content=body, headers={"content-type": "application/json"})

    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("input: ")


async def test_what_is_left_out_may_be_null(server: Running, client: Any) -> None:
    """Clients that send null for what they don't set are understood."""
    body = {"assistant_id": "echo", "input": HELLO, "config": None, "metadata": None, "context": None, "command": None}

    async with httpx.AsyncClient(base_url=server.url) as http:
        answer = await http.post(f"/threads/{await _thread(client)}/runs/wait", json=body)

    assert answer.json()["log"] == ["turn 1"]


async def test_runs_of_a_thread_do_not_overlap(client: Any) -> None:
    """Two runs on one thread are worked one after the other, in the order they came."""
    thread_id = await _thread(client)
    first: Any = await client.runs.create(thread_id, "slow", input={"n": 15})
    second: Any = await client.runs.create(thread_id, "builder", input={})
    with refused(409, "already running"):
        await client.runs.create(thread_id, "builder", input={}, multitask_strategy="reject")

    await client.runs.join(thread_id, second["run_id"])

    assert (await client.runs.get(thread_id, first["run_id"]))["status"] == "success"
    log = (await client.threads.get_state(thread_id))["values"]["log"]
    assert log[-2:] == ["step 20", "n=21"]


async def test_assistants_are_found_by_name_and_by_their_fixed_id(client: Any) -> None:
    """Each graph has an assistant whose id every Agent Server derives the same way."""
    found = await client.assistants.search(graph_id="echo")
    page: Any = await client.assistants.search(limit=2, response_format="object")

    assert found[0]["assistant_id"] == str(uuid5(UUID("6ba7b821-9dad-11d1-80b4-00c04fd430c8"), "echo"))
    assert found[0]["metadata"] == {"created_by": "system"}
    assert (len(page["assistants"]), page["next"]) == (2, "2")
    assert (await client.runs.wait(await _thread(client), found[0]["assistant_id"], input=HELLO))["log"] == ["turn 1"]


async def test_a_first_run_stamps_the_thread_with_its_graph(client: Any) -> None:
    """Clients list threads by graph, so the thread's metadata names it after the first run."""
    thread_id = await _thread(client)
    fresh = await client.threads.get(thread_id)
    await client.runs.wait(thread_id, "echo", input=HELLO)

    assert fresh["values"] is None
    assert (await client.threads.get(thread_id))["metadata"]["graph_id"] == "echo"


async def test_unknown_things_are_named(client: Any) -> None:
    """An unknown thread is 404, an unknown assistant 422 with the graphs there are, a taken id 409."""
    thread_id = await _thread(client)

    with refused(404, "not found"):
        await client.threads.get(str(uuid4()))
    with refused(404, "not found"):
        await client.runs.create(str(uuid4()), "echo", input=HELLO)
    with refused(422, "echo, builder, factory"):
        await client.runs.create(thread_id, "nope", input=HELLO)
    with refused(409, "already exists"):
        await client.threads.create(thread_id=thread_id)
    assert (await client.threads.create(thread_id=thread_id, if_exists="do_nothing"))["thread_id"] == thread_id
    assert (await client.runs.wait(str(uuid4()), "echo", input=HELLO, if_not_exists="create"))["log"] == ["turn 1"]


@pytest.mark.parametrize(
    ("path", "body", "detail"),
    [
        ("/threads/nope/runs/wait", {"assistant_id": "echo"}, "Invalid thread ID: must be a UUID"),
        ("/threads/{t}/runs/wait", {"assistant_id": "echo", "stream_mode": "bogus"}, "stream_mode"),
        (
            "/threads/{t}/runs/wait",
            {"assistant_id": "echo", "webhook": "http://x"},
            "webhook: this field is not supported",
        ),
        (
            "/threads/{t}/runs/wait",
            {"assistant_id": "echo", "config": {"configurable": {"__x": 1}}},
            "config.configurable.__x",
        ),
        ("/threads/{t}/runs/wait", {"input": {}}, "assistant_id"),
        ("/threads/{t}/runs/wait", "no object", "body"),
    ],
)
async def test_bad_input_names_the_field(server: Running, client: Any, path: str, body: Any, detail: str) -> None:
    """422 with one text under `detail`, which names the field; nothing is recorded."""
    thread_id = await _thread(client)

    async with httpx.AsyncClient(base_url=server.url) as http:
        answer = await http.post(path.format(t=thread_id), json=body)

    assert answer.status_code == 422
    assert detail in answer.json()["detail"]
    assert (await client.threads.get(thread_id))["status"] == "idle"


async def test_ok_and_info_say_what_clients_ask(server: Running) -> None:
    """Clients probe `/ok`, and look in `/info` for what the server can do."""
    async with httpx.AsyncClient(base_url=server.url) as http:
        ok, info = await http.get("/ok"), await http.get("/info")

    assert ok.json()["ok"] is True
    assert info.json()["flags"]["strict_resume"] is True


async def test_another_host_name_is_refused_on_loopback(server: Running) -> None:
    """A web page that lets its own name point at this machine gets nothing."""
    async with httpx.AsyncClient(base_url=server.url) as http:
        answer = await http.get("/info", headers={"Host": "evil.example"})

    assert answer.status_code == 400
