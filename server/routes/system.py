"""Whether the server is up, and what it is."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter

from motet import __version__
from motet.server.deps import Authorised

open_router = APIRouter()
router = APIRouter(dependencies=[Authorised])


@open_router.get("/ok")
async def ok() -> dict[str, Any]:
    """Answered as soon as runs can be taken; needs no key, so that probes need none."""
    return {"ok": True, "services": {}}


@router.get("/info")
async def info() -> dict[str, Any]:
    """Versions and what this server can do; clients look at `flags` before they use a feature."""
    return {
        "version": __version__,
        "langgraph_py_version": version("langgraph"),
        "flags": {"assistants": True, "crons": False, "langsmith": False, "strict_resume": True},
        "host": {
            "kind": "self-hosted",
            "project_id": None,
            "host_revision_id": None,
            "revision_id": None,
            "tenant_id": None,
        },
    }
