"""How a turn ends: what is left out, what is said, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence

from motet.graphs.correction import Status
from motet.graphs.crew.composing import evidence, supported
from motet.graphs.crew.remembering import said_before
from motet.graphs.crew.turn import Answered, Turn
from motet.graphs.state import Claim, Finding

_ORDER: tuple[Status, ...] = ("ok", "partial", "budget_exhausted", "failed", "rejected")


def left_out(one: Answered) -> tuple[Finding, list[tuple[str, str]]]:
    """The finding without the claims that no evidence holds, and those claims, each with what is wrong about it."""
    finding, claims = one["finding"], one["finding"].get("claims", [])
    dropped = [(claims[problem["claim"]]["text"], problem["text"]) for problem in one["problems"]]
    if not dropped:
        return finding, []
    kept = supported(one)
    if kept:
        text = " ".join(claim["text"] for claim in kept)
        return {**finding, "answer": text, "claims": kept, "status": "partial"}, dropped
    text = f"I found no answer whose evidence holds. The last problem: {dropped[-1][1]}"
    nothing = Finding(
        agent=finding["agent"],
        question=finding["question"],
        status="failed",
        answer=text,
        composed="nothing",
        sql="",
        columns=[],
        rows=[],
        truncated=False,
        attempts=finding["attempts"],
        claims=[],
    )
    return nothing, dropped


def final_text(state: Turn) -> str:
    """What was done on the person's wishes, then the answer with its evidence, in the order of its questions.

    Where nobody answers, what the person had remembered is said. Empty if nothing was asked.
    """
    if refused := state.get("refused", ""):
        return refused
    told = state.get("told", [])
    asked = [text for part in state.get("parts", []) if (text := _part_text(part["number"], state))]
    if asked and not any(supported(one) for one in state.get("answers", [])):
        asked += filter(None, [said_before(state.get("remembered", []))])
    if not told and not asked and not state.get("report"):
        return "Nothing was left to answer."
    return "\n\n".join([*told, *asked])


def ended_status(state: Turn, findings: Sequence[Finding]) -> Status:
    """`ok` if every question got an answer that holds, partial if some did or one is doubted, else why none did."""
    if state.get("refused"):
        return "rejected"
    best: list[Status] = [
        status for part in state.get("parts", []) if (status := _best(part["number"], state, findings))
    ]
    if not best:
        return "ok" if state.get("told") else "rejected"
    if any(status in {"ok", "partial"} for status in best):
        return "ok" if all(status == "ok" for status in best) else "partial"
    return _first(best)


def _best(number: int, state: Turn, findings: Sequence[Finding]) -> Status | None:
    """The status of the best answer to one part, None if it was handed over; findings stand in the answers' order."""
    pairs = zip(state.get("answers", []), findings, strict=True)
    found: list[Status] = [
        finding["status"] for one, finding in pairs if one["part"] == number and not finding.get("handoffs")
    ]
    return _first(found) if found else None


def _first(statuses: Sequence[Status]) -> Status:
    """The best of them."""
    return next(status for status in _ORDER if status in statuses)


def _part_text(number: int, state: Turn) -> str:
    answers = [one for one in state.get("answers", []) if one["part"] == number]
    held = [one for one in answers if supported(one)]
    summary = next((one for one in state.get("summaries", []) if one["part"] == number and one["held"]), None)
    if summary and held:
        return _with_evidence(summary["claim"]["text"], [summary["claim"]])
    if held:
        return "\n\n".join(_answer_text(one) for one in held)
    if any(one["finding"].get("handoffs") for one in answers):
        return ""
    return " ".join(left_out(one)[0]["answer"] for one in answers) or "Nobody answered this."


def _answer_text(one: Answered) -> str:
    finding, _ = left_out(one)
    return _with_evidence(finding["answer"], finding.get("claims", []))


def _with_evidence(text: str, claims: Sequence[Claim]) -> str:
    shown = evidence(claims)
    return f"{text}\n\n{shown}" if shown else text
