"""The librarian: a question is answered from the workspace's documents, with quotes that stand there, or not at all.

```
search -> read -> answer -> check -> END
   |                ^         |
   |                +---------+   at most twice, never the same twice
   +-> give_up <--------------+
```

The model is asked once for a simple question: which words answer it, and for a sentence they hold. The state machine
finds the words in the file, and holds the sentence against them as any claim is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NotRequired

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
from motet.graphs.crew.passages import coverage, names_of, narrowed, nearest, quoted, ranked, shown, spoken_of, widened
from motet.graphs.state import Brief, Claim, Conversation, Finding, Quote, State
from motet.graphs.verification import verify
from motet.graphs.words import content_words
from motet.tools.documents.passages import Passage, passages_tool
from motet.tools.documents.ports import Documents
from motet.tools.untrusted import DATA_RULE

NAME = "librarian"
"""The specialist's name: of its messages, findings and steps."""

REPAIRS = 2
"""Times an answer is sent back."""

ANSWERS = 0.3
"""Share of a question's words that a passage must hold for its quote alone to be given as the answer."""

_SEARCHED = 8
_NAMED_FILES = 4

_RULES = f"""You answer a question from passages of documents. {DATA_RULE}
Reply with JSON:
- quotes: the sentence of a passage that answers the question, copied letter by letter, with the passage's number.
  Usually one.
- answer: one short sentence that answers the question in the words of the quote, with its names and numbers.
- found: true if the quote answers the question, false if the passages speak of something else."""


class Cited(BaseModel):
    """Words that the model says stand in a passage."""

    passage: int = Field(description="The passage's number.")
    text: str = Field(description="One sentence of that passage, letter by letter.")


class Reply(BaseModel):
    """What the model is asked for: the evidence before the sentence, so that the sentence follows from it."""

    quotes: list[Cited] = Field(description="What says it; empty if nothing does.")
    answer: str = Field(description="One short sentence; empty if nothing was found.")
    found: bool = Field(description="Whether the quotes answer the question.")


class Reading(State):
    """The librarian's own state; plain values, reset by search with every question."""

    question: NotRequired[str]
    searched: NotRequired[list[str]]
    """Files in which something near the question stands."""
    passages: NotRequired[list[Passage]]
    """What the model sees, in its order."""
    replied: NotRequired[dict[str, Any]]
    """The last Reply."""
    quotes: NotRequired[list[Quote]]
    """Quotes that stand and answer, of whichever reply; they are given where no sentence holds."""
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
            messages=[], question=question, searched=[], passages=[], quotes=[], attempts=[], stopped="", spent=False
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
        passages = await widened(state.get("passages", []), self.documents)
        for one in passages:
            _step("read", file=one["file"], start=one["start"], end=one["end"])
        return Reading(messages=[], passages=passages)

    async def answer(self, state: Reading) -> Command[Literal["check", "give_up"]]:
        try:
            reply = await ask(await self.model_factory(), _prompt(state), Reply)
        except BudgetExhausted as error:
            return Command(goto="give_up", update={"spent": True, "stopped": str(error)})
        except ModelFailed as error:
            if not state.get("quotes"):
                raise
            return Command(goto="give_up", update={"stopped": str(error)})
        return Command(goto="check", update={"replied": reply.model_dump()})

    async def check(self, state: Reading) -> Command[Literal["answer", "give_up", "__end__"]]:
        reply = Reply.model_validate(state.get("replied"))
        passages, question = state.get("passages", []), state.get("question", "")
        quotes, problems = _located(reply, question, passages)
        speaks = _speak(question, quotes, passages)
        if not reply.found and not speaks:
            return Command(goto="give_up")
        besides = _besides(question, quotes, passages)
        said = reply.answer.strip() if reply.quotes else _said(quotes)
        asked = f"{question} {_brief(state)['context']}"
        claim = Claim(text=said, quotes=quotes, queries=[])
        problems = problems or besides or await self._wrong(claim, asked)
        if problems and not besides and (fuller := await self._completed(claim, asked, passages)):
            claim, quotes, problems = fuller, fuller["quotes"], []
        if not problems:
            composed = "model" if reply.quotes else "quotes"
            return Command(goto="__end__", update=_ended(_finding(state, "ok", composed, claim), _cited(quotes)))
        problem = "; ".join(problems)
        attempts = [*state.get("attempts", []), Attempt(action=_action(reply), problem=problem)]
        _step("answer", problem=problem)
        update: dict[str, Any] = {"attempts": attempts}
        if speaks and not besides:
            update["quotes"] = quotes
        stop = stop_reason(attempts, repairs=REPAIRS)
        return Command(goto="give_up" if stop else "answer", update={**update, "stopped": stop or ""})

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

    async def _completed(self, claim: Claim, asked: str, passages: Sequence[Passage]) -> Claim | None:
        """The claim with the sentence it was taken from, where the model left that out; None if that doesn't help."""
        left_out = quoted(nearest(claim["text"], passages), passages)
        if not left_out or not claim["quotes"]:
            return None
        fuller = Claim(text=claim["text"], quotes=[left_out, *claim["quotes"]], queries=[])
        return None if await self._wrong(fuller, asked) else fuller

    async def _wrong(self, claim: Claim, question: str) -> list[str]:
        found = await verify([claim], question=question, documents=self.documents, workspace=None)
        return [one.text for one in found]


