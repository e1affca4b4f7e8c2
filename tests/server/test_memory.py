"""Memories end to end: said in one conversation, there in the next, listed and forgotten at the command line."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from tests.server.running import environment, serving
from tests.server.test_wire import refused
from tests.server.typing_person import without_terminal

from motet.memory.redis.client import connect
from motet.memory.redis.keys import Keys

pytestmark = pytest.mark.asyncio(loop_scope="session")
"""The server lives in the session's loop."""


@dataclass(frozen=True, slots=True)
class Served:
    """A server over a small workspace whose model is never asked, and its Redis."""

    client: Any
    """The unmodified SDK's."""
    url: str
    redis: Redis
    tenant: str
    env: Mapping[str, str]
    """For commands on the same Redis."""

    async def say(self, text: str, *, private: bool = False, thread: str | None = None, user: str = "") -> str:
        """A turn, by default in a thread of its own, and what was answered."""
        metadata = {"private": True} if private else None
        thread = thread or (await self.client.threads.create(metadata=metadata))["thread_id"]
        config = {"configurable": {"user_id": user}} if user else None
        asked = {"messages": [{"role": "user", "content": text}]}
        values = await self.client.runs.wait(thread, "assistant", input=asked, config=config)
        return values["messages"][-1]["content"]

    async def motet(self, *arguments: str) -> tuple[int, str, str]:
        """Run `motet memory …` in a process of its own."""
        return await without_terminal("memory", *arguments, env=self.env)

    async def stored(self) -> bytes:
        """Every byte of the tenant's store."""
        found = [await self.redis.dump(name) for name in Keys(self.tenant).store()]
        return b"|".join(one or b"" for one in found)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def served(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Served]:
    """One server for this module's tests; each has users of its own."""
    folder = tmp_path_factory.mktemp("memory")
    (folder / "workspace").mkdir()
    (folder / "workspace" / "fruit.csv").write_text("name,price\npear,2\n")
    tenant = uuid4().hex[:12]
    settings = {
        "MOTET_REDIS_URL": redis_url,
        "MOTET_TENANT": tenant,
        "MOTET_MODEL": "openai:nobody",
        "MOTET_MODEL_BASE_URL": "http://127.0.0.1:9/v1",
        "MOTET_EMBEDDINGS": "none",
        "OPENAI_API_KEY": "k",
    }
    env = environment(folder / "data", settings)
    redis = await connect(redis_url)
    async with (
        serving("--workspace", str(folder / "workspace"), data_dir=folder / "data", env=settings) as running,
        running.client() as client,
    ):
        yield Served(client, running.url, redis, tenant, env)
    await redis.aclose()


def user() -> str:
    """Somebody nobody else's test knows; with what namespaces can't hold."""
    return f"{uuid4().hex[:8]}@example.com"


async def test_said_once_known_in_the_next_conversation(served: Served) -> None:
    """Remembered in one thread, answered in another, listed in a terminal with where it comes from, and forgotten."""
    ann = user()
    answer = await served.say("Remember that I report in euros.", user=ann)
    [memory_id] = re.findall(r"motet memory forget ([0-9a-f]{8}) --user", answer)
    assert await served.say("What currency do I report in?", user=ann) == "You had me remember: “I report in euros”."

    code, table, _ = await without_terminal("memory", "list", "--user", ann, env=served.env, fresh=True)
    assert code == 0
    assert re.search(rf"{memory_id}\s+I report in euros\s+\d{{4}}-\d\d-\d\d \d\d:\d\d", table)
    assert re.search(r"[0-9a-f-]{20,}\s+person\n", table)

    code, said, _ = await served.motet("forget", memory_id, "--user", ann)
    assert (code, said) == (0, "forgotten: I report in euros\n")
    assert await served.say("What do you remember about me?", user=ann) == "I remember nothing of you."
    assert ann.replace(".", "%2E").encode() not in await served.stored()


async def test_machines_get_a_line_for_each_memory(served: Served) -> None:
    """--json gives all sources: thread, message, time, who."""
    ann = user()
    for _ in range(2):
        await served.say("Remember that I report in euros.", user=ann)
    code, said, _ = await served.motet("list", "--user", ann, "--json")
    [memory] = [json.loads(line) for line in said.splitlines()]

    assert (code, memory["text"]) == (0, "I report in euros")
    first, second = memory["sources"]
    assert first.keys() == {"at", "by", "thread_id", "message_id"}
    assert first["thread_id"] != second["thread_id"]
    assert all(one["message_id"] and one["by"] == "person" for one in (first, second))


async def test_a_correction_at_the_command_line_counts_at_once(served: Served) -> None:
    """The server that runs recalls the new words, and not the old ones."""
    ann = user()
    answer = await served.say("Remember that I report in euros.", user=ann)
    [memory_id] = re.findall(r"forget ([0-9a-f]{8})", answer)
    code, said, _ = await served.motet("correct", memory_id, "I report in Swiss francs", "--user", ann)

    assert (code, said) == (0, "corrected: I report in Swiss francs\n")
    assert "Swiss francs" in await served.say("What currency do I report in?", user=ann)


