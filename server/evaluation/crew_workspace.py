"""The workspace of the crew's own evaluation: the sample data and documents, and a document with somebody's orders."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from motet.errors import InvalidWorkspace
from motet.observability.evaluation.example import Example
from motet.server.evaluation.crew_examples.checking import problems
from motet.server.evaluation.crew_examples.injections import DOCUMENT, FILE
from motet.server.evaluation.crew_examples.making import made
from motet.tools.index import Progress
from motet.tools.sample import build_sample
from motet.tools.workspace import Workspace

NAME = "crew"
"""Of the dataset."""

VERSION = "44f1dda93784fd24"
"""Of its examples: what they say changes with the sample data and with the questions, and with nothing else."""

EVALUATORS = Path(__file__).with_name("crew_evaluators.json")
"""What scores them, as `motet eval run --evaluators` takes it."""


async def crew_examples(folder: Path, progress: Progress) -> Sequence[Example]:
    """Make the workspace in `folder`, at once if it is there, and the examples over it, each checked. Two seconds.

    Raises:
        DownloadFailed: the sample data could not be fetched.
        InvalidWorkspace: `folder` can't be written to, or what is in it isn't the sample: a reference doesn't hold.
    """
    await build_sample(folder, progress)
    try:
        await asyncio.to_thread((folder / FILE).write_text, DOCUMENT, "utf-8")
    except OSError as refused:
        raise InvalidWorkspace(str(folder), f"{FILE} can't be written there: {refused.strerror}") from refused
    async with await Workspace.open(folder) as workspace:
        examples = await made(workspace)
    if wrong := await problems(examples, folder):
        more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise InvalidWorkspace(str(folder), f"a reference doesn't hold there: {wrong[0]}{more}")
    return examples
