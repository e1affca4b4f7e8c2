"""Giving feedback: kept, written into the run's trajectory, counted, and told to whoever watches."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import uuid4

import orjson

from motet.errors import InvalidInput, NotFound, OperatorError
from motet.memory.feedback import Feedback, Once, Source
from motet.memory.trajectories import StoredTrajectory
from motet.observability import langsmith
from motet.observability.evaluation.evaluator import Score
from motet.observability.trajectory.contents import Contents
from motet.observability.trajectory.records import FeedbackGiven, Record, RunStarted, Truncated, decode, encode
from motet.observability.trajectory.redact import redacted
from motet.observability.trajectory.sink import Batch
from motet.server.services import Services

logger = logging.getLogger(__name__)

_UNDERWAY = frozenset({"pending", "running"})


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """The run that something is said of."""

    thread_id: str
    run_id: str
    attempt: int
    """Its last; 0: none has begun."""
    span: str
    """Of that attempt, W3C; empty where nobody asks, or nothing was traced."""


async def about(services: Services, run_id: str, thread_id: str = "", *, message_id: str = "") -> About:
    """The run, of which the record or at least the trajectory is kept.

    One round trip; one more without a thread, and one where the trajectory must be read: for a run whose record is
    gone, for a message, and where scores are sent to OpenTelemetry.

    Raises:
        NotFound: there is no such run; without a thread, none among the newest 10,000.
        InvalidInput: the run has ended, and `message_id` is none of its messages.
        StoreUnavailable, DataDamaged.
    """
    thread_id = thread_id or await services.thread_index.of_run(run_id) or run_id
    try:
        run = await services.runs.get(thread_id, run_id)
    except NotFound:
        run = None
    if run is not None and not message_id and not services.telemetry.evaluations.told:
        return About(thread_id=thread_id, run_id=run_id, attempt=run.attempt, span="")
    stored = await _stored(services, thread_id, run_id)
    if stored is None and run is None:
        raise NotFound("run", run_id)
    records = [] if stored is None else _readable(stored.records)
    over = run is None or run.status not in _UNDERWAY
    if message_id and over and stored is not None and not _holds(stored, records, message_id):
        raise InvalidInput("message_id", message_id, f"the id of a message of run {run_id}")
    started = [one for one in records if isinstance(one, RunStarted)]
    attempts = [one.attempt for one in records]
    return About(
        thread_id=thread_id,
        run_id=run_id,
        attempt=max(attempts, default=0 if run is None else run.attempt),
        span=started[-1].span if started else "",
    )


async def give(
    services: Services,
    of: About,
    *,
    key: str,
    source: Source,
    feedback_id: str = "",
    once: Once | None = None,
    **said: Any,
) -> Feedback:
    """Keep what was said of a run, and tell it everywhere. Only the keeping can fail.

    Args:
        services: of this process.
        of: the run.
        key: what it is about.
        source: who said it.
        feedback_id: a UUID; empty for a new one.
        once: a right that is used up by it.
        said: score, value, comment, correction, message_id.

    Raises:
        AlreadyExists, LinkUnusable: see `Feedbacks.add`.
        StoreUnavailable.
    """
    now = _now()
    feedback = Feedback(
        feedback_id=feedback_id or str(uuid4()),
        run_id=of.run_id,
        thread_id=of.thread_id,
        key=key,
        source=source,
        created_at=now,
        modified_at=now,
        **redacted(said),
    )
    await services.feedbacks.add(feedback, once=once)
    services.telemetry.feedback.given(key, feedback.score, source.type)
    services.telemetry.evaluations.tell(_score(feedback), parent=of.span)
    await _record(services, of, feedback, "given")
    langsmith.feedback_given(**_told(feedback), run_id=feedback.run_id, key=key, source={"type": source.type})
    return feedback


async def change(services: Services, feedback_id: str, changed: Mapping[str, Any]) -> Feedback:
    """Change score, value, comment or correction. Raises NotFound, StoreUnavailable."""
    after = await services.feedbacks.change(feedback_id, **redacted(dict(changed)), modified_at=_now())
    await _record(services, await _still(services, after), after, "changed")
    langsmith.feedback_changed(**_told(after))
    return after


async def withdraw(services: Services, feedback_id: str) -> None:
    """Forget it; that there was some stays in the run's trajectory. Raises NotFound, StoreUnavailable."""
    before = await services.feedbacks.get(feedback_id)
    await services.feedbacks.delete(feedback_id)
    gone = replace(before, score=None, value=None, comment="", correction=None)
    await _record(services, await _still(services, before), gone, "withdrawn")
    langsmith.feedback_withdrawn(feedback_id)


async def _still(services: Services, feedback: Feedback) -> About:
    try:
        return await about(services, feedback.run_id, feedback.thread_id)
    except NotFound:
        return About(thread_id=feedback.thread_id, run_id=feedback.run_id, attempt=0, span="")


async def _record(
    services: Services, of: About, feedback: Feedback, state: Literal["given", "changed", "withdrawn"]
) -> None:
    """Write it into the run's trajectory, where there is one. It is kept already: that this fails is only logged."""
    if not of.attempt:
        return
    moment = datetime.fromisoformat(feedback.modified_at if state != "withdrawn" else _now())
    contents = Contents(services.checkpoints.serde)
    said = {name: getattr(feedback, name) for name in ("value", "comment", "correction")}
    said = {name: one for name, one in said.items() if one not in (None, "")}
    record = FeedbackGiven(
        run_id=of.run_id,
        attempt=of.attempt,
        index=int(moment.timestamp() * 1_000_000),
        at=moment.isoformat(timespec="microseconds"),
        feedback_id=feedback.feedback_id,
        state=state,
        key=feedback.key,
        score=feedback.score,
        said=contents.put_told(said)[0] if said else None,
        message_id=feedback.message_id,
        source={"type": feedback.source.type, "actor": feedback.source.actor},
    )
    batch = Batch(records=[encode(record)], contents=contents.take())
    try:
        await services.trajectories.append(of.thread_id, of.run_id, batch, late=True)
    except (OperatorError, OSError) as error:
        logger.warning("feedback %s is kept, but not in its run's trajectory: %s", feedback.feedback_id, error)


async def _stored(services: Services, thread_id: str, run_id: str) -> StoredTrajectory | None:
    try:
        return await services.trajectories.read(thread_id, run_id)
    except NotFound:
        return None


def _readable(lines: Sequence[bytes]) -> list[Record]:
    """Records; those of a newer Motet are left out."""
    found: list[Record] = []
    for line in lines:
        try:
            found.append(decode(line))
        except ValueError:
            continue
    return found


def _holds(stored: StoredTrajectory, records: Sequence[Record], message_id: str) -> bool:
    """Whether a message with this id is in it, or may have been in what was left out."""
    wanted = b'"id":' + orjson.dumps(message_id)
    cut = any(isinstance(one, Truncated) for one in records)
    return cut or any(wanted in content for content in stored.contents.values())


def _score(feedback: Feedback) -> Score:
    """As an evaluator would have said it; a text for a value is a category."""
    value = feedback.score if feedback.score is not None or not isinstance(feedback.value, str) else feedback.value
    return Score(key=feedback.key, value=value, comment=feedback.comment)


def _told(feedback: Feedback) -> dict[str, Any]:
    names = ("feedback_id", "score", "value", "correction")
    return {name: getattr(feedback, name) for name in names} | {"comment": feedback.comment or None}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
