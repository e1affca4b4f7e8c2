"""The tools by which agents search and read a workspace's documents."""

from __future__ import annotations

from typing import Annotated

from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from motet.tools.documents.ports import Documents, Hit
from motet.tools.untrusted import as_data

SEARCH = "search_documents"
READ = "read_document"
_READABLE = 8_000
"""Characters that one call reads at most."""
_LISTED = 30


class _Search(BaseModel):
    model_config = ConfigDict(extra="forbid")

    question: Annotated[str, StringConstraints(pattern=r"\S", max_length=2_000)] = Field(
        description="What to look for: a question or its main words."
    )
    file: str | None = Field(default=None, description="Search this document only.")
    limit: int = Field(default=6, ge=1, le=20, description="How many passages at most.")


class _Read(BaseModel):
    model_config = ConfigDict(extra="forbid")

    file: str = Field(description="The document, as search_documents names it.")
    start: int = Field(default=0, ge=0, description="The character to begin at.")
    length: int = Field(default=4_000, ge=1, le=_READABLE, description="How many characters.")


def search_tool(documents: Documents) -> BaseTool:
    """The tool `search_documents`: the passages that fit a question, best first, each with file, start and end.

    Offsets count characters of the document's text, so `text[start:end]` is the passage. What a model gets is marked
    as data.
    """

    async def search_documents(question: str, file: str | None = None, limit: int = 6) -> str:
        hits = await documents.search(question, limit=limit, file=file or None)
        if not hits:
            return f"No passage fits. {_listed(documents)}"
        return "\n".join(_shown(hit) for hit in hits)

    return StructuredTool.from_function(
        coroutine=search_documents,
        name=SEARCH,
        description="Search the workspace's documents. Gives passages with their file, start and end.",
        args_schema=_Search,
        metadata={"effect": "none"},
    )


def read_tool(documents: Documents) -> BaseTool:
    """The tool `read_document`: a stretch of one document, marked as data, with its place."""

    async def read_document(file: str, start: int = 0, length: int = 4_000) -> str:
        text = await documents.read(file, start=start, length=length)
        whole = next((one.characters for one in documents.files if one.file == file.removeprefix("./")), None)
        return as_data(text, source=_place(file, start, start + len(text)) + (f" of {whole}" if whole else ""))

    return StructuredTool.from_function(
        coroutine=read_document,
        name=READ,
        description="Read a part of one of the workspace's documents: around a passage or from its start.",
        args_schema=_Read,
        metadata={"effect": "none"},
    )


def _shown(hit: Hit) -> str:
    """A passage for a model; its headings are the document's words, too, and stand within the marks."""
    above = f"[{' > '.join(hit.headings)}]\n" if hit.headings else ""
    page = f", page {hit.page}" if hit.page else ""
    return as_data(above + hit.text, source=_place(hit.file, hit.start, hit.end) + page)


def _place(file: str, start: int, end: int) -> str:
    return f"{file} {start}-{end}"


def _listed(documents: Documents) -> str:
    names = [one.file for one in documents.files]
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"There are: {', '.join(names[:_LISTED])}{more}." if names else "There are no documents."
