"""The built-in graphs over one workspace, with the installation's model."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from motet.agents.models import Models, ModelSettings
from motet.graphs.crew.assistant import build_assistant, check_question
from motet.graphs.crew.sql_analyst import build_sql_analyst
from motet.graphs.registry import Declared, InputCheck
from motet.server.settings import Settings
from motet.tools.workspace import Workspace

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """What a workspace adds to the graphs served."""

    graphs: Mapping[str, Declared]
    """By id, the default first."""
    checks: Mapping[str, InputCheck]
    notices: Sequence[str]
    """What a person should know at the start: the model and what to expect of it, tables, files left out."""


NOBODY = Crew(graphs={}, checks={}, notices=())
"""Without a workspace no model is asked for either: a project's graphs bring their own."""


@asynccontextmanager
async def gathered(settings: Settings, workspace: Path) -> AsyncGenerator[Crew]:
    """Open the workspace and make the model ready to be started with the first question.

    Raises:
        InvalidWorkspace: there is nothing to ask about.
        ModelUnavailable, InvalidConfig: the model can't be had.
    """
    models = Models(_model_settings(settings), progress=_log_progress)
    try:
        async with await Workspace.open(workspace) as data:
            graphs: dict[str, Declared] = {
                "assistant": build_assistant(models.chat, data),
                "sql_analyst": build_sql_analyst(models.chat, data),
            }
            yield Crew(
                graphs=graphs,
                checks=dict.fromkeys(graphs, check_question),
                notices=[
                    f"Model: {models.notice.text}",
                    f"Tables: {', '.join(table.name for table in data.tables)}",
                    *(f"Skipped: {one.source}: {one.reason}" for one in data.skipped),
                ],
            )
    finally:
        await models.aclose()


def _model_settings(settings: Settings) -> ModelSettings:
    return ModelSettings(
        name=settings.model,
        base_url=settings.model_base_url,
        file=settings.model_file,
        data_dir=settings.data_dir,
        timeout_s=settings.model_timeout_seconds,
    )


def _log_progress(doing: str, done: int, total: int) -> None:
    """Weights that are fetched on the first question are said once, not drawn: nobody looks at a server's terminal."""
    if done == 0:
        logger.info("%s (%.0f MB)", doing, total / 1e6)
