"""Effects at most once: what is recorded of a call, and what becomes of one that is met again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, tool
from langgraph.errors import GraphDrained
from langgraph.types import Command, RetryPolicy, interrupt
from pydantic import BaseModel, ValidationError
from redis.asyncio import Redis
from tests.models import asked
from tests.tools.office import CONFIG, Crash, Letters, Office, agent, node_of, sending, tool_node

from motet.calls import Place, ToolCall, intercepted
from motet.errors import EffectUnknown, InvalidConfig, StaleClaim, ToolFailed
from motet.graphs.ambiguous import ask
from motet.graphs.answers import answers
from motet.memory.ports import Claim, WaitingInterrupt
from motet.memory.redis.checkpoints import RedisCheckpointer
from motet.memory.redis.client import connect
from motet.memory.redis.embedded import EmbeddedRedis
from motet.memory.redis.keys import Keys
from motet.testing import ScriptedModel, tool_call
from motet.tools.ledger import Ledger, effect_key, key_of


@pytest.fixture
def office(redis: Redis, keys: Keys) -> Office:
    return Office(redis, keys)


def calling(send: BaseTool, results: list[object], *, troubles: Sequence[Exception] = ()) -> Any:
    """A node that calls `send` itself, and has troubles of its own after it."""
    left = list(troubles)

    async def act(state: Any) -> None:  # noqa: ARG001 - a node's signature
        results.append(await send.ainvoke({"text": "hi"}))
        if left:
            raise left.pop(0)

    return act


async def test_a_call_that_was_done_is_not_made_again(office: Office) -> None:
    """A task that is executed again gets the result of the first time, and the tool isn't called."""
    letters, results = Letters(), list[object]()
    graph = node_of(calling(letters.tool(), results, troubles=[Crash()]))

    with suppress(Crash):
        await office.attempt(graph, asked("hello"))
    await office.attempt(graph)

    assert (letters.sent, results) == (["hi"], ["sent: hi", "sent: hi"])


async def test_a_task_with_several_calls_makes_only_those_that_were_not_done(office: Office) -> None:
    """One call of a ToolNode asks a person; when its answer comes, the other isn't made a second time."""
    letters = Letters()

    @tool
    async def confirm() -> str:
        """Ask."""
        return interrupt("sure?")

    graph = tool_node(letters.tool(), confirm)
    await office.attempt(graph, sending("hi", also="confirm"))
    state = await office.attempt(graph, Command(resume="yes"))

    assert [one.text for one in state["messages"][1:]] == ["sent: hi", "yes"]
    assert state["messages"][1].tool_call_id == "hi-0"
    assert letters.sent == ["hi"]


async def test_whoever_ends_an_attempt_can_wait_for_its_calls(office: Office) -> None:
    """LangGraph leaves a call running when another of its task stops for a person; `at_rest` is when it is recorded."""
    letters, leave = Letters(), asyncio.Event()

    async def send(text: str) -> str:
        await leave.wait()
        return letters.send(text)

    @tool
    async def confirm() -> str:
        """Ask."""
        return interrupt("sure?")

    graph, ledger = tool_node(letters.tool(send), confirm), Ledger(office.effects, await office.claim(), ask)
    with intercepted([ledger]):
        await graph.ainvoke(sending("hi", also="confirm"), CONFIG)
    assert letters.sent == []

    resting = asyncio.create_task(ledger.at_rest())
    leave.set()
    await resting
    (stored,) = (await office.redis.hgetall(office.keys.effects(office.thread_id))).values()

    assert stored[:1] == b"d"
    await office.attempt(graph, Command(resume="yes"))
    assert letters.sent == ["hi"]


async def test_a_new_run_makes_the_same_call_anew(office: Office) -> None:
    """The promise is for a call in its place: the same words in another turn are another effect."""
    letters, results = Letters(), list[object]()
    graph = node_of(calling(letters.tool(), results))

    await office.attempt(graph, asked("hello"))
    await office.attempt(graph, asked("hello"))

    assert letters.sent == ["hi", "hi"]


