"""Who works on a turn, told once each time it changes."""

from __future__ import annotations

from collections.abc import Sequence

from motet.server.terminal.screen import Screen


class Workers:
    """Says the agent above its lines; of two that work at once under one name, the second has a number."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._heading = ""
        self._busy: dict[tuple[str, str], int] = {}
        """The numbers of those that have begun and not ended, by agent and task."""

    def works(self, agent: str, namespace: Sequence[str]) -> bool:
        """`agent` does something in that part of the graph; returns whether another did before."""
        worker = (agent, _task(namespace))
        if worker not in self._busy:
            taken = {number for (name, _), number in self._busy.items() if name == agent}
            self._busy[worker] = next(number for number in range(1, len(taken) + 2) if number not in taken)
        number = self._busy[worker]
        heading = agent if number == 1 else f"{agent} {number}"
        changed = heading != self._heading
        if changed:
            self._heading = heading
            self._screen.agent(heading)
        return changed

    def ended(self, agent: str, namespace: Sequence[str]) -> None:
        """`agent` is done there; whoever has its name next needs no number."""
        self._busy.pop((agent, _task(namespace)), None)


def _task(namespace: Sequence[str]) -> str:
    """What the root graph set going; all that happens inside belongs to it."""
    return namespace[0] if namespace else ""
