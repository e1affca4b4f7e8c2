"""The guide to approvals is run as it stands: its files are served, its programs and commands work on that server."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import json
import re
import shlex
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.server import on_call
from tests.server.receiver import Received, Receiver, receiving
from tests.server.running import Running, environment, serving
from tests.server.typing_person import at_terminal
from tests.support import wait_until

from motet.observability import names as metric_names
from motet.observability.setup import TelemetrySettings, install

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "approvals.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"# (\w+\.py)\n")
CONFIG = '{"graphs": '
PROVIDER = "from langchain.chat_models import init_chat_model\n"
NO_PROVIDER = """
import re
from langchain_core.messages import AIMessage
from motet.testing import FunctionModel


def answer(messages, tools):
    if messages[-1].type == "tool":
        return messages[-1].text
    to, subject = re.fullmatch("Write to (.*): (.*)", messages[-1].text).groups()
    call = {"name": "send_mail", "args": {"to": to, "subject": subject}, "id": f"call-{len(messages)}"}
    return AIMessage("I was asked to write.", tool_calls=[call])


def init_chat_model(name): return FunctionModel(answer)
"""
HERE = "http://127.0.0.1:2024"
SECRET = "whsec_" + "bW90ZXRtb3RldG1vdGV0bW90ZXRtb3RldG1v"
LUNCH = {"messages": [{"role": "user", "content": "Write to ada@example.org: lunch?"}]}


def blocks() -> list[tuple[str, str]]:
    """Language and text of each block of the page, in their order."""
    return BLOCK.findall(GUIDE.read_text("utf-8"))


def files() -> dict[str, str]:
    """The files that the page has a reader write."""
    named = {found[1]: text for _, text in blocks() if (found := FILE.match(text))}
    [config] = [text for kind, text in blocks() if kind == "json" and text.startswith(CONFIG)]
    return {**named, "langgraph.json": config}


@dataclass(slots=True)
class Reader:
    """Somebody who works through the page."""

    running: Running
    folder: Path
    env: Mapping[str, str]
    http: httpx.AsyncClient
    names: dict[str, Any] = field(default_factory=dict[str, Any])
    """What the programs so far have named."""
    thread_id: str = ""
    """The last thread that a command was about."""
    commands: list[str] = field(default_factory=list[str])
    """Those that were run, by their first word."""

    async def runs(self, program: str) -> None:
        """Run a program; what each `print(…)  # …` says must be what it prints."""
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        code = compile(program.replace(HERE, self.running.url), str(GUIDE), "exec", flags=flags)
        with contextlib.redirect_stdout(io.StringIO()) as output:
            done = eval(code, self.names)  # noqa: S307 - the page's own program
            if inspect.isawaitable(done):
                await done
        assert output.getvalue().splitlines() == re.findall(r"print\(.*\)  # (.*)$", program, re.MULTILINE)

    async def types(self, line: str) -> None:
        """Run a line of a shell; whatever it asks is answered with yes, and Ctrl-C ends what doesn't end."""
        _, _, *words = [await self._meant(one) for one in shlex.split(line, comments=True)]
        self.commands.append(words[0])
        if words[0] in {"list", "show", "audit", "grants", "revoke"}:
            code, said = await on_call.motet("inbox", *words, env=self.env)
            assert code == 0, said
            return
        async with at_terminal("inbox", *words, env=self.env) as person:
            if words[0] == "watch":
                await person.sees("Ctrl-C ends.")
                person.presses_ctrl_c()
            else:
                await person.sees("[y/N] >")
                person.types("y")
            assert await person.leaves() == 0, person.screen

    async def _meant(self, word: str) -> str:
        """What stands for a placeholder of the page."""
        match word:
            case "ID":
                self.thread_id = await self._asked()
                return self.thread_id
            case "THREAD":
                return self.thread_id
            case "GRANT":
                [grant] = (await self.http.get(f"/threads/{self.thread_id}/grants")).json()
                return str(grant["grant_id"])
            case "HASH":
                code, [verdict] = await on_call.told("inbox", "audit", env=self.env)
                assert code == 0
                return str(verdict["head"])
            case _:
                return word

    async def _asked(self) -> str:
        """A thread on which the mailer asks."""
        thread_id = (await self.http.post("/threads", json={})).json()["thread_id"]
        body = {"assistant_id": "mailer", "input": LUNCH}
        (await self.http.post(f"/threads/{thread_id}/runs/wait", json=body)).raise_for_status()
        return str(thread_id)

    async def check_shapes(self) -> None:
        """Each shape that the page lists is taken, and has the same mail sent."""
        before = self.names["waiting"]["id"]
        for shape in self.names["shapes"]:
            thread_id = await self._asked()
            [waiting] = (await self.http.get(f"/threads/{thread_id}/state")).json()["interrupts"]
            resume = {waiting["id"]: shape[before]} if before in shape else shape
            body = {"assistant_id": "mailer", "command": {"resume": resume}}
            ended = (await self.http.post(f"/threads/{thread_id}/runs/wait", json=body)).json()
            assert ended["messages"][-1]["content"].endswith("sent to bob@example.org")

    async def paid(self, **decision: Any) -> int:
        """What the payer pays of a bill of 20 after a decision."""
        thread_id = (await self.http.post("/threads", json={})).json()["thread_id"]
        body = {"assistant_id": "payer", "input": {"amount": 20}}
        await self.http.post(f"/threads/{thread_id}/runs/wait", json=body)
        body = {"assistant_id": "payer", "command": {"resume": decision}}
        ended = await self.http.post(f"/threads/{thread_id}/runs/wait", json=body)
        return int(ended.raise_for_status().json()["paid"])

    async def check_journal(self) -> None:
        """The page's own check agrees with ours, and finds a changed word."""
        journal = self.folder / "journal.jsonl"
        last = json.loads(journal.read_text("utf-8").splitlines()[-1])

        def checked() -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "check.py"]
            return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=30, check=False)

        done = await asyncio.to_thread(checked)
        assert (done.returncode, done.stdout) == (0, f"head {last['hash']}\n"), done.stderr
        journal.write_text(journal.read_text("utf-8").replace('"actor":"ada"', '"actor":"eve"', 1), "utf-8")
        assert (await asyncio.to_thread(checked)).returncode == 1

    def check_record(self) -> None:
        """The record that the page shows has the fields of the server's, and its values where they are the same."""
        [shown] = [text for kind, text in blocks() if kind == "json" and not text.startswith(CONFIG)]
        ours, theirs = json.loads(shown), self.names["approval"]
        [our_action], [their_action] = ours["asked"]["actions"], theirs["asked"]["actions"]

        assert list(ours) == list(theirs)
        assert list(ours["asked"]) == list(theirs["asked"])
        assert list(our_action) == list(their_action)
        for name in ("tool", "arguments", "allowed", "effect"):
            assert our_action[name] == their_action[name]
        for name in ("graph_id", "checkpoint_ns", "agent", "shape", "why", "evidence", "deadline_s"):
            assert ours["asked"][name] == theirs["asked"][name]
        for name in ("deadline_at", "state", "by", "decisions", "run_id", "reason", "outcome"):
            assert ours[name] == theirs[name]