async def test_an_idempotent_tool_is_called_again_with_the_key_it_had(office: Office) -> None:
    """After a crash and after a retry in one attempt; another call has another key; none sees a ledger's outside it."""
    keys = list[str | None]()
    letters = Letters(Crash(), None, Crash())

    async def send(text: str) -> str:
        keys.append(await asyncio.to_thread(effect_key))
        return letters.send(text)

    sends = letters.tool(send, effect="idempotent")
    graph = agent(sends)
    with suppress(Crash):
        await office.attempt(graph, asked("hello"))
    state = await office.attempt(graph)
    retrying = node_of(calling(sends, []), retry=RetryPolicy(initial_interval=0.001))
    await office.attempt(retrying, asked("hello"))

    assert letters.sent == ["hi"] * 4
    assert keys[0] == keys[1] != keys[2] == keys[3]
    assert all(key and len(key) == 64 for key in keys)
    assert state["messages"][-2].text == "sent: hi"
    assert effect_key() is None


@pytest.mark.parametrize("crash", ["in the call", "before it is recorded"])
async def test_a_tool_may_be_declared_to_fail_in_doubt(office: Office, crash: str) -> None:
    """The run ends with an error that says what was started when, and the tool isn't called."""
    letters = Letters(Crash() if crash == "in the call" else None)

    async def send(text: str) -> str:
        if crash == "before it is recorded":
            await office.claim(run_id="thief")  # another worker has the run from here on
        return letters.send(text)

    graph = agent(letters.tool(send, effect="once", ambiguous="fail"))
    with suppress(Crash, StaleClaim):
        await office.attempt(graph, asked("hello"))

    with pytest.raises(EffectUnknown, match=r"send: this call was started at \S+ by attempt 1 at run \S+ \(epoch"):
        await office.attempt(graph)
    assert letters.sent == ["hi"]
    await office.redis.delete(office.keys.effects(office.thread_id))


async def test_a_worker_without_its_run_makes_no_call(office: Office) -> None:
    """The effect is begun before it is made, and that is refused: the tool isn't called."""
    letters, old = Letters(), await office.claim()
    await office.claim()

    with pytest.raises(StaleClaim):
        await office.attempt(agent(letters.tool()), asked("hello"), claim=old)
    assert letters.sent == []


async def test_a_store_that_goes_away_during_the_call_doesnt_undo_it(
    tmp_path_factory: pytest.TempPathFactory, keys: Keys
) -> None:
    """What the tool gave is the truth: the run goes on with it, and no model is told of a failure."""
    letters, server = Letters(), EmbeddedRedis(tmp_path_factory.mktemp("gone"))
    client = await connect(await server.__aenter__())

    async def send(text: str) -> str:
        await server.__aexit__(None, None, None)
        return letters.send(text)

    state = await Office(client, keys).attempt(agent(letters.tool(send)), asked("hello"))
    await client.aclose()

    assert (letters.sent, state["messages"][-2].text, state["messages"][-1].text) == (["hi"], "sent: hi", "Done.")


async def test_a_zombie_of_a_real_run_leaves_a_question(office: Office) -> None:
    """With fenced checkpoints too: it acted, another claimed, its writes are refused; the next one asks, from there."""
    letters, saver = Letters(), RedisCheckpointer(office.redis, keys=office.keys)
    config: Any = {"configurable": {"thread_id": office.thread_id}}

    async def send(text: str) -> str:
        await office.claim()
        return letters.send(text)

    graph = agent(letters.tool(send))

    async def work(given: Any, claim: Claim) -> Any:
        graph.checkpointer = saver.for_claim(claim)
        with intercepted([Ledger(office.effects, claim, ask)]):
            return await graph.ainvoke(given, config, durability="sync")

    with pytest.raises(StaleClaim):
        await work(asked("hello"), await office.claim())
    state = await work(None, heir := await office.claim())
    (question,) = state["__interrupt__"]
    assert f"by attempt 1 at run {office.run_id}" in question.value["action_requests"][0]["description"]
    waiting = WaitingInterrupt(interrupt_id=question.id, task_id="", value=question.value)
    (given,) = answers("t", {"decisions": [{"type": "respond", "message": "it arrived"}]}, [waiting])
    state = await work(Command(resume={given.interrupt_id: given.native}), heir)

    assert [one.text for one in state["messages"][-2:]] == ["it arrived", "Done."]
    assert letters.sent == ["hi"]


