# ruff: noqa: INP001 - a script, no package
"""How good the crew's answers are: forty questions with known answers, against a single agent with the same tools.

`python -m benchmarks.quality --workspace FOLDER [--only tuned|held-out|ID ...] [--system crew|single] [--json FILE]`

FOLDER is the sample workspace. The model is the embedded one (temperature 0, seeded), or what MOTET_MODEL names. Both
systems get the same model object, the same tools over the same data and documents, and the same limits. What is right
stands in quality_scoring.py (how a text is read, in server/evaluation/saying.py), what counts as unsupported in
quality_evidence.py, and the questions, half of them held out from tuning, in quality_questions.yaml.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.quality_report import Outcome, compared, show
from benchmarks.quality_run import LIMITS, System, WatchedDocuments, answered
from benchmarks.quality_scoring import Question, load_questions
from benchmarks.single_agent import build_single_agent
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import StateGraph
from rich.console import Console

from motet import calls
from motet.agents.embeddings import Embedders, EmbeddingSettings
from motet.agents.models import EMBEDDED, Models, ModelSettings
from motet.memory.redis.client import connect
from motet.memory.redis.documents import RedisDocuments
from motet.memory.redis.keys import Keys
from motet.server.crew import Material, graphs_of
from motet.server.evaluation.saying import words
from motet.server.settings import Settings, load
from motet.server.store import redis_url
from motet.tools.documents.indexing import corpus_of, index_folder
from motet.tools.documents.library import Library
from motet.tools.documents.ports import Documents
from motet.tools.workspace import Workspace

console = Console(highlight=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What every system is made of."""

    settings: Settings
    workspace: Workspace
    documents: WatchedDocuments
    embeddings: Embeddings | None
    model: BaseChatModel


def crew(parts: Parts) -> System:
    """The assistant with its specialists, as a server has it."""

    async def chat(*_: str) -> BaseChatModel:
        return parts.model

    material = Material(
        chat=chat,
        named=chat,
        settings=parts.settings,
        folder=parts.workspace.folder,
        data=parts.workspace,
        documents=parts.documents,
        embeddings=parts.embeddings,
    )
    builder = graphs_of(material)["assistant"]
    assert isinstance(builder, StateGraph), "the assistant is compiled by whoever runs it"
    return System(name="crew", graph=builder.compile(checkpointer=InMemorySaver()))


def single(parts: Parts) -> System:
    """One agent with all tools."""
    return System(name="single", graph=build_single_agent(parts.model, parts.workspace, parts.documents))


SYSTEMS = {"crew": [crew], "single": [single], "both": [crew, single]}


@asynccontextmanager
async def opened(settings: Settings, folder: Path, seed: int) -> AsyncGenerator[Parts]:
    """The folder's data and documents, as a server over it would have them, and the installation's model."""
    async with AsyncExitStack() as resources:
        workspace = await resources.enter_async_context(await Workspace.open(folder))
        client = await connect(await resources.enter_async_context(redis_url(settings)))
        resources.push_async_callback(client.aclose)
        vectors = EmbeddingSettings(
            name=settings.embeddings,
            base_url=settings.embeddings_base_url,
            data_dir=settings.data_dir,
            timeout_s=settings.model_timeout_seconds,
        )
        embedders = Embedders(vectors, _progress)
        resources.push_async_callback(embedders.aclose)
        embeddings, index = await embedders.embeddings(), RedisDocuments(client, Keys(settings.tenant))
        await index_folder(folder, index, embeddings, _progress)
        library = await Library.open(index, embeddings, corpus_of(folder))
        chat = ModelSettings(
            name=settings.model,
            base_url=settings.model_base_url,
            file=settings.model_file,
            data_dir=settings.data_dir,
            timeout_s=settings.model_timeout_seconds,
        )
        models = Models(chat, progress=_progress)
        resources.push_async_callback(models.aclose)
        console.print(f"{models.notice.model}, seed {seed}. {embedders.notice}")
        yield Parts(
            settings=settings,
            workspace=workspace,
            documents=WatchedDocuments(library),
            embeddings=embeddings,
            model=seeded(await models.chat(), seed),
        )


