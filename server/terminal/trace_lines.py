"""What a run does as lines that come one by one: a line for what happened, and one each for what was said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from rich.text import Text

from motet.observability.trajectory.records import (
    FeedbackGiven,
    Interrupted,
    ModelCalled,
    NodeFinished,
    NodeStarted,
    Parted,
    Record,
    RunFinished,
    RunStarted,
    StoreCalled,
    ToolCalled,
    Truncated,
)
from motet.server.terminal.plain import line
from motet.server.terminal.printable import printable
from motet.server.terminal.trace_content import said_of
from motet.server.terminal.trace_facts import cost, count, took
from motet.server.terminal.trace_tree import DIM, KINDS, OUTCOMES

_LONGEST = 4_000
_INDENT = 14


def lines(record: Record, detail: Mapping[str, Any], *, width: int | None, run: str = "") -> Iterator[Text]:
    """The lines of one record; none for a checkpoint.

    Args:
        record: what happened.
        detail: as `tree_detail.Telling.record` tells it.
        width: columns of the terminal; None for what is no terminal.
        run: what stands before each line, to tell runs apart.
    """
    told = _headline(record)
    if told is None:
        return
    kind, head = told
    clock = _ended_at(record).astimezone().strftime("%H:%M:%S")
    before = Text.assemble((f"{run} " if run else "", "cyan"), (f"{clock}  ", DIM))
    yield _fitting(before.append("  " * _depth(record)).append_text(head), width)
    for title, text, style in said_of(kind, detail):
        space = " " * (_INDENT + 2 * _depth(record) + (len(run) + 1 if run else 0) - 2)
        limit = _LONGEST if width is None else max(width - len(space) - len(title), 16)
        yield _fitting(Text.assemble(space, (title, DIM), (line(text, limit), style)), width)


def as_json(record: Record, detail: Mapping[str, Any]) -> dict[str, Any]:
    """The record with its contents, for machines."""
    about = {"type": record.type, "run_id": record.run_id, "attempt": record.attempt, "at": record.at}
    about |= {"path": record.path}
    for name in ("model", "tool", "outcome", "duration_s", "cost_usd"):
        if (value := getattr(record, name, None)) is not None:
            about[name] = value
    return {**about, **detail}


def _headline(record: Record) -> tuple[str, Text] | None:
    """Of what kind it is, and its line."""
    told: tuple[str, Text] | None = None
    match record:
        case RunStarted():
            attempt = f" attempt {record.attempt}" if record.attempt > 1 else ""
            told = "run", Text.assemble(("▸ ", DIM), (line(record.graph_id), "bold"), (f" begins{attempt}", DIM))
        case NodeStarted():
            told = "node", Text.assemble(("▸ ", DIM), (_task(record), KINDS["node"]))
        case NodeFinished():
            told = "node", _ended(record, _task(record), "node", record.duration_s)
        case ModelCalled() | ToolCalled() | StoreCalled():
            told = _call(record)
        case Interrupted():
            told = "question", Text("‖ asks a person", "yellow")
        case FeedbackGiven():
            told = "feedback", Text.assemble((line(record.key), KINDS["feedback"]), (" feedback", DIM))
        case Parted():
            told = "parted", Text.assemble(("≠ parts here", KINDS["parted"]))
        case RunFinished():
            facts = (_tokens(record.totals.tokens), cost(record.totals.cost_usd))
            told = "end", _ended(record, record.outcome, "run", record.totals.seconds, *facts)
        case Truncated():
            told = "end", Text("nothing more is kept", "red")
        case _:
            pass
    return told


def _call(record: ModelCalled | ToolCalled | StoreCalled) -> tuple[str, Text]:
    if isinstance(record, ModelCalled):
        facts = (_tokens(record.usage.total_tokens), cost(record.cost_usd), _source(record))
        return "model", _ended(record, record.model, "model", record.duration_s, *facts)
    if isinstance(record, ToolCalled):
        handed = f"→ {record.handed_to}" if record.handed_to else ""
        return "tool", _ended(record, record.tool, "tool", record.duration_s, handed, _source(record))
    return "store", _ended(record, "memory", "store", record.duration_s)


def _source(record: ModelCalled | ToolCalled) -> str:
    return "from the record" if record.from_run else ""


def _ended(record: Any, name: str, kind: str, seconds: float, *facts: str) -> Text:
    sign, colour = OUTCOMES[record.outcome]
    text = Text.assemble(
        (f"{sign} ", colour), (line(name), KINDS[kind]), (f" {kind}" if kind in {"model", "tool"} else "", DIM)
    )
    return text.append(f"  {' · '.join([took(seconds), *(one for one in facts if one)])}", DIM)


def _ended_at(record: Record) -> datetime:
    """When it was written down: a call says when it began."""
    took_s = record.duration_s if isinstance(record, ModelCalled | ToolCalled | StoreCalled) else 0.0
    return datetime.fromisoformat(record.at) + timedelta(seconds=took_s)


def _tokens(number: int) -> str:
    return f"{count(number)} tokens" if number else ""


def _depth(record: Record) -> int:
    tasks = record.path.count("|") + 1 if record.path else 0
    return tasks - isinstance(record, NodeStarted | NodeFinished)


def _task(record: Record) -> str:
    return record.path.rpartition("|")[2]


def _fitting(text: Text, width: int | None) -> Text:
    if width is not None:
        text.truncate(width, overflow="ellipsis")
    return printable(text)