@pytest.mark.parametrize("end", [ToolFailed("no stamps"), GraphDrained()], ids=["ToolFailed", "drained"])
async def test_what_says_that_nothing_was_done_leaves_no_doubt(office: Office, end: Exception) -> None:
    """The call is simply made when its turn comes again."""
    letters, results, ends = Letters(), list[object](), [end]

    async def send(text: str) -> str:
        if ends:
            raise ends.pop()
        return letters.send(text)

    graph = node_of(calling(letters.tool(send), results))
    with suppress(ToolFailed, GraphDrained):
        await office.attempt(graph, asked("hello"))
    assert not await office.redis.exists(office.keys.effects(office.thread_id))
    await office.attempt(graph)

    assert (letters.sent, results) == (["hi"], ["sent: hi"])


@pytest.mark.parametrize("blocking", [False, True])
async def test_arguments_that_dont_fit_leave_no_doubt(office: Office, *, blocking: bool) -> None:
    """LangChain refuses them before the tool is entered; a refusal inside the tool says nothing of the tool itself."""
    letters = Letters()
    sends = letters.tool()
    inner = sends.model_copy(update={"metadata": None})

    async def send(text: str) -> str:
        letters.send(text)
        return await inner.ainvoke({"letter": text})

    if blocking:
        sends = sends.model_copy(update={"coroutine": None, "func": letters.send})
    record = office.keys.effects(office.thread_id)

    async def refused(outer: BaseTool, **arguments: str) -> int:
        async def act(state: Any) -> None:  # noqa: ARG001 - a node's signature
            await outer.ainvoke(arguments)

        with pytest.raises(ValidationError):
            await office.attempt(node_of(act), asked("hello"))
        return await office.redis.exists(record)

    assert (await refused(sends, letter="hi"), letters.sent) == (0, [])
    assert (await refused(letters.tool(send), text="hi"), letters.sent) == (1, ["hi"])


async def test_a_sub_agent_in_a_tool_goes_on_under_the_same_ledger(office: Office) -> None:
    """An agent that keeps its checkpoints with its caller's is resumed in its task: its effect is found again."""
    letters, asks, troubles = Letters(), list[str](), [Crash()]

    @tool
    async def delegate(task: str) -> str:
        """Have it done."""
        asks.append(task)
        answer = await inner.ainvoke(asked(task))
        return answer["messages"][-1].text

    class Dies(AgentMiddleware[Any, Any, Any]):
        async def awrap_tool_call(self, request: Any, handler: Any) -> Any:
            answer = await handler(request)
            if troubles:
                raise troubles.pop()
            return answer

    inner = create_agent(ScriptedModel([tool_call("send", text="hi"), "Sent."]), [letters.tool()], middleware=[Dies()])
    graph = agent(delegate, calls=tool_call("delegate", task="write"))
    with suppress(Crash):
        await office.attempt(graph, asked("hello"))
    state = await office.attempt(graph)

    assert (asks, letters.sent) == (["write", "write"], ["hi"])
    assert [one.text for one in state["messages"][-2:]] == ["Sent.", "Done."]


async def test_a_tool_that_asks_before_it_acts_acts_once(office: Office) -> None:
    """An interrupt inside a `once` tool leaves no doubt: on resume it runs from its first line, and acts."""
    letters = Letters()

    async def send(text: str) -> str:
        return letters.send(f"{text} {interrupt('to whom?')}")

    graph = agent(letters.tool(send))
    state = await office.attempt(graph, asked("hello"))
    assert [one.value for one in state["__interrupt__"]] == ["to whom?"]
    await office.attempt(graph, Command(resume="Ada"))

    assert letters.sent == ["hi Ada"]


