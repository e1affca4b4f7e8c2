"""The index follows the folder: a document that is saved while a process runs is found seconds later."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from langchain_core.embeddings import Embeddings

from motet.errors import MotetError
from motet.memory.document_index import DocumentIndex
from motet.tools.documents.indexing import Indexed, index_folder

logger = logging.getLogger(__name__)

PAUSE_S = 3.0
"""Between two looks at the folder."""

_SHARE = 20
"""A look that takes long is followed by a pause so many times as long: it costs a large folder 5 % of one core."""


@asynccontextmanager
async def following(
    folder: Path, index: DocumentIndex, embeddings: Embeddings | None, *, pause_s: float = PAUSE_S
) -> AsyncGenerator[None]:
    """Bring the index up to date again and again until the context ends; tables are not looked at.

    What can't be done now (no Redis, no embeddings, no folder) is logged once and tried again.
    """
    task = asyncio.create_task(_follow(folder, index, embeddings, pause_s))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _follow(folder: Path, index: DocumentIndex, embeddings: Embeddings | None, pause_s: float) -> None:
    pause, problem = pause_s, ""
    while True:
        await asyncio.sleep(pause)
        began = time.monotonic()
        try:
            _tell(await index_folder(folder, index, embeddings, _quietly, alone=False))
            problem = ""
        except MotetError as error:
            if str(error) != problem:
                logger.warning("the documents' index stays as it is: %s", error)
            problem = str(error)
        except Exception:
            # What one file does to a reader must not end the looking for all the others.
            logger.exception("the documents' index could not be brought up to date")
        pause = max(pause_s, _SHARE * (time.monotonic() - began))


def _tell(done: Indexed) -> None:
    if done.added or done.changed or done.removed:
        added, changed, removed = (", ".join(files) or "none" for files in (done.added, done.changed, done.removed))
        logger.info("documents: added %s; changed %s; removed %s", added, changed, removed)


def _quietly(doing: str, done: int, total: int) -> None:
    """Nobody waits for it."""
