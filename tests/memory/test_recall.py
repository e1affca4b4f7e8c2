"""What is remembered of a user, on LangGraph's own store and on Redis: kept once, found, corrected, gone."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from langchain_core.embeddings import Embeddings
from langgraph.store.base import BaseStore, IndexConfig
from langgraph.store.memory import InMemoryStore
from redis.asyncio import Redis

from motet.errors import InvalidInput, ModelFailed, NotFound
from motet.memory.recall import (
    LONGEST,
    MOST,
    MOST_SOURCES,
    NAMESPACE,
    Memory,
    Provenance,
    Recall,
    checked_text,
    namespace,
    whose,
)
from motet.memory.redis.client import connect
from motet.memory.redis.keys import Keys
from motet.memory.redis.store import RedisStore
from motet.observability.trajectory import redact

GROUPS = ("euro currency money", "texas live city", "pump broken order", "name ann")
"""Words that mean the same to `Meaning`."""


class Meaning(Embeddings):
    """Vectors that tell the groups apart, and nothing within a group."""

    def __init__(self) -> None:
        self.works = True
        self.embedded: list[str] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One dimension a group, and a little for everything else."""
        if not self.works:
            raise ModelFailed("meaning", "it is down")
        self.embedded += texts
        return [[*(float(self._has(text, group)) for group in GROUPS), 0.1] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """As a document."""
        return self.embed_documents([text])[0]

    def _has(self, text: str, group: str) -> bool:
        return any(re.search(rf"\b{word}", text.lower()) for word in group.split())


def index(meaning: Meaning) -> IndexConfig:
    """A store's index by `meaning`, of whole values if nobody says otherwise."""
    return IndexConfig(dims=len(GROUPS) + 1, embed=meaning)


@pytest.fixture
def meaning() -> Meaning:
    """What makes the stores' vectors."""
    return Meaning()


@pytest.fixture(params=["memory", "memory+vectors", "redis", "redis+vectors"])
def store(request: pytest.FixtureRequest, redis: Redis, keys: Keys, meaning: Meaning) -> BaseStore:
    """Each kind of store there is, with vectors and without."""
    chosen = index(meaning) if request.param.endswith("vectors") else None
    return RedisStore(redis, keys, index=chosen) if request.param.startswith("redis") else InMemoryStore(index=chosen)


@pytest.fixture
def recall(store: BaseStore) -> Recall:
    """Memories in that store."""
    return Recall(store)


@pytest.fixture(params=["memory", "redis"])
def by_meaning(request: pytest.FixtureRequest, redis: Redis, keys: Keys, meaning: Meaning) -> Recall:
    """Memories with vectors."""
    chosen = index(meaning)
    return Recall(InMemoryStore(index=chosen) if request.param == "memory" else RedisStore(redis, keys, index=chosen))


def source(message: str = "m1", thread: str = "t1", at: str = "2026-11-22T10:00:00+00:00") -> Provenance:
    """A message of a thread."""
    return Provenance(at=at, by="person", thread_id=thread, message_id=message)


def texts(memories: Sequence[Memory]) -> list[str]:
    """What they say."""
    return [one.text for one in memories]


async def test_a_memory_keeps_where_it_comes_from(recall: Recall) -> None:
    """Thread, message, time and who said so come back with the text."""
    kept = await recall.remember("ann", "I report in euros", provenance=source())
    [found] = await recall.list("ann")

    assert kept.new
    assert (found.text, tuple(found.sources)) == ("I report in euros", (source(),))
    assert found.memory_id == kept.memory.memory_id


async def test_the_same_again_adds_its_source_and_loses_none(recall: Recall) -> None:
    """Case, blanks and punctuation don't make another memory; both sources stand, the first first."""
    first = await recall.remember("ann", "I report in euros.", provenance=source())
    again = await recall.remember("ann", "  i REPORT in\n“euros” ", provenance=source("m9", "t2"))
    [found] = await recall.list("ann")

    assert (again.new, again.memory.memory_id) == (False, first.memory.memory_id)
    assert tuple(found.sources) == (source(), source("m9", "t2"))
    assert found.text == "I report in euros."


async def test_what_a_sign_tells_apart_stays_apart(recall: Recall) -> None:
    """Punctuation within a word is part of what is said."""
    for text in (
        "I write C",
        "I write C++",
        "The offset is 5",
        "The offset is -5",
        "Pump A is broken",
        "Pump is broken",
    ):
        await recall.remember("ann", text, provenance=source())

    assert len(await recall.list("ann")) == 6


async def test_remembering_twice_from_one_message_is_once(recall: Recall) -> None:
    """A node that runs again after a crash leaves what it left the first time."""
    for at in ("2026-11-22T10:00:00+00:00", "2026-11-22T10:00:09+00:00"):
        done = await recall.remember("ann", "I report in euros", provenance=source(at=at))
        assert done.new
    [found] = await recall.list("ann")

    assert tuple(found.sources) == (source(),)


async def test_sources_are_bounded_and_the_first_stays(recall: Recall) -> None:
    """Of many sources the first and the latest are kept."""
    for number in range(MOST_SOURCES + 5):
        await recall.remember("ann", "I report in euros", provenance=source(f"m{number}"))
    [found] = await recall.list("ann")

    assert [one.message_id for one in found.sources] == ["m0", *(f"m{number}" for number in range(6, 25))]


async def test_users_never_see_each_others(recall: Recall) -> None:
    """Neither by list nor by recall nor by id, whatever their names look like."""
    names = ["ann", "Ann", "an", "ann.b", "ann%2Eb", "ann%", "ann b", "memories"]
    kept = {name: await recall.remember(name, f"I am {name} of Texas", provenance=source()) for name in names}

    for name in names:
        assert texts(await recall.list(name)) == [f"I am {name} of Texas"]
        assert texts(await recall.recall(name, "Who is of Texas?")) == [f"I am {name} of Texas"]
    with pytest.raises(NotFound):
        await recall.forget("ann", kept["an"].memory.memory_id)
    assert await recall.forget_all("ann") == 1
    assert [len(await recall.list(name)) for name in names] == [0, *[1] * (len(names) - 1)]


async def test_what_bears_on_a_question_is_recalled(recall: Recall) -> None:
    """By its words at least; a question about something else recalls nothing."""
    for text in ("I report in euros", "I live in Texas", "My name is Ann"):
        await recall.remember("ann", text, provenance=source())

    assert texts(await recall.recall("ann", "How many airports are there in Texas?")) == ["I live in Texas"]
    assert texts(await recall.recall("ann", "What do I report in?")) == ["I report in euros"]
    assert texts(await recall.recall("ann", "Which rows are blue?")) == []
    assert texts(await recall.recall("ann", "")) == []


async def test_meaning_recalls_what_shares_no_word(by_meaning: Recall) -> None:
    """With vectors the nearest comes first, with its similarity."""
    await by_meaning.remember("ann", "I report in euros", provenance=source())
    await by_meaning.remember("ann", "I live in Texas", provenance=source())
    [found] = await by_meaning.recall("ann", "Which currency?")

    assert found.text == "I report in euros"
    assert found.similarity is not None
    assert found.similarity > 0.9


async def test_the_close_is_told_and_never_merged(by_meaning: Recall) -> None:
    """Vectors can't tell a left pump from a right one, so both stay, and whoever remembers hears of it."""
    first = await by_meaning.remember("ann", "The left pump is broken", provenance=source())
    second = await by_meaning.remember("ann", "The right pump is broken", provenance=source("m2"))

    assert first.close is None
    assert second.close is not None
    assert second.close.text == "The left pump is broken"
    assert len(await by_meaning.list("ann")) == 2


async def test_a_correction_is_found_by_its_new_words_only(recall: Recall) -> None:
    """The id and the sources stay, the correction's own joins them, and the old words lead nowhere."""
    kept = (await recall.remember("ann", "I report in euros", provenance=source())).memory
    await recall.correct("ann", kept.memory_id, "I live in Texas", provenance=source("m2"))
    [found] = await recall.list("ann")

    assert (found.memory_id, found.text) == (kept.memory_id, "I live in Texas")
    assert tuple(found.sources) == (source(), source("m2"))
    assert texts(await recall.recall("ann", "Which city do I live in?")) == ["I live in Texas"]
    assert texts(await recall.recall("ann", "Which currency? Euros?")) == []


async def test_a_correction_embeds_again(by_meaning: Recall, meaning: Meaning) -> None:
    """The vector in the store is the new text's, also where the new one can't be made."""
    kept = (await by_meaning.remember("ann", "I report in euros", provenance=source())).memory
    await by_meaning.correct("ann", kept.memory_id, "I live in Texas", provenance=source("m2"))
    assert texts(await by_meaning.recall("ann", "my city")) == ["I live in Texas"]
    assert await by_meaning.recall("ann", "which money") == []

    meaning.works = False
    await by_meaning.correct("ann", kept.memory_id, "The pump is broken", provenance=source("m3"))
    meaning.works = True
    assert await by_meaning.recall("ann", "my city") == []
    assert texts(await by_meaning.recall("ann", "Is it broken?")) == ["The pump is broken"]


async def test_what_was_corrected_can_be_remembered_anew(recall: Recall) -> None:
    """The first words are another memory then, with an id of its own."""
    kept = (await recall.remember("ann", "I report in euros", provenance=source())).memory
    await recall.correct("ann", kept.memory_id, "I report in dollars", provenance=source("m2"))
    again = await recall.remember("ann", "I report in euros", provenance=source("m3"))

    assert again.new
    assert again.memory.memory_id != kept.memory_id
    assert sorted(texts(await recall.list("ann"))) == ["I report in dollars", "I report in euros"]
    with pytest.raises(InvalidInput, match=f"memory {again.memory.memory_id}"):
        await recall.correct("ann", kept.memory_id, "i report in EUROS!", provenance=source("m4"))
    with pytest.raises(NotFound):
        await recall.correct("ann", "00000000", "I am nobody", provenance=source("m4"))


async def test_embeddings_that_fail_leave_words(by_meaning: Recall, meaning: Meaning) -> None:
    """Remembering and recalling go on without vectors."""
    meaning.works = False
    await by_meaning.remember("ann", "I report in euros", provenance=source())

    assert texts(await by_meaning.recall("ann", "In which currency do I report?")) == ["I report in euros"]


async def test_the_latest_is_listed_first(recall: Recall) -> None:
    """By when each was last said."""
    await recall.remember("ann", "First", provenance=source("a", at="2026-01-01T00:00:00+00:00"))
    await recall.remember("ann", "Second", provenance=source("b", at="2026-02-01T00:00:00+00:00"))
    await recall.remember("ann", "First", provenance=source("c", at="2026-03-01T00:00:00+00:00"))

    assert texts(await recall.list("ann")) == ["First", "Second"]


@pytest.mark.parametrize("text", ["", " \n ", "...", "x" * (LONGEST + 1)])
async def test_a_text_that_cant_be_kept_is_refused(recall: Recall, text: str) -> None:
    """Nothing, or too much, is said by name and stored nowhere."""
    with pytest.raises(InvalidInput, match=f"text: .*1 to {LONGEST} characters"):
        await recall.remember("ann", text, provenance=source())
    assert await recall.list("ann") == []


async def test_a_user_has_so_many_and_no_more() -> None:
    """One more is refused until one is forgotten; what is known already isn't one more."""
    store = InMemoryStore()
    recall = Recall(store)
    for number in range(MOST):
        await store.aput(namespace("ann"), str(number), {"text": f"Number {number}"})
    with pytest.raises(InvalidInput, match=f"at most {MOST} memories"):
        await recall.remember("ann", "One more", provenance=source())
    await recall.remember("ann", "number 1", provenance=source())
    await recall.forget("ann", "7")
    await recall.remember("ann", "One more", provenance=source())

    assert len(await recall.list("ann")) == MOST


async def test_secrets_and_control_characters_arent_kept(recall: Recall) -> None:
    """A secret is masked before anything is stored, and a line is a line."""
    undo = redact.know(["hunter2-of-the-house"])
    try:
        await recall.remember("ann", "The\x1b[31m password\u202e is\nhunter2-of-the-house", provenance=source())
    finally:
        undo()

    assert texts(await recall.list("ann")) == ["The [31m password is [redacted]"]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("my password for the wifi is hunter2", "my password for the wifi is [redacted]"),
        ("PASSWORD: s3cret! since May", "PASSWORD: [redacted] since May"),
        ("the PIN of my card is 4711", "the PIN of my card is [redacted]"),
        ("our api key is abc123", "our api key is [redacted]"),
        ("my password is in the safe since 2020", "my password is in the safe since 2020"),
        ("the token count is 500", "the token count is 500"),
    ],
)
def test_a_secret_that_is_called_one_isnt_kept(said: str, kept: str) -> None:
    """What follows the word, if it is no plain word itself; the sentence stays."""
    assert checked_text(said) == kept


