"""`motet trace`: what runs did."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from motet.server.cli import options, printing

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from motet.observability.trajectory.trajectory import Trajectory
    from motet.server.operating import Operating
    from motet.server.run_control import Outcome

app = typer.Typer(
    help="What runs did, call by call: look, follow, search, export. Reads Redis itself, so no server need live.",
    no_args_is_help=True,
)

FAILED, WAITS = 1, 3

Run = Annotated[str, typer.Argument(metavar="RUN", help="The run's id, or how it begins; or an exported .jsonl file.")]

T = TypeVar("T")


class Format(StrEnum):
    """What a trajectory is exported as."""

    JSONL = "jsonl"
    OTLP = "otlp"
    ATIF = "atif"


class Ended(StrEnum):
    """How a run ended."""

    OK = "ok"
    ERROR = "error"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"
    UNFINISHED = "unfinished"


@app.callback()
def trace() -> None:
    """What runs did, call by call: look, follow, search, export. Reads Redis itself, so no server need live."""


@app.command()
def show(
    run: Run,
    *,
    full: Annotated[bool, typer.Option("--full", help="Show all that was said, not a line of each.")] = False,
    as_json: options.Json = False,
) -> None:
    """Draw what a run did, with the runs that answered its questions: nodes, sub-agents, models, tools and memory.

    Beside a time axis, with tokens, cost and outcomes. --json gives one object; with --full each request is whole.
    """
    import asyncio

    from motet.observability.trajectory.tree import as_json as tree_json
    from motet.observability.trajectory.tree_detail import detailed
    from motet.server.terminal.trace_tree import drawn
    from motet.server.trajectory_source import loaded

    [trajectory] = asyncio.run(loaded(run))
    tree = detailed(trajectory, whole_requests=full and as_json)
    if as_json:
        _json(tree_json(tree))
        return
    console = printing.console()
    for line in drawn(tree, width=_width(console), full=full):
        _print(console, line)


@app.command()
def tail(
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="The run's id, or how it begins.")] = None,
    *,
    thread: Annotated[str | None, typer.Option(help="All runs of this thread instead, from now on.")] = None,
    as_json: options.Json = False,
) -> None:
    """Follow what a run does while it does it, from its first record to its end; Ctrl-C stops looking.

    Exit codes of RUN: 0 it ended well, 1 it failed or was cancelled, 3 it waits for a person.
    """
    from motet.errors import InvalidConfig

    if (run is None) == (thread is None):
        raise InvalidConfig("RUN", "name a run, or a thread by --thread; one of both")
    with suppress(KeyboardInterrupt):
        if thread is not None:
            _with_redis(lambda here: _thread_followed(here, thread, as_json=as_json))
        elif run is not None:
            raise typer.Exit(_with_redis(lambda here: _run_followed(here, run, as_json=as_json)))


@app.command()
def search(
    text: Annotated[str, typer.Argument(help="What was said, asked, given or returned anywhere; in any case.")] = "",
    *,
    model: Annotated[str, typer.Option(help="With this model.")] = "",
    tool: Annotated[str, typer.Option(help="With this tool.")] = "",
    agent: Annotated[str, typer.Option(help="By this agent.")] = "",
    graph: Annotated[str, typer.Option(help="Only runs of this graph.")] = "",
    outcome: Annotated[Ended | None, typer.Option(help="Only runs that ended so.")] = None,
    since: Annotated[str, typer.Option(help="Only runs that began later: 90m, 2h, 3d, 1w ago, or a date.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many runs, at most.")] = 20,
    as_json: options.Json = False,
) -> None:
    """Find runs by what they did, the newest first: among the newest 1,000 of which a trajectory is kept."""
    from motet.errors import InvalidConfig
    from motet.server.trajectory_search import Wanted
    from motet.server.trajectory_search import since as moment

    wanted = Wanted(
        text=text,
        model=model,
        tool=tool,
        agent=agent,
        graph=graph,
        outcome="" if outcome is None else outcome.value,
        since=moment(since) if since else None,
    )
    if wanted == Wanted():
        raise InvalidConfig("TEXT", "say what to look for: a text, or one of --model, --tool, --agent, --graph, …")
    with suppress(KeyboardInterrupt):
        _with_redis(lambda here: _searched(here, wanted, limit, as_json=as_json))


@app.command()
def export(
    run: Run,
    *,
    form: Annotated[Format, typer.Option("--format", help="jsonl to replay and compare, otlp and atif for others.")],
    out: Annotated[str, typer.Option("--out", "-o", metavar="FILE", help="Where to; - is standard output.")] = "-",
    content: Annotated[bool, typer.Option("--content", help="otlp: with what was said; the others always have it.")] = (
        False
    ),
) -> None:
    """Write what a run did to a file: JSON lines with everything, OTLP/JSON spans, or ATIF v1.7."""
    import asyncio

    from motet.errors import InvalidConfig
    from motet.server.trajectory_source import loaded

    if content and form is not Format.OTLP:
        raise InvalidConfig("--content", f"is for --format otlp; {form.value} always has what was said")
    [trajectory] = asyncio.run(loaded(run, events=form is Format.JSONL))
    _write(out, _exported(trajectory, form, content=content))
    if out != "-":
        typer.echo(f"Exported: {out}")


def _exported(trajectory: Trajectory, form: Format, *, content: bool) -> bytes:
    from io import BytesIO

    import orjson

    from motet.observability.trajectory import file
    from motet.observability.trajectory.atif import atif
    from motet.observability.trajectory.otlp import otlp

    if form is Format.JSONL:
        whole = BytesIO()
        file.write(trajectory, whole)
        return whole.getvalue()
    told = atif(trajectory) if form is Format.ATIF else otlp(trajectory, content=content)
    return orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _write(path: str, data: bytes) -> None:
    """To standard output, or to a file that is there only once it is whole, whoever else writes it meanwhile."""
    import sys
    from pathlib import Path
    from uuid import uuid4

    from motet.errors import InvalidConfig

    if path == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    part = Path(f"{path}.{uuid4().hex}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        raise InvalidConfig("--out", f"{path} can't be written: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)


async def _run_followed(here: Operating, run: str, *, as_json: bool) -> int:
    from motet.server.run_control import followed
    from motet.server.trajectory_tail import of_run

    thread_id, run_id = await here.run(run)
    say = _teller(as_json=as_json)
    waits = lambda: None if as_json else typer.echo(f"nothing is written down of run {run_id} yet", err=True)  # noqa: E731 - one line
    async for one, record in of_run(here, thread_id, run_id, waits):
        say(record, one.telling.record(record), "")
    return _code(await followed(here, thread_id, run_id))


async def _thread_followed(here: Operating, thread: str, *, as_json: bool) -> None:
    from motet.server.trajectory_tail import of_thread

    thread_id = await here.thread(thread)
    say = _teller(as_json=as_json)

    def follows() -> None:
        if not as_json:
            typer.echo(f"following thread {thread_id}; Ctrl-C ends", err=True)

    async for one, record in of_thread(here, thread_id, follows):
        say(record, one.telling.record(record), record.run_id[-4:])


def _teller(*, as_json: bool) -> Callable[[Any, Any, str], None]:
    from motet.server.terminal import trace_lines

    console = printing.console()

    def say(record: Any, detail: Any, run: str) -> None:
        if as_json:
            _json(trace_lines.as_json(record, detail))
            return
        for line in trace_lines.lines(record, detail, width=_width(console), run=run):
            _print(console, line)

    return say


async def _searched(here: Operating, wanted: Any, limit: int, *, as_json: bool) -> None:
    from dataclasses import asdict

    from motet.server.terminal.trace_found import Progress, lines
    from motet.server.trajectory_search import search

    console, count = printing.console(), 0
    with Progress() as progress:
        async for found in search(here, wanted, progress.looked):
            count += 1
            if as_json:
                _json(asdict(found))
            else:
                for line in lines(found, wanted.text, width=_width(console)):
                    _print(console, line)
            if count == limit:
                break
    if not as_json:
        typer.echo(progress.told(count, limit), err=True)


def _with_redis(work: Callable[[Operating], Awaitable[T]]) -> T:
    """What `work` returns, with Redis open meanwhile."""
    import asyncio

    from motet.server import settings
    from motet.server.operating import operating

    async def opened() -> T:
        async with operating(settings.load()) as here:
            return await work(here)

    return asyncio.run(opened())


def _code(outcome: Outcome) -> int:
    """The exit code that says how a run ended."""
    if outcome.waits:
        return WAITS
    return 0 if outcome.status == "success" else FAILED


def _width(console: Console) -> int | None:
    return console.width if console.is_terminal else None


def _print(console: Console, line: Text) -> None:
    console.print(line, no_wrap=True, overflow="ignore", crop=False)


def _json(value: Any) -> None:
    import orjson

    typer.echo(orjson.dumps(value, default=repr))
