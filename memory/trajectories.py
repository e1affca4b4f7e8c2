"""Where what runs did is kept: a port."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


class TrajectoryBatch(Protocol):
    """Records of a run, in order, with the contents that they name and that came up since the batch before."""

    @property
    def records(self) -> Sequence[bytes]:
        """JSON, one line each."""
        ...

    @property
    def contents(self) -> Mapping[str, bytes]:
        """JSON by its hash, 32 hexadecimal digits."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTrajectory:
    """What runs did."""

    records: Sequence[bytes]
    """Run by run in the order asked for; of a run, in the order in which they were written."""
    contents: Mapping[str, bytes]
    """Those that came with any of the records."""


class TrajectoryStore(Protocol):
    """What runs did, kept for some days after each one's last write, and forgotten with it and with its thread."""

    async def append(self, thread_id: str, run_id: str, batch: TrajectoryBatch, *, late: bool = False) -> bool:
        """Add to what a run did. One round trip; False: nothing more of it is kept.

        `late`: only where something is kept of it, and then also if the run itself is forgotten by now.

        That is when the run was forgotten, or when it alone takes all that its thread may: then a `truncated` record
        is its last. Before that, the thread's oldest runs give way.
        """
        ...

    async def runs(self, thread_id: str) -> Mapping[str, str]:
        """The thread's runs of which there is something, in order; for each the run that it follows, or "".

        One round trip.
        """
        ...

    async def read(self, thread_id: str, run_id: str, *others: str) -> StoredTrajectory:
        """What these runs did. One round trip. Raises NotFound: there is nothing of any of them."""
        ...

    async def forget(self, thread_id: str, *run_ids: str) -> None:
        """Forget what these runs did; without any, all of the thread's. One round trip."""
        ...
