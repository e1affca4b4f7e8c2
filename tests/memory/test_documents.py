"""Documents in Redis, and how passages are ranked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from redis.asyncio import Redis
from tests.engines import restricted_user

from motet.memory.corpus import Corpus
from motet.memory.document_index import IndexedFile, IndexedText, Passage
from motet.memory.redis.client import connect, connected
from motet.memory.redis.documents import RedisDocuments
from motet.memory.redis.keys import Keys
from motet.memory.search import Ranking, Vocabulary, stacked, unit, words

CORPUS = "0123456789abcdef"
_NUMBERS = count()


@pytest.fixture
def index(redis: Redis, keys: Keys) -> RedisDocuments:
    """An empty index."""
    return RedisDocuments(redis, keys)


def document(name: str, text: str, *ids: bytes) -> tuple[IndexedFile, IndexedText, list[bytes]]:
    """A document of one passage, of a new revision."""
    revision = f"1:{next(_NUMBERS)}"
    passage = Passage(start=0, end=len(text), headings=("Top", "Below"), page=3)
    file = IndexedFile(file=name, title=name, revision=revision, size=1, mtime_ns=2, characters=len(text), passages=1)
    return file, IndexedText(revision=revision, text=text, passages=(passage,)), list(ids)


async def test_what_is_put_comes_back(index: RedisDocuments) -> None:
    """Files, texts, wanted ids and vectors are read as they were written, whatever characters they hold."""
    one = document("ünï code/a b.md", "text \u2028 with 🎻", b"\0" * 16, b"}" * 16)
    await index.put(CORPUS, [one])
    await index.put_vectors(CORPUS, "a:model/x", {b"\0" * 16: b"\0\1\2\3"})

    assert await index.files(CORPUS) == {one[0].file: one[0]}
    assert await index.texts(CORPUS, ["missing", one[0].file]) == {one[0].file: one[1]}
    assert await index.wanted_ids(CORPUS) == {one[0].file: (b"\0" * 16, b"}" * 16)}
    assert await index.vectors(CORPUS, "a:model/x", [b"}" * 16, b"\0" * 16]) == {b"\0" * 16: b"\0\1\2\3"}
    assert await index.vectors(CORPUS, "other", [b"\0" * 16]) == {}
    assert await index.files("another") == {}


async def test_the_version_grows_with_what_a_search_sees(index: RedisDocuments) -> None:
    """It does with documents, vectors and removals, and doesn't with new times."""
    one = document("a.md", "text")
    versions = [await index.version(CORPUS)]
    await index.put(CORPUS, [one])
    versions.append(await index.version(CORPUS))
    await index.put_vectors(CORPUS, "model", {b"\0" * 16: b"\0"})
    versions.append(await index.version(CORPUS))
    await index.remove(CORPUS, ["a.md"])
    versions.append(await index.version(CORPUS))
    await index.touch(CORPUS, [one[0]])
    await index.sweep(CORPUS, None)

    assert versions == [0, 1, 2, 3]
    assert await index.version(CORPUS) == 3


async def test_tenants_share_nothing(redis: Redis, keys: Keys, index: RedisDocuments) -> None:
    """The same corpus of another tenant is another one."""
    await index.put(CORPUS, [document("a.md", "text")])
    other = RedisDocuments(redis, Keys(tenant="other", prefix=keys.prefix))

    assert (await other.version(CORPUS), await other.files(CORPUS)) == (0, {})


async def test_the_keys_of_a_corpus_share_a_slot(redis: Redis, keys: Keys, index: RedisDocuments) -> None:
    """So a transaction may touch them all, in a cluster, too."""
    await index.put(CORPUS, [document("a.md", "text", b"\0" * 16)])
    await index.put_vectors(CORPUS, "model}{", {b"\0" * 16: b"\0"})
    async with index.writing(CORPUS, lambda: None):
        names = [bytes(name).decode() async for name in redis.scan_iter(match=f"{keys.prefix}:*")]

    assert len(names) == 6
    assert {name[name.index("{") + 1 : name.index("}")] for name in names} == {f"{keys.tenant}:corpus:{CORPUS}"}