async def test_equal_calls_without_an_id_are_one_and_others_are_not(office: Office) -> None:
    """In one task and at the same time: one waits for the other and gets its result."""
    letters, results = Letters(), list[Any]()
    entered, leave = asyncio.Event(), asyncio.Event()

    async def send(text: str) -> str:
        entered.set()
        await leave.wait()
        return letters.send(text)

    sends = letters.tool(send)

    async def act(state: Any) -> None:  # noqa: ARG001 - a node's signature
        calls = [asyncio.create_task(sends.ainvoke({"text": text})) for text in ("hi", "hi", "ho")]
        await entered.wait()
        leave.set()
        results.extend(await asyncio.gather(*calls))

    await office.attempt(node_of(act), asked("hello"))

    assert results == ["sent: hi", "sent: hi", "sent: ho"]
    assert sorted(letters.sent) == ["hi", "ho"]


async def test_equal_calls_of_a_model_are_as_many_as_it_made(office: Office) -> None:
    """Each has an id of its own."""
    letters = Letters()

    await office.attempt(tool_node(letters.tool()), sending("hi", "hi"))

    assert letters.sent == ["hi", "hi"]


async def test_a_synchronous_tool_is_kept_like_any_other(office: Office) -> None:
    """LangChain runs it in a thread, where its key is known; a second attempt gets the result."""
    letters, keys, threads, results = Letters(), list[str | None](), list[int](), list[object]()

    @tool
    def send(text: str) -> str:
        """Send."""
        keys.append(effect_key())
        threads.append(threading.get_ident())
        return letters.send(text)

    send.metadata = {"effect": "once"}
    graph = node_of(calling(send, results, troubles=[Crash()]))
    with suppress(Crash):
        await office.attempt(graph, asked("hello"))
    await office.attempt(graph)

    assert (letters.sent, results) == (["hi"], ["sent: hi"] * 2)
    assert keys[0]
    assert threads[0] != threading.get_ident()


async def test_a_synchronous_node_calls_under_the_ledger_too(office: Office) -> None:
    """`tool.invoke` in a node without `async`: recorded, made once, and two at once in threads are one."""
    letters, results, troubles = Letters(), list[object](), [Crash()]

    @tool
    def send(text: str) -> str:
        """Send."""
        return letters.send(text)

    send.metadata = {"effect": "once"}

    def act(state: Any) -> None:  # noqa: ARG001 - a node's signature
        results.extend(send.batch([{"text": "hi"}, {"text": "hi"}]))
        if troubles:
            raise troubles.pop()

    graph = node_of(act)
    with suppress(Crash):
        await office.attempt(graph, asked("hello"))
    await office.attempt(graph)

    assert (letters.sent, results) == (["hi"], ["sent: hi"] * 4)


async def test_a_synchronous_call_on_the_loop_itself_is_refused(office: Office) -> None:
    """It would wait for itself: an error says what to do, and nothing was called."""
    letters = Letters()

    @tool
    def send(text: str) -> str:
        """Send."""
        return letters.send(text)

    send.metadata = {"effect": "once"}

    async def act(state: Any) -> None:  # noqa: ARG001 - a node's signature
        send.invoke({"text": "hi"})

    with pytest.raises(RuntimeError, match=r"send has an effect and was called synchronously.*await its ainvoke"):
        await office.attempt(node_of(act), asked("hello"))
    assert letters.sent == []


async def test_a_loop_of_its_own_in_a_thread_is_served(office: Office) -> None:
    """A synchronous node that runs a loop of its own awaits the ledger's across threads."""
    letters, results = Letters(), list[object]()
    sends = letters.tool()

    def act(state: Any) -> None:  # noqa: ARG001 - a node's signature
        results.append(asyncio.run(sends.ainvoke({"text": "hi"})))

    await office.attempt(node_of(act), asked("hello"))

    assert (letters.sent, results) == (["hi"], ["sent: hi"])


async def test_a_command_comes_back_as_a_command(office: Office) -> None:
    """What a tool gives to the graph itself, beside the model, survives an attempt."""
    letters = Letters(None)

    async def send(text: str) -> Command[Any]:
        letters.send(text)
        return Command(update={"messages": [ToolMessage("sent", tool_call_id="call-1")]})

    results, troubles = list[Any](), [Crash()]
    sends = letters.tool(send)

    async def act(state: Any) -> Any:  # noqa: ARG001 - a node's signature
        results.append(await sends.ainvoke({"name": "send", "args": {"text": "hi"}, "id": "c", "type": "tool_call"}))
        if troubles:
            raise troubles.pop()
        return results[-1]

    graph = node_of(act)
    with suppress(Crash):
        await office.attempt(graph, asked("hello"))
    state = await office.attempt(graph)

    assert [type(one) for one in results] == [Command, Command]
    assert state["messages"][-1].text == "sent"
    assert letters.sent == ["hi"]


