"""What a crew says when it starts, and documents that change while it runs."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from langgraph.graph import StateGraph
from redis.asyncio import Redis
from tests.support import wait_until
from tests.tools.documents.workbench import WordEmbeddings, fill, silent
from typing_extensions import override

from motet.errors import InvalidConfig, ModelFailed
from motet.memory.redis.documents import RedisDocuments
from motet.memory.redis.keys import Keys
from motet.server.crew import gathered
from motet.server.following import following
from motet.server.settings import Settings
from motet.tools.documents.embedding import model_name
from motet.tools.documents.indexing import corpus_of, index_folder
from motet.tools.documents.library import Library

BUYER = "name: buyer\ndescription: Compares offers.\ninstructions: Compare.\ntools: [query_workspace]\n"


def settings(folder: Path, **more: object) -> Settings:
    """An installation whose model isn't asked, and that searches by words."""
    model = {"model": "openai:none", "model_base_url": "http://127.0.0.1:1/v1", "model_timeout_seconds": 1}
    return Settings.model_validate({"data_dir": folder, "embeddings": "none", **model, **more})


class Failing(WordEmbeddings):
    """Fails until it is mended."""

    works = False

    @override
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if not self.works:
            raise ModelFailed("words", "out of order")
        return super().embed_documents(texts)


@pytest.fixture
def index(redis: Redis, keys: Keys) -> RedisDocuments:
    """An empty index."""
    return RedisDocuments(redis, keys)


async def test_a_saved_document_is_found_while_the_process_runs(tmp_path: Path, index: RedisDocuments) -> None:
    """A changed, an added and a removed file are seen without a restart."""
    fill(tmp_path, {"rules.md": "A chair costs 300 euros at most.", "old.md": "Lamps are lent."})
    await index_folder(tmp_path, index, None, silent)
    library = await Library.open(index, None, corpus_of(tmp_path))

    async def texts() -> set[str]:
        return {hit.text for hit in await library.search("chair lamp table")}

    async def is_new() -> bool:
        return await texts() == {"A chair costs 400 euros at most.", "A table is shared."}

    before = await texts()
    async with following(tmp_path, index, None, pause_s=0.02):
        fill(tmp_path, {"rules.md": "A chair costs 400 euros at most.", "new.md": "A table is shared."})
        (tmp_path / "old.md").unlink()
        await wait_until(is_new, description="the new texts are found")

    assert before == {"A chair costs 300 euros at most.", "Lamps are lent."}


async def test_what_fails_is_logged_once_and_tried_again(
    tmp_path: Path, index: RedisDocuments, caplog: pytest.LogCaptureFixture
) -> None:
    """Embeddings that are out of order leave one warning; mended, they make the vectors that were lacking."""
    fill(tmp_path, {"rules.md": "A chair costs 300 euros at most."})
    embeddings = Failing()
    with caplog.at_level(logging.WARNING, logger="motet.server.following"):
        async with following(tmp_path, index, embeddings, pause_s=0.01):
            await wait_until(lambda: bool(caplog.messages), description="the failure is logged")
            embeddings.works = True
            await wait_until(lambda: bool(embeddings.documents), description="the passage is embedded")

    assert len(caplog.messages) == 1
    assert "out of order" in caplog.messages[0]


async def test_two_models_do_not_undo_each_others_work(tmp_path: Path, index: RedisDocuments) -> None:
    """A process that follows the folder makes its own vectors, and leaves those of one that started later."""
    fill(tmp_path, {"rules.md": "A chair costs 300 euros at most."})
    corpus, first, second = corpus_of(tmp_path), WordEmbeddings("first"), WordEmbeddings("second")
    await index_folder(tmp_path, index, first, silent)

    async with following(tmp_path, index, first, pause_s=0.01):
        await index_folder(tmp_path, index, second, silent)
        await wait_until(lambda: len(first.documents) == 2, description="the first one's vectors are made again")
        async with index.writing(corpus, lambda: None):
            kept = [await index.vector_ids(corpus, model_name(one)) for one in (first, second)]

    assert [len(ids) for ids in kept] == [1, 1]


async def test_embeddings_that_fail_at_the_start_leave_words(tmp_path: Path, index: RedisDocuments) -> None:
    """A provider that doesn't answer is named; the crew starts all the same, with a library."""
    folder = fill(tmp_path / "workspace", {"rules.md": "A chair costs 300 euros at most."})
    dead = {"embeddings": "openai:none", "embeddings_base_url": "http://127.0.0.1:1/v1"}

    async with gathered(settings(tmp_path, **dead), folder, index, silent) as crew:
        assert "librarian" in crew.graphs
        assert any("by words" in told and "openai:none failed" in told for told in crew.notices)


async def test_an_agent_that_this_folder_has_nothing_for_is_named(tmp_path: Path, index: RedisDocuments) -> None:
    """One that queries data joins no crew over documents alone, and a person is told so."""
    folder = fill(tmp_path / "workspace", {"rules.md": "A chair costs 300 euros at most."})
    agents = fill(tmp_path / "agents", {"buyer.yaml": BUYER})

    async with gathered(settings(tmp_path, agents_dir=agents), folder, index, silent) as crew:
        assert list(crew.graphs) == ["assistant", "librarian", "single_agent"]
        assert any(told.startswith("Left out: agent buyer") for told in crew.notices)


async def test_a_wrong_declaration_is_said_before_anything_is_indexed(tmp_path: Path, index: RedisDocuments) -> None:
    """Nobody waits for an index to be told of a typing mistake."""
    folder = fill(tmp_path / "workspace", {"rules.md": "A chair costs 300 euros at most."})
    agents = fill(tmp_path / "agents", {"buyer.yaml": BUYER.replace("query_workspace", "paint")})

    with pytest.raises(InvalidConfig, match="paint"):
        async with gathered(settings(tmp_path, agents_dir=agents), folder, index, silent):
            pytest.fail("it must not start")

    assert await index.version(corpus_of(folder)) == 0


async def test_nobody_sends_the_single_agent_anything(tmp_path: Path, index: RedisDocuments) -> None:
    """It is a graph of its own, and no specialist that the assistant could choose."""
    folder = fill(tmp_path / "workspace", {"rules.md": "A chair costs 300 euros at most."})

    async with gathered(settings(tmp_path), folder, index, silent) as crew:
        assistant = crew.graphs["assistant"]
        assert "single_agent" in crew.graphs
        assert isinstance(assistant, StateGraph)
        assert "librarian" in assistant.nodes
        assert "single_agent" not in assistant.nodes
