"""What a person is asked about an effect that may have happened, and what each answer does: once, and to that call."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from langchain.agents.middleware import ToolRetryMiddleware
from langchain_core.messages import ToolMessage
from langgraph.types import Command, RetryPolicy, interrupt
from redis.asyncio import Redis
from tests.models import asked
from tests.tools.office import Crash, Letters, Office, agent, node_of, sending, tool_node

from motet.errors import InvalidInput, ToolFailed
from motet.graphs.answers import answers
from motet.graphs.gate import ApprovalGate
from motet.memory.redis.keys import Keys


@pytest.fixture
def office(redis: Redis, keys: Keys) -> Office:
    return Office(redis, keys)


async def crashed(office: Office, graph: Any) -> Any:
    """The graph after an attempt that died in its tool, and another that found it so."""
    with suppress(Crash):
        await office.attempt(graph, asked("hello"))
    await office.attempt(graph)
    return graph


def action(waiting: Any) -> Any:
    return waiting.value["action_requests"][0]


async def test_the_question_says_all_that_is_known(office: Office) -> None:
    """Tool, exact arguments, when and by which attempt it was started; three decisions; nothing was called."""
    letters = Letters(Crash())
    graph = await crashed(office, agent(letters.tool()))

    (waiting,) = await office.waiting(graph)
    assert (action(waiting)["name"], action(waiting)["args"]) == ("send", {"text": "hi"})
    assert f"by attempt 1 at run {office.run_id} (epoch 1001)" in action(waiting)["description"]
    assert f"at {20}" in action(waiting)["description"]
    assert waiting.value["review_configs"] == [
        {"action_name": "send", "allowed_decisions": ["approve", "reject", "respond"]}
    ]
    assert letters.sent == ["hi"]
    edited = {"type": "edit", "edited_action": {"name": "send", "args": {"text": "ho"}}}
    with pytest.raises(InvalidInput, match="approve, reject, respond"):
        answers("t", {"decisions": [edited]}, [waiting])
    await office.decide(graph, "reject")


@pytest.mark.parametrize(
    ("decision", "message", "sent", "status", "told"),
    [
        ("approve", "", ["hi", "hi"], "success", "sent: hi"),
        ("reject", "look first", ["hi"], "error", "is not to be made again: look first"),
        ("reject", "", ["hi"], "error", "no reason was given"),
        ("respond", "it arrived", ["hi"], "success", "it arrived"),
    ],
)
async def test_each_decision_does_what_it_says(
    office: Office, *, decision: str, message: str, sent: list[str], status: str, told: str
) -> None:
    """The call is made, refused with words for the model, or taken for done with the person's words as its result."""
    letters = Letters(Crash())
    graph = await crashed(office, agent(letters.tool()))

    state = await office.decide(graph, decision, message)

    answer = state["messages"][-2]
    assert isinstance(answer, ToolMessage)
    assert (answer.status, answer.tool_call_id, answer.name) == (status, "call-1-1", "send")
    assert answer.text.endswith(told)
    assert letters.sent == sent
    assert state["messages"][-1].text == "Done."


@pytest.mark.parametrize(
    ("decision", "given"), [("respond", ["it arrived"] * 2), ("reject", []), ("approve", ["sent: hi"] * 2)]
)
async def test_a_decision_holds_for_every_later_attempt(office: Office, decision: str, given: list[str]) -> None:
    """It is recorded before the task ends: if the task is executed again, nobody is asked again."""
    letters, results, troubles = Letters(Crash()), list[object](), [Crash()]
    sends = letters.tool()

    async def act(state: Any) -> None:  # noqa: ARG001 - a node's signature
        with suppress(ToolFailed):
            results.append(await sends.ainvoke({"text": "hi"}))
        if troubles:
            raise troubles.pop()

    graph = await crashed(office, node_of(act))
    with suppress(Crash):
        await office.decide(graph, decision, "it arrived" if decision == "respond" else "")
    state = await office.attempt(graph)

    assert "__interrupt__" not in state
    assert results == given


async def test_an_approval_is_for_one_try(office: Office) -> None:
    """Approved, made, and lost again: that is a new doubt, and a new question with another hash."""
    letters = Letters(Crash(), Crash())
    graph = await crashed(office, agent(letters.tool()))
    (first,) = await office.waiting(graph)
    with suppress(Crash):
        await office.decide(graph, "approve")
    assert letters.sent == ["hi", "hi"]

    await office.attempt(graph)

    (second,) = await office.waiting(graph)
    assert letters.sent == ["hi", "hi"]
    assert action(second)["arguments_sha256"] != action(first)["arguments_sha256"]
    assert f"by attempt 3 at run {office.run_id}" in action(second)["description"]
    state = await office.decide(graph, "approve")
    assert (letters.sent, state["messages"][-1].text) == (["hi"] * 3, "Done.")


