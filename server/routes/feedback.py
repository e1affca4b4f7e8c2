"""Feedback on runs, and one-time links for those who have no key."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from motet.memory.feedback import Feedback, Source
from motet.server.deps import Actor, Authorised, Wired
from motet.server.feedback import about, change, give, withdraw
from motet.server.feedback_body import (
    AskedByLink,
    FeedbackChange,
    FeedbackCreate,
    FeedbackQuery,
    LinkCreate,
    SaidByLink,
)
from motet.server.feedback_links import Link, made, new_link, opened
from motet.server.services import Services

router = APIRouter(prefix="/feedback", dependencies=[Authorised])

link_router = APIRouter(prefix="/feedback/tokens")
"""Asks for no key: what may be done by a link, its signature says, and nothing else can be done here."""


@router.post("")
async def create(body: FeedbackCreate, services: Wired, actor: Actor) -> dict[str, Any]:
    """Give feedback on a run, or on one message of it."""
    message_id = body.message_id or ""
    of = await about(services, str(body.run_id), _text(body.thread_id), message_id=message_id)
    source = Source(type="api", actor=actor.actor)
    feedback_id = _text(body.id)
    return shown(
        await give(
            services, of, key=body.key, source=source, feedback_id=feedback_id, message_id=message_id, **body.said()
        )
    )


@router.get("")
async def page(services: Wired, asked: Annotated[FeedbackQuery, Query()], response: Response) -> list[dict[str, Any]]:
    """Feedback that fits all that is asked for, newest first."""
    found = await services.feedbacks.page(
        run_id=_text(asked.run_id) or None,
        thread_id=_text(asked.thread_id) or None,
        key=asked.key,
        limit=asked.limit,
        after=asked.after,
    )
    if found.after:
        response.headers["X-Pagination-Next"] = found.after
    return [shown(one) for one in found.feedback]


@router.get("/{feedback_id}")
async def get(feedback_id: UUID, services: Wired) -> dict[str, Any]:
    """One piece of feedback."""
    return shown(await services.feedbacks.get(str(feedback_id)))


@router.patch("/{feedback_id}")
async def patch(feedback_id: UUID, body: FeedbackChange, services: Wired) -> dict[str, Any]:
    """Change what was said."""
    return shown(await change(services, str(feedback_id), body.changed()))


@router.delete("/{feedback_id}", status_code=HTTPStatus.NO_CONTENT)
async def delete(feedback_id: UUID, services: Wired) -> None:
    """Forget what was said; the run's trajectory keeps that it was withdrawn."""
    await withdraw(services, str(feedback_id))


@router.post("/tokens")
async def link(body: LinkCreate, services: Wired, request: Request) -> dict[str, Any]:
    """A one-time link for feedback on a run."""
    of = await about(services, str(body.run_id), _text(body.thread_id))
    new = new_link(
        thread_id=of.thread_id, run_id=of.run_id, key=body.feedback_key, expires_at=body.until(), nonce=body.id
    )
    return {"id": new.nonce, "url": await made(services, str(request.base_url), new), "expires_at": _moment(new)}


@link_router.get("/{token}")
async def open_link(
    token: str, services: Wired, asked: Annotated[AskedByLink, Query()], response: Response
) -> dict[str, Any]:
    """Say something by opening a link; without a score or a value it is only told what the link is for.

    No cache may answer the second who opens it with what the first was told.
    """
    response.headers["Cache-Control"] = "no-store"
    used = opened(await services.feedbacks.secret(), services.settings.tenant, token)
    if not asked.says:
        return {"id": used.nonce, "run_id": used.run_id, "key": used.key, "expires_at": _moment(used)}
    return await _given(services, used, asked.said())


@link_router.post("/{token}")
async def post_link(token: str, body: SaidByLink, services: Wired) -> dict[str, Any]:
    """Say something by a link."""
    used = opened(await services.feedbacks.secret(), services.settings.tenant, token)
    return await _given(services, used, body.said())


async def _given(services: Services, used: Link, said: dict[str, Any]) -> dict[str, Any]:
    of = await about(services, used.run_id, used.thread_id)
    source = Source(type="link")
    return shown(await give(services, of, key=used.key, source=source, feedback_id=used.nonce, once=used.once, **said))


def shown(feedback: Feedback) -> dict[str, Any]:
    """As LangSmith shows feedback, with the thread, the message and who said it besides."""
    source = feedback.source
    return {
        "id": feedback.feedback_id,
        "run_id": feedback.run_id,
        "trace_id": feedback.run_id,
        "thread_id": feedback.thread_id,
        "message_id": feedback.message_id or None,
        "key": feedback.key,
        "score": feedback.score,
        "value": feedback.value,
        "comment": feedback.comment or None,
        "correction": feedback.correction,
        "feedback_source": {"type": source.type, "metadata": {}, "user_name": source.actor or None},
        "created_at": feedback.created_at,
        "modified_at": feedback.modified_at,
    }


def _text(told: UUID | None) -> str:
    return "" if told is None else str(told)


def _moment(one: Link) -> str:
    return datetime.fromtimestamp(one.expires_at, UTC).isoformat()
