"""What a program is told of a turn: who took it and why, what it rests on, and what a check found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from motet.server.terminal.conversation import Event, Json

_FACTS = {
    "verify": ("claim", "problem"),
    "sent_back": ("to", "attempt", "problem"),
    "left_out": ("claim", "problem"),
}


_COUNTS = ("claims", "held")
_NAMES = {"verify": "problems"}


class Account:
    """Gathers it from a turn's events."""

    def __init__(self) -> None:
        self.run_id: str | None = None
        self.error: Json | None = None
        self.ended: Json | None = None
        """How the last of our graphs ended: status and answer. The one that makes the answer ends last."""
        self.route: list[Json] = []
        """The questions in the turn, each with its agents, the reason, and how sure the choice is."""
        self._checked: dict[str, int] = {}
        self._failed: dict[str, list[Json]] = {step: [] for step in _FACTS}

    def take(self, event: Event) -> None:
        """Note what one event says."""
        match event.name, event.data:
            case "metadata", {"run_id": str(run_id)}:
                self.run_id = run_id
            case "error", Mapping() as error:
                self.error = cast("Json", error)
            case "custom", {"type": "step", "step": str(step)}:
                self._step(step, cast("Json", event.data))
            case _:
                pass

    @property
    def verification(self) -> Json | None:
        """How many claims were checked and held, all checks counted; what failed, was sent back and was left out."""
        if not self._checked and not any(self._failed.values()):
            return None
        checked = {name: self._checked.get(name, 0) for name in _COUNTS}
        failed = {_NAMES.get(step, step): told for step, told in self._failed.items()}
        return {**checked, **failed}

    def _step(self, step: str, told: Json) -> None:
        if step == "ended":
            self.ended = told
        elif step == "route":
            self.route += cast("Sequence[Json]", told.get("parts") or ())
        elif step == "handoff":
            told_of = {"question": told.get("question"), "agents": [told.get("to")], "reason": told.get("reason")}
            self.route.append({**told_of, "by": "handoff"})
        elif step == "verify" and "problem" not in told:
            self._checked = {name: self._checked.get(name, 0) + int(told.get(name) or 0) for name in _COUNTS}
        elif step in _FACTS:
            self._failed[step].append({name: told.get(name) for name in _FACTS[step]})


def citations(findings: Sequence[Json]) -> Json:
    """The quotes and queries that findings rest on, each once."""
    quotes: list[Json] = []
    queries: list[Json] = []
    for finding in findings:
        claims = cast("Sequence[Mapping[str, Any]]", finding.get("claims") or ())
        quotes += [quote for claim in claims for quote in claim.get("quotes") or ()]
        queries += [query for claim in claims for query in claim.get("queries") or ()]
        if finding.get("sql") and all(query.get("sql") != finding["sql"] for query in queries):
            queries.append({name: finding.get(name) for name in ("sql", "columns", "rows", "truncated")})
    return {"quotes": _each_once(quotes), "queries": _each_once(queries)}


def _each_once(values: Sequence[Json]) -> list[Json]:
    return [one for number, one in enumerate(values) if one not in values[:number]]
