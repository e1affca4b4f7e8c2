"""The librarian: a question is answered from the workspace's documents, with quotes that stand there, or not at all.

```
search -> read -> answer -> check -> END
   |                ^         |
   |                +---------+   at most twice, never the same twice
   +-> give_up <--------------+
```

The model reads sentences and writes an answer; what it rests on is looked up, not asked for: the sentences that
hold the answer's words. So a quote stands where it is said to stand by construction, and an answer that no sentence
holds, or only one that speaks of something else, is none. (A small model answers right more often than it can say
where it read it: it copies with a word changed, and gives the first numbers for any list.)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NotRequired

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.tools import BaseTool
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command
from pydantic import BaseModel, Field

from motet.agents.structured import ask
from motet.errors import BudgetExhausted, InvalidInput, ModelFailed, ToolFailed
from motet.graphs.correction import Attempt, Status, stop_reason
from motet.graphs.crew.assigning import remembered_for
from motet.graphs.crew.passages import names_of, ranked, spoken_of, widened
from motet.graphs.crew.sentences import ASKS_NUMBER, Sentence, fitting, holding, listed, quote_of
from motet.graphs.numbers import numbers, worded
from motet.graphs.state import Brief, Claim, Conversation, Finding, Quote, State
from motet.graphs.verification import verify
from motet.tools.documents.passages import Passage, passages_tool
from motet.tools.documents.ports import Documents
from motet.tools.untrusted import DATA_RULE, as_data

NAME = "librarian"
"""The specialist's name: of its messages, findings and steps."""

REPAIRS = 2
"""Times a sentence is sent back."""

SURE = 0.85
"""Fit from which on a sentence is taken to say the answer: it is given by itself where no answer holds."""

CLOSE = 0.1
"""A sure sentence that fits by so much less than the best is given with it."""

PASSED_BY = 0.25
"""An answer whose sentences fit the question by so much less than a sure one goes back."""

LONGEST_ANSWER = 50
"""Words; a longer one is a copy of the page."""

RELEVANT = 0.5
"""Fit from which on a sentence speaks of the question: a cosine of 0.4 with a third of its words, or 0.5 with none."""

_SEARCHED = 8
_NAMED_FILES = 4

_RULES = f"""You answer a question from sentences of documents. {DATA_RULE}
Answer in one short sentence, in the words of the documents, with their names and numbers exactly as they stand.
If no sentence says the answer, the answer is an empty string."""


class Reply(BaseModel):
    """What the model is asked for: the sentence alone."""

    answer: str = Field(description="One short sentence; empty if the documents don't say it.")


class Reading(State):
    """The librarian's own state; plain values, reset by search with every question."""

    question: NotRequired[str]
    searched: NotRequired[list[str]]
    """Files in which something near the question stands."""
    passages: NotRequired[list[Passage]]
    """What may answer, best first."""
    sentences: NotRequired[list[Sentence]]
    """What the model reads, in its order."""
    answer: NotRequired[str]
    """What it wrote last."""
    quotes: NotRequired[list[Quote]]
    """The sentence that surely answers, or those that hold a refused answer; given where no answer holds."""
    attempts: NotRequired[list[Attempt]]
    stopped: NotRequired[str]
    """Why there is no answer, as a phrase; empty if the documents don't say."""
    spent: NotRequired[bool]
    """Whether the run's budget is what stopped it."""


Builder = StateGraph[Reading, None, Conversation, State]
ModelFactory = Callable[[], Awaitable[BaseChatModel]]
"""Gives the model when it is first needed, so that one that must be fetched isn't fetched before."""


def build_librarian(model_factory: ModelFactory, documents: Documents) -> Builder:
    """The librarian over `documents`, to be compiled by the caller, as a graph of its own or as a node of another.

    Reads the last human message of `messages`; writes one AIMessage named `librarian`, one Finding and `status`.
    Raises InvalidInput if there is no question.
    A budget that runs out ends it with what was found; a model that fails before a quote stands raises ModelFailed.
    """
    librarian = _Librarian(model_factory=model_factory, documents=documents, tool=passages_tool(documents))
    graph = Builder(Reading, input_schema=Conversation, output_schema=State)
    graph.add_node("search", librarian.search)
    graph.add_node("read", librarian.read)
    graph.add_node("answer", librarian.answer)
    graph.add_node("check", librarian.check)
    graph.add_node("give_up", librarian.give_up)
    graph.add_edge(START, "search")
    graph.add_edge("read", "answer")
    graph.add_edge("give_up", END)
    return graph


