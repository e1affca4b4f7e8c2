"""The index of documents, seen from above: what is kept of each file, and how it is changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A stretch of a document's text that is found as one."""

    start: int
    """Character of the document's text where it begins."""
    end: int
    headings: tuple[str, ...] = ()
    """The headings it stands under, outermost first."""
    page: int | None = None
    """Page of a PDF, from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedFile:
    """What the index remembers of a file: enough to tell whether it changed, and to list it."""

    file: str
    """Path in the folder, with `/`."""
    title: str
    revision: str
    """Changes with the file's bytes, and with the way in which files are read."""
    size: int
    """Bytes."""
    mtime_ns: int
    characters: int
    """Length of its text."""
    passages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedText:
    """A document's text with its passages, of one revision. Secrets in it were masked before."""

    revision: str
    text: str
    passages: tuple[Passage, ...]
    """In the text's order."""


class DocumentIndex(Protocol):
    """Documents by corpus, for every process that knows the corpus' id.

    A corpus has a version, which grows with every change that a search could see. Vectors are kept by the name of
    the embedding model and the id of the embedded text, so equal texts share one. Writes are idempotent and each
    document is replaced whole: two writers at once do double work and no harm; `writing` spares them the work.
    """

    def writing(self, corpus: str, waits: Callable[[], None]) -> AbstractAsyncContextManager[None]:
        """Hold the corpus' writer's lock, waiting for whoever has it; `waits` is called once, before waiting.

        The lock of a process that died runs out within a minute.
        """
        ...

    async def version(self, corpus: str) -> int:
        """0 before anything was indexed. One round trip."""
        ...

    async def files(self, corpus: str) -> Mapping[str, IndexedFile]:
        """Every file, by path. One round trip."""
        ...

    async def texts(self, corpus: str, files: Sequence[str]) -> Mapping[str, IndexedText]:
        """The documents of `files`, of those that there are."""
        ...

    async def vector_ids(self, corpus: str, model: str) -> AbstractSet[bytes]:
        """Ids of all vectors that `model` made. One round trip."""
        ...

    async def wanted_ids(self, corpus: str) -> Mapping[str, Sequence[bytes]]:
        """By file, the vector id of each of its passages. One round trip."""
        ...

    async def vectors(self, corpus: str, model: str, ids: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """The vectors that there are: unit length, float16, little endian."""
        ...

    async def put(self, corpus: str, documents: Sequence[tuple[IndexedFile, IndexedText, Sequence[bytes]]]) -> None:
        """Record documents with the vector ids of their passages, whole or not at all. One round trip."""
        ...

    async def put_vectors(self, corpus: str, model: str, vectors: Mapping[bytes, bytes]) -> None:
        """Record vectors. One round trip."""
        ...

    async def touch(self, corpus: str, files: Sequence[IndexedFile]) -> None:
        """Record new times of files whose text is the same; no search sees a difference. One round trip."""
        ...

    async def remove(self, corpus: str, files: Sequence[str]) -> None:
        """Forget documents; their vectors stay until `sweep`. One round trip."""
        ...

    async def sweep(self, corpus: str, model: str | None) -> None:
        """Forget vectors that no passage wants and, if `model` is given, those of all other models."""
        ...