async def test_forgotten_means_gone_from_every_index(
    redis: Redis, keys: Keys, redis_url: str, meaning: Meaning
) -> None:
    """Not by list, not by meaning, not for another process, and not a byte of it in any key."""
    other_client = await connect(redis_url)
    try:
        here, there = (Recall(RedisStore(one, keys, index=index(meaning))) for one in (redis, other_client))
        kept = (await here.remember("ann", "I report in euros", provenance=source("msg-zebra"))).memory
        await here.remember("bob", "I live in Texas", provenance=source())
        assert texts(await there.recall("ann", "Which currency?")) == ["I report in euros"]

        await here.forget("ann", kept.memory_id)

        for one in (here, there):
            assert await one.list("ann") == []
            assert await one.recall("ann", "Which currency? euros") == []
        assert not [name async for name, value in dumped(redis, keys) if re.search(rb"euros|zebra", value)]
        assert texts(await there.list("bob")) == ["I live in Texas"]
        with pytest.raises(NotFound):
            await here.forget("ann", kept.memory_id)
    finally:
        await other_client.aclose()


async def test_all_of_a_user_can_be_forgotten(recall: Recall, store: BaseStore) -> None:
    """Also what the store's API put below the user; nobody else's."""
    for number in range(5):
        await recall.remember("ann", f"Fact {number}", provenance=source())
    await store.aput((*namespace("ann"), "deeper"), "x", {"text": "More"})
    await recall.remember("bob", "I live in Texas", provenance=source())

    assert await recall.forget_all("ann") == 6
    assert await store.asearch((NAMESPACE, "ann")) == []
    assert texts(await recall.list("bob")) == ["I live in Texas"]


