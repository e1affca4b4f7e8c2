"""`motet chat`: what a person and a script see of a real server."""

from __future__ import annotations

import json
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.server.running import PROJECT, Running, environment, serving
from tests.server.typing_person import at_terminal, without_terminal
from tests.support import free_port, wait_until

MAIL = "ada@example.org"


HELD = """
import asyncio
from pathlib import Path
from langchain_core.messages import AIMessage
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, MessagesState, StateGraph

async def hold(state):
    get_stream_writer()("holding")
    while not Path(__file__).with_name("go").exists():
        await asyncio.sleep(0.05)
    return {"messages": [AIMessage("let go")]}

held = StateGraph(MessagesState).add_node(hold).add_edge(START, "hold").add_edge("hold", END)
"""


def held_project(folder: Path) -> tuple[Path, Path]:
    """A project whose one graph goes on when a file appears: its langgraph.json, and that file."""
    (folder / "held.py").write_text(HELD)
    config = folder / "langgraph.json"
    config.write_text('{"graphs": {"held": "./held.py:held"}}')
    return config, folder / "go"


async def state_of(client: Any, thread_id: str) -> dict[str, Any]:
    """The thread's values."""
    return (await client.threads.get_state(thread_id))["values"]


async def waiting_thread(client: Any) -> str:
    """A thread that waits for a decision on a mail."""
    thread_id: str = (await client.threads.create())["thread_id"]
    await client.runs.wait(thread_id, "ask", input={})
    return thread_id


async def test_an_answer_is_shown(server: Running, tmp_path: Path) -> None:
    """One question gives its answer on standard output and exit code 0, with nobody at a terminal."""
    code, said, _ = await without_terminal(
        "chat", "--url", server.url, "--assistant", "echo", "Hello?", env=environment(tmp_path), fresh=True
    )

    assert code == 0
    assert "echo: Hello?" in said
    assert "\x1b[" not in said


async def test_json_lines(server: Running, tmp_path: Path) -> None:
    """With --json each line is an object; the last is the summary."""
    code, said, _ = await without_terminal(
        "chat", "--url", server.url, "--assistant", "echo", "--json", "Hello?", env=environment(tmp_path)
    )
    *events, last = [json.loads(line) for line in said.splitlines()]

    assert code == 0
    assert events[0]["event"] == "metadata"
    assert {"event": "custom", "namespace": [], "data": {"progress": 1}} in events
    assert last["event"] == "summary"
    assert last["data"]["run_id"] == events[0]["data"]["run_id"]
    assert last["data"] | {"thread_id": "", "run_id": ""} == {
        "thread_id": "", "run_id": "", "status": "success", "answer": "echo: Hello?",
        "route": [], "citations": {"quotes": [], "queries": []}, "verification": None,
        "findings": [], "waiting": [], "error": None,
    }  # fmt: skip


async def test_an_approval_is_asked_inline(server: Running, client: Any, tmp_path: Path) -> None:
    """The person sees tool and arguments, approves, and the run goes on to its end."""
    thread_id = await waiting_thread(client)
    async with at_terminal("chat", "--url", server.url, "--thread", thread_id, env=environment(tmp_path)) as person:
        await person.sees("Approval needed: send_mail")
        await person.sees("Send a mail.")
        await person.sees(f"to: {MAIL}")
        await person.sees("decision >")
        person.types("a")
        await person.sees("you >")
        person.types("\x04")
        assert await person.leaves() == 0

    assert (await state_of(client, thread_id))["log"] == [f"approve:{MAIL}:"]


async def test_a_rejection_carries_its_reason(server: Running, client: Any, tmp_path: Path) -> None:
    """What isn't a decision is asked again; `r` rejects with the reason typed."""
    async with at_terminal(
        "chat", "--url", server.url, "--assistant", "ask", "--thread", await waiting_thread(client), "and now?",
        env=environment(tmp_path),
    ) as person:  # fmt: skip
        await person.sees("decision >")
        person.types("x")
        await person.sees("is none of them")
        await person.sees("decision >")
        person.types("r")
        await person.sees("why")
        person.types("not today")
        await person.sees("decision >")
        person.types("s")
        await person.sees("answer in its place")
        person.types("told her myself")
        assert await person.leaves() == 0


