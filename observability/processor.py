"""Says on each span, ours or a library's, where in which run it was made."""

from __future__ import annotations

from langchain_core.runnables.config import var_child_runnable_config
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanProcessor
from opentelemetry.util.types import AttributeValue
from typing_extensions import override

from motet.calls import place_of
from motet.observability import names


class PlaceProcessor(SpanProcessor):
    """Stamps node, step, checkpoint namespace, thread and run on a span as it starts.

    Read from LangChain's context of the moment; what the span's maker set itself stays.
    """

    @override
    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        config = var_child_runnable_config.get()
        if config is None:
            return
        metadata = config.get("metadata") or {}
        place = place_of(metadata)
        found: dict[str, AttributeValue | None] = {
            names.LANGGRAPH_NODE: place.node or None,
            names.LANGGRAPH_STEP: place.step if place.node else None,
            names.LANGGRAPH_CHECKPOINT_NS: place.namespace or None,
            names.CONVERSATION_ID: metadata.get(names.METADATA_THREAD_ID),
            names.RUN_ID: metadata.get(names.METADATA_RUN_ID),
        }
        given = span.attributes or {}
        span.set_attributes({name: value for name, value in found.items() if value is not None and name not in given})