async def test_the_lock_of_a_lost_writer_expires(redis: Redis, keys: Keys, index: RedisDocuments) -> None:
    """It has a time to live from the first moment on, is held by one, and is freed at the end."""
    waited: list[bool] = []
    async with index.writing(CORPUS, lambda: waited.append(True)):
        assert 0 < await redis.ttl(keys.indexing(CORPUS)) <= 30
        second = asyncio.ensure_future(_hold(index, waited))
        await redis.delete(keys.indexing(CORPUS))  # as if the lease had run out
        await second
    assert await redis.exists(keys.indexing(CORPUS)) == 0


async def test_a_writer_that_is_cut_off_as_it_gets_the_lock_leaves_it_free(
    redis: Redis, redis_url: str, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock may have been given though nobody heard of it: nobody waits for its lease to run out."""
    given = asyncio.Event()
    async with connected(redis_url) as client:
        ask = client.execute_command

        async def deaf(*command: Any, **options: Any) -> Any:
            said = await ask(*command, **options)
            if command[0] == "SET":
                given.set()
                await asyncio.Event().wait()
            return said

        monkeypatch.setattr(client, "execute_command", deaf)
        writing = asyncio.create_task(_hold(RedisDocuments(client, keys), []))
        await given.wait()
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
    assert await redis.exists(keys.indexing(CORPUS)) == 0


async def test_a_user_who_may_not_load_scripts_holds_the_lock(tmp_path: Path, keys: Keys) -> None:
    """Indexing works for a user of the server without its SCRIPT command, and leaves the lock free."""
    async with restricted_user(tmp_path) as url:
        client = await connect(url)
        try:
            async with RedisDocuments(client, keys).writing(CORPUS, lambda: None):
                assert await client.exists(keys.indexing(CORPUS)) == 1
            assert await client.exists(keys.indexing(CORPUS)) == 0
        finally:
            await client.aclose()


async def _hold(index: RedisDocuments, waited: list[bool]) -> None:
    async with index.writing(CORPUS, lambda: waited.append(True)):
        pass


async def test_sweeping_forgets_what_nobody_wants(index: RedisDocuments) -> None:
    """Vectors without a passage go, and with a model named those of others; the wanted stay."""
    await index.put(CORPUS, [document("a.md", "text", b"a" * 16)])
    for model in ("one", "two"):
        await index.put_vectors(CORPUS, model, {b"a" * 16: b"\0", b"b" * 16: b"\0"})

    await index.sweep(CORPUS, None)
    assert [await index.vector_ids(CORPUS, model) for model in ("one", "two")] == [{b"a" * 16}] * 2
    await index.sweep(CORPUS, "two")
    assert [await index.vector_ids(CORPUS, model) for model in ("one", "two")] == [frozenset(), {b"a" * 16}]


async def test_a_snapshot_is_not_disturbed(index: RedisDocuments) -> None:
    """Who holds one sees the corpus as it was; searches at once share one refresh."""
    await index.put(CORPUS, [document("a.md", "old words")])
    corpus = Corpus(index, CORPUS, None)
    before = await corpus.refresh()
    await index.put(CORPUS, [document("a.md", "new words"), document("b.md", "more")])

    first, second = await asyncio.gather(corpus.refresh(), corpus.refresh())

    assert first is second
    assert before.documents["a.md"].content.text == "old words"
    assert first.documents["a.md"].content.text == "new words"
    assert [first.located(one)[0].file.file for one in first.ranking.rank("more", None, limit=5)] == ["b.md"]
    assert before.ranking.rank("more", None, limit=5) == []
    assert before.ranking.rank("new", None, limit=5) == []


def test_words_are_folded_and_numbers_kept() -> None:
    """Plurals meet their singular; numbers lose their thousands' commas only; characters of Chinese stand alone."""
    assert words("Cities' CARS_and glass, gas, status") == ["city", "car", "and", "glass", "gas", "status"]
    assert words("1,234.5 v2.10 E4711") == ["1234.5", "v2", "10", "e4711"]
    assert words("北京 Straße") == ["北", "京", "strasse"]


def ranking(*texts: str, vectors: list[list[float] | None] | None = None) -> Ranking:
    """A ranking over `texts`."""
    vocabulary = Vocabulary()
    numbers = [vocabulary.learn(text) for text in texts]
    ids = [number.to_bytes(2) for number in range(len(texts))]
    there = {
        name: unit(np.asarray(vector, dtype=np.float32)).astype("<f2").tobytes()
        for name, vector in zip(ids, vectors or [None] * len(texts), strict=True)
        if vector is not None
    }
    return Ranking(numbers, vocabulary, stacked(ids, there))


def test_what_both_lists_know_is_first() -> None:
    """A passage's score is the sum of 1 / (60 + rank) over the lists it is in."""
    found = ranking("red car", "red tree", "blue sea", vectors=[[1, 0.1], [0, 1], [1, 0]]).rank(
        "a red thing", [1, 0], limit=3
    )

    assert [one.number for one in found] == [0, 1, 2]
    assert [one.score for one in found] == pytest.approx([1 / 61 + 1 / 62, 1 / 62 + 1 / 63, 1 / 61])
    assert [one.similarity for one in found] == pytest.approx([0.995, 0.0, 1.0], abs=0.001)


def test_a_passage_without_a_vector_is_found_by_words() -> None:
    """It has no similarity, and takes no place among those that have."""
    found = ranking("red", "green", vectors=[None, [1.0, 0.0]]).rank("red", [1, 0], limit=2)

    assert {one.number: one.similarity for one in found} == {0: None, 1: 1.0}


def test_a_vector_of_another_size_is_not_compared() -> None:
    """A model that changed its dimensions under one name leaves the search by words."""
    found = ranking("red", "green", vectors=[[1.0, 0.0], [0.0, 1.0]]).rank("red", [1, 0, 0], limit=2)

    assert [(one.number, one.similarity) for one in found] == [(0, None)]


def test_little_words_count_only_alone() -> None:
    """The words of a question's form find nothing beside others, and something where there are no others."""
    texts = ("what is this about", "engines", "sea")

    assert [one.number for one in ranking(*texts).rank("what is about engines", None, limit=3)] == [1, 0]
    assert [one.number for one in ranking(*texts).rank("what is this", None, limit=3)] == [0]
    assert ranking(*texts).rank("unheard", None, limit=3) == []
    assert ranking("", "...").rank("a", None, limit=3) == []


def test_equal_passages_keep_their_order() -> None:
    """The same question has the same answer, every time."""
    same = ranking(*["red car"] * 300)

    assert [one.number for one in same.rank("car", None, limit=5)] == [0, 1, 2, 3, 4]
    assert [one.number for one in same.rank("car", None, limit=2, among=range(200, 300))] == [200, 201]


async def test_a_document_put_between_two_reads_is_told_of_as_it_is(index: RedisDocuments) -> None:
    """A corpus read while it changed holds the new text under the old length; the next refresh mends it."""
    old, new = document("a.md", "old"), document("a.md", "new and longer")

    class Between(RedisDocuments):
        async def texts(self, corpus: str, files: Sequence[str]) -> Mapping[str, IndexedText]:
            if not put:
                put.append(await self.put(corpus, [new]))
            return await super().texts(corpus, files)

    put: list[None] = []
    await index.put(CORPUS, [old])
    index.__class__ = Between
    corpus = Corpus(index, CORPUS, None)
    await corpus.refresh()
    now = (await corpus.refresh()).documents["a.md"]

    assert now.content.text == "new and longer"
    assert now.file.characters == len(now.content.text)