def _brief(state: Conversation) -> Brief:
    return state.get("brief") or Brief(context="", problems=[])


def _prompt(state: Reading) -> list[BaseMessage]:
    passages = "\n\n".join(shown(number, one) for number, one in enumerate(state.get("passages", []), start=1))
    brief = _brief(state)
    before = f"Said before: {brief['context']}\n" if brief["context"] else ""
    checked = "".join(f"\nAn earlier answer was wrong: {problem}" for problem in brief["problems"])
    asked = f"{passages}\n\n{before}Question: {state.get('question', '')}{checked}"
    if attempts := state.get("attempts", []):
        last = attempts[-1]
        asked += f"\n\nThis reply is wrong: {last['action']}\n{last['problem']}\nCorrected reply:"
    return [SystemMessage(_RULES), HumanMessage(asked)]


def _located(reply: Reply, question: str, passages: Sequence[Passage]) -> tuple[list[Quote], list[str]]:
    """The quotes as the files have them, and what is wrong with those that stand nowhere.

    A small model may copy the words that answer into `answer` and quote nothing: then those are the quote.
    """
    quotes: list[Quote] = []
    problems: list[str] = []
    for cited in reply.quotes or [Cited(passage=1, text=reply.answer)]:
        named = passages[cited.passage - 1 : cited.passage] if cited.passage > 0 else []
        found = quoted(cited.text, [*named, *passages])
        if found is None:
            near = nearest(cited.text, passages)
            stands = f"; there stands: “{near}”" if near else ""
            problems.append(f"“{cited.text}” stands in no passage{stands}; copy a sentence letter by letter")
        elif (short := narrowed(found, question)) not in quotes:
            quotes.append(short)
    return quotes, problems


def _besides(question: str, quotes: Sequence[Quote], passages: Sequence[Passage]) -> list[str]:
    """What the question names and no quoted passage speaks of, though another one does."""
    names = names_of(question)
    there = {name for one in _quoted_passages(quotes, passages) for name in spoken_of(names, one)}
    missing = [name for one in passages for name in spoken_of(names, one) if name not in there]
    return [f"the quoted passage doesn't speak of {name}" for name in dict.fromkeys(missing)]


def _speak(question: str, quotes: Sequence[Quote], passages: Sequence[Passage]) -> bool:
    """Whether a quote that stands speaks of the question: it, or the headings above it, hold enough of its words.

    The small model's own `found` is no better than a coin where it quotes, so there this decides.
    """
    words = frozenset(content_words(question))
    return any(
        coverage(words, quote["text"], quote["file"], *one["headings"]) >= ANSWERS
        for quote in quotes
        for one in _quoted_passages([quote], passages)
    )


def _quoted_passages(quotes: Sequence[Quote], passages: Sequence[Passage]) -> list[Passage]:
    return [
        one
        for one in passages
        if any(quote["file"] == one["file"] and one["start"] <= quote["start"] < one["end"] for quote in quotes)
    ]


def _action(reply: Reply) -> str:
    return reply.model_dump_json(exclude={"found"})


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
