"""Runs as they go: a table that stays up to date, or one run's events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from motet.memory.ports import StoredEvent
from motet.memory.redis.inspection import RunState, ThreadState
from motet.observability.trajectory.redact import redacted, without_secrets
from motet.server.durations import spelled
from motet.server.operating import Operating
from motet.server.run_control import Outcome
from motet.server.run_report import standing
from motet.server.standing import counted, of_run, of_thread
from motet.server.terminal.plain import line
from motet.server.terminal.runs import STYLES, distinct, table

_EVERY_S = 1.0
_PAGE = 500
_AROUND = 4
"""Lines of the screen that aren't runs."""

_EVENTS = {"metadata": "bright_black", "messages": "magenta", "custom": "blue", "error": "red", "resume_gap": "yellow"}
_DATA = 400

_TITLES = ("run", "thread", "status", "for", "attempt", "why")


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """What one look found."""

    runs: Sequence[tuple[RunState, ThreadState]]
    """Those that haven't ended, the ones at work first, then those accepted first; 500 or so at most."""
    unfinished: int
    """How many there are, about."""
    about: str
    """What the watched thread does; empty if all are watched."""


async def glance(here: Operating, thread_id: str | None) -> Glance:
    """Look once. Raises StoreUnavailable."""
    about, found, unfinished = "", list[ThreadState](), None
    if thread_id is not None:
        [thread] = await here.inspection.look([(thread_id, "")])
        about, unfinished = of_thread(thread), thread.queued
        found = list(await here.inspection.look([(thread_id, run_id) for run_id in thread.queue]))
    else:
        async for page in here.inspection.unfinished_pages(_PAGE):
            found += await here.inspection.look(page)
            if sum(len(thread.runs) for thread in found) >= _PAGE:
                unfinished = await here.inspection.unfinished()
                break
    runs = {run.run_id: (run, thread) for thread in found for run in thread.runs.values() if _goes_on(run)}
    return Glance(
        runs=sorted(runs.values(), key=lambda one: (one[0].status != "running", -one[0].age_s)),
        unfinished=len(runs) if unfinished is None else unfinished,
        about=about,
    )


async def watched_live(here: Operating, thread_id: str | None, console: Console) -> None:
    """A table of the runs that haven't ended, up to date each second, until the task is cancelled."""
    with Live(console=console, auto_refresh=False, screen=False, vertical_overflow="crop") as live:
        while True:
            live.update(drawn(await glance(here, thread_id), console.height - _AROUND), refresh=True)
            await asyncio.sleep(_EVERY_S)


async def watched_plain(here: Operating, thread_id: str | None, say: Callable[[dict[str, Any]], None]) -> None:
    """`say` each run's standing when it comes up, changes and has ended, until the task is cancelled."""
    known: dict[tuple[str, str], tuple[str, str, int]] = {}
    while True:
        now = await glance(here, thread_id)
        there = {(run.thread_id, run.run_id) for run, _ in now.runs}
        gone = [hint for hint in known if hint not in there]
        ended = [(thread.runs[run_id], thread) for thread in await here.inspection.look(gone) for run_id in thread.runs]
        for run, thread in [*now.runs, *ended]:
            hint, looks = (run.thread_id, run.run_id), (run.status, run.worker, run.attempt)
            if known.get(hint) != looks and (hint in there or hint in known):
                say(standing(run, thread))
                known[hint] = looks
            if not _goes_on(run):
                known.pop(hint, None)
        await asyncio.sleep(_EVERY_S)


def drawn(seen: Glance, rows: int) -> RenderableType:
    """The table of at most `rows` runs, and a line that counts all."""
    running = [run for run, _ in seen.runs if run.status == "running"]
    workers = {run.worker for run in running if run.lease_left_s > 0}
    silent = sum(run.lease_left_s <= 0 for run in running)
    lost = f", {silent} of them silent" if silent else ""
    by = f" on {counted(len(workers), 'worker')}" if workers else ""
    summary = f"{len(running):,} running{by}{lost}, {max(seen.unfinished - len(running), 0):,} pending"
    footer = Text(f"{seen.about or summary} · Ctrl-C ends", "bright_black", no_wrap=True, overflow="ellipsis")
    if not seen.runs:
        return Group(Text("No run that hasn't ended."), Text(), footer)
    length = distinct([run.run_id for run, _ in seen.runs], ())
    of_thread_id = distinct([run.thread_id for run, _ in seen.runs], ())
    cells = [
        (
            Text(run.run_id[:length], "bold"),
            Text(run.thread_id[:of_thread_id]),
            Text(run.status, STYLES.get(run.status, "")),
            Text(spelled(run.since_s)),
            Text(str(run.attempt or "")),
            Text(
                _why(run, thread, (length, of_thread_id)),
                "red" if run.status == "running" and run.lease_left_s <= 0 else "bright_black",
            ),
        )
        for run, thread in seen.runs[: max(rows, 1)]
    ]
    more = seen.unfinished - min(len(seen.runs), max(rows, 1))
    rest = [Text(f"and {more:,} more", "bright_black")] if more > 0 else []
    return Group(table(_TITLES, cells), *rest, Text(), footer)


def _why(run: RunState, thread: ThreadState, lengths: tuple[int, int]) -> str:
    """With ids of runs and threads as short as they stand in the table."""
    why = of_run(run, thread).replace(thread.thread_id, thread.thread_id[: lengths[1]])
    return why.replace(thread.active, thread.active[: lengths[0]]) if thread.active else why


def event_line(event: StoredEvent, first_ms: int) -> Text:
    """One event: when it came since the first, its name, the beginning of its data."""
    name = event.name.partition("|")[0]
    shown = Text(f"+{(_ms(event) - first_ms) / 1000:7.2f} s  ", "bright_black")
    shown.append(f"{line(event.name, 60):<9} ", _EVENTS.get(name, "cyan"))
    shown.append(line(_data(event), _DATA))
    shown.no_wrap, shown.overflow = True, "ellipsis"
    return shown


def event_json(event: StoredEvent) -> dict[str, Any]:
    """One event for machines."""
    return {"id": event.event_id, "event": event.name, "data": _data(event)}


def ending_line(outcome: Outcome) -> Text:
    """How a run ended."""
    words = "cancelled" if outcome.cancelled else outcome.status
    shown = Text("waits for a person" if outcome.waits else f"ended: {words}", STYLES.get(outcome.status, "yellow"))
    if outcome.error:
        told = f"{outcome.error.get('error')}: {outcome.error.get('message')}"
        shown.append(f"  {line(without_secrets(told), _DATA)}")
    return shown


def _ms(event: StoredEvent) -> int:
    return int(event.event_id.partition("-")[0])


def _data(event: StoredEvent) -> Any:
    try:
        return redacted(orjson.loads(event.data))
    except orjson.JSONDecodeError:
        return redacted(event.data.decode(errors="replace"))


def _goes_on(run: RunState) -> bool:
    return run.status in {"pending", "running"}