@pytest.mark.parametrize(
    "value", [{}, {"text": 5}, {"text": "Kept", "sources": "no"}, {"text": "Kept", "sources": [None, {"at": 5}, {}]}]
)
async def test_what_the_api_put_there_is_read_as_far_as_it_can_be(
    recall: Recall, store: BaseStore, value: dict[str, Any]
) -> None:
    """An item without text is no memory; one with strange sources has none."""
    await store.aput(namespace("ann"), "x", value)
    found = await recall.list("ann")

    assert [(one.text, list(one.sources)) for one in found] == ([("Kept", [])] if value.get("text") == "Kept" else [])


def test_a_run_says_whose_memories_and_whether_any() -> None:
    """Without a user there is one of all; what can't name a user is refused by field."""
    assert whose({}).user == "default"
    assert whose({"user_id": 5}).user == "5"
    about = whose({"user_id": "ann@example.com", "private": True, "thread_id": "t"})
    assert (about.user, about.private, about.thread_id) == ("ann@example.com", True, "t")
    for wrong in ("", " ann", "a\nb", "x" * 129, True, 1.5, ["ann"]):
        with pytest.raises(InvalidInput, match=r"config\.configurable\.user_id"):
            whose({"user_id": wrong})
    for wrong in ("yes", 1, {}):
        with pytest.raises(InvalidInput, match=r"config\.configurable\.private"):
            whose({"private": wrong})


async def dumped(redis: Redis, keys: Keys) -> AsyncIterator[tuple[bytes, bytes]]:
    """Every key of the tenant with all its bytes, its name among them."""
    async for name in redis.scan_iter(match=f"{keys.prefix}:*", count=1000):
        kind = await redis.type(name)
        match kind:
            case b"hash":
                value = repr(await redis.hgetall(name)).encode()
            case b"zset":
                value = repr(await redis.zrange(name, 0, -1)).encode()
            case _:
                value = repr(await redis.dump(name)).encode()
        yield name, name + value
