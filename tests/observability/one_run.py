"""A process that does one run as `motet` would, with the tracing its environment asks for, and ends abruptly."""

from __future__ import annotations

import asyncio
import os
import sys
from uuid import UUID

from langchain_core.runnables import RunnableConfig
from tests.models import asked
from tests.observability.weather import travel

from motet.observability import langsmith
from motet.observability.setup import TelemetrySettings, install
from motet.observability.spans import NodeWatch, run_span
from motet.observability.trajectory.record import Recorder


async def main(run_id: str) -> None:
    """One run of the travel graph under the id given by its caller."""
    telemetry = install(TelemetrySettings(tracing="OTEL_EXPORTER_OTLP_ENDPOINT" in os.environ))
    with run_span(telemetry.tracer, graph_id="travel", thread_id="t1", run_id=run_id, attempt=1):
        config: RunnableConfig = {
            "run_id": UUID(run_id),
            "run_name": "travel",
            "callbacks": [NodeWatch(telemetry.tracer, Recorder(run_id))],
            "configurable": {"thread_id": "t1"},
            "metadata": langsmith.run_metadata(thread_id="t1", run_id=run_id, assistant_id="a1", graph_id="travel"),
        }
        await travel().ainvoke(asked("hello"), config)
    await langsmith.flush()
    telemetry.shutdown()


asyncio.run(main(sys.argv[1]))
os._exit(0)  # what is sent now was sent by the two calls above, not by a hook at exit
