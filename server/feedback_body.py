"""What may be said of a run: the fields of LangSmith's feedback that mean something here, and no others."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Self, cast
from uuid import UUID

import orjson
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainValidator,
    model_validator,
)

_MOST_JSON = 50_000
_SCORES = 1e15
_LINK_S = 3 * 3600
_LONGEST_LINK = timedelta(days=365)
_SAID = ("score", "value", "comment", "correction")


def _bounded(told: Any) -> Any:
    try:
        json.dumps(told, allow_nan=False)  # orjson would write null for what is no number
        size = len(orjson.dumps(told))
    except (ValueError, orjson.JSONEncodeError) as error:
        raise ValueError(f"it must be what JSON can hold ({error})") from None
    if size > _MOST_JSON:
        raise ValueError(f"it takes {size:,} bytes as JSON; at most {_MOST_JSON:,}")
    return told


def _of_text(told: Any) -> Any:
    """A score as a query parameter says it."""
    if told in ("true", "false"):
        return told == "true"
    try:
        return float(told)
    except (TypeError, ValueError):
        raise ValueError("it must be a number, true or false") from None


def _of_json(told: Any) -> Any:
    """A correction as a query parameter says it: an object, or else a text."""
    if isinstance(told, str) and told.lstrip().startswith("{"):
        try:
            return orjson.loads(told)
        except orjson.JSONDecodeError as error:
            raise ValueError(f"it begins as a JSON object and is none ({error})") from None
    return told


def _score(told: Any) -> bool | float:
    """One validator, so that a refusal names the field once, and not each type that it might have been."""
    if isinstance(told, bool):
        return told
    if isinstance(told, int | float) and -_SCORES <= told <= _SCORES:
        return float(told)
    raise ValueError("it must be a number from -1e15 to 1e15, or true or false")


def _text_or_object(told: Any) -> Any:
    if not isinstance(told, dict | str):
        raise ValueError("it must be a text or an object")  # noqa: TRY004 - pydantic tells of a ValueError
    return cast("Any", told)


Score = Annotated[bool | float, PlainValidator(_score, json_schema_input_type=bool | float)]
Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,100}$")]
"""What feedback is about."""
Value = Annotated[JsonValue, AfterValidator(_bounded)]
Comment = Annotated[str, Field(max_length=10_000)]
Correction = Annotated[dict[str, JsonValue] | str, BeforeValidator(_text_or_object), AfterValidator(_bounded)]


class Body(BaseModel):
    """A body in which null is as good as nothing."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, told: Any) -> Any:
        if not isinstance(told, dict):
            return told
        return {name: value for name, value in cast("dict[str, Any]", told).items() if value is not None}


class Said(Body):
    """What is said; something must be."""

    score: Score | None = None
    """A number; or a thumb: true is up."""
    value: Value = None
    """What is no number: a category, a text, any JSON."""
    comment: Comment | None = None
    correction: Correction | None = None
    """How it should have been."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if all(getattr(self, name) in (None, "") for name in _SAID):
            raise ValueError("say something: one of score, value, comment and correction")
        return self

    def said(self) -> dict[str, Any]:
        """As `feedback.give` takes it."""
        return {"score": self.score, "value": self.value, "comment": self.comment or "", "correction": self.correction}


class FeedbackCreate(Said):
    """Feedback on a run."""

    id: UUID | None = None
    """Of the feedback; none: a new one. With one of its own a client may send it again, and is told so by 409."""
    run_id: UUID
    thread_id: UUID | None = None
    """Of the run; needed for one that isn't among the newest 10,000."""
    key: Key
    message_id: Annotated[str, Field(min_length=1, max_length=200)] | None = None


class FeedbackChange(BaseModel):
    """What is changed: the fields that are named, null empties one."""

    model_config = ConfigDict(extra="forbid")

    score: Score | None = None
    value: Value = None
    comment: Comment | None = None
    correction: Correction | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("say what changes: one of score, value, comment and correction")
        return self

    def changed(self) -> dict[str, Any]:
        """As `feedback.change` takes it."""
        told = {name: getattr(self, name) for name in self.model_fields_set}
        return {**told, "comment": told["comment"] or ""} if "comment" in told else told


class FeedbackQuery(BaseModel):
    """Which feedback is wanted, newest first."""

    model_config = ConfigDict(extra="forbid")

    run_id: UUID | None = None
    thread_id: UUID | None = None
    key: Key | None = None
    limit: Annotated[int, Field(ge=1, le=1_000)] = 100
    after: Annotated[str, Field(max_length=80)] = ""
    """What the page before said in `X-Pagination-Next`."""


class ExpiresIn(BaseModel):
    """A length of time."""

    model_config = ConfigDict(extra="forbid")

    days: Annotated[int, Field(ge=0, le=365)] = 0
    hours: Annotated[int, Field(ge=0, le=8_760)] = 0
    minutes: Annotated[int, Field(ge=0, le=525_600)] = 0


class LinkCreate(Body):
    """A one-time link, by which somebody without a key gives feedback on a run."""

    id: UUID | None = None
    """Of the link, and of the feedback that it gives; none: a new one."""
    run_id: UUID
    thread_id: UUID | None = None
    """As in feedback itself."""
    feedback_key: Key
    expires_in: ExpiresIn | None = None
    """At most 365 days; by default three hours."""
    expires_at: AwareDatetime | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.expires_in is not None and self.expires_at is not None:
            raise ValueError("one of expires_in and expires_at says how long the link holds")
        left = self.until() - time.time()
        if not 0 < left <= _LONGEST_LINK.total_seconds():
            raise ValueError("a link holds for more than no time, and at most 365 days")
        return self

    def until(self) -> float:
        """Seconds since 1970."""
        if self.expires_at is not None:
            return self.expires_at.timestamp()
        told = self.expires_in
        if told is None:
            return time.time() + _LINK_S
        return (datetime.now(UTC) + timedelta(days=told.days, hours=told.hours, minutes=told.minutes)).timestamp()


class SaidByLink(Said):
    """What is said by a link, in a body."""

    metadata: dict[str, JsonValue] | None = None
    """LangSmith's client may send it; nothing is done with it."""


class AskedByLink(BaseModel):
    """What is said by a link, in its query."""

    model_config = ConfigDict(extra="forbid")

    score: Annotated[Score, BeforeValidator(_of_text)] | None = None
    value: Annotated[str, Field(min_length=1, max_length=10_000)] | None = None
    comment: Comment | None = None
    correction: Annotated[Correction, BeforeValidator(_of_json)] | None = None

    @property
    def says(self) -> bool:
        """Whether anything is said: whoever only looks at a link changes nothing."""
        return any(getattr(self, name) not in (None, "") for name in _SAID)

    @model_validator(mode="after")
    def _judges(self) -> Self:
        if self.says and self.score is None and self.value is None:
            raise ValueError("a link that is only opened needs a score or a value; send the rest alone by POST")
        return self

    def said(self) -> dict[str, Any]:
        """As `feedback.give` takes it."""
        return {"score": self.score, "value": self.value, "comment": self.comment or "", "correction": self.correction}
