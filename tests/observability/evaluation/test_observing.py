"""What became of a run, from its record."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    convert_to_openai_messages,
)
from langgraph.graph import END, START, StateGraph
from tests.models import asked
from tests.observability import patterns
from tests.observability.by_hand import ByHand, says, team, weather
from tests.observability.hand_made import answering, loaded
from tests.observability.recorded import SERDE
from tests.observability.recording import Recording
from tests.observability.weather import supervisor

from motet.errors import TrajectoryUnreadable
from motet.observability.evaluation.observed import Observed
from motet.observability.evaluation.observed_messages import answer_in, conversation, openai_message
from motet.observability.evaluation.observing import observed
from motet.observability.trajectory.contents import Contents, plain
from motet.observability.trajectory.trajectory import Trajectory


async def ran(graph: Any, given: Any = None, answer: Any = None) -> Observed:
    """What became of one run of the graph."""
    return observed(await Recording(graph).run({"messages": [("human", "go")]} if given is None else given, answer))


def made(run: Observed) -> Sequence[tuple[str, str]]:
    """Who called which tool."""
    return [(one.agent, one.tool) for one in run.tool_calls]


async def test_an_agents_run_is_told_whole() -> None:
    """Its conversation, answer, nodes and calls, in order; as many supersteps as nodes in turn."""
    run = await ran(patterns.agent_with_tools())

    assert [one["role"] for one in run.messages] == [
        "user",
        "assistant",
        "tool",
        "assistant",
        "tool",
        "tool",
        "assistant",
    ]
    assert (run.answer, run.outcome, run.cut) == ("that is all of it, in a few pieces", "ok", False)
    assert run.path == ["model", "tools", "model", "tools", "tools", "model"]
    assert [one.node for one in run.steps] == run.path
    first, *at_once = [(one.tool, one.arguments, one.text) for one in run.tool_calls]
    assert first == ("weigh", {"word": "weigh0"}, "weigh0: 6")
    assert sorted(at_once, key=lambda one: one[2]) == [
        ("weigh", {"word": "weigh1"}, "weigh1: 6"),
        ("weigh", {"word": "weigh1x"}, "weigh1x: 7"),
    ]
    assert [one.agent for one in run.model_calls] == ["weigher"] * 3
    assert run.supersteps == 5
    assert run.tokens == sum(one.input_tokens + one.output_tokens for one in run.model_calls) > 0
    assert run.first_token_s is not None
    assert 0 < run.first_token_s < run.seconds


async def test_sub_agents_calls_are_told_with_their_agent() -> None:
    """In the order in which they began: the tool that is an agent before what its agent called."""
    run = await ran(supervisor(), asked("Oslo?"))

    assert made(run) == [("team", "ask_weather"), ("weather", "look")]
    assert run.path == ["model", "tools", "tools/model", "tools/tools", "tools/model", "model"]
    assert [call["function"]["name"] for one in run.messages for call in one.get("tool_calls", ())] == ["ask_weather"]


async def test_who_handed_over_to_whom_is_told() -> None:
    """From the agent that did to the one that goes on."""
    assert (await ran(patterns.handing_over())).handoffs == [("reader", "writer")]
    assert observed(team()).handoffs == [("supervisor", "mailer")]


async def test_a_run_that_was_answered_is_one_with_those_that_answered_it() -> None:
    """Each question with its answer; what waited meanwhile is one step, and the call that asked is told as such."""
    run = await ran(patterns.asking(), answer=lambda value: f"yes to {value}")

    assert len(run.run_ids) == 4
    assert run.path == [
        *("inner", "inner/draft", "inner/draft/model", "inner/draft/tools", "inner/draft/model"),
        *("inner/review", "close"),
    ]
    assert [(one.outcome, one.asked, one.run) for one in run.tool_calls] == [
        ("interrupted", True, 0),
        ("interrupted", True, 1),
        ("ok", False, 2),
    ]
    assert [(one.value, one.answer, one.run) for one in run.questions] == [
        ({"may I send": "send0"}, "yes to {'may I send': 'send0'}", 0),
        ({"sure": "send0"}, "yes to {'sure': 'send0'}", 1),
        ({"review": "is it good?"}, "yes to {'review': 'is it good?'}", 2),
    ]
    assert (run.outcome, run.supersteps, run.output["log"][-1]) == ("ok", 2, "closed")


async def test_a_run_that_waits_has_an_open_question() -> None:
    """It ended as interrupted, and nobody decided."""
    run = await ran(patterns.asking())

    assert (run.outcome, [(one.answer, one.decision) for one in run.questions]) == ("interrupted", [(None, "")])
    assert run.answer == ""


def test_a_decision_is_read_from_what_was_recorded_of_it() -> None:
    """Where the answer itself says nothing of its kind."""
    [question] = observed(team()).questions

    assert (question.decision, question.answer, question.run) == ("approve", "approve", 0)


async def test_an_error_is_told_with_its_class() -> None:
    """Of the run; and of each call that failed, with the text."""
    run = await ran(patterns.failing())

    assert (run.outcome, run.error) == ("error", "ValueError: no oak")
    assert [(one.is_error, one.text) for one in run.tool_calls] == [(True, "no elm"), (True, "no oak")]
    assert [one.outcome for one in run.model_calls] == ["error", "error", "ok"]


async def test_a_flow_of_the_functional_api_has_the_output_that_it_returned() -> None:
    """It has no messages, and its tasks are its nodes."""
    run = await ran(patterns.functional(), ["a", "b"], lambda _: "yes")

    assert (run.output, run.messages, run.answer) == ({"loud": ["a!", "b!"], "sizes": [1, 1], "told": "yes"}, (), "")
    assert run.path == ["flow", "flow/shout", "flow/shout", "flow/measure", "flow/measure"]


def test_what_a_graph_without_checkpoints_wrote_is_its_output() -> None:
    """Lists one after another, of anything else the last."""
    told = ByHand()
    told.begins(given={"messages": []})
    with told.node("a@1", writes={"messages": [HumanMessage("hi")], "n": 1}):
        pass
    with told.node("b@2", writes={"messages": [says("well")], "n": 2}):
        told.model([], says("well"))
    told.ends()

    run = observed(told.done())

    assert ([one["content"] for one in run.messages], run.output["n"], run.answer) == (["hi", "well"], 2, "well")


def test_cost_and_seconds_are_of_the_runs_not_of_the_wait_between() -> None:
    """A price that isn't known makes the sum unknown; two days until somebody answered aren't work."""
    run = observed(team())

    assert run.cost_usd == pytest.approx(0.0123 + 0.001 + 0.001 + 0.0131)
    assert run.seconds < 60
    assert run.tokens == 820 + 400 + 430 + 900
    told = ByHand()
    told.begins(given={})
    with told.node("a@1"):
        told.model([], says("well"), cost=None)
    told.ends()
    assert observed(told.done()).cost_usd is None


async def test_what_a_killed_worker_did_isnt_told_twice() -> None:
    """The step that another worker did again counts once, with its calls; the time of both counts."""
    reached, again = asyncio.Event(), asyncio.Event()
    model = patterns.saying(lambda messages, _: f"heard {messages[-1].text}")

    async def hear(_: Any) -> Any:
        return {"messages": [await model.ainvoke("one")]}

    async def wait(_: Any) -> Any:
        said = await model.ainvoke("two")
        reached.set()
        await again.wait()
        return {"messages": [said]}

    builder: Any = StateGraph(patterns.State)
    builder.add_node("hear", hear)
    builder.add_node("wait", wait)
    for edge in ((START, "hear"), ("hear", "wait"), ("wait", END)):
        builder.add_edge(*edge)
    recording = Recording(builder.compile())
    await recording.killed({"messages": [("human", "go")]}, reached)
    again.set()

    run = observed(await recording.taken_over())

    assert run.path == ["hear", "wait"]
    assert len(run.model_calls) == 2
    assert [one["content"] for one in run.messages] == ["go", "heard one", "heard two"]
    assert (run.outcome, run.cut) == ("ok", False)


def test_a_record_that_breaks_off_says_so() -> None:
    """It is no success, and its end is missing."""
    kept = answering()
    kept.records.pop()

    run = observed(loaded(kept))

    assert (run.outcome, run.error, run.cut) == ("error", "the record ends before the run does", True)


def test_the_answer_is_what_was_said_since_the_person_spoke() -> None:
    """Not a message that asks for a tool, nor what was answered the turn before."""
    user, said = {"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}
    asks = {"role": "assistant", "content": "I look.", "tool_calls": [{}]}

    assert [answer_in(one) for one in ([user, said], [user, said, user], [user, asks], [user, said, asks])] == [
        *("!", "", "", "!")
    ]


def test_two_steps_that_wrote_the_same_are_recognised() -> None:
    """Whatever the ids of the messages they wrote."""
    told = ByHand()
    told.begins(given={})
    for n, text in enumerate(("same", "same", "other")):
        with told.node(f"a@{n + 1}", writes={"messages": [says(text, id=f"a{n}")]}):
            pass
    told.ends()

    first, second, third = observed(told.done()).steps

    assert first.wrote == second.wrote != third.wrote
    assert observed(weather(thorough=True)).steps[0].wrote == observed(weather(thorough=True)).steps[2].wrote


_TEXT = st.text(max_size=8)
_CALL = st.builds(
    lambda name, args: {"name": name, "args": args, "id": "c1", "type": "tool_call"},
    st.sampled_from(["f", "g"]),
    st.dictionaries(st.text(max_size=3), st.none() | st.integers(-9, 9) | _TEXT, max_size=2),
)
_BLOCKS = st.lists(_TEXT.map(lambda text: {"type": "text", "text": text}), min_size=1, max_size=3)
_MESSAGES = st.one_of(
    st.builds(HumanMessage, _TEXT | _BLOCKS),
    st.builds(SystemMessage, _TEXT),
    st.builds(lambda text, calls: AIMessage(text, tool_calls=calls), _TEXT, st.lists(_CALL, max_size=2)),
    st.builds(lambda text: ToolMessage(text, tool_call_id="c1"), _TEXT),
)


@settings(max_examples=150)
@given(_MESSAGES)
def test_a_message_is_told_as_langchain_tells_openai(message: AnyMessage) -> None:
    """Role, content and calls are those of `convert_to_openai_messages`."""
    contents = Contents(SERDE)
    shown = plain(contents.put_message(message).ref, contents.take())
    theirs: Any = convert_to_openai_messages([message])[0]

    ours = openai_message(shown)

    assert _comparable(ours) == _comparable(theirs)


def _comparable(message: Any) -> Any:
    """Without the way in which a call's arguments are written."""
    calls = [
        (one["id"], one["function"]["name"], orjson.loads(one["function"]["arguments"]))
        for one in message.get("tool_calls", ())
    ]
    return message["role"], message["content"] or "", calls, message.get("tool_call_id")


def test_only_messages_are_a_conversation() -> None:
    """Of a graph's values those at `messages`; none of anything else."""
    message = {"type": "human", "content": "hi"}

    found = [conversation(one) for one in ({"messages": [message, 3]}, [message], {"log": [message]}, "text", None)]

    assert [len(one) for one in found] == [1, 1, 0, 0, 0]


def test_a_trajectory_without_its_beginning_cant_be_read() -> None:
    """It says what is missing."""
    whole = weather()
    with pytest.raises(TrajectoryUnreadable, match="the beginning of run run-1 is missing"):
        observed(Trajectory(records=whole.records[1:], contents=whole.contents))
