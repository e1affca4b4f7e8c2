"""A long history reaches an agent's model summarised, pair by pair, as data; its state keeps all of it."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.tools import BaseTool, tool

from motet.agents.build import build_agent
from motet.agents.spec import AgentSpec, CallLimits
from motet.testing import FunctionModel, ScriptedModel, tool_call
from motet.tools.policy import holds_untrusted

QUESTION = "How much does it rain? " + "I ask because of the garden. " * 20


def rain() -> BaseTool:
    """A tool with long answers, each of its own."""

    @tool
    async def look(day: int) -> str:
        """Look."""
        return f"Day {day} was wet. " + "It rained and rained. " * 40

    return look


def spec(**limits: Any) -> AgentSpec:
    """An agent that looks."""
    made = CallLimits(model_calls=20, tool_calls=30, **limits)
    return AgentSpec(name="looker", description="Looks.", instructions="Look.", tools=("look",), limits=made)


async def ran(days: int, **limits: Any) -> tuple[list[list[BaseMessage]], list[BaseMessage]]:
    """What the model was shown each time, without the system prompt, and the state at the end."""
    steps = [*(tool_call("look", day=day) for day in range(days)), "It rains."]
    with ScriptedModel(steps) as model:
        agent = build_agent(spec(**limits), model=model, tools=[rain()])
        state = await agent.ainvoke({"messages": [HumanMessage(QUESTION)]})
    return [list(call.messages[1:]) for call in model.calls], state["messages"]


async def test_a_short_history_is_left_alone() -> None:
    """Below the limit the model sees every message as it is."""
    shown, state = await ran(3)

    assert [one.text for one in shown[-1]] == [one.text for one in state[:-1]]


async def test_a_long_history_is_summarised_behind_the_task() -> None:
    """The task stays word for word, the newest messages too; between them a summary says what was done."""
    shown, state = await ran(12, history_tokens=1_500)
    task, summary, *rest = shown[-1]

    assert task.text == QUESTION
    assert "look(0): Day 0 was wet." in summary.text
    assert rest[-1].text == state[-2].text
    assert len(rest) < len(state) - 3
    assert sum(len(one.text) for one in shown[-1]) < sum(len(one.text) for one in state) / 2


async def test_no_call_is_parted_from_its_result() -> None:
    """Each result the model sees stands behind its call, and each call has its result."""
    steps: list[Any] = [
        *([tool_call("look", day=2 * turn), tool_call("look", day=2 * turn + 1)] for turn in range(8)),
        "It rains.",
    ]
    with ScriptedModel(steps) as model:
        agent = build_agent(spec(history_tokens=1_200), model=model, tools=[rain()])
        await agent.ainvoke({"messages": [HumanMessage(QUESTION)]})

    assert any("summary of" in one.text for one in model.calls[-1].messages)
    for made in model.calls:
        open_calls: list[str | None] = []
        for one in made.messages:
            if isinstance(one, ToolMessage):
                assert one.tool_call_id in open_calls
                open_calls.remove(one.tool_call_id)
            else:
                assert not open_calls
                open_calls = [call["id"] for call in one.tool_calls] if isinstance(one, AIMessage) else []
        assert not open_calls


async def test_the_summary_is_data_and_the_state_keeps_all() -> None:
    """What tools said is no instruction in a summary either; evidence and gates read the whole history."""
    shown, state = await ran(12, history_tokens=1_500)
    summary = shown[-1][1]

    assert summary.text.count("<data source=") == summary.text.count("</data>") == 1
    assert holds_untrusted([summary])
    assert sum(isinstance(one, ToolMessage) for one in state) == 12
    assert not any("summary of" in one.text for one in state)


async def test_no_model_writes_the_summary() -> None:
    """The model is called for the agent's turns and for nothing else."""

    def answer(messages: list[BaseMessage], _: Any) -> Any:
        done = sum(isinstance(one, ToolMessage) for one in messages)
        return tool_call("look", day=done) if len(model.calls) < 10 else "It rains."

    model = FunctionModel(answer)
    agent = build_agent(spec(history_tokens=1_000), model=model, tools=[rain()])
    state = await agent.ainvoke({"messages": [HumanMessage(QUESTION)]})

    assert len(model.calls) == sum(isinstance(one, AIMessage) for one in state["messages"]) == 10


async def test_without_a_declared_limit_the_models_own_counts() -> None:
    """Half of what the model is known to take; a small model is spared what a large one can read."""
    steps = [*(tool_call("look", day=day) for day in range(12)), "It rains."]
    with ScriptedModel(steps) as model:
        model.profile = {"max_input_tokens": 3_000}
        agent = build_agent(spec(), model=model, tools=[rain()])
        await agent.ainvoke({"messages": [HumanMessage(QUESTION)]})

    assert "summary of" in model.calls[-1].messages[2].text
