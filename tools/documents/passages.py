"""The tool by which our own agents look for passages: values, not a text for a model."""

from __future__ import annotations

from typing import TypedDict

from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel, Field

from motet.tools.documents.ports import Documents

NAME = "find_passages"
"""The tool's name, as policies, budgets and recordings know it."""


class Passage(TypedDict):
    """A passage that fits a question: a Hit as JSON, so that it can be recorded and given again."""

    file: str
    start: int
    end: int
    text: str
    headings: list[str]
    page: int | None
    similarity: float | None


class _Find(BaseModel):
    question: str = Field(description="What to look for.")
    limit: int = Field(default=8, ge=1, le=20)


def passages_tool(documents: Documents) -> BaseTool:
    """The tool `find_passages`: a question in, Passages out, best first."""

    async def find_passages(question: str, limit: int = 8) -> list[Passage]:
        return [
            Passage(
                file=hit.file,
                start=hit.start,
                end=hit.end,
                text=hit.text,
                headings=list(hit.headings),
                page=hit.page,
                similarity=hit.similarity,
            )
            for hit in await documents.search(question, limit=limit)
        ]

    return StructuredTool.from_function(
        coroutine=find_passages,
        name=NAME,
        description="Find the passages of the workspace's documents that fit a question.",
        args_schema=_Find,
        metadata={"effect": "none"},
    )
