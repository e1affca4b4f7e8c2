"""The embedded model as a child process: started, restarted, told about, and never left behind."""

from __future__ import annotations

import asyncio
import ctypes
import importlib.util
import json
import os
import platform
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from tests.support import wait_until

from motet.agents.embedded import EmbeddedModel
from motet.agents.models import Models, ModelSettings
from motet.agents.openmp import fetch_openmp, lacks_openmp, searched_first
from motet.agents.weights import QWEN_CODER
from motet.errors import ModelUnavailable


def ignore(what: str, done: int, total: int) -> None:
    """Progress that nobody looks at."""


@pytest.mark.skipif(lacks_openmp(), reason="the system has no libgomp.so.1; the first start would fetch one")
async def test_a_file_that_is_no_model_is_told_with_the_last_lines(tmp_path: Path) -> None:
    """A process that doesn't come up ends in an error that carries what it printed."""
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"this is no model")

    async with aclosing(EmbeddedModel(broken, data_dir=tmp_path, progress=ignore)) as embedded:
        with pytest.raises(ModelUnavailable, match=r"(?s)its process ended.*printed last:\n.*Failed to init"):
            await embedded.base_url()


async def test_a_missing_runtime_is_told_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the library no process is started, and the error names the extra."""

    def nothing(_: str) -> None:
        return None

    monkeypatch.setattr(importlib.util, "find_spec", nothing)

    with pytest.raises(ModelUnavailable, match=r"pip install 'motet\[local\]'"):
        await EmbeddedModel(tmp_path / "any.gguf", data_dir=tmp_path, progress=ignore).base_url()


@pytest.fixture
def no_openmp(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system whose loader doesn't find libgomp.so.1, as a fresh Debian's."""
    load = ctypes.CDLL

    def refusing(name: str | None, *others: Any) -> ctypes.CDLL:
        if name == "libgomp.so.1":
            raise OSError(name)
        return load(name, *others)

    monkeypatch.setattr(ctypes, "CDLL", refusing)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux needs libgomp.so.1")
@pytest.mark.usefixtures("no_openmp")
async def test_no_process_is_started_without_openmp(tmp_path: Path) -> None:
    """A system without libgomp.so.1 where none can be put in the data directory is told so, before anything starts."""
    (tmp_path / "lib").write_text("in the way")

    with pytest.raises(ModelUnavailable, match=r"lib can't be written|none to fetch for"):
        await EmbeddedModel(tmp_path / "any.gguf", data_dir=tmp_path, progress=ignore).base_url()


async def test_closing_what_never_started_is_nothing(tmp_path: Path) -> None:
    """An EmbeddedModel may be closed at any time, twice too."""
    embedded = EmbeddedModel(tmp_path / "any.gguf", data_dir=tmp_path, progress=ignore)

    await embedded.aclose()
    await embedded.aclose()


@pytest.fixture
def weights() -> Path:
    """The real weights, where MOTET_MODEL_FILE or the data directory has them."""
    named = os.environ.get("MOTET_MODEL_FILE")
    data = Path(os.environ.get("MOTET_DATA_DIR", Path.home() / ".local" / "share" / "motet"))
    file = Path(named) if named else data / "models" / QWEN_CODER.file
    if not file.is_file():
        pytest.skip(f"the embedded model's weights aren't at {file}; set MOTET_MODEL_FILE or MOTET_DATA_DIR")
    return file


@pytest.fixture
async def models(weights: Path, tmp_path: Path) -> AsyncGenerator[Models]:
    """The embedded model, closed at the end."""
    settings = ModelSettings(name=None, base_url=None, file=weights, data_dir=tmp_path, timeout_s=50)
    async with aclosing(Models(settings, progress=ignore)) as made:
        yield made


@tool
def count_rows(table: str) -> str:
    """Count the rows of a table."""
    return f"{table} has 3376 rows"


@pytest.mark.all
async def test_the_real_model_calls_a_tool_and_answers(models: Models) -> None:
    """An agent over the real weights calls the tool and repeats its result."""
    agent = create_agent(await models.chat(), [count_rows])

    state = await agent.ainvoke({"messages": [HumanMessage("How many rows has the table airports?")]})

    messages = state["messages"]
    assert [message.type for message in messages] == ["human", "ai", "tool", "ai"]
    assert messages[1].tool_calls[0]["args"] == {"table": "airports"}
    assert "3376" in messages[3].text


@pytest.mark.all
@pytest.mark.skipif(sys.platform != "linux" or platform.machine() != "x86_64", reason="needs Linux on x86_64")
@pytest.mark.usefixtures("no_openmp")
async def test_a_system_without_openmp_is_given_one(weights: Path, tmp_path: Path) -> None:
    """The process runs with the libgomp.so.1 fetched into the data directory."""
    async with aclosing(EmbeddedModel(weights, data_dir=tmp_path, progress=ignore)) as embedded:
        await embedded.base_url()
        loaded = libraries_of(pid_of(weights, parent=os.getpid()))

    assert str(tmp_path / "lib" / "libgomp.so.1") in loaded


@pytest.mark.all
async def test_a_chat_model_outlives_a_crash_of_the_process(weights: Path, models: Models) -> None:
    """After the process was killed, the same chat model answers from a new one."""
    chat = await models.chat()
    first = pid_of(weights, parent=os.getpid())
    os.kill(first, signal.SIGKILL)

    assert (await chat.ainvoke("Say yes.")).text
    assert pid_of(weights, parent=os.getpid()) != first


@pytest.mark.all
async def test_the_process_dies_with_its_parent(weights: Path, tmp_path: Path) -> None:
    """A parent that is killed leaves no model behind."""
    program = (
        "import asyncio, sys\nfrom pathlib import Path\nfrom motet.agents.embedded import EmbeddedModel\n"
        "async def main():\n"
        "    model = EmbeddedModel(Path(sys.argv[1]), data_dir=Path(sys.argv[2]), progress=lambda *_: None)\n"
        "    print(await model.base_url(), flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, "-c", program, str(weights), str(tmp_path)]
    parent = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
    assert parent.stdout is not None
    assert (await parent.stdout.readline()).startswith(b"http://127.0.0.1:")
    child = pid_of(weights, parent=parent.pid)
    parent.kill()
    await parent.wait()

    await wait_until(lambda: not Path(f"/proc/{child}/cmdline").exists(), description="it is gone")


@pytest.mark.all
async def test_the_process_says_where_it_serves_and_ends_with_its_input(weights: Path, tmp_path: Path) -> None:
    """One JSON line when ready; closing standard input ends it with status 0."""
    environment = searched_first(await fetch_openmp(tmp_path, ignore)) if lacks_openmp() else None
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "motet.agents.local", "--file", str(weights), "--threads", "2"),
        env=environment,
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert json.loads(await process.stdout.readline())["base_url"].startswith("http://127.0.0.1:")
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 10) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def pid_of(weights: Path, *, parent: int) -> int:
    """The process below `parent` that serves `weights`."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        command = status.with_name("cmdline").read_bytes()
        if bytes(weights) in command and int(status.read_text().rpartition(")")[2].split()[1]) == parent:
            return int(status.parent.name)
    raise AssertionError("no process serves the weights")


def libraries_of(pid: int) -> set[str]:
    """Every file that is mapped into a process."""
    return {line.split()[-1] for line in Path(f"/proc/{pid}/maps").read_text().splitlines()}
