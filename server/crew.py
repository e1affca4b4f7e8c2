"""The built-in assistant and its specialists over one workspace, with the installation's models."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast

from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool
from langgraph.graph import StateGraph

from motet.agents.embeddings import Embedders, EmbeddingSettings
from motet.agents.models import Models, ModelSettings
from motet.agents.spec import AgentSpec, built_in
from motet.errors import InvalidWorkspace, ModelFailed
from motet.graphs.crew.assistant import Specialist, Team, build_assistant
from motet.graphs.crew.librarian import build_librarian
from motet.graphs.crew.question import check_question
from motet.graphs.crew.routing import Card, ModelFactory, Router
from motet.graphs.crew.signals import data_signal, document_signal
from motet.graphs.crew.single import NAME as SINGLE
from motet.graphs.crew.single import build_single_agent
from motet.graphs.crew.specialists import specialist
from motet.graphs.crew.sql_analyst import build_sql_analyst
from motet.graphs.guardrails import Guard
from motet.graphs.registry import Declared, Graph, InputCheck
from motet.memory.document_index import DocumentIndex
from motet.server.declared import agents_in
from motet.server.following import following
from motet.server.settings import Settings
from motet.tools.documents.indexing import Indexed, corpus_of, index_folder
from motet.tools.documents.library import Library
from motet.tools.documents.ports import Documents
from motet.tools.documents.reading import document_files
from motet.tools.documents.tools import read_tool, search_tool
from motet.tools.index import Progress
from motet.tools.memory import memory_tools
from motet.tools.reports import build_save_report
from motet.tools.sql import query_tool
from motet.tools.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """What a workspace adds to the graphs served."""

    graphs: Mapping[str, Declared]
    """By id, the default first."""
    checks: Mapping[str, InputCheck]
    notices: Sequence[str]
    """What a person should know at the start: the model and what to expect of it, tables, documents, files left out."""
    embeddings: Embeddings | None = None
    """What the documents' vectors are made with; None without documents, or without vectors."""


NOTHING = (
    "it holds nothing to ask about: no data (CSV, TSV, Parquet, JSON, JSON lines or SQLite) and no documents "
    "(Markdown, text, HTML or PDF)"
)
NOBODY = Crew(graphs={}, checks={}, notices=())
"""Without a workspace no model is asked for either: a project's graphs bring their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What the specialists work with."""

    chat: ModelFactory
    """The installation's model."""
    named: Callable[[str], Awaitable[BaseChatModel]]
    """Another one, `provider:model`, for an agent that declares it."""
    settings: Settings
    folder: Path
    data: Workspace | None
    """None if there are no tables."""
    documents: Documents | None
    embeddings: Embeddings | None = None

    def tools(self) -> list[BaseTool]:
        """Those that a declaration may name, and this workspace has a use for."""
        return [*memory_tools(), *self.workspace_tools()]

    def workspace_tools(self) -> list[BaseTool]:
        """Those that work on the folder."""
        tools = [build_save_report(self.folder)]
        if self.documents:
            tools += [search_tool(self.documents), read_tool(self.documents)]
        if self.data:
            tools.append(query_tool(self.data))
        return tools


@asynccontextmanager
async def gathered(
    settings: Settings, workspace: Path, index: DocumentIndex, progress: Progress
) -> AsyncGenerator[Crew]:
    """Open the workspace, bring its documents' index up to date, and make the models ready for the first question.

    Raises:
        InvalidWorkspace: there is nothing to ask about.
        ModelUnavailable, InvalidConfig: the model can't be had, or an agent's declaration can't be used.
        StoreUnavailable: Redis doesn't answer.
    """
    own = _own(settings)
    models = Models(model_settings(settings, name=settings.model), progress=progress)
    embedders = Embedders(embedding_settings(settings), progress)
    try:
        async with await Workspace.open(workspace, may_be_empty=True) as data:
            documents, _ = await asyncio.to_thread(document_files, workspace)
            embeddings = await embedders.embeddings() if documents else None
            indexed, search = await _indexed(workspace, index, embeddings, progress)
            library = await Library.open(index, embeddings, corpus_of(workspace))
            if not data.tables and not library.files:
                raise InvalidWorkspace(str(workspace), _nothing(data, indexed))
            material = Material(
                chat=models.chat,
                named=models.named,
                settings=settings,
                folder=workspace,
                data=data if data.tables else None,
                documents=library if library.files else None,
                embeddings=embeddings,
            )
            graphs = graphs_of(material)
            idle = [spec.name for spec in own if spec.kind == "agent" and spec.name not in graphs]
            told = [
                f"Model: {models.notice.text}",
                *_holdings(data, library, indexed, search or embedders.notice),
                *(f"Left out: agent {name}: this workspace has nothing for its tools" for name in idle),
            ]
            async with following(workspace, index, embeddings):
                checks = dict.fromkeys(graphs, check_question)
                yield Crew(graphs=graphs, checks=checks, notices=told, embeddings=embeddings)
    finally:
        await embedders.aclose()
        await models.aclose()


