"""What LangSmith's own SDK needs from us: metadata it can filter by, a client that masks secrets, and time to send.

The SDK does the tracing by itself as soon as `LANGSMITH_TRACING=true` stands in the environment; it
reads its endpoint and key there too (`LANGSMITH_ENDPOINT`, `LANGSMITH_API_KEY`, `LANGSMITH_PROJECT`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from langsmith import Client, run_trees
from langsmith.utils import LangSmithError, get_tracer_project, tracing_is_enabled

from motet.observability import names
from motet.observability.trajectory.redact import redacted, without_secrets

_logger = logging.getLogger(__name__)


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
    """Send the runs and the feedback that wait in LangSmith's background queue, within `timeout_s` seconds.

    Call it once at shutdown. Does nothing where LangSmith was never used.
    """
    if _telling:
        await asyncio.wait(_telling, timeout=timeout_s)
    client = run_trees._CLIENT  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # asking for it by its public name makes one
    if client is not None:
        await asyncio.to_thread(client.flush, timeout=timeout_s)


def feedback_given(
    *,
    feedback_id: str,
    run_id: str,
    key: str,
    score: float | bool | None,
    value: Any,
    comment: str | None,
    correction: Any,
    source: Mapping[str, Any],
) -> None:
    """Have LangSmith told, in the background, what was said of a run whose trace it has; the trace has the run's id.

    Does nothing where the environment doesn't ask for tracing. What LangSmith says to it is only logged.
    """

    def tell(client: Client) -> None:
        client.create_feedback(
            run_id=run_id,
            trace_id=run_id,
            session_id=_project(client),
            key=key,
            score=score,
            value=value,
            comment=comment,
            correction=correction,
            source_info=dict(source),
            feedback_id=feedback_id,
            stop_after_attempt=3,
        )

    _in_background(tell)


def feedback_changed(
    *, feedback_id: str, score: float | bool | None, value: Any, comment: str | None, correction: Any
) -> None:
    """Have LangSmith told, as `feedback_given`, that something else is said now."""
    _in_background(
        lambda client: client.update_feedback(
            feedback_id, score=score, value=value, comment=comment, correction=correction
        )
    )


def feedback_withdrawn(feedback_id: str) -> None:
    """Have LangSmith told, as `feedback_given`, that it was taken back."""
    _in_background(lambda client: client.delete_feedback(feedback_id))


_telling: set[asyncio.Task[None]] = set()
_projects: dict[str, UUID] = {}


def _in_background(tell: Callable[[Client], None]) -> None:
    if not tracing_is_enabled():
        return
    task = asyncio.create_task(asyncio.to_thread(_tell, tell))
    _telling.add(task)
    task.add_done_callback(_telling.discard)


def _tell(tell: Callable[[Client], None]) -> None:
    try:
        tell(run_trees.get_cached_client())
    except (LangSmithError, OSError, ValueError) as error:
        _logger.warning("LangSmith wasn't told of feedback: %s", without_secrets(str(error)))


def _project(client: Client) -> UUID | None:
    """The project that runs are traced to, by which LangSmith finds them; None while it knows none."""
    name = get_tracer_project() or "default"
    if name not in _projects:
        try:
            _projects[name] = client.read_project(project_name=name).id
        except (LangSmithError, OSError, ValueError):
            return None
    return _projects[name]
