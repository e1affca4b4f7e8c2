"""Indexing: what a folder holds gets into the index, and only what changed is touched."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from redis.asyncio import Redis
from tests.support import wait_until
from tests.tools.documents.workbench import WordEmbeddings, commands_of, fill, pdf_of, silent, verbs

from motet.errors import InvalidWorkspace, StoreUnavailable
from motet.memory.redis.client import connect
from motet.memory.redis.documents import RedisDocuments
from motet.memory.redis.embedded import EmbeddedRedis
from motet.memory.redis.keys import Keys
from motet.tools.documents.indexing import corpus_of, index_folder
from motet.tools.documents.library import Library
from motet.tools.loading import Skipped

FILES = {
    "a.md": "# Cars\n\nThe fastest car is red.\n\n# Boats\n\nNo boat is fast.\n",
    "b/c.txt": "Trees are green.",
    "d.html": "<h1>Sky</h1><p>It is blue.</p>",
    "e.pdf": pdf_of(["Snow is white"]),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A workspace with a document of each kind."""
    return fill(tmp_path / "workspace", FILES)


@pytest.fixture
def index(redis: Redis, keys: Keys) -> RedisDocuments:
    """An empty index."""
    return RedisDocuments(redis, keys)


async def test_every_kind_is_added_and_found(folder: Path, index: RedisDocuments) -> None:
    """A first pass adds all documents, embeds each passage once, and names what it can't use."""
    fill(folder, {"broken.pdf": "no", "notes.docx": "x"})
    embeddings = WordEmbeddings()
    told: list[tuple[str, int, int]] = []

    done = await index_folder(folder, index, embeddings, lambda *step: told.append(step))

    assert done.added == ("a.md", "d.html", "e.pdf", "b/c.txt")
    assert (done.changed, done.removed, done.unchanged, done.embedded) == ((), (), (), 5)
    assert [one.source for one in done.skipped] == ["broken.pdf", "notes.docx"]
    assert len(embeddings.documents) == 5
    assert told[0] == ("reading documents", 0, 5)
    assert told[-1] == ("embedding passages", 5, 5)
    library = await Library.open(index, embeddings, corpus_of(folder))
    assert [one.file for one in library.files] == ["a.md", "b/c.txt", "d.html", "e.pdf"]
    assert [one.title for one in library.files] == ["Cars", "c.txt", "Sky", "e.pdf"]


async def test_nothing_changed_costs_next_to_nothing(
    folder: Path, index: RedisDocuments, redis_url: str, keys: Keys
) -> None:
    """A second pass embeds nothing, writes nothing, and asks Redis five times in all."""
    await index_folder(folder, index, WordEmbeddings(), silent)
    embeddings = WordEmbeddings()
    version = await index.version(corpus_of(folder))

    async def again() -> None:
        done = await index_folder(folder, index, embeddings, silent)
        assert len(done.unchanged) == len(FILES)

    assert verbs(await commands_of(redis_url, keys, again)) == ["SET", "HGETALL", "HKEYS", "HGETALL", "EVAL"]
    assert embeddings.documents == []
    assert await index.version(corpus_of(folder)) == version


async def test_only_new_passages_are_embedded(folder: Path, index: RedisDocuments) -> None:
    """Of a changed file, passages whose text is old keep their vector, wherever they stand now."""
    await index_folder(folder, index, WordEmbeddings(), silent)
    fill(folder, {"a.md": "# Boats\n\nNo boat is fast.\n\n# Cars\n\nThe fastest car is blue.\n"})
    embeddings = WordEmbeddings()

    done = await index_folder(folder, index, embeddings, silent)

    assert (done.added, done.changed, done.removed, len(done.unchanged)) == ((), ("a.md",), (), 3)
    assert embeddings.documents == ["Cars\n# Cars\n\nThe fastest car is blue."]
    assert len(await index.vector_ids(corpus_of(folder), "WordEmbeddings:words:1024")) == 5


async def test_another_time_alone_is_no_change(folder: Path, index: RedisDocuments) -> None:
    """A file that was touched is read, found to be the same, and isn't read again the next time."""
    await index_folder(folder, index, None, silent)
    version = await index.version(corpus_of(folder))
    os.utime(folder / "a.md", ns=(1, 1))

    done = await index_folder(folder, index, None, silent)

    assert len(done.unchanged) == len(FILES)
    assert await index.version(corpus_of(folder)) == version
    assert (await index.files(corpus_of(folder)))["a.md"].mtime_ns == 1


async def test_what_is_gone_leaves_the_index(folder: Path, index: RedisDocuments) -> None:
    """A removed file, and one that can't be read any more, are found no longer; their vectors go, too."""
    embeddings = WordEmbeddings()
    await index_folder(folder, index, embeddings, silent)
    library = await Library.open(index, embeddings, corpus_of(folder))
    (folder / "b/c.txt").unlink()
    fill(folder, {"d.html": b"\0\0"})

    done = await index_folder(folder, index, embeddings, silent)

    assert done.removed == ("b/c.txt", "d.html")
    assert done.skipped == (Skipped(source="d.html", reason="it is binary, not text"),)
    assert {hit.file for hit in await library.search("trees green sky blue", limit=20)} == {"a.md", "e.pdf"}
    assert [one.file for one in library.files] == ["a.md", "e.pdf"]
    assert len(await index.vector_ids(corpus_of(folder), "WordEmbeddings:words:1024")) == 3