async def test_no_secret_and_no_argument_is_kept(office: Office) -> None:
    """What a result shows of a secret is masked as in the conversation, and arguments are there as a hash alone."""
    letters, key = Letters(), "sk-proj-abcdefghijklmnopqrstuvwxyz123456"

    async def send(text: str) -> str:
        letters.send(text)
        return f"sent with {key}"

    await office.attempt(agent(letters.tool(send), calls=tool_call("send", text="my words")), asked("hello"))

    stored = repr(await office.redis.hgetall(office.keys.effects(office.thread_id)))
    assert "sent with" in stored
    assert key not in stored
    assert "my words" not in stored


async def test_a_tool_without_an_effect_costs_nothing(office: Office) -> None:
    """It is called as often as it is asked for, and nothing is recorded."""
    letters, results = Letters(), list[object]()
    for look in (letters.tool(effect="none"), letters.tool().model_copy(update={"metadata": None})):
        await office.attempt(node_of(calling(look, results)), asked("hello"))

    assert letters.sent == ["hi"] * 2
    assert not await office.redis.exists(office.keys.effects(office.thread_id))


async def test_a_declaration_that_means_nothing_is_refused(office: Office) -> None:
    """Before the call, with the tool, the value and what is allowed."""
    letters = Letters()

    with pytest.raises(InvalidConfig, match=r"tool send: metadata.effect is 'write'; allowed: none, idempotent, once"):
        await office.attempt(agent(letters.tool(effect="write")), asked("hello"))
    assert letters.sent == []


async def test_a_tool_that_hands_the_call_on_to_another_of_its_name_is_one_effect(office: Office) -> None:
    """The inner call is the outer one's, not a second that waits for the first for ever."""
    letters, results = Letters(), list[object]()
    inner = letters.tool()

    async def send(text: str) -> str:
        return await inner.ainvoke({"text": text})

    await asyncio.wait_for(office.attempt(node_of(calling(letters.tool(send), results)), asked("hello")), 10)

    assert (letters.sent, results) == (["hi"], ["sent: hi"])


class Address(BaseModel):
    city: str
    tags: set[str]


@dataclass
class Parcel:
    to: Address
    weights: frozenset[float]


def test_arguments_are_known_by_their_content() -> None:
    """Order of keys and of sets doesn't matter; a value of another kind or in another place does."""

    def hashed(**arguments: Any) -> str:
        call = ToolCall(tool="t", arguments=arguments, call_id=None, place=Place(), metadata={}, synchronous=False)
        return key_of(call, "th").arguments_hash

    parcel = Parcel(Address(city="Oslo", tags={"a", "b", "c"}), frozenset([0.0, 8.0]))
    same = Parcel(Address(city="Oslo", tags={"c", "b", "a"}), frozenset([8.0, 0.0]))
    assert hashed(a=1, b={"x": 1, "y": [2**70, b"\xff"]}) == hashed(b={"y": [2**70, b"\xff"], "x": 1}, a=1)
    assert hashed(p=parcel) == hashed(p=same)
    told_apart = [hashed(a=1), hashed(a="1"), hashed(a=[1]), hashed(a=None), hashed(b=1), hashed(a=1.5), hashed()]
    assert len(set(told_apart)) == len(told_apart)
    with pytest.raises(ToolFailed, match="t wasn't called: by its arguments nobody could tell"):
        hashed(a=object())


async def test_a_place_outside_any_graph_has_a_ledger_too(office: Office) -> None:
    """A direct call in the run's context is known by the tool and its arguments."""
    letters, claim = Letters(), await office.claim()
    sends = letters.tool()

    for _ in range(2):
        with intercepted([Ledger(office.effects, claim, ask)]):
            assert await sends.ainvoke({"text": "hi"}, CONFIG) == "sent: hi"

    assert letters.sent == ["hi"]
