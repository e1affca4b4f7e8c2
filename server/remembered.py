"""Users' memories for a command that needs no server, and how a store compares what they mean."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from langchain_core.embeddings import Embeddings
from langgraph.store.base import IndexConfig

from motet.errors import ModelFailed
from motet.memory.recall import Recall
from motet.memory.redis.keys import Keys
from motet.memory.redis.store import RedisStore
from motet.server.settings import Settings
from motet.server.store import redis_client

logger = logging.getLogger(__name__)


async def store_index(embeddings: Embeddings | None) -> IndexConfig | None:
    """How the tenant's store finds items by meaning: by whole values, where a put names no paths; None without vectors.

    None also where their provider doesn't answer: until the next start items are found by their words, and new ones
    get no vector.
    """
    if embeddings is None:
        return None
    try:
        dims = len(await embeddings.aembed_query("How many numbers has a vector?"))
    except ModelFailed as error:
        logger.warning("memories are found by their words only, until the next start: %s", error)
        return None
    return IndexConfig(dims=dims, embed=embeddings, fields=["$"])


@asynccontextmanager
async def remembered(settings: Settings, *, writing: bool = False) -> AsyncGenerator[Recall]:
    """The memories of the settings' tenant; `writing` loads what makes vectors, so that new words have theirs.

    Raises:
        StoreUnavailable, InvalidConfig, ModelUnavailable.
    """
    async with AsyncExitStack() as resources:
        index = await store_index(await _embeddings(settings, resources)) if writing else None
        client = await resources.enter_async_context(redis_client(settings))
        yield Recall(RedisStore(client, Keys(settings.tenant), index=index))


async def _embeddings(settings: Settings, resources: AsyncExitStack) -> Embeddings | None:
    from motet.agents.embeddings import Embedders  # noqa: PLC0415 - takes two seconds, and reading needs none
    from motet.server.crew import embedding_settings  # noqa: PLC0415 - as above
    from motet.server.logs import log_progress  # noqa: PLC0415 - as above

    embedders = Embedders(embedding_settings(settings), log_progress)
    resources.push_async_callback(embedders.aclose)
    return await embedders.embeddings()
