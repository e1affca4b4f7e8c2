"""Asking a person about an effect of which nobody knows whether it happened; `motet.tools.ledger` wants to know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from langgraph.types import interrupt

from motet.graphs import approval
from motet.graphs.events import jsonable
from motet.graphs.questions import HASH
from motet.memory.asking import DecisionType
from motet.tools.ledger import Question, Ruling

DECISIONS: tuple[DecisionType, ...] = ("approve", "reject", "respond")


_DOUBT = "ambiguous"
"""Field of the request that tells it from the approval of the call itself."""


def ask(question: Question) -> Ruling:
    """Wait for a person's ruling; to be called where the tool is, in its node.

    The request is an approval's, so the same clients answer it, but for `edit`: other arguments are another call. Its
    hash covers when and by whom the call was started, too. An answer without that hash (`answers.answers` puts
    it into each) is an answer to something else: to the approval of the call itself, to another call of the task, or to
    an earlier doubt about this one. It decides nothing here, and the question is asked again.
    """
    began, arguments = question.started, jsonable(dict(question.arguments))
    asked_about = {"arguments": arguments, "epoch": began.epoch, "started_at": began.started_at, "run": began.run_id}
    digest = approval.arguments_hash(question.tool, asked_about)
    request = approval.request_for(
        question.tool, arguments, description=_description(question), allowed=DECISIONS, digest=digest
    )
    request["action_requests"][0]["tool_call_id"] = question.call_id
    request[_DOUBT] = True
    schema = approval.response_schema(question.tool, DECISIONS)
    while True:
        decision = _decision(interrupt(request, response_schema=schema))
        if decision.get(HASH) == digest:
            return Ruling(decision=decision["type"], message=str(decision.get("message") or ""))


def is_doubt(value: object) -> bool:
    """Whether what was given to `interrupt()` is such a question."""
    return isinstance(value, Mapping) and cast("Mapping[str, Any]", value).get(_DOUBT) is True


def _decision(answer: object) -> Mapping[str, Any]:
    """The one decision in an answer of ours; of anything else, none."""
    decisions = cast("Mapping[str, Any]", answer).get("decisions") if isinstance(answer, Mapping) else None
    match decisions:
        case [{**decision}]:
            return cast("dict[str, Any]", decision)
        case _:
            return {}


def _description(question: Question) -> str:
    return (
        f"{question.tool} was started with these arguments {question.known}. The call didn't come to its end: it isn't "
        "known whether it took effect, and its tool isn't declared safe to repeat. Look whether it did. "
        "approve: it didn't, or may happen again: make the call. reject: don't make it; the conversation is told. "
        "respond: it did happen, and your message is its result."
    )