def genuine(received: Received, secret: str = SECRET) -> bool:
    """Whether the page's receiver takes it."""
    names: dict[str, Any] = {}
    exec(compile(files()["receiver.py"], "receiver.py", "exec"), names)  # noqa: S102 - the page's own program
    return bool(names["is_genuine"](received.headers, received.body, secret))


@asynccontextmanager
async def reading(redis_url: str, folder: Path, receiver: Receiver) -> AsyncGenerator[Reader]:
    """A reader who wrote the page's files, with a server over them that tells `receiver`."""
    for name, text in files().items():
        (folder / name).write_text(text.replace(PROVIDER, NO_PROVIDER), "utf-8")
    there = {"MOTET_REDIS_URL": redis_url, "MOTET_TENANT": f"guide-{uuid4().hex[:8]}"}
    hook = {
        "MOTET_WEBHOOK_URL": f"http://127.0.0.1:{receiver.port}/hook",
        "MOTET_WEBHOOK_SECRET": SECRET,
        "MOTET_WEBHOOK_ALLOW_PRIVATE": "true",
    }
    data = folder / "data"
    async with serving("--config", str(folder / "langgraph.json"), data_dir=data, env={**there, **hook}) as running:
        env = environment(data, {**there, "MOTET_URL": running.url})
        async with httpx.AsyncClient(base_url=running.url, timeout=20) as http:
            reader = Reader(running, folder, env, http)
            try:
                yield reader
            finally:
                if "motet" in reader.names:
                    await reader.names["motet"].aclose()
                if "client" in reader.names:
                    await reader.names["client"].http.client.aclose()


def test_the_page_tells_every_metric() -> None:
    """Its table has each metric of approvals with its unit, under its name and under Prometheus's."""
    names = {value for name, value in vars(metric_names).items() if name.startswith(("APPROVAL_", "WEBHOOK_"))}
    told = re.findall(
        r"^\| `(motet\.[a-z._]+)` \| `(motet_[a-z_]+)` \| (\S+) \|", GUIDE.read_text("utf-8"), re.MULTILINE
    )
    telemetry = install(TelemetrySettings(metrics=True))
    telemetry.approvals.ended("approve", 1)
    telemetry.approvals.standing(waiting=1, oldest_s=1)
    telemetry.approvals.told("delivered")
    exposed = telemetry.exposed("")[0].decode()
    telemetry.shutdown()

    assert {name for name, _, _ in told} == names - {metric_names.APPROVAL_KIND}
    for _, in_prometheus, unit in told:
        assert f"# HELP {in_prometheus} " in exposed
        assert in_prometheus.removesuffix("_total").endswith("_seconds") == (unit == "s")


async def test_the_page_is_true(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files are served; its programs print what it says; its commands succeed; what it tells of shapes holds."""
    assert PROVIDER in files()["mail.py"]
    monkeypatch.chdir(tmp_path)
    async with receiving() as receiver, reading(redis_url, tmp_path, receiver) as reader:
        for kind, text in blocks():
            if kind == "python" and not FILE.match(text):
                await reader.runs(text)
            elif not kind:
                for line in text.splitlines():
                    if line.startswith("motet inbox "):
                        await reader.types(line)

        assert {"list", "show", "watch", "approve", "edit", "reject", "respond", "grants", "revoke", "audit"} == {
            *reader.commands
        }
        reader.check_record()
        await reader.check_shapes()
        assert await reader.paid(type="approve") == 20
        assert await reader.paid(type="edit", arguments={"amount": 5}) == 5
        assert await reader.paid(type="reject") == 0
        await reader.check_journal()
        await wait_until(lambda: bool(receiver.requests), description="the webhook is told")
        told = receiver.requests[0]
        assert json.loads(told.body)["type"].startswith("approval.")
        assert genuine(told)
        assert not genuine(told, SECRET.replace("bW90", "bW91"))
