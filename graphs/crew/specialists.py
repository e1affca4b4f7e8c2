"""A specialist by declaration: a model in a loop with tools, then an answer with the evidence that a check can follow.

```
work -> conclude
```

`work` runs the agent on the question alone, with a history that nobody else sees. `conclude` asks for the answer in a
fixed form and looks up where each quote stands. Whether the answer holds is for whoever verifies it.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, NotRequired, TypedDict, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from langchain.agents.middleware import AgentMiddleware
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import BaseTool
from langgraph.config import get_stream_writer
from langgraph.errors import GraphRecursionError
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from pydantic import AfterValidator, BaseModel, Field, WithJsonSchema, create_model
from pydantic_core import PydanticCustomError

from motet.agents.build import build_agent, require_tools
from motet.agents.handoff import Handoff
from motet.agents.spec import AgentSpec
from motet.agents.structured import MODEL_ERRORS, ask
from motet.errors import BudgetExhausted, InvalidConfig, InvalidInput, ModelFailed, ToolFailed
from motet.graphs.correction import Status
from motet.graphs.crew.assigning import remembered_for
from motet.graphs.gate import DECISION, ApprovalGate
from motet.graphs.registry import Graph
from motet.graphs.state import Brief, Claim, Conversation, Finding, Query, Quote, State, latest
from motet.tools.documents.ports import Documents
from motet.tools.sql import NAME as QUERY
from motet.tools.untrusted import DATA_RULE, as_data

EVIDENCE = 24_000
"""Characters of tool results that the concluding call sees; the latest are kept."""

KEPT_ROWS = 50
"""Rows of each query that are kept with the answer."""

_CONCLUDE = f"""You worked on the question with tools. Now give the answer, in a few sentences, from what the tools
returned and nothing else: numbers and names exactly as they stand there. For each statement that a document supports,
quote it: the file's path and the very words, copied letter by letter. Where nothing answers the question, say so.
{DATA_RULE}"""

ModelFactory = Callable[[], Awaitable[BaseChatModel]]


class QuotedWords(BaseModel):
    """Words of a document."""

    file: str = Field(description="The document's path, as the tools name it.")
    text: str = Field(description="The words, copied exactly.", min_length=1)


class Reply(BaseModel):
    """What the model is asked for at the end."""

    answer: str = Field(description="The answer in a few sentences.", min_length=1)
    quotes: list[QuotedWords] = Field(default_factory=list[QuotedWords], max_length=20)


class Found(TypedDict):
    """What leaves a specialist: State without the brief, so that several side by side don't each send one back."""

    messages: Annotated[list[AnyMessage], add_messages]
    findings: NotRequired[Annotated[list[Finding], operator.add]]
    status: NotRequired[Annotated[Status, latest]]


class Worked(State):
    """What the loop leaves for the conclusion; plain values."""

    question: NotRequired[str]
    said: NotRequired[str]
    """The model's last words in the loop."""
    results: NotRequired[list[str]]
    """What the tools returned, marked as data, oldest first."""
    queries: NotRequired[list[Query]]
    handoffs: NotRequired[list[Handoff]]
    stopped: NotRequired[str]
    """Which limit ended the loop; empty if the agent ended it."""
    rejected: NotRequired[bool]
    """Whether a person said no to a call."""


