"""What a run carries whose agents speak with another model, or under another prompt, than their graph says."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any, Protocol, Self

from pydantic import TypeAdapter

from motet.agents.models import Models
from motet.agents.replaced import Replaced
from motet.calls import Interceptor
from motet.server.crew import model_settings
from motet.server.logs import log_progress
from motet.server.settings import Settings

FIELD = "replaced"
"""In a run's payload, and in what is recorded of how it began."""


class Replacement(Protocol):
    """What is other, and whose."""

    @property
    def model(self) -> str | None:
        """`provider:model`."""
        ...

    @property
    def prompt(self) -> str | None:
        """In the place of the system message."""
        ...

    @property
    def agent(self) -> str | None:
        """None: all agents."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplacedBlock:
    """The same as it stands in a payload."""

    model: str | None = None
    prompt: str | None = None
    agent: str | None = None

    def as_json(self) -> dict[str, Any]:
        """As it is stored."""
        return asdict(self)

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Self | None:
        """The one in a run's payload, or in the record of its beginning, if it has one."""
        told = payload.get(FIELD)
        return None if told is None else TypeAdapter(cls).validate_python(told)


@asynccontextmanager
async def replacing(settings: Settings, *asked: Replacement | None) -> AsyncGenerator[Sequence[Interceptor]]:
    """What stands outside the recorder of a run that asks for these; the last one's word counts. No model is asked.

    Raises:
        SetupError: a model can't be had.
    """
    opened: list[Models] = []
    found: list[Interceptor] = []
    try:
        for one in asked:
            if one is None or (one.model is None and one.prompt is None):
                continue
            model = None
            if one.model is not None:
                opened.append(Models(model_settings(settings, name=one.model), progress=log_progress))
                model = await opened[-1].chat()
            found.append(Replaced(model=model, prompt=one.prompt, agent=one.agent or ""))
        yield found
    finally:
        for models in opened:
            await models.aclose()
