"""Which checkpoints a list holds: the newest put first, page by page."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from itertools import groupby

from langchain_core.runnables import RunnableConfig

from motet.memory.redis.checkpoint_table import Place, Table, reading

_PAGE = 100
_READ_AT_ONCE = 20


async def places_of(table: Table, config: RunnableConfig | None) -> list[Place]:
    """The place that `config` names; of all namespaces where it names none, of all threads without it."""
    if config is None:
        threads = await table.threads()
    elif config.get("configurable", {}).get("checkpoint_ns") is not None:
        return [Place.of(config)]
    else:
        threads = [Place.of(config).thread_id]
    return [Place(thread, namespace) for thread in threads for namespace in await table.namespaces(thread)]


async def ids_of(
    table: Table, place: Place, fits: Callable[[str, bytes], bool] | None, before: str, limit: int | None
) -> AsyncGenerator[str]:
    """Ids that fit by themselves and their metadata, at most `limit`; all fit without `fits`.

    They were put before the id `before` ("" for no such limit); where that is another place's, they are smaller.
    Raises DataDamaged.
    """
    if limit is not None and limit <= 0:
        return
    size = min(_PAGE, limit or _PAGE) if fits is None else _PAGE
    page = await table.page(place, size, before=before)
    elsewhere = before if not page.knows_before else ""
    yielded = 0
    while page.rows:
        with reading(place):
            fitting = [
                id
                for id, metadata in page.rows
                if (not elsewhere or id < elsewhere) and (fits is None or fits(id, metadata))
            ]
        for id in fitting if limit is None else fitting[: limit - yielded]:
            yield id
        yielded += len(fitting)
        if len(page.rows) < size or (limit is not None and yielded >= limit):
            return
        page = await table.page(place, size, below=page.last)


def batches(found: Iterable[tuple[str, Place]]) -> Iterator[tuple[Place, list[str]]]:
    """Neighbours of one place together, as many as are read at once."""
    for place, group in groupby(found, key=lambda entry: entry[1]):
        ids = [id for id, _ in group]
        for at in range(0, len(ids), _READ_AT_ONCE):
            yield place, ids[at : at + _READ_AT_ONCE]