def specialist(
    spec: AgentSpec,
    *,
    model: ModelFactory,
    tools: Sequence[BaseTool],
    documents: Documents | None = None,
    middleware: Sequence[AgentMiddleware[Any, Any, Any]] = (),
) -> Graph:
    """The agent that `spec` declares, as a graph like the built-in ones.

    Takes a Conversation: the question is its last human message, a brief says what else it must know. Gives one
    AIMessage named after it, one Finding with one claim, and `status`. A quote that isn't found word for word in
    `documents` has start and end 0, which no verifier lets pass.

    A spent budget ends it with what was found; a model that fails, or gives no usable answer, raises ModelFailed.

    `middleware` stands around the agent's own and before the gate: guards of what it reads and says.

    Raises:
        InvalidConfig: `spec` is of kind `graph`, or names a tool that isn't among `tools`.
    """
    if spec.kind != "agent":
        raise InvalidConfig(f"agent {spec.name}", "kind: 'graph' is a registered graph; allowed here: 'agent'")
    require_tools(spec, tools)
    made = _Specialist(
        spec=spec,
        model=model,
        tools=tuple(tools),
        documents=documents,
        reply=_reply(spec),
        middleware=tuple(middleware),
    )
    builder = StateGraph[Worked, None, Conversation, Found](Worked, input_schema=Conversation, output_schema=Found)
    builder.add_node("work", made.work)
    builder.add_node("conclude", made.conclude)
    builder.add_edge(START, "work")
    builder.add_edge("work", "conclude")
    builder.add_edge("conclude", END)
    return builder.compile(name=spec.name).with_config(metadata={"lc_agent_name": spec.name, "agent_name": spec.name})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Specialist:
    spec: AgentSpec
    model: ModelFactory
    tools: tuple[BaseTool, ...]
    documents: Documents | None
    reply: type[Reply]
    middleware: tuple[AgentMiddleware[Any, Any, Any], ...]
    built: list[tuple[BaseChatModel, Graph]] = field(default_factory=list[tuple[BaseChatModel, Graph]])

    async def work(self, state: Worked) -> Worked:
        """Run the loop. Nothing with an effect stands before it: after an approval this runs again from its start."""
        asked = [message.text for message in state["messages"] if isinstance(message, HumanMessage)]
        if not asked or not asked[-1].strip():
            raise InvalidInput("messages", asked[-1:], "a question as the last human message")
        model = await self.model()
        agent = self._agent(model)
        given = {"messages": [HumanMessage(_told(asked[-1], state.get("brief")))]}
        last: dict[str, Any] = {"messages": []}
        stopped = ""
        try:
            async for values in agent.astream(given, stream_mode="values"):
                last = cast("dict[str, Any]", values)
        except (BudgetExhausted, GraphRecursionError) as error:
            stopped = str(error).splitlines()[0]
        except MODEL_ERRORS as error:
            raise ModelFailed(self.spec.model or type(model).__name__, f"{type(error).__name__}: {error}") from error
        messages = cast("list[AnyMessage]", last["messages"])
        answered = [one for one in messages if isinstance(one, AIMessage)]
        if len(answered) > self.spec.limits.model_calls:
            stopped = answered.pop().text
        return Worked(
            messages=[],
            question=asked[-1],
            said=answered[-1].text if answered else "",
            results=[_evidence(one) for one in messages if isinstance(one, ToolMessage) and one.status == "success"],
            queries=_queries(messages),
            handoffs=last.get("handoffs", []),
            stopped=stopped,
            rejected=any(_decision(one) == "reject" for one in messages),
        )

    def _agent(self, model: BaseChatModel) -> Graph:
        """The agent for `model`, made once: that takes tens of milliseconds, and it keeps nothing of a question."""
        for known, agent in self.built:
            if known is model:
                return agent
        gate = ApprovalGate(self.spec.approvals)
        agent = build_agent(self.spec, model=model, tools=self.tools, middleware=[*self.middleware, gate])
        self.built[:] = [(model, agent)]
        return agent

    async def conclude(self, state: Worked) -> Worked:
        stopped, handoffs = state.get("stopped", ""), state.get("handoffs", [])
        if handoffs:
            told = " ".join(f"Handed over to {one['agent']}: {one['goal']}" for one in handoffs)
            return _ended(self._finding(state, "partial", told, handoffs=handoffs))
        try:
            reply = await ask(await self.model(), self._prompt(state), self.reply)
        except BudgetExhausted as error:
            found = state.get("said", "").strip() if state.get("results") else ""
            claim = Claim(text=found, quotes=[], queries=state.get("queries", [])) if found else None
            told = f"{found} I had to stop: {error}.".strip()
            return _ended(self._finding(state, "budget_exhausted", told, claim=claim))
        quotes = [await self._located(quote) for quote in reply.quotes]
        status: Status = "ok" if all(quote["end"] for quote in quotes) else "partial"
        if stopped or state.get("rejected"):
            status = "budget_exhausted" if stopped else "rejected"
        claim = Claim(text=reply.answer, quotes=quotes, queries=state.get("queries", []))
        data = cast("dict[str, Any] | None", getattr(reply, "data", None))
        return _ended(self._finding(state, status, reply.answer, claim=claim, data=data))

    def _prompt(self, state: Worked) -> list[BaseMessage]:
        results = "\n".join(state.get("results", []))
        if len(results) > EVIDENCE:
            results = as_data(results[-EVIDENCE:], source="results of tools, the end")
        said = state.get("said", "")
        asked = _told(state.get("question", ""), state.get("brief"))
        parts = [f"Question: {asked}", f"What the tools returned:\n{results or '(nothing)'}"]
        if said:
            parts.append(f"Your draft:\n{said}")
        return [SystemMessage(f"{self.spec.instructions}\n\n{_CONCLUDE}"), HumanMessage("\n\n".join(parts))]

    async def _located(self, quote: QuotedWords) -> Quote:
        """The quote with its place; at 0 to 0 where it doesn't stand letter by letter."""
        files = self.documents.files if self.documents else ()
        known = next((info for info in files if info.file == quote.file), None)
        start = -1
        if known is not None and self.documents is not None and known.characters:
            try:
                start = (await self.documents.read(known.file, start=0, length=known.characters)).find(quote.text)
            except ToolFailed:
                start = -1
        place = (start, start + len(quote.text)) if start >= 0 else (0, 0)
        return Quote(file=quote.file, start=place[0], end=place[1], text=quote.text)

    def _finding(
        self,
        state: Worked,
        status: Status,
        answer: str,
        *,
        claim: Claim | None = None,
        handoffs: Sequence[Handoff] = (),
        data: dict[str, Any] | None = None,
    ) -> Finding:
        queries = state.get("queries", [])
        shown = queries[-1] if queries else Query(sql="", columns=[], rows=[], truncated=False)
        finding = Finding(
            agent=self.spec.name,
            question=state.get("question", ""),
            status=status,
            answer=answer,
            composed="model" if claim else "nothing",
            sql=shown["sql"],
            columns=shown["columns"],
            rows=shown["rows"],
            truncated=shown["truncated"],
            attempts=[],
            claims=[claim] if claim else [],
        )
        if handoffs:
            finding["handoffs"] = list(handoffs)
        if data is not None:
            finding["data"] = data
        return finding


