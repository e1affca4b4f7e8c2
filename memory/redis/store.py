"""LangGraph's store on core Redis types: items by namespace and key, found by filter, by meaning, or both."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Self

from langchain_core.embeddings import Embeddings
from langgraph.store.base import (
    BaseStore,
    GetOp,
    IndexConfig,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchOp,
    TTLConfig,
    ensure_embeddings,
    validate_op_namespace,
)
from redis.asyncio import Redis

from motet.errors import InvalidConfig, InvalidInput
from motet.memory.redis.bridge import Bridge, Opening
from motet.memory.redis.client import answering
from motet.memory.redis.keys import Keys
from motet.memory.redis.opening import opening
from motet.memory.redis.scripts import Argument, Scripts
from motet.memory.redis.store_filters import fits
from motet.memory.redis.store_items import Record
from motet.memory.redis.store_reads import PAGE, Fetch, Read, Walk, read_of, touched
from motet.memory.redis.store_vectors import StoreVectors, checked_query
from motet.memory.redis.store_writes import Write, ttl_ms, write_of
from motet.memory.search import Vector

_SWEPT_BY_A_WRITE = 100
_SWEPT_AT_ONCE = 1000
_FILTERED_FIRST = 100


@dataclass(frozen=True, slots=True)
class _Index:
    dims: int
    fields: Sequence[str]
    embeddings: Embeddings
    vectors: StoreVectors


class RedisStore(BaseStore):
    """Items of one tenant, shared by all processes.

    **Where**: a constant number of keys in one slot of a cluster, so a batch is one script whatever its namespaces
    are. The limit that this sets: a tenant's store lives on one node.

    **Cost in round trips.** A batch of gets, puts, deletes, listings and searches is one: its reads first, then its
    writes, all or none. Besides:

    - Filters are judged here, not by the server: a search with a filter takes one for each 500 items it looks at
      before it has what it wants, and one more where it puts off the expiry of what it found. If it needed more
      than its first page, the batch's writes are one of their own.
    - What searches find comes in replies of about 4 MB at most, each with up to 20,000 items skipped by an offset.
      A listing is one for each 5,000 namespaces under the part of its prefix that has no wildcard, and for each
      20,000 expired items in them.
    - A search by meaning comes before the others and takes two: the changes since this process' last search (one
      more for each 500) and the hits; with a filter, one for each 100, later 500, items looked at; where fewer fit
      than were asked for, one for each 500 items under the prefix, to add those without a vector.

    What takes more than one round trip is no snapshot: what others write meanwhile may be seen or not. A hit is
    always read from the server, so a deleted item is never returned, whatever this process' copy of the vectors
    says (its memory: `StoreVectors`); where others update it at this moment, the score may still be the old one's.

    **Values** hold what JSON holds; tuples come back as lists. Anything else is refused, and the batch with it.

    **Order**: a search without a query gives namespaces in the order of their first items, and in each the items in
    the order of their first put; with one, the nearest first (cosine; of several vectors the best counts), then
    items without vector. Namespaces are listed sorted.

    **TTL** is in minutes and judged by the server's clock. An expired item is never returned, whether
    `omit_expired` is set or not. Each writing batch deletes up to 100 expired items, `sweep_ttl` all of them;
    `sweep_interval_minutes` isn't needed.

    Where `InMemoryStore` does other than LangGraph documents, this store keeps to the documents: `created_at` stays
    when an item is updated; a namespace without items isn't listed, and starts anew when it gets some; an updated
    item is no longer found by what it said before; two items of one batch may have equal text; items without
    vector are not returned again on a search's next page; "$" among an item's own index paths is the whole value; an
    item that lacks a filter's key, or has no number there, doesn't fit `$gt` and its like instead of failing the
    search. An offset, limit or depth that makes no sense is refused, as is an operator that doesn't exist.

    Synchronous methods run on the client's event loop, from any other thread. The client isn't owned: whoever made
    it closes it. Every method raises StoreUnavailable when Redis doesn't answer, and InvalidInput or LangGraph's
    InvalidNamespaceError before anything is done.
    """

    supports_ttl = True

    def __init__(
        self,
        client: Redis,
        keys: Keys,
        *,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        scripts: Scripts | None = None,
    ) -> None:
        """Without `index`, a query is ignored. All processes of a tenant must embed alike.

        `scripts`: those of `client`, for another durability than its own.

        Raises:
            InvalidConfig: `index` has no `dims`, or `ttl` a default that is no time.
        """
        self._client = client
        self._keys = keys.store()
        self._scripts = scripts or Scripts(client)
        self._bridge = Bridge.here()
        self._index = self._indexed(index) if index else None
        self.ttl_config = ttl
        try:
            ttl_ms((ttl or {}).get("default_ttl"), "default_ttl")
        except InvalidInput as error:
            raise InvalidConfig("ttl", str(error)) from error

    @classmethod
    def from_url(
        cls,
        url: str,
        keys: Keys | None = None,
        *,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        strict: bool = False,
    ) -> Opening[Self]:
        """A store with a client of its own, closed at the end: `async with`, or `with` where no event loop is.

        `strict`: a write counts once it is on the server's disk, or on a replica (see `durability`).
        Raises what `connect` and `durability.strict` raise.
        """

        def made(client: Redis, scripts: Scripts) -> Self:
            return cls(client, keys or Keys(), index=index, ttl=ttl, scripts=scripts)

        return opening(url, made, strict=strict)

    @property
    def held_vectors(self) -> int:
        """How many vectors this process' copy holds now; 0 before the first search by meaning."""
        return self._index.vectors.held if self._index else 0

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """As `abatch`; raises RuntimeError on the thread of the client's event loop."""
        return self._bridge.run(self.abatch(ops))

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """What the reads among `ops` find, in their places; the writes, the last of each item, happen after them."""
        asked = list(ops)
        reads, writes, queries = self._planned(asked)
        vectors, searched = await self._embed(writes, queries)
        results: list[Result] = [None] * len(asked)
        late: list[bytes] = []
        for read in queries:
            hits = await self._similar(read, searched[str(read.op.query)])
            late += touched([record for record, _ in hits]) if read.op.refresh_ttl else ()
            results[read.place] = [record.search_item(score) for record, score in hits]
        dims = self._index.dims if self._index else 0
        written: list[Argument] = [part for write in writes for part in write.args(vectors, dims)]
        await self._run(reads, written, late)
        for read in reads:
            results[read.place] = read.result()
        return results

    async def sweep_ttl(self) -> int:
        """Delete all expired items, 1,000 a round trip; how many there were."""
        swept = 0
        while True:
            some = (await self._call((), sweep=_SWEPT_AT_ONCE))[1]
            swept += some
            if some < _SWEPT_AT_ONCE:
                return swept

    def _indexed(self, index: IndexConfig) -> _Index:
        dims: object = index.get("dims")
        if not isinstance(dims, int) or isinstance(dims, bool) or dims < 1:
            raise InvalidConfig("index", f"dims must be how many numbers a vector has, not {dims!r}")
        meta, vectors, changed, gone = (self._keys[place] for place in (0, 6, 7, 8))
        return _Index(
            dims,
            index.get("fields") or ["$"],
            ensure_embeddings(index.get("embed")),
            StoreVectors(self._scripts, (meta, vectors, changed, gone), dims),
        )

    def _planned(self, asked: Sequence[Op]) -> tuple[list[Read], list[Write], list[Walk]]:
        """Reads, writes and searches by meaning; raises InvalidInput and InvalidNamespaceError."""
        reads: list[Read] = []
        queries: list[Walk] = []
        writes: dict[bytes, Write] = {}
        for place, op in enumerate(asked):
            at = f"ops[{place}]." if len(asked) > 1 else ""
            validate_op_namespace(op)
            if isinstance(op, PutOp):
                write = write_of(op, self._index.fields if self._index else (), at=at)
                writes[write.name] = write
            elif isinstance(op, GetOp | SearchOp | ListNamespacesOp):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may be untyped
                read = read_of(op, place, at=at)
                if isinstance(read, Walk) and self._index and read.op.query:
                    queries.append(read)
                else:
                    reads.append(read)
            else:
                raise InvalidInput(f"ops[{place}]", op, "GetOp, SearchOp, PutOp or ListNamespacesOp")
        return reads, list(writes.values()), queries

    async def _embed(
        self, writes: Sequence[Write], queries: Sequence[Walk]
    ) -> tuple[dict[str, list[float]], dict[str, Vector]]:
        """A vector for each text to be stored, and one for each query."""
        if self._index is None:
            return {}, {}
        texts = list(dict.fromkeys(text for write in writes for text in write.texts))
        vectors = await self._index.embeddings.aembed_documents(texts) if texts else []
        if len(vectors) != len(texts):
            raise InvalidConfig("index", f"embed gave {len(vectors)} vectors for {len(texts)} texts")
        asked = list(dict.fromkeys(str(read.op.query) for read in queries))
        found = await asyncio.gather(*(self._index.embeddings.aembed_query(query) for query in asked))
        checked = [checked_query(vector, self._index.dims) for vector in found]
        return dict(zip(texts, vectors, strict=True)), dict(zip(asked, checked, strict=True))

    async def _run(self, reads: Sequence[Read], writes: Sequence[Argument], late: Sequence[bytes]) -> None:
        """Ask until every read is done; write with the first call if that does them all, else with the last."""
        pending = [read for read in reads if not read.done]
        written = False
        if pending or writes or late:
            written = (await self._call(pending, writes, late))[0] == 1
        while pending := [read for read in pending if not read.done]:
            await self._call(pending)
        late = [id for read in reads if isinstance(read, Walk) for id in read.untouched()]
        rest = () if written else writes
        if rest or late:
            await self._call((), rest, late)

    async def _similar(self, walk: Walk, query: Vector) -> list[tuple[Record, float | None]]:
        """What a search by meaning finds, with the cosines."""
        wanted = walk.op.offset + walk.op.limit
        found: list[tuple[Record, float | None]] = []
        if walk.op.limit:
            async with aclosing(self._candidates(walk, query, wanted)) as candidates:
                async for candidate in candidates:
                    found.append(candidate)
                    if len(found) == wanted:
                        break
        return found[walk.op.offset :]

    async def _candidates(self, walk: Walk, query: Vector, wanted: int) -> AsyncGenerator[tuple[Record, float | None]]:
        """All items that fit, nearest first, and then those without a vector."""
        assert self._index is not None, "else a query is a walk"
        with answering(self._client):
            ranking = await self._index.vectors.rank(walk.prefix, query)
        count, seen = max(wanted, _FILTERED_FIRST) if walk.op.filter else wanted, 0
        best: Sequence[tuple[bytes, float]] = ()
        while not seen or len(best) == seen:
            best = await asyncio.to_thread(ranking.best, count)  # an event loop would stand still for many
            for start in range(seen, len(best), PAGE):
                near = best[start : start + PAGE]
                fetch = Fetch([id for id, _ in near])
                await self._finish(fetch)
                for id, score in near:
                    record = fetch.found.get(id)
                    if record and fits(record.value, walk.op.filter):
                        yield record, score
            seen, count = count, count * 2
        known = await asyncio.to_thread(ranking.ids)
        rest = Walk(walk.place, walk.prefix, walk.op._replace(limit=sys.maxsize, offset=0), paged=True)
        while not rest.done:
            await self._call([rest])
            for record in rest.found:
                if record.id not in known:
                    yield record, None
            rest.found.clear()

    async def _finish(self, read: Read) -> None:
        while not read.done:
            await self._call([read])

    async def _call(
        self, reads: Sequence[Read], writes: Sequence[Argument] = (), late: Sequence[bytes] = (), sweep: int = 0
    ) -> tuple[int, int]:
        """One run of the script; whether it wrote, and how many items it swept."""
        sweep = sweep or (_SWEPT_BY_A_WRITE if writes else 0)
        args: list[Argument] = [len(reads) + bool(late), sweep]
        for read in reads:
            args += read.args()
        args += ("touch", len(late), *late) if late else ()
        changes = sweep or late or any(read.refreshes for read in reads)
        run = self._scripts.run if changes else self._scripts.read
        with answering(self._client):
            reply = await run("store_batch", keys=self._keys, args=[*args, *writes])
        for read, told in zip(reads, reply[2:], strict=False):
            read.take(told)
        return reply[0], reply[1]
