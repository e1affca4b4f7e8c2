"""Questions whose answers are to be saved as a report, and what a person says when asked about that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

_WISHES = ("Save a report of this.", "Please write a report about it.", "Then keep this in a report.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A question, asked with the wish for a report, and the person's decision."""

    asked: str
    """The question's name."""
    decision: Literal["approve", "reject", "edit"]
    wish: str

    @property
    def title(self) -> str:
        """Of an edited report."""
        return f"Checked {self.asked.replace('/', ' ').replace('_', ' ').replace('-', ' ')}"

    @property
    def body(self) -> str:
        """Of an edited report."""
        return "A person wrote this."

    @property
    def answer(self) -> dict[str, Any]:
        """The decision, as a client resumes a run with it."""
        match self.decision:
            case "approve":
                return {"decisions": [{"type": "approve"}]}
            case "reject":
                return {"decisions": [{"type": "reject", "message": "It is not needed."}]}
            case "edit":
                arguments = {"title": self.title, "body": self.body}
                edited = {"name": "save_report", "args": arguments}
                return {"decisions": [{"type": "edit", "edited_action": edited}]}


def _approvals(decision: Literal["approve", "reject", "edit"], *asked: str) -> tuple[Approval, ...]:
    return tuple(
        Approval(asked=one, decision=decision, wish=_WISHES[number % len(_WISHES)]) for number, one in enumerate(asked)
    )


APPROVALS = (
    *_approvals(
        "approve",
        "airports/state-fl",
        "seattle_weather/days-snow",
        "seattle_weather/coldest-2013",
        "stocks/mean-amzn-2007",
        "us_employment/falls-2010",
        "cars/power-japan",
        "documents/crimea-who",
        "documents/iowa-who",
    ),
    *_approvals(
        "reject",
        "airports/state-tx",
        "seattle_weather/rain-2012",
        "stocks/highest-goog",
        "us_employment/government-2010-05",
        "cars/cylinders-3",
        "documents/wheat-electronic",
        "documents/anscombe-who",
    ),
    *_approvals(
        "edit",
        "airports/city-houston",
        "seattle_weather/windiest",
        "stocks/lowest-amzn",
        "cars/from-usa",
        "cars/weight-japan",
        "documents/burtin-who",
    ),
)
"""What is to be saved, and whether it may be."""
