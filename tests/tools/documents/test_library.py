"""The library: found by words and by meaning, read, and cited by offsets that hold."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis.asyncio import Redis
from tests.tools.documents.workbench import WordEmbeddings, commands_of, fill, pdf_of, silent, verbs

from motet.errors import ToolFailed
from motet.memory.redis.documents import RedisDocuments
from motet.memory.redis.keys import Keys
from motet.tools.documents.indexing import corpus_of, index_folder
from motet.tools.documents.library import Library
from motet.tools.documents.tools import read_tool, search_tool

STORY = "# Story\n\n" + "\n\n".join(f"## Part {number}\n\nIt tells of item{number}." for number in range(6)) + "\n"
FILES = {
    "a.md": "# Traffic\n\n## Speed\n\nThe fastest vehicle is red.\n\n## Noise\n\nError E4711 is loud.\n",
    "b.txt": "Trees are green, and so is this vehicle of 1969.",
    "c.pdf": pdf_of(["Nothing here", "Snow is white"]),
    "story.md": STORY,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A workspace with documents."""
    return fill(tmp_path / "workspace", FILES)


@pytest.fixture
def index(redis: Redis, keys: Keys) -> RedisDocuments:
    """An empty index."""
    return RedisDocuments(redis, keys)


@pytest.fixture
async def library(folder: Path, index: RedisDocuments) -> Library:
    """The folder's library, with vectors."""
    embeddings = WordEmbeddings()
    await index_folder(folder, index, embeddings, silent)
    return await Library.open(index, embeddings, corpus_of(folder))


async def test_a_hit_is_cited_by_its_offsets(library: Library, folder: Path) -> None:
    """Of a text file, the characters from start to end are the file's own; a PDF's page is named."""
    for question in ("E4711", "trees", "item3"):
        hit = (await library.search(question))[0]
        assert (folder / hit.file).read_text()[hit.start : hit.end] == hit.text
        assert await library.read(hit.file, start=hit.start, length=hit.end - hit.start) == hit.text
    assert (await library.search("E4711"))[0].headings == ("Traffic", "Noise")
    snow = (await library.search("snow"))[0]
    assert (snow.file, snow.page, snow.text) == ("c.pdf", 2, "Snow is white")


async def test_meaning_finds_what_words_do_not(library: Library, folder: Path, index: RedisDocuments) -> None:
    """A question in other words finds the passage by its vector; without a model it finds nothing."""
    found = await library.search("automobile", limit=2)

    assert {hit.file for hit in found} == {"a.md", "b.txt"}
    assert all(hit.similarity is not None and hit.similarity > 0 for hit in found)
    assert await (await Library.open(index, None, corpus_of(folder))).search("automobile") == []


async def test_one_file_can_be_searched(library: Library) -> None:
    """Only its passages come back, the best first; a file that isn't there is told with those that are."""
    assert [hit.file for hit in await library.search("vehicle", file="b.txt")] == ["b.txt"]
    assert {hit.file for hit in await library.search("vehicle", file="./a.md")} == {"a.md"}
    with pytest.raises(ToolFailed, match=r"'z.md'; there are: a.md, b.txt, c.pdf, story.md"):
        await library.search("vehicle", file="z.md")


async def test_neighbours_are_the_passages_around(library: Library) -> None:
    """In the document's order, fewer at its ends; only the hit itself keeps its score."""
    hit = (await library.search("item2", file="story.md"))[0]

    around = await library.neighbours(hit, before=1, after=2)

    assert ["item1" in around[0].text, around[1] == hit, "item4" in around[3].text] == [True, True, True]
    assert [one.score > 0 for one in around] == [False, True, False, False]
    first = (await library.search("item0", file="story.md"))[0]
    assert len(await library.neighbours(first, before=3, after=1)) == 2


async def test_a_document_is_read_in_stretches(library: Library) -> None:
    """Together they are the document; what begins behind its end, or isn't there, is refused."""
    pieces = [await library.read("story.md", start=start, length=50) for start in range(0, len(STORY), 50)]

    assert "".join(pieces) == STORY
    with pytest.raises(ToolFailed, match=f"0 to {len(STORY)}"):
        await library.read("story.md", start=len(STORY))
    with pytest.raises(ToolFailed, match=r"there are: a\.md"):
        await library.read("../a.md")


async def test_a_search_is_one_round_trip(library: Library, folder: Path, redis_url: str, keys: Keys) -> None:
    """While the corpus stays as it is, only its version is asked for, and the folder isn't needed."""
    for name in FILES:
        (folder / name).unlink()

    async def search() -> None:
        assert await library.search("vehicle")

    assert verbs(await commands_of(redis_url, keys, search)) == ["HGET"]


async def test_only_what_changed_is_fetched(
    library: Library, folder: Path, index: RedisDocuments, redis_url: str, keys: Keys
) -> None:
    """After a change the next search fetches the list of files, the changed document and its new vectors."""
    fill(folder, {"b.txt": "Leaves are brown."})
    await index_folder(folder, index, WordEmbeddings(), silent)

    async def search() -> None:
        assert (await library.search("leaves"))[0].text == "Leaves are brown."

    commands = await commands_of(redis_url, keys, search)

    assert verbs(commands) == ["HGET", "HGETALL", "HMGET", "HMGET"]
    assert commands[2].endswith(":docs:texts b.txt")
    assert len(commands[3].split()) == 3


async def test_the_question_is_embedded_once(folder: Path, index: RedisDocuments) -> None:
    """Opening embeds nothing, a search its question, neighbours and reading nothing."""
    await index_folder(folder, index, WordEmbeddings(), silent)
    embeddings = WordEmbeddings()
    library = await Library.open(index, embeddings, corpus_of(folder))
    hit = (await library.search("red"))[0]
    await library.neighbours(hit)
    await library.read(hit.file)

    assert (embeddings.queries, embeddings.documents) == (["red"], [])


async def test_an_empty_library_finds_nothing(index: RedisDocuments) -> None:
    """A corpus that was never indexed is empty, and asks no model."""
    embeddings = WordEmbeddings()
    library = await Library.open(index, embeddings, "0" * 16)

    assert (await library.search("anything"), library.files, embeddings.queries) == ([], [], [])
    with pytest.raises(ToolFailed, match="there are no documents"):
        await library.read("a.md")


async def test_the_tools_give_data_with_its_place(library: Library) -> None:
    """Passages come within marks that name file and offsets; both tools say that they only read."""
    search, read = search_tool(library), read_tool(library)

    found = str(await search.ainvoke({"question": "E4711", "limit": 1}))
    told = str(await read.ainvoke({"file": "b.txt", "start": 6, "length": 9}))

    start = FILES["a.md"].index("## Noise") if isinstance(FILES["a.md"], str) else 0
    assert f'<data source="a.md {start}-{start + 30}">\n[Traffic > Noise]\n## Noise\n\nError E4711' in found
    assert told == '<data source="b.txt 6-15 of 48">\nare green\n</data>'
    assert (search.name, read.name) == ("search_documents", "read_document")
    assert search.metadata == read.metadata == {"effect": "none"}


async def test_a_wrong_call_tells_the_model_what_to_change(
    library: Library, folder: Path, index: RedisDocuments
) -> None:
    """A name that isn't there raises ToolFailed with those that are; a search without a result names them, too."""
    with pytest.raises(ToolFailed, match=r"a.md, b.txt"):
        await read_tool(library).ainvoke({"file": "none.md"})
    words_only = await Library.open(index, None, corpus_of(folder))

    assert "There are: a.md, b.txt" in str(await search_tool(words_only).ainvoke({"question": "xyzzy"}))