async def test_an_edit_changes_one_argument(server: Running, client: Any, tmp_path: Path) -> None:
    """`e` asks for each short argument; Enter keeps it."""
    thread_id = await waiting_thread(client)
    async with at_terminal("chat", "--url", server.url, "--thread", thread_id, env=environment(tmp_path)) as person:
        await person.sees("decision >")
        person.types("e")
        await person.sees("to (Enter keeps it)")
        person.types("bob@example.org")
        await person.sees("text (Enter keeps it)")
        person.types("")
        await person.sees("you >")

    assert (await state_of(client, thread_id))["log"] == ["edit:bob@example.org:"]


async def test_a_decision_made_elsewhere_is_said(server: Running, client: Any, tmp_path: Path) -> None:
    """An answer that comes second is refused, the person reads why, and nothing happens twice."""
    thread_id = await waiting_thread(client)
    async with at_terminal("chat", "--url", server.url, "--thread", thread_id, env=environment(tmp_path)) as person:
        await person.sees("decision >")
        await client.runs.wait(
            thread_id, "ask", command={"resume": {"decisions": [{"type": "reject", "message": "first"}]}}
        )
        person.types("a")
        await person.sees("The decision was not taken")
        await person.sees("you >")

    assert (await state_of(client, thread_id))["log"] == [f"reject:{MAIL}:first"]


async def test_every_question_of_a_graph_is_asked(server: Running, client: Any, tmp_path: Path) -> None:
    """Two questions that wait together, of no known form, are both answered."""
    thread_id: str = (await client.threads.create())["thread_id"]
    await client.runs.wait(thread_id, "two_questions", input={})
    async with at_terminal("chat", "--url", server.url, "--thread", thread_id, env=environment(tmp_path)) as person:
        await person.sees("A question waits")
        await person.sees("answer >")
        person.types("7")
        await person.sees("answer >")
        person.types("blue")
        await person.sees("you >")

    answered = {one.partition("=")[2] for one in (await state_of(client, thread_id))["log"]}
    assert answered == {"7", "blue"}


async def test_nobody_to_ask_is_exit_code_3(server: Running, client: Any, tmp_path: Path) -> None:
    """Without a terminal a waiting decision is shown with the command to decide it, and left alone."""
    code, said, _ = await without_terminal(
        "chat", "--url", server.url, "--assistant", "ask", "Send it", env=environment(tmp_path)
    )

    assert code == 3
    assert f"to: {MAIL}" in said
    thread_id = said.rsplit("--thread ", 1)[1].split()[0]
    assert (await client.threads.get(thread_id))["status"] == "interrupted"


async def test_ctrl_c_leaves_the_run_to_the_server(server: Running, client: Any, tmp_path: Path) -> None:
    """Ctrl-C during a run ends the watching with 130 and the command to come back; the run ends by itself."""
    async with at_terminal(
        "chat", "--url", server.url, "--assistant", "slow", "Count", env=environment(tmp_path)
    ) as person:
        await person.sees("thinking")
        person.presses_ctrl_c()
        await person.sees("the run goes on in the server")
        await person.sees(f"chat --url {server.url} --thread ")
        assert await person.leaves() == 130
        thread_id = person.screen.rsplit("--thread ", 1)[1].split()[0]

    async def ended() -> bool:
        return (await client.threads.get(thread_id))["status"] == "idle"

    await wait_until(ended, description="the run's end")
    assert (await state_of(client, thread_id))["n"] == 20


@pytest.mark.all
async def test_a_server_that_vanishes_leaves_the_way_back(redis_url: str, tmp_path: Path) -> None:
    """A person whose server is killed under the talk is told so, and how to go on with the thread."""
    env = {"MOTET_REDIS_URL": redis_url, "MOTET_TENANT": "vanished"}
    async with (
        serving("--config", str(PROJECT), data_dir=tmp_path, env=env) as doomed,
        at_terminal("chat", "--url", doomed.url, "--assistant", "echo", env=environment(tmp_path)) as person,
    ):
        await person.sees("you >")
        await doomed.stop(signal.SIGKILL)
        person.types("hello?")
        await person.sees(f"chat --url {doomed.url} --thread ")
        await person.sees("does not answer")
        assert await person.leaves() == 4


async def test_ctrl_c_at_a_decision_leaves_it_waiting(server: Running, client: Any, tmp_path: Path) -> None:
    """Nothing is decided by leaving; exit code 3 says that the thread waits."""
    thread_id = await waiting_thread(client)
    async with at_terminal("chat", "--url", server.url, "--thread", thread_id, env=environment(tmp_path)) as person:
        await person.sees("decision >")
        person.presses_ctrl_c()
        await person.sees(f"--thread {thread_id}")
        assert await person.leaves() == 3

    assert (await client.threads.get(thread_id))["status"] == "interrupted"