def _progress(doing: str, done: int, total: int) -> None:
    if done in (0, total):
        console.print(f"{doing}: {done} of {total}", style="bright_black")


def seeded(model: BaseChatModel, seed: int) -> BaseChatModel:
    """`model` with the seed in every request, where its provider has such a thing."""
    return model.model_copy(update={"seed": seed}) if "seed" in type(model).model_fields else model


async def references(
    questions: Sequence[Question], workspace: Workspace, documents: Documents
) -> dict[str, Sequence[Any]]:
    """By question, the row of its reference query; refuses a question whose reference doesn't hold here."""
    expected: dict[str, Sequence[Any]] = {}
    for question in questions:
        rows = (await workspace.query(question.sql)).rows if question.sql else ((),)
        if len(rows) != 1:
            raise SystemExit(f"{question.id}: the reference query gives {len(rows)} rows, not one")
        expected[question.id] = rows[0]
        if question.quote:
            text = await documents.read(question.file, length=1_000_000)
            if words(question.quote) not in words(text):
                raise SystemExit(f"{question.id}: {question.file} doesn't hold its reference")
    return expected


async def measure(arguments: argparse.Namespace, settings: Settings) -> list[Outcome]:
    """Ask the chosen questions of the chosen systems, one after the other; what is known is written after each."""
    questions = chosen(load_questions(), arguments.only)
    outcomes: list[Outcome] = []
    async with opened(settings, arguments.workspace, arguments.seed) as parts:
        workspace, documents = parts.workspace, parts.documents
        expected = await references(questions, workspace, documents)
        names = [
            *(name for table in workspace.tables for name in (table.name, *(column.name for column in table.columns))),
            *(one.file for one in documents.files),
        ]
        systems = [build(parts) for build in SYSTEMS[arguments.system]]
        for question in questions:
            for system in systems:
                told = await answered(system, question, expected[question.id], documents=documents, names=names)
                outcomes.append(told)
                _tell(told, len(outcomes), len(questions) * len(systems))
                if arguments.json:
                    arguments.json.write_text(as_json(outcomes, settings, arguments.seed), "utf-8")
    return outcomes


def as_json(outcomes: Sequence[Outcome], settings: Settings, seed: int) -> str:
    """Everything that was measured so far."""
    told = {
        "model": settings.model or f"embedded:{EMBEDDED}",
        "seed": seed,
        "limits": asdict(LIMITS),
        "compared": {name: asdict(one) for name, one in compared(outcomes, seed=seed).items()},
        "outcomes": [asdict(one) for one in outcomes],
    }
    return json.dumps(told, indent=1, default=str, ensure_ascii=False) + "\n"


def chosen(questions: Sequence[Question], only: Sequence[str]) -> list[Question]:
    """Those that `only` names by id or by their half; all, if it names none."""
    unknown = set(only) - {question.id for question in questions} - {"tuned", "held-out"}
    if unknown:
        raise SystemExit(f"no such question: {', '.join(sorted(unknown))}")
    return [
        question
        for question in questions
        if not only or question.id in only or ("held-out" if question.held_out else "tuned") in only
    ]


def _tell(outcome: Outcome, number: int, total: int) -> None:
    console.print(
        f"[{number}/{total}] {outcome.question.id} {outcome.system}: {outcome.failure or 'right'}, "
        f"{outcome.seconds:.1f} s, {outcome.model_calls} model calls",
        markup=False,
        style="green" if outcome.right else "red",
    )


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description="Measure the crew's answers against a single agent's.")
    parser.add_argument("--workspace", type=Path, required=True, help="the sample workspace")
    parser.add_argument("--only", nargs="+", default=[], help="tuned, held-out, or ids of questions")
    parser.add_argument("--system", choices=tuple(SYSTEMS), default="both")
    parser.add_argument("--json", type=Path, help="write everything there, after each answer")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    calls.install()
    show(asyncio.run(measure(arguments, load())), console, seed=arguments.seed)


if __name__ == "__main__":
    main()