async def test_an_empty_folder_leaves_no_documents(
    folder: Path, index: RedisDocuments, redis: Redis, keys: Keys
) -> None:
    """When the last document is gone, nothing of any is left in Redis."""
    await index_folder(folder, index, WordEmbeddings(), silent)
    for name in FILES:
        (folder / name).unlink()
    await index_folder(folder, index, WordEmbeddings(), silent)

    assert [key async for key in redis.scan_iter(match=f"{keys.prefix}:*")] == [keys.corpus(corpus_of(folder)).encode()]


async def test_another_model_embeds_everything_again(folder: Path, index: RedisDocuments) -> None:
    """Vectors of two models are never mixed; those of the old one go when the new one is done."""
    corpus = corpus_of(folder)
    await index_folder(folder, index, WordEmbeddings(), silent)
    other = WordEmbeddings(model="other", dimensions=32)

    done = await index_folder(folder, index, other, silent)

    assert (len(done.unchanged), done.embedded) == (4, 5)
    assert await index.vector_ids(corpus, "WordEmbeddings:words:1024") == frozenset()
    assert len(await index.vector_ids(corpus, "WordEmbeddings:other:32")) == 5
    library = await Library.open(index, other, corpus)
    assert (await library.search("car"))[0].similarity is not None


async def test_words_come_first_and_vectors_later(folder: Path, index: RedisDocuments) -> None:
    """Without a model words are indexed; with one, later, a library that is open finds the vectors."""
    embeddings = WordEmbeddings()
    assert (await index_folder(folder, index, None, silent)).embedded == 0
    library = await Library.open(index, embeddings, corpus_of(folder))
    assert (await library.search("car"))[0].similarity is None

    done = await index_folder(folder, index, embeddings, silent)

    assert (len(done.unchanged), done.embedded) == (4, 5)
    assert (await library.search("car"))[0].similarity is not None


async def test_two_at_once_do_the_work_once(folder: Path, index: RedisDocuments) -> None:
    """The second process waits for the first and then finds nothing to do."""
    embeddings = WordEmbeddings()
    told: list[str] = []

    def progress(doing: str, _done: int, _total: int) -> None:
        told.append(doing)

    results = await asyncio.gather(
        index_folder(folder, index, embeddings, progress), index_folder(folder, index, embeddings, progress)
    )

    assert sorted(len(one.added) for one in results) == [0, 4]
    assert len(embeddings.documents) == 5
    assert "waiting for another process that indexes" in told


async def test_a_pass_that_was_stopped_is_taken_up_again(folder: Path, index: RedisDocuments) -> None:
    """Stopped while it embeds, it frees the lock, and what it had read isn't read again."""

    class Endless(WordEmbeddings):
        async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
            self.documents += texts
            await asyncio.Event().wait()
            return []

    endless = Endless()
    stopped = asyncio.ensure_future(index_folder(folder, index, endless, silent))
    await wait_until(lambda: bool(endless.documents), description="embedding began")
    stopped.cancel()
    await asyncio.wait({stopped})

    done = await index_folder(folder, index, WordEmbeddings(), silent)

    assert (len(done.unchanged), done.embedded) == (4, 5)


async def test_a_folder_that_is_none_is_refused(tmp_path: Path, index: RedisDocuments) -> None:
    """Whoever named it is told."""
    with pytest.raises(InvalidWorkspace):
        await index_folder(tmp_path / "none", index, None, silent)


async def test_a_name_that_is_no_text_is_named(tmp_path: Path, index: RedisDocuments) -> None:
    """A file whose name is no Unicode is skipped with a name that can be shown; the others are indexed."""
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_text("text")

    done = await index_folder(tmp_path, index, None, silent)

    assert (done.added, [one.source for one in done.skipped]) == (("a.txt",), ["caf?.txt"])


async def test_a_corpus_is_its_folder(tmp_path: Path) -> None:
    """Every way to a folder leads to the same corpus, and no other folder does."""
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    (tmp_path / "folder").mkdir()

    assert corpus_of(tmp_path / "link") == corpus_of(tmp_path / "folder" / ".." / "folder")
    assert corpus_of(tmp_path / "folder") != corpus_of(tmp_path)
    assert len(corpus_of(tmp_path)) == 16


async def test_a_redis_that_is_gone_says_so(folder: Path, tmp_path: Path) -> None:
    """The failure of Redis reaches the caller as ours."""
    async with EmbeddedRedis(tmp_path / "data") as url:
        client = await connect(url)
    index = RedisDocuments(client, Keys())
    try:
        with pytest.raises(StoreUnavailable):
            await index_folder(folder, index, None, silent)
        with pytest.raises(StoreUnavailable):
            await Library.open(index, None, "corpus")
    finally:
        await client.aclose()