async def test_a_failed_run_is_exit_code_1(server: Running, tmp_path: Path) -> None:
    """What a graph raised is one line, and a failure for scripts."""
    code, said, complained = await without_terminal(
        "chat", "--url", server.url, "--assistant", "boom", "Hello?", env=environment(tmp_path)
    )

    assert code == 1
    assert "ValueError: boom happened" in said
    assert "Traceback" not in said + complained


async def test_a_server_of_its_own(redis_url: str, tmp_path: Path) -> None:
    """Without --url the command starts a server, talks, and leaves none behind; its thread is there next time."""
    env = environment(tmp_path, {"MOTET_REDIS_URL": redis_url})
    async with at_terminal("chat", "--config", str(PROJECT), env=env, fresh=True) as person:
        await person.sees("Assistants: echo")
        await person.sees("you >")
        person.types("Hello?")
        await person.sees("echo: Hello?")
        await person.sees("you >")
        person.types("\x04")
        await person.sees("Go on later")
        assert await person.leaves() == 0
        thread_id = person.screen.rsplit("--thread ", 1)[1].split()[0]
    code, said, _ = await without_terminal(
        "chat", "--config", str(PROJECT), "--thread", thread_id, "--json", "Again?", env=env
    )

    assert code == 0
    assert json.loads(said.splitlines()[-1])["data"]["answer"] == "echo: Again?"


@pytest.mark.all
async def test_ctrl_c_leaves_the_run_to_the_next_server(redis_url: str, tmp_path: Path) -> None:
    """With a server of its own, Ctrl-C stops that too; whoever comes back to the thread sees the run go on."""
    env = environment(tmp_path, {"MOTET_REDIS_URL": redis_url})
    env |= {"MOTET_TENANT": "left", "MOTET_LEASE_SECONDS": "2", "MOTET_HEARTBEAT_SECONDS": "0.5"}
    env |= {"MOTET_SWEEP_SECONDS": "0.5"}
    config, go = held_project(tmp_path)
    async with at_terminal("chat", "--config", str(config), "Wait", env=env) as person:
        await person.sees("holding")
        person.presses_ctrl_c()
        await person.sees("The run is kept")
        assert await person.leaves() == 130
        thread_id = person.screen.rsplit("--thread ", 1)[1].split()[0]
    async with at_terminal("chat", "--config", str(config), "--thread", thread_id, env=env) as person:
        await person.sees("a run is at work on this thread")
        go.touch()
        await person.sees("let go")
        await person.sees("you >")
        person.types("\x04")
        assert await person.leaves() == 0


@pytest.mark.all
async def test_no_server_outlives_a_killed_command(redis_url: str, tmp_path: Path) -> None:
    """A command that was killed can stop nothing; its server notices and ends."""
    env = environment(tmp_path, {"MOTET_REDIS_URL": redis_url})
    config, _ = held_project(tmp_path)

    def servers() -> int:
        found = 0
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                line = file.read_bytes()
                found += b"attended" in line and str(config).encode() in line
        return found

    async with at_terminal("chat", "--config", str(config), env=env) as person:
        await person.sees("you >")
        assert servers() > 0
        person.process.kill()

    await wait_until(lambda: servers() == 0, description="the server's end")


async def test_an_unreachable_server_is_exit_code_4(tmp_path: Path) -> None:
    """Nobody listens: one line, no trace."""
    code, _, complained = await without_terminal(
        "chat", "--url", f"http://127.0.0.1:{free_port()}", "Hello?", env=environment(tmp_path)
    )

    assert code == 4
    assert "does not answer" in complained
    assert "Traceback" not in complained


async def test_an_unknown_thread_is_named(server: Running, tmp_path: Path) -> None:
    """The server's own words, as one line."""
    unknown = str(uuid4())
    code, _, complained = await without_terminal(
        "chat", "--url", server.url, "--thread", unknown, "Hello?", env=environment(tmp_path)
    )

    assert code == 1
    assert complained.strip() == f"motet: Thread with ID {unknown} not found"


@pytest.mark.all
async def test_a_server_that_can_not_start_says_why(tmp_path: Path) -> None:
    """The child's words and its exit code come through."""
    code, _, complained = await without_terminal(
        "chat", "--config", str(tmp_path / "none.json"), "Hello?", env=environment(tmp_path)
    )

    assert code == 2
    assert "none.json: can't be read" in complained
