"""Notices that nobody works an experiment's runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager

from motet.errors import StoreUnavailable
from motet.memory.redis.inspection import Inspection, RunState
from motet.server.evaluation.case import Case

_EVERY_S = 5.0
_LONG_S = 10.0
"""A run that could start for so long is one that nobody looks for."""

_NOBODY = (
    "no worker takes the experiment's runs: all are busy with other runs (see `motet runs watch`), or none lives; then "
    "start `motet worker` (or `motet serve`) with the project or workspace that has its graphs, or give --config or "
    "--workspace here. It goes on as soon as one does"
)


class Unworked:
    """Looks at the runs that are waited for."""

    def __init__(self, inspection: Inspection, warn: Callable[[str], None]) -> None:
        """`warn` is told when it begins that nobody works any of them."""
        self._inspection = inspection
        self._warn = warn
        self._open: dict[str, Case] = {}

    @contextmanager
    def during(self, case: Case) -> Generator[None]:
        """The trial is waited for."""
        self._open[case.key] = case
        try:
            yield
        finally:
            del self._open[case.key]

    async def watch(self) -> None:
        """Look, for ever."""
        warned = False
        while True:
            await asyncio.sleep(_EVERY_S)
            try:
                states = await self._states()
            except StoreUnavailable:
                continue
            unworked = bool(states) and all(_is_unworked(one) for one in states)
            if unworked and not warned:
                self._warn(_NOBODY)
            warned = unworked

    async def _states(self) -> list[RunState]:
        hints = [(one.thread_id, one.run_id(0)) for one in self._open.values()]
        threads = await self._inspection.look(hints)
        return [run for thread in threads for run in thread.runs.values() if run.status in {"pending", "running"}]


def _is_unworked(run: RunState) -> bool:
    if run.status == "running":
        return run.lease_left_s < -_LONG_S
    return run.since_s > _LONG_S
