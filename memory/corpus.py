"""A corpus of documents as one process searches it: read from the index once, and again only where it changed."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import accumulate
from pathlib import PurePosixPath

from motet.memory.document_index import DocumentIndex, IndexedFile, IndexedText, Passage
from motet.memory.search import Ranked, Ranking, Vocabulary, stacked


def passage_text(document: IndexedText, passage: Passage) -> str:
    """What is embedded and searched of a passage: the headings above it, and its own text."""
    return "\n".join((" > ".join(passage.headings), document.text[passage.start : passage.end])).lstrip("\n")


def vector_id(text: str) -> bytes:
    """The id, 16 bytes, of the vector of an embedded text."""
    return blake2b(text.encode(), digest_size=16).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedDocument:
    """A document in memory, ready to be ranked."""

    file: IndexedFile
    content: IndexedText
    ids: tuple[bytes, ...]
    """The vector id of each passage."""
    words: tuple[list[int], ...]
    """The numbers of each passage's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The corpus at one version; immutable, so a search isn't disturbed by the next refresh."""

    version: int
    documents: Mapping[str, LoadedDocument]
    """By path, sorted."""
    ends: tuple[int, ...]
    """By document, the number of the passage behind its last one."""
    ranking: Ranking

    def passages_of(self, file: str) -> range:
        """Numbers of a document's passages."""
        place = list(self.documents).index(file)
        return range(self.ends[place - 1] if place else 0, self.ends[place])

    def located(self, ranked: Ranked) -> tuple[LoadedDocument, int]:
        """The document of a ranked passage, and the passage's place in it."""
        place = bisect_right(self.ends, ranked.number)
        return list(self.documents.values())[place], ranked.number - (self.ends[place - 1] if place else 0)


class Corpus:
    """Keeps the newest snapshot of one corpus. A refresh costs one round trip while nothing changed."""

    def __init__(self, index: DocumentIndex, corpus: str, model: str | None) -> None:
        """`model` names the vectors to use; None: words only."""
        self._index = index
        self._corpus = corpus
        self._model = model
        self._vocabulary = Vocabulary()
        self._vectors: Mapping[bytes, bytes] = {}
        self._refreshing = asyncio.Lock()
        self.newest = Snapshot(version=0, documents={}, ends=(), ranking=Ranking([], self._vocabulary, None))
        """As of the last refresh; empty before the first."""

    async def refresh(self) -> Snapshot:
        """The corpus as it is now; documents that didn't change aren't fetched again.

        Raises:
            StoreUnavailable: Redis doesn't answer.
        """
        async with self._refreshing:
            version = await self._index.version(self._corpus)
            if version != self.newest.version:
                documents = await self._documents()
                ids = [name for document in documents.values() for name in document.ids]
                self._vectors = await self._vectors_of(ids)
                self.newest = await asyncio.to_thread(self._built, version, documents, ids)
            return self.newest

    async def _documents(self) -> dict[str, LoadedDocument]:
        files = await self._index.files(self._corpus)
        known = self.newest.documents
        kept = {
            path: replace(document, file=files[path])
            for path, document in known.items()
            if path in files and files[path].revision == document.content.revision
        }
        fetched = await self._index.texts(self._corpus, [path for path in files if path not in kept])
        loaded = await asyncio.to_thread(self._loaded, files, fetched)
        return dict(sorted((kept | loaded).items()))

    def _loaded(
        self, files: Mapping[str, IndexedFile], fetched: Mapping[str, IndexedText]
    ) -> dict[str, LoadedDocument]:
        return {path: self._load(files[path], content) for path, content in fetched.items()}

    def _load(self, file: IndexedFile, content: IndexedText) -> LoadedDocument:
        texts = [passage_text(content, passage) for passage in content.passages]
        name = self._vocabulary.learn(PurePosixPath(file.file).stem)
        return LoadedDocument(
            file=file,
            content=content,
            ids=tuple(vector_id(text) for text in texts),
            words=tuple(name + self._vocabulary.learn(text) for text in texts),
        )

    async def _vectors_of(self, ids: Sequence[bytes]) -> Mapping[bytes, bytes]:
        if self._model is None:
            return {}
        missing = list(dict.fromkeys(name for name in ids if name not in self._vectors))
        fetched = await self._index.vectors(self._corpus, self._model, missing) if missing else {}
        wanted = frozenset(ids)
        return {name: vector for name, vector in self._vectors.items() if name in wanted} | dict(fetched)

    def _built(self, version: int, documents: Mapping[str, LoadedDocument], ids: Sequence[bytes]) -> Snapshot:
        passages = [words for document in documents.values() for words in document.words]
        return Snapshot(
            version=version,
            documents=documents,
            ends=tuple(accumulate(len(document.words) for document in documents.values())),
            ranking=Ranking(passages, self._vocabulary, stacked(ids, self._vectors)),
        )
