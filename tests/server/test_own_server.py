"""A server of a command's own: it ends with the command, whatever it has left behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest
from tests.server.running import environment

from motet.server.terminal.own_server import OwnServer

LEAVES = """
import subprocess
from pathlib import Path

left = subprocess.Popen(["sleep", "600"])
Path(__file__).with_name("left").write_text(str(left.pid))
"""
"""A module that starts a process, which has the server's standard error, and outlives it."""

GRAPH = """
from langgraph.graph import START, MessagesState, StateGraph

graph = StateGraph(MessagesState).add_node("node", lambda _: {}).add_edge(START, "node").compile()
"""


async def test_what_a_server_leaves_holds_up_no_end(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that a graph started, and that goes on with the server's pipes open, isn't waited for."""
    (tmp_path / "leaving.py").write_text(LEAVES + GRAPH)
    config = tmp_path / "langgraph.json"
    config.write_text(json.dumps({"graphs": {"leaving": "./leaving.py:graph"}}))
    for name, value in environment(
        tmp_path / "data", {"MOTET_REDIS_URL": redis_url, "MOTET_TENANT": "leaving"}
    ).items():
        monkeypatch.setenv(name, value)
    server = await OwnServer.start(workspace=None, config=config, doing=lambda _: None)
    try:
        async with asyncio.timeout(60):
            await server.stop()
    finally:
        os.kill(int((tmp_path / "left").read_text()), signal.SIGKILL)
