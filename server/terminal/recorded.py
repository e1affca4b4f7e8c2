"""What the trajectory store knows of a run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from motet.errors import NotFound
from motet.memory.ports import TrajectoryStore
from motet.observability.trajectory.model import Record, RunFinished, decode

_POLL_S = 0.05
_LATE_S = 5.0


async def finished(store: TrajectoryStore, run_id: str) -> Sequence[Record]:
    """The records of a run that has ended, its last one among them: it is written a moment after the end.

    Raises:
        NotFound: there are none after five seconds.
    """
    deadline = time.monotonic() + _LATE_S
    while True:
        try:
            records = [decode(one) for one in await store.read(run_id)]
            if isinstance(records[-1], RunFinished) or time.monotonic() > deadline:
                return records
        except NotFound:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(_POLL_S)
