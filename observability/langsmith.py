"""What LangSmith's own SDK needs from us: metadata it can filter by, a client that masks secrets, and time to send.

The SDK does the tracing by itself as soon as `LANGSMITH_TRACING=true` stands in the environment; it
reads its endpoint and key there too (`LANGSMITH_ENDPOINT`, `LANGSMITH_API_KEY`, `LANGSMITH_PROJECT`).
"""

from __future__ import annotations

import asyncio
from typing import Any

from langsmith import run_trees
from langsmith.utils import tracing_is_enabled

from motet.observability import names
from motet.observability.trajectory.redact import redacted


def install() -> None:
    """Make the client that the SDK's tracing uses one that sends no secrets.

    Call it before anything is traced and once the environment is complete. Does nothing where the
    environment doesn't ask for tracing. A client that a graph makes itself is its own.
    """
    if tracing_is_enabled():
        run_trees.get_cached_client(anonymizer=_anonymized)


def _anonymized(data: dict[str, Any]) -> dict[str, Any]:
    """Inputs, outputs, metadata or error of a run, as the SDK hands them over before it sends them."""
    return redacted(data)


def run_metadata(*, thread_id: str, run_id: str, assistant_id: str, graph_id: str) -> dict[str, str]:
    """What stands in `config["metadata"]` of each run: LangSmith groups threads by it, spans read it."""
    return {
        names.METADATA_THREAD_ID: thread_id,
        names.METADATA_RUN_ID: run_id,
        names.METADATA_ASSISTANT_ID: assistant_id,
        names.METADATA_GRAPH_ID: graph_id,
    }


async def flush(*, timeout_s: float = 10.0) -> None:
    """Send the runs that wait in LangSmith's background queue, within `timeout_s` seconds.

    Call it once at shutdown. Does nothing where LangSmith was never used.
    """
    client = run_trees._CLIENT  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # asking for it by its public name makes one
    if client is not None:
        await asyncio.to_thread(client.flush, timeout=timeout_s)
