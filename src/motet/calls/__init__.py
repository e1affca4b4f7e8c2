"""The one place where a model or a tool is called.

Recording, replaying, budgets, policies and the effect ledger want the same two moments: before and
after a model call, before and after a tool call. Two choke points of LangChain see every such call
of any graph, ours or a stranger's, without a change to its code:

- `BaseChatModel._agenerate_with_cache` (each `ainvoke`, also the one that streams inside LangGraph's
  `messages` mode) and `BaseChatModel.astream` (a graph that streams by itself), with their sync twins;
- `BaseTool.arun` and `run`, where LangGraph's `ToolNode` ends.

`install()` puts a wrapper there once per process. It does nothing until `intercepted(...)` scopes a
chain of interceptors to the current context; a ContextVar carries the chain into nodes, sub-graphs
and threads that LangGraph starts. The order of the chain is fixed by the composition root:
span, record or replay, budget, policy, ledger, the call. Control signals (`GraphBubbleUp`) pass
through an interceptor like any exception and must leave it unchanged.

What a node does past LangChain (its own HTTP client, a vendor's SDK), and LangChain's beta
`stream_events(version="v3")` called by a node itself, isn't seen by interceptors; `guarded` sees the latter too.
"""

from __future__ import annotations

import functools

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.tools import BaseTool

from motet.calls.chain import (
    Interceptor,
    ModelCall,
    ModelNext,
    Place,
    ToolCall,
    ToolNext,
    current_place,
    intercepted,
    place_of,
)
from motet.calls.guard import checked, guarded
from motet.calls.models import around_agenerate, around_astream, around_generate, around_stream, model_name
from motet.calls.tools import around_arun, around_run

__all__ = [
    "Interceptor",
    "ModelCall",
    "ModelNext",
    "Place",
    "ToolCall",
    "ToolNext",
    "current_place",
    "guarded",
    "install",
    "intercepted",
    "model_name",
    "place_of",
]


def install() -> None:
    """Wrap LangChain's choke points. Idempotent; costs a look-up or two a call when no chain is set."""
    for owner, name, wrapper in (
        (BaseChatModel, "_agenerate_with_cache", around_agenerate),
        (BaseChatModel, "_generate_with_cache", around_generate),
        (BaseChatModel, "astream", around_astream),
        (BaseChatModel, "stream", around_stream),
        (BaseChatModel, "_aiter_v2_events", checked),
        (BaseChatModel, "_iter_v2_events", checked),
        (BaseTool, "arun", around_arun),
        (BaseTool, "run", around_run),
    ):
        original = getattr(owner, name)
        if not hasattr(original, "motet_original"):
            wrapped = functools.wraps(original)(wrapper(original))
            vars(wrapped)["motet_original"] = original
            setattr(owner, name, wrapped)
