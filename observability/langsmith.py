"""What LangSmith's own SDK needs from us: metadata it can filter by, and time to send at the end.

The SDK does the tracing by itself as soon as `LANGSMITH_TRACING=true` stands in the environment; it
reads its endpoint and key there too (`LANGSMITH_ENDPOINT`, `LANGSMITH_API_KEY`, `LANGSMITH_PROJECT`).
"""

from __future__ import annotations

import asyncio

from langsmith import run_trees

from motet.observability import names


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
