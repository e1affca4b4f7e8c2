"""How far a tenant's journal was told outside, and by which process: a port."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where telling stands."""

    number: int
    """Of the newest entry of the journal that is settled: delivered, given up, or there before anybody was told."""
    failures: int
    """Attempts that failed since one last succeeded."""
    failing_s: float
    """Seconds since the first of them."""
    due_s: float
    """Seconds until the next attempt; 0 for at once."""


class WebhookPosition(Protocol):
    """The one place in the journal, and the lease by which one process of many tells what comes after it."""

    async def take(self, owner: str, *, lease_s: float, begin: int) -> Position | None:
        """Become the one who tells, or stay it, for `lease_s` more; None while another is. One round trip.

        `begin` is the position where there is none yet.
        """
        ...

    async def advance(self, owner: str, number: int, *, delivered: bool) -> bool:
        """Settle all entries up to `number`; False, and nothing done, if another tells by now. One round trip.

        delivered: the receiver took it, so that it fails no more; else the entry was given up.
        """
        ...

    async def failed(self, owner: str, *, pause_s: float) -> Position | None:
        """Note an attempt that failed, to be made again in `pause_s`; None, and nothing done, if another tells by now.

        One round trip.
        """
        ...

    async def release(self, owner: str) -> None:
        """Let another tell at once."""
        ...
