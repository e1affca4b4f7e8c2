"""What the fork server imports, once: all that a server or worker needs. Imported nowhere else."""

from __future__ import annotations

import importlib
import os

# LangGraph reads it when it is imported; `motet` sets it before that.
os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")

for _name in (
    *("motet.server.__main__", "motet.server.serving", "motet.server.worker", "motet.server.logs", "uvloop"),
    *("langchain.agents", "motet.testing", "opentelemetry.sdk.trace"),
    *("uvicorn.loops.auto", "uvicorn.lifespan.off", "uvicorn.protocols.http.auto"),
):
    importlib.import_module(_name)
