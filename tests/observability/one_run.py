"""A process that does one run as `motet` would, with the tracing its environment asks for, and ends abruptly.

It says how many seconds the run took.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from uuid import UUID

from langchain_core.runnables import RunnableConfig
from tests.models import asked
from tests.observability.weather import travel

from motet.observability import langsmith
from motet.observability.setup import TelemetrySettings, install
from motet.observability.spans import NodeWatch, run_span


async def main(run_id: str) -> None:
    """One run of the travel graph under the id given by its caller."""
    langsmith.install()
    telemetry = install(TelemetrySettings(tracing="OTEL_EXPORTER_OTLP_ENDPOINT" in os.environ))
    with run_span(telemetry.tracer, graph_id="travel", thread_id="t1", run_id=run_id, attempt=1):
        config: RunnableConfig = {
            "run_id": UUID(run_id),
            "run_name": "travel",
            "callbacks": [NodeWatch(telemetry.tracer)],
            "configurable": {"thread_id": "t1"},
            "metadata": langsmith.run_metadata(thread_id="t1", run_id=run_id, assistant_id="a1", graph_id="travel"),
        }
        began = time.monotonic()
        await travel().ainvoke(asked(os.environ.get("QUESTION", "hello")), config)
        sys.stdout.write(f"took {time.monotonic() - began:.3f}\n")
    await langsmith.flush(timeout_s=float(os.environ.get("FLUSH_S", "10")))
    telemetry.shutdown()


asyncio.run(main(sys.argv[1]))
sys.stdout.flush()
os._exit(0)  # what is sent now was sent by the two calls above, not by a hook at exit
