"""The graphs that would be served, for looking at them: nothing is connected, fetched or run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from langchain_core.language_models import BaseChatModel
from langgraph.checkpoint.memory import InMemorySaver

from motet.errors import InvalidConfig, InvalidWorkspace, ModelUnavailable, ToolFailed
from motet.graphs.registry import Declared, Graph, GraphRegistry
from motet.server import langgraph_json
from motet.server.crew import NOTHING, Material, graphs_of
from motet.server.settings import Settings, apply_environment
from motet.tools.documents.ports import DocumentInfo, Hit
from motet.tools.documents.reading import document_files
from motet.tools.workspace import Workspace


@asynccontextmanager
async def shapes(
    settings: Settings, *, config: Path | None = None, workspace: Path | None = None
) -> AsyncGenerator[GraphRegistry]:
    """What `motet serve` with the same options serves; without options, the crew as any workspace has it.

    Raises:
        SetupError: the project or the workspace can't be used.
    """
    project = langgraph_json.read(config) if config else None
    if project:
        apply_environment(project.environment)
    declared = langgraph_json.load(project) if project else {}
    async with AsyncExitStack() as resources:
        crew: Mapping[str, Declared] = {}
        if workspace is not None or project is None:
            crew = await resources.enter_async_context(_crew(settings, workspace))
        yield GraphRegistry({**crew, **declared}, InMemorySaver(), descriptions=project.descriptions if project else {})


@asynccontextmanager
async def shape(graphs: GraphRegistry, graph_id: str) -> AsyncGenerator[Graph]:
    """One of them, compiled.

    Raises:
        InvalidConfig: there is no such graph; names those there are.
    """
    if not graphs.serves(graph_id):
        known = ", ".join(one.graph_id for one in graphs.assistants())
        raise InvalidConfig(f"graph {graph_id!r}", f"there is none; there are: {known}")
    async with graphs.open(graph_id) as graph:
        yield graph


@asynccontextmanager
async def _crew(settings: Settings, workspace: Path | None) -> AsyncGenerator[Mapping[str, Declared]]:
    """Our own graphs. Their shape hangs on whether there are data and documents, not on what these say."""
    with TemporaryDirectory(prefix="motet-shape-") as made_up:
        folder = workspace or _with_a_row(Path(made_up))
        async with await Workspace.open(folder, may_be_empty=True) as data:
            documents = workspace is None or bool((await asyncio.to_thread(document_files, folder))[0])
            if not data.tables and not documents:
                raise InvalidWorkspace(str(folder), NOTHING)
            yield graphs_of(
                Material(
                    chat=_no_model,
                    named=_no_model,
                    settings=settings,
                    folder=folder,
                    data=data if data.tables else None,
                    documents=_Unread() if documents else None,
                )
            )


def _with_a_row(folder: Path) -> Path:
    (folder / "nothing.csv").write_text("number\n0\n", encoding="utf-8")
    return folder


async def _no_model(name: str = "any") -> BaseChatModel:
    raise ModelUnavailable(name, "a graph that is only looked at has no model")


class _Unread:
    """Documents that nobody reads."""

    files: Sequence[DocumentInfo] = ()

    async def search(self, question: str, *, limit: int = 8, file: str | None = None) -> Sequence[Hit]:
        del question, limit, file
        return ()

    async def similarities(self, question: str, texts: Sequence[str]) -> Sequence[float] | None:
        """Nothing is compared."""
        del question, texts

    async def neighbours(self, hit: Hit, *, before: int = 1, after: int = 1) -> Sequence[Hit]:
        del before, after
        return (hit,)

    async def read(self, file: str, *, start: int = 0, length: int = 4_000) -> str:
        del start, length
        raise ToolFailed(f"there is no {file}")