def _reply(spec: AgentSpec) -> type[Reply]:
    """The form of the last answer, with a field `data` that fits the declared output."""
    if spec.output is None:
        return Reply
    schema = spec.output
    validator = Draft202012Validator(schema)

    def fits(data: dict[str, Any]) -> dict[str, Any]:
        problem = best_match(validator.iter_errors(data))
        if problem is not None:
            raise PydanticCustomError("output", "{problem}", {"problem": problem.message[:300]})
        return data

    kind = Annotated[dict[str, Any], AfterValidator(fits), WithJsonSchema(schema)]
    return create_model("Reply", __base__=Reply, data=(kind, ...))


def _told(question: str, brief: Brief | None) -> str:
    parts = [question]
    if brief and brief["context"]:
        parts.insert(0, f"What was said before:\n{as_data(brief['context'], source='the conversation')}")
    if remembered := remembered_for(brief):
        parts.insert(0, remembered.rstrip())
    if brief and brief["problems"]:
        wrong = as_data("\n".join(f"- {problem}" for problem in brief["problems"]), source="the check")
        parts.append(f"An earlier answer was refused:\n{wrong}\nAnswer so that this isn't wrong again.")
    return "\n\n".join(parts)


def _evidence(answer: ToolMessage) -> str:
    return answer.text if answer.text.startswith("<data ") else as_data(answer.text, source=answer.name or "tool")


def _queries(messages: Sequence[BaseMessage]) -> list[Query]:
    """The queries that ran, from the calls and what `query_workspace` gave for each (kept as the answer's artifact)."""
    asked = {
        call["id"]: str(call["args"].get("sql", ""))
        for one in messages
        if isinstance(one, AIMessage)
        for call in one.tool_calls
        if call["name"] == QUERY
    }
    found: list[Query] = []
    for one in messages:
        rows = _rows(one) if isinstance(one, ToolMessage) and one.tool_call_id in asked else None
        if rows is not None:
            kept, all_rows = rows["rows"][:KEPT_ROWS], rows["rows"]
            sql = asked[cast("ToolMessage", one).tool_call_id]
            truncated = bool(rows["truncated"]) or len(all_rows) > KEPT_ROWS
            found.append(Query(sql=sql, columns=list(rows["columns"]), rows=kept, truncated=truncated))
    return found


def _rows(answer: ToolMessage) -> Mapping[str, Any] | None:
    given = answer.artifact
    if answer.status != "success":
        return None
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            return None
    known = cast("Mapping[str, Any]", given) if isinstance(given, Mapping) else {}
    return known if {"columns", "rows", "truncated"} <= known.keys() else None


def _decision(message: BaseMessage) -> str:
    artifact = message.artifact if isinstance(message, ToolMessage) else None
    return str(cast("Mapping[str, Any]", artifact).get(DECISION, "")) if isinstance(artifact, Mapping) else ""


def _ended(finding: Finding) -> Worked:
    told = [f"> {quote['text']}\n> — {quote['file']}" for one in finding.get("claims", []) for quote in one["quotes"]]
    quotes = [quote for one in finding.get("claims", []) for quote in one["quotes"]]
    facts = {"status": finding["status"], "answer": finding["answer"], "quotes": quotes}
    get_stream_writer()({"type": "step", "agent": finding["agent"], "step": "ended", **facts})
    message = AIMessage("\n\n".join([finding["answer"], *told]), name=finding["agent"])
    return Worked(messages=[message], findings=[finding], status=finding["status"])
