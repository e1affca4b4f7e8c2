"""The HTTP application over a process's services."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from motet import __version__
from motet.server import errors
from motet.server.auth import is_loopback
from motet.server.body_limit import BodyLimit
from motet.server.protocol_watching import Watching
from motet.server.replay_apart import AT_ONCE
from motet.server.routes import (
    approvals,
    assistants,
    feedback,
    forks,
    metrics,
    protocol,
    replay,
    runs,
    stateless,
    store,
    system,
    thread_state,
    threads,
)
from motet.server.services import Services

_RESOURCES = (
    # Routes are matched in this order: what is asked most stands first.
    *(stateless, runs, thread_state, protocol, threads),
    *(system, metrics, assistants, forks, replay, approvals, store, feedback),
)


def create_app(services: Services, *, host: str = "127.0.0.1") -> FastAPI:
    """The application; `services` are open, and stay so as long as it serves.

    Args:
        services: what the routes use.
        host: where it will listen; on loopback, requests for other host names are refused, so that
            no web page can reach it by a name of its own.
    """
    # The pages about the API would be served without the key.
    openapi_url = None if services.settings.auth is not None else "/openapi.json"
    # FastAPI's own telemetry would time each request for metrics that are dropped, and make each span a second time.
    telemetry = TelemetryConfig(tracing=False, metrics=False, logs=False)
    app = FastAPI(title="Motet", version=__version__, openapi_url=openapi_url, telemetry=telemetry)
    settings = services.settings
    app.state.services = services
    app.state.settings = settings
    app.state.watching = Watching(services.thread_index)
    app.state.replays = asyncio.Semaphore(AT_ONCE)
    app.state.started_at = datetime.now(UTC).isoformat()
    errors.install(app)
    app.add_middleware(BodyLimit, max_bytes=services.settings.max_body_bytes)
    if origins := settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=[one.strip() for one in origins.split(",")],
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=[
                "Content-Location",
                "Location",
                "X-Pagination-Total",
                "X-Pagination-Next",
                "X-Motet-Decided-By",
            ],
        )
    if is_loopback(host):
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "[::1]", host])
    for resource in _RESOURCES:
        app.include_router(resource.router)
    app.include_router(system.open_router)
    app.include_router(feedback.link_router)
    if services.telemetry.provider is not None:
        # The frames of a stream aren't worth a span each, nor are probes and scrapes; a link is nobody else's to see.
        FastAPIInstrumentor.instrument_app(
            app,
            tracer_provider=services.telemetry.provider,
            exclude_spans=["receive", "send"],
            excluded_urls="/ok$,/metrics$,/feedback/tokens/",
        )
    return app
