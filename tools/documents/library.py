"""The documents of one workspace, found by words and by meaning."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Self

import numpy as np
from langchain_core.embeddings import Embeddings

from motet.errors import ModelFailed, ToolFailed, shortened
from motet.memory.corpus import Corpus, LoadedDocument, Snapshot
from motet.memory.document_index import DocumentIndex
from motet.tools.documents.embedding import model_name
from motet.tools.documents.ports import DocumentInfo, Hit

logger = logging.getLogger(__name__)

_NAMED = 20
"""How many files an error names."""


class Library:
    """`Documents` over an index that any process can reach; neither needs nor reads the folder.

    What it found is held in memory (text, words and vectors: about 5 KB a passage) and follows the index: each
    search asks for its version, and fetches what changed.
    """

    def __init__(self, index: DocumentIndex, embeddings: Embeddings | None, corpus: str) -> None:
        """A library that hasn't read anything yet; `open` makes one that has.

        `embeddings` must be those the corpus was indexed with; with others, or None, only words are searched.
        """
        self._embeddings = embeddings
        self._corpus = Corpus(index, corpus, None if embeddings is None else model_name(embeddings))

    @classmethod
    async def open(cls, index: DocumentIndex, embeddings: Embeddings | None, corpus: str) -> Self:
        """The library of `corpus` (see `corpus_of`), read.

        Raises:
            StoreUnavailable: Redis doesn't answer.
        """
        library = cls(index, embeddings, corpus)
        await library.refresh()
        return library

    async def refresh(self) -> None:
        """Read what changed since the last time; searching and reading do it too."""
        await self._corpus.refresh()

    @property
    def files(self) -> Sequence[DocumentInfo]:
        """Every document as of the last search, read or refresh, by path."""
        told = [document.file for document in self._corpus.newest.documents.values()]
        return [
            DocumentInfo(file=one.file, title=one.title, characters=one.characters, passages=one.passages)
            for one in told
        ]

    async def search(self, question: str, *, limit: int = 8, file: str | None = None) -> Sequence[Hit]:
        now = await self._corpus.refresh()
        among = None
        if file is not None:
            among = now.passages_of(self._document(now, file).file.file)
        if not now.ends or not now.ends[-1] or among == range(0):
            return []
        vector = await self._vector(question)
        found = await asyncio.to_thread(now.ranking.rank, question, vector, limit=limit, among=among)
        return [_hit(*now.located(one), one.score, one.similarity) for one in found]

    async def similarities(self, question: str, texts: Sequence[str]) -> Sequence[float] | None:
        vector = await self._vector(question)
        if vector is None or self._embeddings is None:
            return None
        try:
            rows = np.asarray(await self._embeddings.aembed_documents(list(texts)), np.float32)
        except ModelFailed as error:
            logger.warning("sentences are compared by words only: %s", error)
            return None
        asked = np.asarray(vector, np.float32)
        lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(asked)
        return [float(one) for one in np.vecdot(rows, asked) / np.where(lengths == 0, 1, lengths)]

    async def _vector(self, question: str) -> list[float] | None:
        """What the question means; None, and words alone are searched, where nothing makes vectors now."""
        if self._embeddings is None:
            return None
        try:
            return await self._embeddings.aembed_query(question)
        except ModelFailed as error:
            logger.warning("documents are searched by words only: %s", error)
            return None

    async def neighbours(self, hit: Hit, *, before: int = 1, after: int = 1) -> Sequence[Hit]:
        document = self._document(await self._corpus.refresh(), hit.file)
        passages = document.content.passages
        place = next((place for place, one in enumerate(passages) if one.end > hit.start), len(passages))
        around = range(max(0, place - before), min(len(passages), place + after + 1))
        return [
            _hit(
                document,
                number,
                hit.score if number == place else 0.0,
                hit.similarity if number == place else None,
            )
            for number in around
        ]

    async def read(self, file: str, *, start: int = 0, length: int = 4_000) -> str:
        text = self._document(await self._corpus.refresh(), file).content.text
        if not 0 <= start < max(len(text), 1):
            raise ToolFailed(f"{file} has characters 0 to {len(text)}: nothing begins at {start}")
        return text[start : start + max(length, 0)]

    def _document(self, now: Snapshot, file: str) -> LoadedDocument:
        if document := now.documents.get(file.removeprefix("./")):
            return document
        known = list(now.documents)
        more = f" and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
        listed = f"there are: {', '.join(known[:_NAMED])}{more}" if known else "there are no documents"
        raise ToolFailed(f"there is no document {shortened(file)}; {listed}")


def _hit(document: LoadedDocument, place: int, score: float, similarity: float | None) -> Hit:
    passage = document.content.passages[place]
    return Hit(
        file=document.file.file,
        start=passage.start,
        end=passage.end,
        text=document.content.text[passage.start : passage.end],
        headings=passage.headings,
        page=passage.page,
        score=score,
        similarity=similarity,
    )
