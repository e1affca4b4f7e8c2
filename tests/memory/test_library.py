"""The guide's programs for those who use the saver, store and cache without the server: they run as they stand."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.memory.servers import valkey

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide.md"
URL = "redis://localhost:6379"
EMBEDDINGS = "from langchain.embeddings import init_embeddings\n"
NO_PROVIDER = """
from langchain_core.embeddings import DeterministicFakeEmbedding
def init_embeddings(name): return DeterministicFakeEmbedding(size=1536)
"""


def programs() -> list[str]:
    section = GUIDE.read_text(encoding="utf-8").partition("\n## As a library\n")[2].partition("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)


def run(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("program", programs(), ids=["sync", "async"])
async def test_a_program_of_the_guide_prints_what_it_says(tmp_path: Path, program: str) -> None:
    """Run against a real server, with a model's provider replaced, each line's comment is what it prints."""
    said = re.findall(r"print\(.*\)  # (.*)\n", program)
    assert URL in program
    async with valkey(tmp_path, appendfsync="always") as server:
        code = program.replace(URL, server.url).replace(EMBEDDINGS, NO_PROVIDER)
        done = await asyncio.to_thread(run, code)

    assert done.stderr == ""
    assert done.stdout.splitlines()[: len(said)] == said