@dataclass(frozen=True, slots=True, kw_only=True)
class _Librarian:
    model_factory: ModelFactory
    documents: Documents
    tool: BaseTool

    async def search(self, state: Reading) -> Command[Literal["read", "give_up"]]:
        asked = [message.text for message in state["messages"] if isinstance(message, HumanMessage)]
        if not asked or not asked[-1].strip():
            raise InvalidInput("messages", asked[-1:], "a question as the last human message")
        question = asked[-1]
        sought = " ".join([question, *filter(None, [_brief(state)["context"]])])
        update = Reading(
            messages=[],
            question=question,
            searched=[],
            passages=[],
            sentences=[],
            answer="",
            quotes=[],
            attempts=[],
            stopped="",
            spent=False,
        )
        try:
            found: list[Passage] = await self.tool.ainvoke({"question": sought, "limit": _SEARCHED})
        except BudgetExhausted as error:
            return Command(goto="give_up", update={**update, "spent": True, "stopped": str(error)})
        except ToolFailed as error:
            return Command(goto="give_up", update={**update, "stopped": str(error)})
        passages = ranked(sought, found)
        files = list(dict.fromkeys(one["file"] for one in passages or found))
        _step("search", question=question, files=files, passages=len(passages))
        return Command(
            goto="read" if passages else "give_up", update={**update, "searched": files, "passages": passages}
        )

    async def read(self, state: Reading) -> Reading:
        question = f"{_brief(state)['context']} {state.get('question', '')}".strip()
        passages = await widened(state.get("passages", []), self.documents)
        for one in passages:
            _step("read", file=one["file"], start=one["start"], end=one["end"])
        return Reading(messages=[], passages=passages, sentences=await fitting(question, passages, self.documents))

    async def answer(self, state: Reading) -> Command[Literal["check", "give_up"]]:
        if not state.get("sentences"):
            return Command(goto="give_up")
        try:
            reply = await ask(await self.model_factory(), _prompt(state), Reply)
        except BudgetExhausted as error:
            return Command(goto="give_up", update={"spent": True, "stopped": str(error)})
        except ModelFailed as error:
            if not state.get("quotes"):
                raise
            return Command(goto="give_up", update={"stopped": str(error)})
        return Command(goto="check", update={"answer": reply.answer.strip()})

    async def check(self, state: Reading) -> Command[Literal["answer", "give_up", "__end__"]]:
        question, answer, offered = state.get("question", ""), state.get("answer", ""), state.get("sentences", [])
        held, best = holding(answer, offered), next(iter(_sure(state)), None)
        if not best and (not held or _strange(question, held, state.get("passages", []))):
            return Command(goto="give_up")
        claim = Claim(text=answer, quotes=[quote_of(one) for one in held], queries=[])
        problems = _beside_the_point(answer, held, best) or await self._wrong(
            claim, f"{question} {_brief(state)['context']}"
        )
        if not problems:
            return Command(
                goto="__end__", update=_ended(_finding(state, "ok", "model", claim), _cited(claim["quotes"]))
            )
        problem = "; ".join(problems)
        attempts = [*state.get("attempts", []), Attempt(action=answer, problem=problem)]
        _step("answer", problem=problem)
        stop = stop_reason(attempts, repairs=REPAIRS)
        update = {
            "attempts": attempts,
            "quotes": [quote_of(one) for one in _sure(state)] or claim["quotes"],
            "stopped": stop or "",
        }
        return Command(goto="give_up" if stop else "answer", update=update)

    async def give_up(self, state: Reading) -> Reading:
        """End with the quotes that answer, where the model's sentence didn't hold; else say that there is no answer."""
        quotes, stopped, spent = state.get("quotes", []), state.get("stopped", ""), state.get("spent", False)
        claim = Claim(text=_said(quotes), quotes=quotes, queries=[])
        if quotes and not await self._wrong(claim, state.get("question", "")):
            return _ended(_finding(state, "budget_exhausted" if spent else "ok", "quotes", claim), _cited(quotes))
        looked = state.get("searched", [])[:_NAMED_FILES] or [info.file for info in self.documents.files][:_NAMED_FILES]
        where = f" I looked in {', '.join(looked)}." if looked else " There are no documents."
        if stopped:
            last = state.get("attempts", [])[-1:]
            why = f" {last[0]['problem'].rstrip('.')}." if last else ""
            sentence = f"I can't answer this from the documents: {stopped.rstrip('.')}.{why}{where}"
        else:
            sentence = f"The documents don't say: “{state.get('question', '').strip()}”.{where}"
        finding = _finding(state, "budget_exhausted" if spent else "failed", "nothing", None)
        return _ended({**finding, "answer": sentence}, "")

    async def _wrong(self, claim: Claim, question: str) -> list[str]:
        found = await verify([claim], question=question, documents=self.documents, workspace=None)
        return [one.text for one in found]