@pytest.mark.parametrize("by", ["the node's policy", "a middleware"])
async def test_a_retry_within_an_attempt_asks_too(office: Office, by: str) -> None:
    """An error that doesn't say whether the tool acted is a doubt, whoever would try again."""
    letters = Letters(ConnectionError("lost"))
    if by == "a middleware":
        graph = agent(letters.tool(), middleware=[ToolRetryMiddleware(initial_delay=0, jitter=False)])
    else:
        sends = letters.tool()

        async def act(state: Any) -> Any:  # noqa: ARG001 - a node's signature
            return {"messages": [("ai", await sends.ainvoke({"text": "hi"}))]}

        graph = node_of(act, retry=RetryPolicy(initial_interval=0.001))

    await office.attempt(graph, asked("hello"))

    (waiting,) = await office.waiting(graph)
    assert f"by attempt 1 at run {office.run_id}" in action(waiting)["description"]
    state = await office.decide(graph, "respond", "it arrived")
    assert "it arrived" in [one.text for one in state["messages"]]
    assert letters.sent == ["hi"]


async def test_two_doubts_of_one_task_are_answered_each_by_its_own(office: Office) -> None:
    """In a ToolNode they share a task, whose answers LangGraph tells apart by order alone: none is another's."""
    letters = Letters(Crash(), Crash())
    graph = tool_node(letters.tool())
    with suppress(Crash):
        await office.attempt(graph, sending("a", "b"))
    state = await office.attempt(graph)

    rulings = {"a": ("respond", "a arrived"), "b": ("reject", "")}
    for _ in range(6):
        if "__interrupt__" not in state:
            break
        (waiting, *_) = await office.waiting(graph)
        state = await office.decide(graph, *rulings[action(waiting)["args"]["text"]])

    told = {one.tool_call_id: (one.status, one.text) for one in state["messages"][1:]}
    assert told["a-0"] == ("success", "a arrived")
    assert told["b-1"][0] == "error"
    assert letters.sent == ["a", "b"]


async def test_the_answer_to_a_doubt_is_never_the_tools_own(office: Office) -> None:
    """A tool that asks, too, gets its own answer, whether the doubt came up before its question or after."""
    crashes = [Crash()]
    letters = Letters()

    async def send(text: str) -> str:
        if crashes:
            raise crashes.pop()
        return letters.send(f"{text} {interrupt('to whom?')}")

    graph = await crashed(office, agent(letters.tool(send)))
    state = await office.decide(graph, "approve")
    assert [one.value for one in state["__interrupt__"]] == ["to whom?"]
    state = await office.attempt(graph, Command(resume="Ada"))

    assert (letters.sent, state["messages"][-1].text) == (["hi Ada"], "Done.")


async def test_an_approval_of_the_call_is_none_of_its_repetition(office: Office) -> None:
    """A gate's answer stays with the task; after a crash the ledger asks for itself, and the gate doesn't."""
    letters = Letters(Crash())
    graph = agent(letters.tool(), middleware=[ApprovalGate({})])
    await office.attempt(graph, asked("hello"))
    (gate,) = await office.waiting(graph)
    with suppress(Crash):
        await office.decide(graph, "approve")

    await office.attempt(graph)

    (doubt,) = await office.waiting(graph)
    assert letters.sent == ["hi"]
    assert "isn't known" in action(doubt)["description"]
    assert action(doubt)["arguments_sha256"] != action(gate)["arguments_sha256"]
    state = await office.decide(graph, "approve")
    assert (letters.sent, state["messages"][-1].text) == (["hi", "hi"], "Done.")


async def test_a_synchronous_tool_asks_from_its_thread(office: Office) -> None:
    """The question reaches the person, and the answer the call, through LangChain's thread."""
    letters = Letters(Crash())
    sends = letters.tool()
    blocking = sends.model_copy(update={"coroutine": None, "func": letters.send})
    graph = await crashed(office, agent(blocking))

    state = await office.decide(graph, "approve")

    assert (letters.sent, state["messages"][-1].text) == (["hi", "hi"], "Done.")


async def test_a_call_that_no_model_made_fails_when_it_is_rejected(office: Office) -> None:
    """Code that called the tool isn't handed words in place of a result."""
    letters = Letters(Crash())
    sends = letters.tool()

    async def act(state: Any) -> None:  # noqa: ARG001 - a node's signature
        await sends.ainvoke({"text": "hi"})

    graph = await crashed(office, node_of(act))

    with pytest.raises(ToolFailed, match="not to be made again: no"):
        await office.decide(graph, "reject", "no")
    assert letters.sent == ["hi"]