async def test_all_of_one_user_is_forgotten(served: Served) -> None:
    """--all takes everything of that user, and nothing of another."""
    ann, bob = user(), user()
    for one in (ann, bob):
        await served.say("Remember that I report in euros. Remember that I live in Texas.", user=one)
    code, said, _ = await served.motet("forget", "--all", "--user", ann)

    assert (code, said) == (0, "2 forgotten\n")
    assert await served.say("What do you remember?", user=ann) == "I remember nothing of you."
    assert (await served.say("What do you remember?", user=bob)).count("- “") == 2


async def test_a_private_thread_leaves_nothing_in_the_store(served: Served) -> None:
    """Its wishes change no byte of it, whatever the run itself says, and what is known doesn't come in."""
    ann = user()
    await served.say("Remember that I report in euros.", user=ann)
    before = await served.stored()
    thread = (await served.client.threads.create(metadata={"private": True}))["thread_id"]
    for text in ("Remember that I am ill.", "What do you remember?", "Forget everything about me."):
        assert "private" in await served.say(text, thread=thread, user=ann)
    config = {"configurable": {"user_id": ann, "private": False}}
    asked = {"messages": [{"role": "user", "content": "Remember that I am ill."}]}
    await served.client.runs.wait(thread, "assistant", input=asked, config=config)

    assert await served.stored() == before


async def test_one_run_can_be_private(served: Served) -> None:
    """A client may ask for it in a thread that isn't."""
    ann = user()
    thread = (await served.client.threads.create())["thread_id"]
    config = {"configurable": {"user_id": ann, "private": True}}
    asked = {"messages": [{"role": "user", "content": "Remember that I am ill."}]}
    values = await served.client.runs.wait(thread, "assistant", input=asked, config=config)

    assert "private" in values["messages"][-1]["content"]
    assert await served.say("What do you remember?", user=ann) == "I remember nothing of you."


async def test_whose_memories_may_be_said_in_the_context(served: Served) -> None:
    """Newer clients send `context`: a user or a privacy said there counts, and never falls back to everybody's."""
    ann = user()
    thread = (await served.client.threads.create())["thread_id"]
    asked = {"messages": [{"role": "user", "content": "Remember that I report in euros."}]}
    for context in ({"user_id": ann, "private": True}, {"user_id": ann}):
        await served.client.runs.wait(thread, "assistant", input=asked, context=context)
    assert (await served.say("What do you remember?", user=ann)).count("- “") == 1
    assert "euros" not in await served.say("What do you remember?")
    with refused(422, "context.user_id"):
        config = {"configurable": {"user_id": user()}}
        await served.client.runs.create(thread, "assistant", input=asked, config=config, context={"user_id": ann})


async def test_an_answer_is_for_whom_the_question_was(client: Any) -> None:
    """Who approves sends no configuration again: the run goes on for the same user, and as privately."""
    thread = (await client.threads.create())["thread_id"]
    of_ann = {"user_id": "ann", "private": True}
    await client.runs.wait(thread, "ask", input={}, config={"configurable": of_ann})
    await client.runs.wait(thread, "ask", command={"resume": {"decisions": [{"type": "approve"}]}})
    assert (await client.threads.get(thread))["config"]["configurable"] == of_ann

    await client.runs.wait(thread, "ask", input={})
    assert (await client.threads.get(thread))["config"]["configurable"] == {}


async def test_the_stores_api_sees_the_same_memories(served: Served) -> None:
    """A user's program lists, corrects and deletes them there."""
    ann = user()
    await served.say("Remember that I report in euros.", user=ann)
    labels = ["memories", ann.replace(".", "%2E")]
    [item] = (await served.client.store.search_items(labels))["items"]
    assert item["value"]["text"] == "I report in euros"

    await served.client.store.put_item(labels, item["key"], {**item["value"], "text": "I report in francs"})
    assert "francs" in await served.say("What do you remember?", user=ann)
    await served.client.store.delete_item(labels, item["key"])
    assert await served.say("What do you remember?", user=ann) == "I remember nothing of you."


@pytest.mark.parametrize(("name", "value"), [("user_id", ""), ("user_id", ["ann"]), ("private", "yes")])
async def test_a_run_for_nobody_is_refused(served: Served, name: str, value: object) -> None:
    """A user that can't be, or a privacy that nobody can read, is refused before a run is made of it."""
    thread = (await served.client.threads.create())["thread_id"]
    with refused(422, f"config.configurable.{name}"):
        await served.client.runs.create(thread, "assistant", input={}, config={"configurable": {name: value}})


async def test_talking_in_private_at_a_terminal(served: Served) -> None:
    """`motet chat --private` begins such a thread; one that exists can't become private."""
    arguments = ("chat", "--url", served.url, "--private", "Remember that I am ill.")
    code, said, _ = await without_terminal(*arguments, env=served.env)
    assert (code, "This conversation is private" in " ".join(said.split())) == (0, True)
    code, _, complained = await without_terminal(*arguments, "--thread", str(uuid4()), env=served.env)
    assert (code, complained.startswith("motet: --private: a thread is private from its beginning")) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("forget",), 2, "give a memory's ID, or --all"),
        (("forget", "00000000"), 1, "Memory with ID 00000000 not found"),
    ],
)
async def test_what_cant_be_done_is_said(served: Served, arguments: tuple[str, ...], code: int, said: str) -> None:
    """One line that says what is wrong, and an exit code."""
    ended, _, complained = await served.motet(*arguments)

    assert (ended, complained.count("\n")) == (code, 1)
    assert said in complained
