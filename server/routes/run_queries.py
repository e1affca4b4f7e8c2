"""What routes of runs take besides a body."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Header, Query
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from motet.memory.ports import RunStatus
from motet.server.run_body import WireMode

RunField = Literal[
    "run_id",
    "thread_id",
    "assistant_id",
    "created_at",
    "updated_at",
    "status",
    "metadata",
    "kwargs",
    "multitask_strategy",
]


class RunList(BaseModel):
    """Which of a thread's runs, and what of them."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=1_000)] = 10
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    status: RunStatus | None = None
    select: list[RunField] = []


def _without_blanks(told: list[str] | None) -> list[str]:
    """The Python client sends an empty text for no mode."""
    return [one for one in told or () if one]


StreamModes = Annotated[list[WireMode] | None, Query(), BeforeValidator(_without_blanks)]
LastEventId = Annotated[
    str,
    Header(alias="Last-Event-ID", pattern=r"^(\d{1,20}(-\d{1,20})?|-1)$"),
    AfterValidator(lambda told: "0" if told == "-1" else told),
]
"""The last event that a client has; by `-1` it says that it has none."""
