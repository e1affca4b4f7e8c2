"""A loopback stand-in for a LangSmith endpoint and an OpenTelemetry collector: it keeps what it is sent."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from email.parser import BytesParser
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.listening import served


class Receiver:
    """The parts of LangSmith and of an OpenTelemetry collector that take runs, spans and metrics."""

    def __init__(self, *, multipart: bool = True) -> None:
        """`multipart`: what `/info` says that runs are posted as; else in batches of JSON, as to older endpoints."""
        self._multipart = multipart
        self.paths: set[str] = set()
        """Where runs were posted to."""
        self.runs: dict[str, dict[str, Any]] = {}
        """What was posted to LangSmith, by run id."""
        self.keys: set[str] = set()
        self.port = 0
        self.app = FastAPI()
        self.app.get("/info")(self.info)
        self.app.post("/runs/multipart", status_code=202)(self.take)
        self.app.post("/runs/batch", status_code=202)(self.take_batch)
        self.spans: list[bytes] = []
        self.app.post("/v1/traces")(self.take_spans)
        self.events: list[bytes] = []
        self.app.post("/v1/logs")(self.take_events)
        self.metrics: list[bytes] = []
        self.app.post("/v1/metrics")(self.take_metrics)

    async def info(self) -> dict[str, Any]:
        """The protocol's features: runs in one way, uncompressed, and nothing else."""
        return {
            "version": "0.10.0",
            "batch_ingest_config": {
                "use_multipart_endpoint": self._multipart,
                "size_limit": 100,
                "size_limit_bytes": 20_971_520,
                "scale_up_nthreads_limit": 2,
                "scale_up_qsize_trigger": 1000,
                "scale_down_nempty_trigger": 4,
            },
            "instance_flags": {"zstd_compression_enabled": False},
        }

    async def take(self, request: Request) -> dict[str, str]:
        """Parts are named `post.<run>` or `patch.<run>`, with `.inputs`, `.outputs`, `.extra`, … after it."""
        self.keys.add(request.headers["x-api-key"])
        self.paths.add(request.url.path)
        head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
        for part in BytesParser().parsebytes(head + await request.body()).walk():
            name = part.get_param("name", header="content-disposition")
            if not isinstance(name, str):
                continue
            _, run_id, *field = name.split(".")
            data = part.get_payload(decode=True)
            assert isinstance(data, bytes)
            run = self.runs.setdefault(run_id, {})
            run.update({field[0]: orjson.loads(data)} if field else orjson.loads(data))
        return {}

    async def take_batch(self, request: Request) -> dict[str, str]:
        """Runs that began under `post`, what became of them under `patch`."""
        self.keys.add(request.headers["x-api-key"])
        self.paths.add(request.url.path)
        told = orjson.loads(await request.body())
        for run in (*told.get("post", ()), *told.get("patch", ())):
            self.runs.setdefault(run["id"], {}).update({name: one for name, one in run.items() if one is not None})
        return {}

    async def take_spans(self, request: Request) -> Response:
        """OTLP over HTTP, protobuf."""
        assert request.headers["content-type"] == "application/x-protobuf"
        self.spans.append(await request.body())
        return Response(media_type="application/x-protobuf")

    async def take_events(self, request: Request) -> Response:
        """OTLP over HTTP, protobuf."""
        assert request.headers["content-type"] == "application/x-protobuf"
        self.events.append(await request.body())
        return Response(media_type="application/x-protobuf")

    async def take_metrics(self, request: Request) -> Response:
        """OTLP over HTTP, protobuf."""
        assert request.headers["content-type"] == "application/x-protobuf"
        self.metrics.append(await request.body())
        return Response(media_type="application/x-protobuf")

    def spans_of(self, trace_id: str | None = None) -> list[Span]:
        """The spans that arrived, of one trace (hex) if it is given."""
        return [
            span
            for body in self.spans
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
            if trace_id in {None, span.trace_id.hex()}
        ]

    def span_names(self, trace_id: str | None = None) -> set[str]:
        """Names of the spans that arrived, of one trace (hex) if it is given."""
        return {span.name for span in self.spans_of(trace_id)}

    def metric_names(self) -> set[str]:
        """Names of the metrics that arrived."""
        return {
            metric.name
            for body in self.metrics
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@asynccontextmanager
async def receiving(*, multipart: bool = True) -> AsyncGenerator[Receiver]:
    """A receiver that listens, until the context ends."""
    receiver = Receiver(multipart=multipart)
    async with served(receiver.app, log_level="error") as receiver.port:
        yield receiver
