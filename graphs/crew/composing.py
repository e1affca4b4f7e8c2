"""Puts what specialists found into one answer: their words where one found it, a checked sentence where several did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from langchain_core.messages import HumanMessage, SystemMessage
from pydantic import BaseModel, Field

from motet.agents.structured import ask
from motet.graphs.correction import Attempt
from motet.graphs.crew.routing import ModelFactory
from motet.graphs.crew.turn import Answered
from motet.graphs.crew.wording import table
from motet.graphs.state import Claim, Query, Quote
from motet.tools.sql import Rows
from motet.tools.untrusted import DATA_RULE, as_data

_QUOTE_SHOWN = 300

_JOIN = f"""Several specialists answered the question. Write one or two short sentences that answer it from what they
found. Use only their words, names and numbers, exactly as they stand. Add nothing.
{DATA_RULE}"""


class Joined(BaseModel):
    """What the model is asked for: the sentence alone."""

    answer: str = Field(description="One or two short sentences.")


async def joined(model: ModelFactory, question: str, answers: Sequence[Answered], tried: Sequence[Attempt]) -> Claim:
    """One claim that answers `question` from the claims of several answers, resting on all their evidence.

    Raises:
        ModelFailed, BudgetExhausted: there is no such sentence; the answers stand for themselves.
    """
    claims = [(one["agent"], claim) for one in answers for claim in supported(one)]
    found = "\n".join(as_data(claim["text"], source=agent) for agent, claim in claims)
    asked = f"Question: {question}\nFound:\n{found}"
    if tried:
        last = tried[-1]
        wrong = as_data(f"{last['action']}\n{last['problem']}", source="the check")
        asked = f"{asked}\n\nThis answer is wrong:\n{wrong}\nCorrected answer:"
    reply = await ask(await model(), [SystemMessage(_JOIN), HumanMessage(asked)], Joined, repairs=1)
    return Claim(
        text=reply.answer.strip(),
        quotes=[quote for _, claim in claims for quote in claim["quotes"]],
        queries=[query for _, claim in claims for query in claim["queries"]],
    )


def supported(one: Answered) -> list[Claim]:
    """The claims of an answer that no check refused."""
    refused = {problem["claim"] for problem in one["problems"]}
    claims = one["finding"].get("claims", [])
    return [claim for number, claim in enumerate(claims) if number not in refused]


def evidence(claims: Sequence[Claim]) -> str:
    """What claims rest on, as Markdown, each piece once: quotes with their place, queries with their rows."""
    pieces = [piece for claim in claims for piece in (*map(_quoted, claim["quotes"]), *_queried(claim["queries"]))]
    return "\n\n".join(dict.fromkeys(pieces))


def _quoted(quote: Quote) -> str:
    words = " ".join(quote["text"].split())
    shown = f"{words[:_QUOTE_SHOWN]}…" if len(words) > _QUOTE_SHOWN else words
    return f"> {shown}\n> — {quote['file']}:{quote['start']}–{quote['end']}"  # noqa: RUF001 - a range is written so


def _queried(queries: Sequence[Query]) -> Iterator[str]:
    for query in queries:
        rows = Rows(columns=query["columns"], rows=query["rows"], truncated=query["truncated"], elapsed_s=0.0)
        shown = f"\n\n{table(rows)}" if query["rows"] else ""
        yield f"```sql\n{query['sql']}\n```{shown}"
