"""Every span, metric, attribute and outcome name that we set or read.

Names of the OpenTelemetry GenAI conventions are those that `opentelemetry-util-genai` 1.3b0 emits;
they are still in development upstream, so they are spelled here and nowhere else. What the
conventions have no name for stands under `langgraph.` (LangGraph's own facts) or `motet.` (ours).
"""

from __future__ import annotations

from typing import Final, Literal

Outcome = Literal["ok", "error", "interrupted", "cancelled"]
"""How a node, call or run ended. An interrupt asks a person and is no error; nor is what was cut off from outside."""

SCOPE: Final = "motet"
"""Instrumentation scope of our own spans."""

# Spans of our own; those of workflows, agents, models and tools are named by the official instrumentation
RUN: Final = "run"
"""`run {graph}`: one attempt of a worker at a run."""
QUEUE_WAIT: Final = "queue wait"
"""From the moment a run could start to the moment a worker had it."""
CLAIM: Final = "claim"
"""The last part of that wait: what the worker's question for the run took."""
PUBLISH: Final = "publish"
"""One write of a run's events to its stream; not each write has one, see `RunSpan.published`."""
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
EVENTS: Final = "motet.events.count"
EVENTS_BYTES: Final = "motet.events.bytes"
EVENTS_WRITES: Final = "motet.events.writes"
EVENTS_SECONDS: Final = "motet.events.seconds"
"""How long the writes of an attempt's events took together; the graph goes on meanwhile."""
CANCEL_ACTION: Final = "motet.cancel.action"

# Metrics; their units and meanings stand where they are made, in `metrics`
QUEUE_DEPTH: Final = "motet.queue.depth"
QUEUE_WAIT_TIME: Final = "motet.queue.wait"
RUN_UNFINISHED: Final = "motet.run.unfinished"
RUN_DURATION: Final = "motet.run.duration"
RUN_RETRIES: Final = "motet.run.retries"
RUN_CANCELS: Final = "motet.run.cancels"
LEASE_LOST: Final = "motet.lease.lost"
WRITE_REFUSED: Final = "motet.write.refused"
STREAM_OPEN: Final = "motet.stream.open"
LOOP_LAG: Final = "motet.loop.lag"
APPROVAL_OPEN: Final = "motet.approval.open"
APPROVAL_OLDEST: Final = "motet.approval.oldest"
APPROVAL_DECISIONS: Final = "motet.approval.decisions"
APPROVAL_TIME: Final = "motet.approval.time_to_decision"
APPROVAL_KIND: Final = "motet.approval.kind"
WEBHOOK_ATTEMPTS: Final = "motet.webhook.attempts"
CHECKPOINT_RESENT: Final = "motet.checkpoint.resent"
"""Counter: checkpoints sent twice, because the server had lost elements that the sender took for stored."""

# Keys of a run's LangChain metadata, from which spans and LangSmith both read
METADATA_THREAD_ID: Final = "thread_id"
METADATA_RUN_ID: Final = "run_id"
METADATA_ASSISTANT_ID: Final = "assistant_id"
METADATA_GRAPH_ID: Final = "graph_id"
