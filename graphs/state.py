"""What every graph's state has; plain values only, so that any checkpoint can be read without our classes."""

from __future__ import annotations

import operator
from typing import Annotated, Literal, NotRequired, TypedDict

from langchain_core.messages import AnyMessage
from langgraph.graph.message import add_messages

from motet.graphs.correction import Attempt, Status
from motet.tools.values import Value


class Finding(TypedDict):
    """What one specialist found out about one question, with what it rests on."""

    agent: str
    """Name of the specialist."""
    question: str
    status: Status
    answer: str
    """One or a few sentences, without the rows."""
    composed: Literal["model", "rows", "nothing"]
    """Who wrote the answer: the model, we from the rows because the model's sentence didn't hold, or nobody."""
    sql: str
    """The query the answer rests on; empty if none ran."""
    columns: list[str]
    rows: list[list[Value]]
    truncated: bool
    """Whether there were more rows than are kept here."""
    attempts: list[Attempt]
    """What was tried before and why it was given up, oldest first."""


class Conversation(TypedDict):
    """What a specialist needs to begin: the question is the last human message."""

    messages: Annotated[list[AnyMessage], add_messages]


class State(Conversation):
    """What graphs share and hand to each other."""

    findings: NotRequired[Annotated[list[Finding], operator.add]]
    status: NotRequired[Status]
    """How the last specialist ended."""
