"""What `motet eval run` can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Dataset = Annotated[
    str, typer.Argument(metavar="DATASET", help="name or name@version, or a .jsonl or .csv file, which is imported.")
]
Target = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[NAME=]ASSISTANT|FILE",
        help="What is tried; the first is the baseline. A JSON or YAML file may name a model and a prompt, too.",
    ),
]
Baseline = Annotated[str, typer.Option(help="The target that the others are held against.")]
Evaluator = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME[:ARGUMENT=VALUE,…]", help="What scores each trial; those that fit the dataset unless told."
    ),
]
Evaluators = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A JSON or YAML list of evaluators, as texts or objects.")
]
Repeat = Annotated[int, typer.Option(min=1, max=1000, help="How often each example is tried.")]
Parallel = Annotated[int | None, typer.Option(min=1, max=1000, help="Trials at once; 4 unless told.")]
Seed = Annotated[int, typer.Option(help="Decides which examples, in which order.")]
Limit = Annotated[int | None, typer.Option(min=1, help="At most so many examples, of each tag its share.")]
Split = Annotated[str, typer.Option(help="Only examples of this split.")]
Tag = Annotated[list[str] | None, typer.Option(help="Only examples that have this tag; repeatable.")]
Cap = Annotated[float | None, typer.Option(metavar="USD", min=0, help="No trial starts once this is spent.")]
Timeout = Annotated[float | None, typer.Option(metavar="SECONDS", min=0.1, help="End a run that is worked for longer.")]
Name = Annotated[str, typer.Option(help="What the experiment is called.")]
Resume = Annotated[str, typer.Option(metavar="EXPERIMENT", help="Go on with this one.")]
Recorded = Annotated[
    list[str] | None,
    typer.Option(metavar="FOLDER|FILE|RUN", help="Score what was recorded; nothing is run. Repeatable."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Don't ask whether to spend what it is estimated to cost.")]
