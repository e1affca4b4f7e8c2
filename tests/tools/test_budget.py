"""One budget for a run's whole tree."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.outputs import ChatResult
from langchain_core.tools import tool
from tests.models import asked, says

from motet.calls import ModelCall, Place, install, intercepted
from motet.errors import BudgetExhausted
from motet.testing import AnsweringModel, FunctionModel, ScriptedModel
from motet.tools.budget import Budget, Limits


@pytest.fixture(autouse=True)
def _installed() -> None:
    install()


def a_tree(inner: AnsweringModel, outer: AnsweringModel) -> Any:
    """An agent whose tool runs another agent, whose tool says nothing new for ever."""

    @tool
    def look() -> str:
        """Look again."""
        return "still rain"

    child = create_agent(inner, [look], name="child")

    @tool
    async def ask_child() -> str:
        """Ask the child."""
        return (await child.ainvoke(asked("?")))["messages"][-1].text

    return create_agent(outer, [ask_child], name="parent")


async def test_a_sub_agent_that_loops_is_stopped() -> None:
    """The parent's recursion limit doesn't bound a sub-agent in a tool; the budget does."""
    inner, outer = FunctionModel(lambda *_: says(tool="look")), FunctionModel(lambda *_: says(tool="ask_child"))
    budget = Budget(Limits(model_calls=9))

    with intercepted([budget]), pytest.raises(BudgetExhausted) as refused:
        await a_tree(inner, outer).ainvoke(asked("?"), {"recursion_limit": 8})

    assert refused.value.limit == "model_calls"
    assert len(inner.calls) + len(outer.calls) == 9


async def test_parent_and_child_share_one_count() -> None:
    """Calls of every agent of the tree add up: no agent brings a budget of its own."""
    inner = ScriptedModel([says(tool="look"), says("rain")] * 2)
    outer = ScriptedModel([says(tool="ask_child"), says(tool="ask_child"), says("done")])
    budget = Budget(Limits())

    with intercepted([budget]):
        await a_tree(inner, outer).ainvoke(asked("?"))

    assert (budget.model_calls, budget.tool_calls) == (7, 4)
    assert budget.tokens == 7 * 7


@pytest.mark.parametrize(
    ("limits", "limit", "model_calls", "tool_calls"),
    [
        (Limits(model_calls=2), "model_calls", 2, 2),
        (Limits(tool_calls=1), "tool_calls", 2, 1),
        (Limits(tokens=10), "tokens", 2, 1),
        (Limits(model_calls=0), "model_calls", 0, 0),
    ],
)
async def test_the_call_that_would_go_over_is_refused(
    limits: Limits, limit: str, model_calls: int, tool_calls: int
) -> None:
    """A limit of n lets n calls through; tokens refuse the call after the one that crossed them."""
    model, ran = FunctionModel(lambda *_: says(tool="act")), list[str]()

    @tool
    def act() -> str:
        """Act."""
        ran.append("act")
        return "done"

    budget = Budget(limits)
    with intercepted([budget]), pytest.raises(BudgetExhausted, match=limit.replace("_", " ")) as refused:
        await create_agent(model, [act]).ainvoke(asked("?"))

    assert refused.value.limit == limit
    assert (len(model.calls), len(ran)) == (model_calls, tool_calls)
    assert refused.value.spent >= refused.value.allowed


async def test_time_is_a_limit_too() -> None:
    """After its seconds the run makes no further call of either kind."""
    now = [100.0]
    model = ScriptedModel(["fine"])

    @tool
    def act() -> str:
        """Act."""
        return "done"

    with intercepted([Budget(Limits(seconds=5), clock=lambda: now[0])]):
        now[0] = 104.9
        await model.ainvoke("q")
        now[0] = 105.0
        with pytest.raises(BudgetExhausted, match="5 seconds"):
            await model.ainvoke("q")
        with pytest.raises(BudgetExhausted, match="5 seconds"):
            await act.ainvoke({})

    assert len(model.calls) == 1


async def test_streamed_answers_cost_tokens() -> None:
    """A node that streams by itself spends like any other."""
    budget = Budget(Limits())

    with intercepted([budget]):
        async for _ in ScriptedModel([says("one two")]).astream("q"):
            pass

    assert (budget.model_calls, budget.tokens) == (1, 7)


async def test_an_answer_without_usage_costs_no_tokens() -> None:
    """Some providers count nothing; the call counts all the same."""
    budget = Budget(Limits())

    async def silent(_: ModelCall) -> ChatResult:
        return ChatResult(generations=[])

    await budget.model(ModelCall(model="m", messages=[], params={}, place=Place()), silent)

    assert (budget.model_calls, budget.tokens) == (1, 0)
