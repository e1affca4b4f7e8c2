# ruff: noqa: INP001 - a script, no package
"""How long a search over 10,000 passages takes, beside two ways of searching them without Motet.

`python benchmarks/search.py [--passages 10000] [--searches 300] [--embeddings hashed|minilm] [--weights FILE]`

The passages are the source of Python's own library, the same for one version of Python; each question is five words
of a passage, drawn with a seed. Redis is the embedded one. `hashed` vectors (384 floats by hashing words) cost next to
nothing to make, so what is measured is the search; with `minilm` the question's embedding by the real model is part
of each search, and indexing takes minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import sys
import sysconfig
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from zlib import crc32

import bm25s
import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore

from motet.memory.redis.client import connect
from motet.memory.redis.documents import RedisDocuments
from motet.memory.redis.embedded import EmbeddedRedis
from motet.memory.redis.keys import Keys
from motet.memory.search import words
from motet.tools.documents.indexing import corpus_of, index_folder
from motet.tools.documents.library import Library
from motet.tools.documents.reading import read_file
from motet.tools.documents.splitting import passages

DIMENSIONS = 384
PEER_SEARCHES = 30
"""The store that compares lists of floats takes a while each time."""
TARGET_MS = 50.0
SHORT = 3
"""Words of so many letters tell too little to be asked for."""
ASKED = 5
"""Words in a question."""

Search = Callable[[str], Awaitable[object]]


class Hashed(Embeddings):
    """Each word adds one at the place its hash says."""

    model = "hashed"

    def embed_query(self, text: str) -> list[float]:
        vector = np.zeros(DIMENSIONS, np.float32)
        for word in words(text):
            vector[crc32(word.encode()) % DIMENSIONS] += 1
        return vector.tolist()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]


def say(text: str) -> None:
    """Print at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def write_documents(folder: Path, wanted: int) -> list[str]:
    """Copy Python's library into `folder` until it makes `wanted` passages; their texts."""
    found: list[str] = []
    library = Path(sysconfig.get_path("stdlib"))
    for source in sorted(library.rglob("*.py")):
        if {"site-packages", "idlelib", "lib2to3", "__pycache__"} & set(source.parts):
            continue
        target = folder / source.relative_to(library).with_suffix(".txt")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
        _, read = read_file(target)
        if isinstance(read, str):
            target.unlink()
            continue
        found += [read.text[one.start : one.end] for one in passages(read)]
        if len(found) >= wanted:
            return found
    raise SystemExit(f"Python's library makes {len(found):,} passages only")


def questions(texts: Sequence[str], count: int) -> list[str]:
    """`count` questions of five words each that stand in one passage."""
    chance = random.Random(11)  # noqa: S311 - a seed, so that all runs ask the same
    asked: list[str] = []
    while len(asked) < count:
        known = sorted({word for word in words(chance.choice(texts)) if len(word) > SHORT and not word.isdigit()})
        if len(known) >= ASKED:
            asked.append("where is " + " ".join(chance.sample(known, ASKED)))
    return asked


async def measure(name: str, search: Search, asked: Sequence[str]) -> float:
    """Ask one question after the other; print the percentiles in milliseconds and return the 95th."""
    for question in asked[:5]:
        await search(question)
    took: list[float] = []
    for question in asked:
        started = time.perf_counter()
        await search(question)
        took.append((time.perf_counter() - started) * 1000)
    p50, p95, p99 = np.percentile(took, [50, 95, 99])
    say(f"{name:58} {len(took):5} {p50:8.1f} {p95:8.1f} {p99:8.1f}")
    return float(p95)


async def plain(texts: Sequence[str], embeddings: Embeddings) -> Search:
    """bm25s and a numpy product with the same fusion, and nothing around them: the floor."""
    ranker = bm25s.BM25()
    ranker.index([words(text) for text in texts], show_progress=False)
    rows = np.asarray(await embeddings.aembed_documents(list(texts)), np.float32)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)

    async def search(question: str) -> list[str]:
        asked = np.asarray(await embeddings.aembed_query(question), np.float32)
        fused: dict[int, float] = {}
        for scores in (ranker.get_scores(words(question)), rows @ asked):
            for rank, number in enumerate(np.argsort(-scores, kind="stable")[:100], start=1):
                fused[int(number)] = fused.get(int(number), 0.0) + 1 / (60 + rank)
        return [texts[number] for number in sorted(fused, key=lambda number: -fused[number])[:8]]

    return search


async def langchain(texts: Sequence[str], embeddings: Embeddings) -> Search:
    """LangChain's InMemoryVectorStore: by meaning only."""
    store = InMemoryVectorStore(embeddings)
    await store.aadd_documents([Document(text) for text in texts])

    async def search(question: str) -> object:
        return await store.asimilarity_search(question, k=8)

    return search


async def run(embeddings: Embeddings, wanted: int, searches: int) -> bool:
    """Index, search, print; whether the target was met."""
    with tempfile.TemporaryDirectory(prefix="motet-benchmark-") as private:
        folder = Path(private) / "documents"
        folder.mkdir()
        texts = write_documents(folder, wanted)
        asked = questions(texts, searches)
        async with EmbeddedRedis(Path(private) / "redis") as url:
            client = await connect(url)
            try:
                index = RedisDocuments(client, Keys())
                started = time.perf_counter()
                await index_folder(folder, index, embeddings, lambda *_: None)
                indexed = time.perf_counter()
                await index_folder(folder, index, embeddings, lambda *_: None)
                again = time.perf_counter()
                library = await Library.open(index, embeddings, corpus_of(folder))
                opened = time.perf_counter()
                used = int((await client.info("memory"))["used_memory"])
                say(f"{sum(one.passages for one in library.files):,} passages of {len(library.files)} documents")
                say(f"indexed in {indexed - started:.1f} s, again unchanged in {(again - indexed) * 1000:.0f} ms")
                say(f"opened by another process in {opened - again:.1f} s; Redis holds {used / 1e6:.0f} MB")
                say(f"\n{'milliseconds a search':58} {'n':>5} {'p50':>8} {'p95':>8} {'p99':>8}")
                p95 = await measure("Library.search", library.search, asked)
            finally:
                await client.aclose()
        await measure("peer: bm25s and numpy alone", await plain(texts, embeddings), asked)
        name = "peer: LangChain InMemoryVectorStore (meaning only)"
        await measure(name, await langchain(texts, embeddings), asked[:PEER_SEARCHES])
    say(f"\ntarget: p95 of Library.search at most {TARGET_MS:g} ms: {'met' if p95 <= TARGET_MS else 'MISSED'}")
    return p95 <= TARGET_MS


def main() -> None:
    """Read the arguments and measure; exits 1 if the target is missed."""
    logging.getLogger("bm25s").setLevel(logging.WARNING)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=10_000)
    parser.add_argument("--searches", type=int, default=300)
    parser.add_argument("--embeddings", choices=("hashed", "minilm"), default="hashed")
    parser.add_argument("--weights", type=Path, help="the embedded model's ONNX file, for minilm")
    told = parser.parse_args()
    embeddings: Embeddings = Hashed()
    if told.embeddings == "minilm":
        from motet.agents.minilm.model import MiniLM  # noqa: PLC0415 - needs the extra `local`

        if told.weights is None:
            parser.error("--embeddings minilm needs --weights")
        embeddings = MiniLM(told.weights)
    if not asyncio.run(run(embeddings, told.passages, told.searches)):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
