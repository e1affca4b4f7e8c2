"""Every span, metric, attribute and outcome name that we set or read.

Names of the OpenTelemetry GenAI conventions are those that `opentelemetry-util-genai` 1.3b0 emits;
they are still in development upstream, so they are spelled here and nowhere else. What the
conventions have no name for stands under `langgraph.` (LangGraph's own facts) or `motet.` (ours).
"""

from __future__ import annotations

from typing import Final, Literal

Outcome = Literal["ok", "error", "interrupted", "cancelled"]
"""How a node, call or run ended. An interrupt asks a person and is no error."""

SCOPE: Final = "motet"
"""Instrumentation scope of our own spans."""

# Spans of our own; those of workflows, agents, models and tools are named by the official instrumentation
RUN: Final = "run"
"""`run {graph}`: one attempt of a worker at a run."""
INVOKE_NODE: Final = "invoke_node"
"""`invoke_node {node}`: one execution of a LangGraph node."""

# Attributes of the GenAI conventions
OPERATION_NAME: Final = "gen_ai.operation.name"
CONVERSATION_ID: Final = "gen_ai.conversation.id"
AGENT_NAME: Final = "gen_ai.agent.name"
ERROR_TYPE: Final = "error.type"

# LangGraph's facts
LANGGRAPH_NODE: Final = "langgraph.node"
LANGGRAPH_STEP: Final = "langgraph.step"
LANGGRAPH_CHECKPOINT_NS: Final = "langgraph.checkpoint_ns"
"""Groups what one execution of a node did: model and tool spans are siblings of its node span."""

# Ours
RUN_ID: Final = "motet.run.id"
GRAPH_ID: Final = "motet.graph.id"
OUTCOME: Final = "motet.outcome"
ATTEMPT: Final = "motet.run.attempt"

# Metrics
CHECKPOINT_RESENT: Final = "motet.checkpoint.resent"
"""Counter: checkpoints sent twice, because the server had lost elements that the sender took for stored."""

# Keys of a run's LangChain metadata, from which spans and LangSmith both read
METADATA_THREAD_ID: Final = "thread_id"
METADATA_RUN_ID: Final = "run_id"
METADATA_ASSISTANT_ID: Final = "assistant_id"
METADATA_GRAPH_ID: Final = "graph_id"
