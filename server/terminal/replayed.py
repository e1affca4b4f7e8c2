"""What a replay found, for a person."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from difflib import ndiff
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from motet.observability.trajectory.replay.divergence import Divergence
from motet.observability.trajectory.replay.verdict import Counts, Verdict
from motet.server.replay_batch import Replayed
from motet.server.terminal.plain import line

WHAT = {
    "model": "the request to the model",
    "tool": "the call of the tool",
    "memory": "the operation on long-term memory",
    "node": "the node",
    "state": "the checkpoint",
    "question": "the question to a person",
    "event": "what clients are told",
    "end": "how it ends",
}
_AROUND = 60
"""Letters that are shown before and after the first one that differs."""
_LINES = 24


def drawn(verdict: Verdict) -> Iterator[Text]:
    """The verdict in a few lines: what was compared, or the first difference."""
    run, before = verdict.run_ids[-1], len(verdict.run_ids) - 1
    if verdict.divergence is None:
        same = f"{run} replays the same" if not before else f"{run} and the {_runs(before)} before it replay the same"
        yield Text.assemble(("✓ ", "green"), same)
    else:
        first = verdict.divergence.run_id
        earlier = f", {_which(verdict.run_ids, first)}," if before else ""
        yield Text.assemble(("✗ ", "red"), f"{first}{earlier} parts from its record {_where(verdict.divergence)}")
        yield from _difference(verdict.divergence)
    yield Text(f"  {_counted(verdict.counts)}, {verdict.seconds:.2f} s", style="bright_black")
    for path in verdict.stood_in:
        yield Text(f"  stood in for, because it reached past LangChain: {line(path)}", style="yellow")
    if verdict.counts.untold:
        told = (
            "1 event that a tool told by itself wasn't"
            if verdict.counts.untold == 1
            else (f"{verdict.counts.untold} events that tools told by themselves weren't")
        )
        yield Text(f"  {told} told again", style="yellow")
    if verdict.ended == "cancelled":
        yield Text("  the run was cut off, and was compared up to there", style="yellow")


def table(replayed: Sequence[Replayed]) -> Table:
    """A line for each file: the same, or why not."""
    told = Table(box=box.SIMPLE)
    for column in ("", "File", "Verdict"):
        told.add_column(column, overflow="fold")
    for one in replayed:
        if one.verdict is None:
            told.add_row(Text("!", style="red"), Text(line(one.name)), Text(line(one.reason, 400), style="red"))
        elif one.verdict.divergence is None:
            told.add_row(Text("✓", style="green"), Text(line(one.name)), Text(_counted(one.verdict.counts)))
        else:
            told.add_row(Text("✗", style="red"), Text(line(one.name)), _short(one.verdict.divergence))
    return told


def parting(divergence: Divergence) -> Iterator[Text]:
    """Where a fork parts from the run that it was made from, and in what."""
    yield Text(f"parts {_where(divergence)}")
    yield from _difference(divergence)


def _short(divergence: Divergence) -> Text:
    expected, actual = _sides(divergence)
    told = Text(f"{_where(divergence)}: {WHAT[divergence.kind]}, {line(divergence.field)}\n")
    told.append(f"- {_around(expected, actual)}\n", style="red")
    told.append(f"+ {_around(actual, expected)}", style="green")
    return told


def _where(divergence: Divergence) -> str:
    step = f"at step {divergence.step}" if divergence.step >= 0 else "outside of any step"
    agent = f", agent {line(divergence.agent)}" if divergence.agent else ""
    path = f" ({line(divergence.path)})" if divergence.path else ""
    return f"{step}{agent}{path}"


def _difference(divergence: Divergence) -> Iterator[Text]:
    yield Text.assemble("  ", WHAT[divergence.kind], ": ", (line(divergence.field, 300), "bold"))
    expected, actual = _sides(divergence)
    if "\n" in expected or "\n" in actual:
        shown = [one for one in ndiff(expected.splitlines(), actual.splitlines()) if not one.startswith(("  ", "?"))]
        for one in shown[:_LINES]:
            yield Text(f"  {line(one, 300)}", style="red" if one.startswith("-") else "green")
        if len(shown) > _LINES:
            yield Text(f"  … {_number(len(shown) - _LINES, 'more line')}", style="bright_black")
    else:
        yield Text(f"  - {_around(expected, actual)}", style="red")
        yield Text(f"  + {_around(actual, expected)}", style="green")
    if divergence.hint:
        yield Text(f"  {divergence.hint}", style="bright_black")


def _sides(divergence: Divergence) -> tuple[str, str]:
    expected = "(nothing)" if divergence.only == "actual" else _told(divergence.expected)
    actual = "(nothing)" if divergence.only == "expected" else _told(divergence.actual)
    return expected, actual


def _told(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)


def _around(text: str, other: str) -> str:
    """What of a long text stands around the first letter that the other one doesn't have."""
    same = next((n for n, (one, two) in enumerate(zip(text, other, strict=False)) if one != two), len(other))
    begin = max(same - _AROUND, 0) if len(text) > 2 * _AROUND else 0
    return f"{'…' if begin else ''}{line(text[begin:], 2 * _AROUND)}"


def _counted(counts: Counts) -> str:
    answered = [
        _number(counts.model_calls, "model call"),
        _number(counts.tool_calls, "tool call"),
        *([_number(counts.memory_calls, "memory call")] if counts.memory_calls else []),
    ]
    events = "no events were left to compare" if counts.events is None else _number(counts.events, "event")
    compared = f"{_number(counts.checkpoints, 'checkpoint')}, {_number(counts.nodes, 'node')}, {events}"
    return f"answered {', '.join(answered)}; compared {compared}"


def _runs(before: int) -> str:
    """`run`, `2 runs`."""
    return "run" if before == 1 else f"{before} runs"


def _which(run_ids: Sequence[str], run_id: str) -> str:
    """Where one of several runs stands: `run 1 of 3`."""
    return f"run {list(run_ids).index(run_id) + 1} of {len(run_ids)}"


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
