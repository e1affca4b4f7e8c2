"""`save_report`: writes a Markdown report into the workspace's `reports/` folder, and nowhere else."""

from __future__ import annotations

import asyncio
import os
import re
import unicodedata
from pathlib import Path
from typing import Annotated

from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel, ConfigDict, StringConstraints

from motet.errors import ToolFailed

NAME = "save_report"
_LONGEST_NAME = 80


class ReportArguments(BaseModel):
    """What `save_report` takes."""

    model_config = ConfigDict(extra="forbid")

    title: Annotated[str, StringConstraints(pattern=r"\S", max_length=200, strip_whitespace=True)]
    """Becomes the heading and, reduced to letters and digits, the file's name. Blank is refused by the JSON
    Schema already: an answer that doesn't fit it leaves the question waiting."""
    body: Annotated[str, StringConstraints(min_length=1, max_length=200_000)]
    """Markdown."""


def build_save_report(workspace: Path) -> BaseTool:
    """The tool for one workspace. It has an effect: call it only after a person's approval."""
    folder = workspace / "reports"

    async def save_report(title: str, body: str) -> str:
        """Write a Markdown report into the workspace's reports folder and return its path."""
        return await asyncio.to_thread(_write, folder, title, body)

    return StructuredTool.from_function(
        coroutine=save_report, name=NAME, args_schema=ReportArguments, metadata={"effect": "once"}
    )


def file_name(title: str) -> str:
    """`title` as a file name: ASCII letters, digits and dashes; `report` when nothing is left.

    Titles come from a model or a person, so no path can be formed: no separator and no dot survives.
    """
    ascii_text = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_text.lower()).strip("-")[:_LONGEST_NAME].strip("-")
    return f"{slug or 'report'}.md"


def _write(folder: Path, title: str, body: str) -> str:
    """Create the file, never over an existing one: a second report of one title gets a number.

    Raises:
        ToolFailed: the folder can't be written, or `reports` is a link that leads elsewhere.
    """
    try:
        folder.mkdir(exist_ok=True)
        if folder.is_symlink():
            raise ToolFailed(f"{folder.name}/ is a link; reports are written into a real folder only")
        path = _create(folder, file_name(title), f"# {title}\n\n{body.rstrip()}\n")
    except OSError as error:
        raise ToolFailed(f"the report can't be written: {error.strerror}") from error
    return f"{folder.name}/{path.name}"


def _create(folder: Path, name: str, text: str) -> Path:
    stem = Path(name).stem
    for number in range(1, 1000):
        path = folder / (name if number == 1 else f"{stem}-{number}.md")
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            continue
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
        except OSError:
            path.unlink()  # what fails has done nothing
            raise
        return path
    raise ToolFailed(f"there are already a thousand reports named {stem}")
