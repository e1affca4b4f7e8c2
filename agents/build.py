"""Makes a working agent of its declaration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, ModelCallLimitMiddleware, ToolCallLimitMiddleware
from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool
from langgraph.pregel import Pregel

from motet.agents.dangling import DanglingCalls
from motet.agents.handoff import EndAfterHandoff, handoff_tool
from motet.agents.spec import AgentSpec
from motet.agents.summarising import Summarised
from motet.agents.tool_results import ResultsAsData, failures_as_messages
from motet.errors import InvalidConfig
from motet.tools.policy import declared_effects
from motet.tools.untrusted import DATA_RULE


def build_agent(
    spec: AgentSpec,
    *,
    model: BaseChatModel,
    tools: Sequence[BaseTool],
    middleware: Sequence[AgentMiddleware[Any, Any, Any]] = (),
) -> Pregel[Any, Any, Any, Any]:
    """A compiled `create_agent` graph named after `spec`, which keeps nothing from one call to the next.

    Args:
        spec: a declaration of kind `agent`.
        model: what it speaks with.
        tools: those registered; the ones that `spec` names are used.
        middleware: stands outside ours, first outermost: an approval gate belongs before anything that repeats calls.

    Its checkpoints are its caller's, under a namespace of the one invocation, so agents side by side share no
    history. It ends itself at the limits of `spec`: a model call too many with a message of its own, a tool call too
    many with an error the model sees. A long history reaches the model summarised, and stays whole in the state.

    Raises:
        InvalidConfig: a tool that `spec` names isn't among `tools`.
    """
    given = require_tools(spec, tools)
    ours: list[AgentMiddleware[Any, Any, Any]] = [
        DanglingCalls(),
        ModelCallLimitMiddleware(run_limit=spec.limits.model_calls, exit_behavior="end"),
        ToolCallLimitMiddleware(run_limit=spec.limits.tool_calls, exit_behavior="continue"),
        ResultsAsData(),
        failures_as_messages(),
        Summarised(model, tokens=spec.limits.history_tokens),
    ]
    if spec.handoffs:
        given.append(handoff_tool(spec.handoffs))
        ours.insert(0, EndAfterHandoff())
    all_of_them = [*middleware, *ours]
    agent = create_agent(
        model,
        given,
        system_prompt=f"{spec.instructions}\n\n{DATA_RULE}",
        middleware=all_of_them,
        name=spec.name,
    )
    return agent.with_config(
        # Each middleware may have a node before and one behind the model; its own limits are to end it, not this one.
        recursion_limit=(spec.limits.model_calls + 2) * (2 * len(all_of_them) + 2),
        metadata={"lc_agent_name": spec.name, "agent_name": spec.name},
    )


def require_tools(spec: AgentSpec, tools: Sequence[BaseTool]) -> list[BaseTool]:
    """Those of `tools` that `spec` names, in its order.

    Raises:
        InvalidConfig: one isn't there, or declares an effect that isn't one.
    """
    named = {tool.name: tool for tool in tools}
    for index, name in enumerate(spec.tools):
        if name not in named:
            known = ", ".join(named) or "none"
            raise InvalidConfig(f"agent {spec.name}", f"tools.{index}: {name!r} is not registered; registered: {known}")
        declared_effects(name, named[name].metadata)
    return [named[name] for name in spec.tools]
