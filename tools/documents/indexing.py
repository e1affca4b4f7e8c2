"""A folder's documents are brought into the index, and only what changed since the last time is touched."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from langchain_core.embeddings import Embeddings

from motet.errors import InvalidWorkspace
from motet.memory.corpus import passage_text, vector_id
from motet.memory.document_index import DocumentIndex, IndexedFile, IndexedText
from motet.tools.documents.embedding import embed, model_name
from motet.tools.documents.reading import READING, document_files, read_file, sayable, title_of
from motet.tools.documents.splitting import passages
from motet.tools.index import Progress
from motet.tools.loading import Skipped

_FILES_AT_ONCE = 20
_CHARACTERS_AT_ONCE = 2_000_000
"""Text that is written by one command, unless a single document has more: others wait for it."""
_TEXTS_AT_ONCE = 64
"""Passages that are embedded by one call, and kept before the next."""

_Document = tuple[IndexedFile, IndexedText, Sequence[bytes]]
"""As the index takes it: with the vector id of each passage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """What indexing found and did; files by their path in the folder, as they were come across."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    """Files that can't be used, with the reason; they aren't in the index."""
    embedded: int
    """Passages that the embedding model was asked for."""


def corpus_of(folder: Path) -> str:
    """The corpus of a folder: 16 hexadecimal digits, a hash of its resolved path; reads nothing of the folder.

    Two machines that share a Redis and a tenant share the corpus of equal paths.
    """
    return sha256(str(folder.resolve()).encode()).hexdigest()[:16]


async def index_folder(
    folder: Path, index: DocumentIndex, embeddings: Embeddings | None, progress: Progress, *, alone: bool = True
) -> Indexed:
    """Make the index of `folder`'s corpus say what the folder holds now.

    A file of the same size and time isn't read, one of the same bytes isn't split, and a passage whose text the
    model has embedded already isn't embedded again. With another model all passages are, and the old vectors go.
    Without one, words alone are indexed, and vectors that are there stay. Stopped half way, it leaves an index that
    can be searched, and the next time goes on from there. A second process waits until the first is done.

    Args:
        folder: the workspace.
        index: where to.
        embeddings: what makes vectors of passages.
        progress: told what is being done, how many files or passages are done, and of how many.
        alone: whether other models' vectors go; where two processes differ, each would undo the other's work for ever.

    Raises:
        InvalidWorkspace: `folder` is none.
        StoreUnavailable: Redis doesn't answer.
    """
    if not await asyncio.to_thread(folder.is_dir):
        raise InvalidWorkspace(str(folder), "it is not a folder")
    corpus = corpus_of(folder)
    async with index.writing(corpus, lambda: progress("waiting for another process that indexes", 0, 1)):
        work = _Indexing(folder=folder, corpus=corpus, index=index, progress=progress)
        await work.read()
        embedded = await work.embed(embeddings) if embeddings else 0
        if work.touched or embedded:
            await index.sweep(corpus, model_name(embeddings) if embeddings and alone else None)
        return Indexed(
            added=tuple(work.added),
            changed=tuple(work.changed),
            removed=tuple(work.removed),
            unchanged=tuple(work.unchanged),
            skipped=tuple(sorted(work.skipped, key=lambda one: one.source)),
            embedded=embedded,
        )


@dataclass(slots=True, kw_only=True)
class _Indexing:
    """One pass over a folder."""

    folder: Path
    corpus: str
    index: DocumentIndex
    progress: Progress
    added: list[str] = field(default_factory=list[str])
    changed: list[str] = field(default_factory=list[str])
    removed: list[str] = field(default_factory=list[str])
    unchanged: list[str] = field(default_factory=list[str])
    skipped: list[Skipped] = field(default_factory=list[Skipped])

    @property
    def touched(self) -> bool:
        """Whether passages may have gone."""
        return bool(self.changed or self.removed)

    async def read(self) -> None:
        """Bring texts and passages up to date."""
        known = await self.index.files(self.corpus)
        paths, skipped = await asyncio.to_thread(document_files, self.folder)
        self.skipped += skipped
        for start in range(0, len(paths), _FILES_AT_ONCE):
            some = paths[start : start + _FILES_AT_ONCE]
            self.progress("reading documents", start, len(paths))
            documents, moved = await asyncio.to_thread(self._read, some, known)
            for group in _groups(documents):
                await self.index.put(self.corpus, group)
            if moved:
                await self.index.touch(self.corpus, moved)
        self.progress("reading documents", len(paths), len(paths))
        self.removed += sorted(known.keys() - {*self.added, *self.changed, *self.unchanged})
        if self.removed:
            await self.index.remove(self.corpus, self.removed)

    def _read(
        self, paths: Sequence[Path], known: Mapping[str, IndexedFile]
    ) -> tuple[list[_Document], list[IndexedFile]]:
        """The new and changed documents among `paths`, and those that only have another time."""
        documents: list[_Document] = []
        moved: list[IndexedFile] = []
        for path in paths:
            name = path.relative_to(self.folder).as_posix()
            try:
                name.encode()
                told = path.stat()
            except (OSError, UnicodeEncodeError) as error:
                self.skipped.append(
                    Skipped(source=sayable(Path(name)), reason=f"it can't be read ({type(error).__name__})")
                )
                continue
            before = known.get(name)
            if before and (before.size, before.mtime_ns) == (told.st_size, told.st_mtime_ns) and _is_current(before):
                self.unchanged.append(name)
                continue
            revision, read = read_file(path)
            if isinstance(read, str):
                self.skipped.append(Skipped(source=name, reason=read))
            elif before and before.revision == revision:
                self.unchanged.append(name)
                moved.append(replace(before, size=told.st_size, mtime_ns=told.st_mtime_ns))
            else:
                content = IndexedText(revision=revision, text=read.text, passages=passages(read))
                file = IndexedFile(
                    file=name,
                    title=title_of(read, path),
                    revision=revision,
                    size=told.st_size,
                    mtime_ns=told.st_mtime_ns,
                    characters=len(read.text),
                    passages=len(content.passages),
                )
                (self.changed if before else self.added).append(name)
                documents.append((file, content, [vector_id(text) for text in _texts(content)]))
        return documents, moved

    async def embed(self, embeddings: Embeddings) -> int:
        """Bring vectors up to date; how many were made."""
        model = model_name(embeddings)
        there = await self.index.vector_ids(self.corpus, model)
        wanted = await self.index.wanted_ids(self.corpus)
        lacking = {name for ids in wanted.values() for name in ids} - there
        total, done = len(lacking), 0
        files = sorted(file for file, ids in wanted.items() if not lacking.isdisjoint(ids))
        for start in range(0, len(files), _FILES_AT_ONCE):
            contents = await self.index.texts(self.corpus, files[start : start + _FILES_AT_ONCE])
            texts = {vector_id(text): text for content in contents.values() for text in _texts(content)}
            todo = [name for name in texts if name in lacking]
            lacking.difference_update(todo)
            for place in range(0, len(todo), _TEXTS_AT_ONCE):
                some = todo[place : place + _TEXTS_AT_ONCE]
                self.progress("embedding passages", done, total)
                vectors = await embed(embeddings, [texts[name] for name in some])
                await self.index.put_vectors(self.corpus, model, dict(zip(some, vectors, strict=True)))
                done += len(some)
        if total:
            self.progress("embedding passages", done, total)
        return done


def _groups(documents: Sequence[_Document]) -> Iterator[list[_Document]]:
    group: list[_Document] = []
    for document in documents:
        if group and sum(one[0].characters for one in (*group, document)) > _CHARACTERS_AT_ONCE:
            yield group
            group = []
        group.append(document)
    if group:
        yield group


def _is_current(file: IndexedFile) -> bool:
    return file.revision.startswith(f"{READING}:")


def _texts(content: IndexedText) -> list[str]:
    return [passage_text(content, passage) for passage in content.passages]
