"""What evaluators may use of an installation: models, vectors and data, each opened when it is first asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from langchain_core.embeddings import Embeddings
from langchain_core.language_models.chat_models import BaseChatModel

from motet.agents.embeddings import OFF, Embedders
from motet.agents.models import Models
from motet.errors import ModelUnavailable, ToolFailed
from motet.observability.evaluation.evaluator import Means
from motet.server.crew import embedding_settings, model_settings
from motet.server.logs import log_progress
from motet.server.settings import Settings
from motet.tools.workspace import Workspace

_MOST_ROWS = 100_000


@asynccontextmanager
async def means(
    settings: Settings, *, workspace: Path | None = None, folder: Path | None = None
) -> AsyncGenerator[Means]:
    """The installation's, until the context ends.

    Args:
        settings: which models, and where they are.
        workspace: whose tables are asked.
        folder: where files named in evaluators' arguments lie; None: the current one.
    """
    async with AsyncExitStack() as resources:
        opened = _Opened(settings, workspace, resources)
        yield Means(
            chat=opened.chat,
            embed=None if settings.embeddings == OFF else opened.embed,
            query=None if workspace is None else opened.query,
            folder=folder or Path(),
        )


class _Opened:
    """What is open so far."""

    def __init__(self, settings: Settings, workspace: Path | None, resources: AsyncExitStack) -> None:
        self._settings = settings
        self._workspace = workspace
        self._resources = resources
        self._models: Models | None = None
        self._embedders: Embedders | None = None
        self._data: Workspace | None = None
        self._opening = asyncio.Lock()

    async def chat(self, name: str) -> BaseChatModel:
        if self._models is None:
            self._models = Models(model_settings(self._settings, name=self._settings.model), progress=log_progress)
            self._resources.push_async_callback(self._models.aclose)
        return await (self._models.named(name) if name else self._models.chat())

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        embeddings = await self._embeddings()
        return await embeddings.aembed_documents(list(texts))

    async def _embeddings(self) -> Embeddings:
        if self._embedders is None:
            self._embedders = Embedders(embedding_settings(self._settings), log_progress)
            self._resources.push_async_callback(self._embedders.aclose)
        found = await self._embedders.embeddings()
        if found is None:
            raise ModelUnavailable(self._settings.embeddings or "for search", self._embedders.notice)
        return found

    async def query(self, sql: str) -> Sequence[Sequence[Any]]:
        found = await (await self._tables()).query(sql, row_limit=_MOST_ROWS)
        if found.truncated:
            raise ToolFailed(f"the query gives more than {_MOST_ROWS:,} rows, too many to compare")
        return found.rows

    async def _tables(self) -> Workspace:
        async with self._opening:
            if self._data is None:
                assert self._workspace is not None, "asked only where there is one"
                self._data = await self._resources.enter_async_context(await Workspace.open(self._workspace))
            return self._data
