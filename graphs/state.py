"""What every graph's state has; plain values only, so that any checkpoint can be read without our classes."""

from __future__ import annotations

import operator
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from langchain_core.messages import AnyMessage
from langgraph.graph.message import add_messages

from motet.agents.handoff import Handoff
from motet.graphs.correction import Attempt, Status
from motet.tools.values import Value


class Quote(TypedDict):
    """Words of a document, as they stand there."""

    file: str
    """Path in the workspace, with `/`."""
    start: int
    """Character of the document's text where the quote begins."""
    end: int
    """Character after its last."""
    text: str
    """The very characters from `start` to `end`."""


class Query(TypedDict):
    """A query that ran, and what it gave."""

    sql: str
    columns: list[str]
    rows: list[list[Value]]
    truncated: bool
    """Whether there were more rows than are kept here."""


class Claim(TypedDict):
    """A sentence or two that somebody may rely on, with all it rests on."""

    text: str
    quotes: list[Quote]
    queries: list[Query]


class Brief(TypedDict):
    """What a specialist is told besides the question; it never gets the conversation."""

    context: str
    """What was said before that the question leans on; empty if nothing."""
    problems: list[str]
    """What a check found wrong with an earlier answer to the question, oldest first; empty the first time."""
    remembered: NotRequired[list[str]]
    """What the person had remembered that bears on the question; never evidence."""


class Finding(TypedDict):
    """What one specialist found out about one question, with what it rests on."""

    agent: str
    """Name of the specialist."""
    question: str
    status: Status
    answer: str
    """One or a few sentences, without the rows."""
    composed: Literal["model", "rows", "quotes", "nothing"]
    """Who wrote the answer: the model, we from rows or quotes because its sentence didn't hold, or nobody."""
    sql: str
    """The query the answer rests on; empty if none ran."""
    columns: list[str]
    rows: list[list[Value]]
    truncated: bool
    """Whether there were more rows than are kept here."""
    attempts: list[Attempt]
    """What was tried before and why it was given up, oldest first."""
    claims: NotRequired[list[Claim]]
    """What the answer says, claim by claim; none where there is no answer."""
    handoffs: NotRequired[list[Handoff]]
    """To whom the specialist handed the question over, in place of an answer."""
    data: NotRequired[dict[str, Any]]
    """What the specialist's declared `output` asks for beside the answer; JSON."""


def latest(_: Status, ended: Status) -> Status:
    """Several may end in one step: without a rule for that LangGraph refuses the whole step."""
    return ended


class Conversation(TypedDict):
    """What a specialist needs to begin: the question is the last human message."""

    messages: Annotated[list[AnyMessage], add_messages]
    brief: NotRequired[Brief]


class State(Conversation):
    """What graphs share and hand to each other."""

    findings: NotRequired[Annotated[list[Finding], operator.add]]
    status: NotRequired[Annotated[Status, latest]]
    """How the last specialist ended."""