def _brief(state: Conversation) -> Brief:
    return state.get("brief") or Brief(context="", problems=[])


def _prompt(state: Reading) -> list[BaseMessage]:
    brief = _brief(state)
    before = f"Said before:\n{as_data(brief['context'], source='conversation')}\n" if brief["context"] else ""
    before = f"{remembered_for(brief)}{before}"
    checked = "".join(f"\nAn earlier answer was wrong:\n{as_data(one, source='check')}" for one in brief["problems"])
    asked = f"{listed(state.get('sentences', []))}\n\n{before}Question: {state.get('question', '')}{checked}"
    if attempts := state.get("attempts", []):
        last = attempts[-1]
        asked += f"\n\nThis reply is wrong: {last['action']}\n{last['problem']}\nCorrected reply:"
    return [SystemMessage(_RULES), HumanMessage(asked)]


def _beside_the_point(answer: str, held: Sequence[Sentence], best: Sentence | None) -> list[str]:
    """What makes an answer none, whatever holds it."""
    if len(answer.split()) > LONGEST_ANSWER:
        return [f"it has {len(answer.split())} words; say it in one short sentence"]
    if best and best["fit"] - max((one["fit"] for one in held), default=0.0) >= PASSED_BY:
        return [f"it passes by the sentence that fits the question best: “{' '.join(best['text'].split())}”"]
    return []


def _sure(state: Reading) -> list[Sentence]:
    """The sentence that surely speaks of the question, and the next one where that is close; nothing if none does."""
    question, passages = state.get("question", ""), state.get("passages", [])
    sure = [one for one in state.get("sentences", []) if one["fit"] >= SURE and not _strange(question, [one], passages)]
    best = sorted(sure, key=lambda one: -one["fit"])[:2]
    return [one for one in best if one["fit"] >= best[0]["fit"] - CLOSE]


def _strange(question: str, held: Sequence[Sentence], passages: Sequence[Passage]) -> bool:
    """Whether the sentences speak of something else: none is near the question, none has a number though one is asked
    for, its passage lacks a number of the question, or a name of it that another passage has.
    """
    if max(one["fit"] for one in held) < RELEVANT:
        return True
    if ASKS_NUMBER.search(question) and not any(_has_number(one["text"]) for one in held):
        return True
    names = names_of(question)
    around = [
        one
        for one in passages
        if any(pick["file"] == one["file"] and one["start"] <= pick["start"] < one["end"] for pick in held)
    ]
    there = {name for one in around for name in spoken_of(names, one)}
    elsewhere = {name for one in passages for name in spoken_of(names, one)}
    return any(name not in there and (name[0].isdigit() or name in elsewhere) for name in names)


def _has_number(text: str) -> bool:
    return any(True for _ in numbers(text)) or any(True for _ in worded(text))


def _said(quotes: Sequence[Quote]) -> str:
    return " ".join(f"{quote['file']} says: “{' '.join(quote['text'].split())}”" for quote in quotes)


def _cited(quotes: Sequence[Quote]) -> str:
    return "\n".join(
        f"> {' '.join(quote['text'].split())}\n>\n> {quote['file']}, characters {quote['start']} to {quote['end']}\n"
        for quote in quotes
    ).rstrip()


def _finding(
    state: Reading, status: Status, composed: Literal["model", "quotes", "nothing"], claim: Claim | None
) -> Finding:
    return Finding(
        agent=NAME,
        question=state.get("question", ""),
        status=status,
        answer=claim["text"] if claim else "",
        composed=composed,
        sql="",
        columns=[],
        rows=[],
        truncated=False,
        attempts=state.get("attempts", []),
        claims=[claim] if claim else [],
    )


def _ended(finding: Finding, cited: str) -> Reading:
    quotes = [quote for claim in finding.get("claims", []) for quote in claim["quotes"]]
    told = [{"file": quote["file"], "start": quote["start"], "text": quote["text"]} for quote in quotes]
    _step("ended", status=finding["status"], answer=finding["answer"], quotes=told)
    text = "\n\n".join(part for part in (finding["answer"], cited) if part)
    return Reading(messages=[AIMessage(text, name=NAME)], findings=[finding], status=finding["status"])


def _step(step: str, **facts: object) -> None:
    """Tell whoever watches (stream mode `custom`) what is being done."""
    get_stream_writer()({"type": "step", "agent": NAME, "step": step, **facts})