async def _indexed(
    folder: Path, index: DocumentIndex, embeddings: Embeddings | None, progress: Progress
) -> tuple[Indexed, str]:
    """The folder indexed: by words alone where its embeddings fail, with what to say of that."""
    try:
        return await index_folder(folder, index, embeddings, progress), ""
    except ModelFailed as error:
        words = await index_folder(folder, index, None, progress)
        return words, f"Documents are searched by words until this is mended; it is tried again: {error}"


def graphs_of(material: Material) -> dict[str, Declared]:
    """The assistant, each specialist by itself, and the one agent that they are measured against.

    Raises:
        InvalidConfig: an agent's declaration can't be used.
    """
    guard = Guard(material.settings.pii_rules)
    own = _own(material.settings)
    made = {
        spec.name: one
        for spec in {spec.name: spec for spec in (*built_in(), *own)}.values()
        if (one := _made(spec, material, guard)) is not None
    }
    specialists = [Specialist(card=card, graph=_compiled(name, declared)) for name, (declared, card) in made.items()]
    team = Team(
        specialists=specialists,
        router=Router([one.card for one in specialists], model=material.chat, embeddings=material.embeddings),
        model=material.chat,
        guard=guard,
        documents=material.documents,
        workspace=material.data,
        save_report=build_save_report(material.folder),
    )
    single = build_single_agent(
        model=material.chat,
        tools=material.workspace_tools(),
        guard=guard,
        documents=material.documents,
        workspace=material.data,
    )
    specialists_by_name = {name: declared for name, (declared, _) in made.items()}
    return {"assistant": build_assistant(team), **specialists_by_name, SINGLE: single}


def _own(settings: Settings) -> Sequence[AgentSpec]:
    return agents_in(settings.agents_dir) if settings.agents_dir else ()


def _made(spec: AgentSpec, material: Material, guard: Guard) -> tuple[Declared, Card] | None:
    """The graph of a declaration, with what routing knows of it; None where the workspace has nothing for it."""
    card, chat = Card(name=spec.name, description=spec.description, examples=spec.examples), material.chat
    match spec.name, spec.kind:
        case "sql_analyst", "graph":
            data = material.data
            return (build_sql_analyst(chat, data), replace(card, signal=data_signal(data))) if data else None
        case "librarian", "graph":
            found = material.documents
            return (build_librarian(chat, found), replace(card, signal=document_signal(found))) if found else None
        case _, "graph":
            return None  # the reporter is the assistant's own: it is sent checked findings, never a question
        case _:
            tools = material.tools()
            if not set(spec.tools) <= {tool.name for tool in tools}:
                return None
            model = partial(material.named, spec.model) if spec.model else chat
            made = specialist(spec, model=model, tools=tools, documents=material.documents, middleware=guard.middleware)
            return made, card


def _compiled(name: str, made: Declared) -> Graph:
    """A specialist that traces know as an agent: LangChain and OpenTelemetry each read a name of their own."""
    if isinstance(made, StateGraph):
        return made.compile(name=name).with_config(metadata={"lc_agent_name": name, "agent_name": name})
    return cast("Graph", made)


def _nothing(data: Workspace, indexed: Indexed) -> str:
    failed = "; ".join(f"{one.source}: {one.reason}" for one in (*data.skipped, *indexed.skipped))
    return failed or NOTHING


def _holdings(data: Workspace, library: Library, indexed: Indexed, search: str) -> list[str]:
    """What there is to ask about, how it is searched, and what was left out."""
    told: list[str] = []
    if data.tables:
        told.append(f"Tables: {', '.join(table.name for table in data.tables)}")
    if files := library.files:
        changed = len(indexed.added) + len(indexed.changed) + len(indexed.removed)
        passages = sum(one.passages for one in files)
        told.append(f"Documents: {len(files)} with {passages} passages; {changed} changed since the last time")
        told.append(search)
    skipped = {one.source: one.reason for one in (*data.skipped, *indexed.skipped)}
    return [*told, *(f"Skipped: {source}: {reason}" for source, reason in sorted(skipped.items()))]


def model_settings(settings: Settings, *, name: str | None) -> ModelSettings:
    """What the settings say of the model `name`; the base URL is for the provider that they name."""
    provider = (name or "").partition(":")[0]
    same = name == settings.model or provider == (settings.model or "").partition(":")[0]
    return ModelSettings(
        name=name,
        base_url=settings.model_base_url if same else None,
        file=settings.model_file,
        data_dir=settings.data_dir,
        timeout_s=settings.model_timeout_seconds,
    )


def embedding_settings(settings: Settings) -> EmbeddingSettings:
    """What the settings say of search by meaning."""
    return EmbeddingSettings(
        name=settings.embeddings,
        base_url=settings.embeddings_base_url,
        data_dir=settings.data_dir,
        timeout_s=settings.model_timeout_seconds,
    )
