"""The SQL analyst: a question becomes a query that is checked before and after it runs, and an answer its rows hold.

```
link_schema -> draft -> static_check -> explain -> execute -> check_result -> answer
                 ^          |              |          |            |
                 +----------+--------------+----------+------------+   at most three times, never the same twice
                                                      give_up
```

The model is asked twice for a simple question: for the query and for the sentence. The state machine, not the model,
decides what happens next.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, NotRequired

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.tools import BaseTool
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command
from pydantic import BaseModel, Field

from motet.agents.structured import MODEL_ERRORS, ask
from motet.errors import BudgetExhausted, InvalidInput, ToolFailed
from motet.graphs.correction import Attempt, Status, stop_reason
from motet.graphs.crew.assigning import remembered_for
from motet.graphs.crew.doubts import doubts, result_problem
from motet.graphs.crew.linking import Link, described, link
from motet.graphs.crew.wording import cell, plainly, table, unsupported
from motet.graphs.state import Claim, Conversation, Finding, Query, State
from motet.tools.sql import Rows, query_tool
from motet.tools.sql_check import check, corrected
from motet.tools.untrusted import as_data
from motet.tools.workspace import Workspace

NAME = "sql_analyst"
"""The specialist's name: of its messages, findings and steps."""

ANSWER_TOKENS = 160
"""Most tokens the model may spend on the sentence; it needs about 40."""

_KEPT_ROWS = 50
_PROMPT_ROWS = 8
_TOLD_ROWS = 10

_DRAFT = """You write one DuckDB SELECT statement that answers the question.
Rules:
- Use only the tables and columns given. Compare text with the exact values given, in single quotes.
- Dates: WHERE year(d) = 2014, month(d) = 3. Never LIKE, never d = '2014-01-01' for a whole year.
- "How many" is count(*). "Average" is avg(x). "Total" is sum(x).
- "What is the lowest x" is SELECT min(x), the highest max(x).
- "Which y has the highest x", "In which y was x highest": SELECT y, x ... ORDER BY x DESC LIMIT 1.
- "Which y has the most rows": SELECT y, count(*) ... GROUP BY y ORDER BY count(*) DESC LIMIT 1.
- Don't add conditions that the question doesn't ask for."""

_ANSWER = """Answer the question in one short sentence. Use only the result of the query, with its numbers exactly as
they stand. Add no unit. Say nothing else."""


class Draft(BaseModel):
    """What the model is asked for: the query alone."""

    sql: str = Field(description="One SELECT statement in DuckDB's dialect.")


class Linked(State):
    """The analyst's own state; plain values, reset by link_schema with every question."""

    question: NotRequired[str]
    schema: NotRequired[str]
    """The slice of the schema that the model sees."""
    links: NotRequired[list[tuple[str, list[tuple[str, str]]]]]
    """What each word of the question most likely means, as linking.Link."""
    sql: NotRequired[str]
    attempts: NotRequired[list[Attempt]]
    doubted: NotRequired[str]
    """A query that was sent back for a doubt and would run; empty if none."""
    doubt: NotRequired[str]
    """Why the present query is doubted; empty if it isn't."""
    result: NotRequired[Rows | None]
    """The rows of the last query that ran and returned some."""
    result_sql: NotRequired[str]
    stopped: NotRequired[str]
    """Why no more attempts are made, as a phrase."""
    spent: NotRequired[bool]
    """Whether the run's budget is what stopped it."""


Builder = StateGraph[Linked, None, Conversation, State]
ModelFactory = Callable[[], Awaitable[BaseChatModel]]
"""Gives the model when it is first needed, so that one that must be fetched isn't fetched before."""

Next = Literal["draft", "explain", "answer", "give_up"]


def build_sql_analyst(model_factory: ModelFactory, workspace: Workspace) -> Builder:
    """The analyst over `workspace`, to be compiled by the caller, as a graph of its own or as a node of another.

    Reads the last human message of `messages`; writes one AIMessage named `sql_analyst`, one Finding and `status`.
    Raises InvalidInput if there is no question.
    A budget that runs out ends it with what was found; a model that fails before there are rows raises ModelFailed.
    """
    analyst = _Analyst(model_factory=model_factory, workspace=workspace, tool=query_tool(workspace))
    graph = Builder(Linked, input_schema=Conversation, output_schema=State)
    graph.add_node("link_schema", analyst.link_schema)
    graph.add_node("draft", analyst.draft)
    graph.add_node("static_check", analyst.static_check)
    graph.add_node("explain", analyst.explain)
    graph.add_node("execute", analyst.execute)
    graph.add_node("check_result", analyst.check_result)
    graph.add_node("answer", analyst.answer)
    graph.add_node("give_up", analyst.give_up)
    graph.add_edge(START, "link_schema")
    graph.add_edge("link_schema", "draft")
    graph.add_edge("answer", END)
    graph.add_edge("give_up", END)
    return graph


@dataclass(frozen=True, slots=True, kw_only=True)
class _Analyst:
    model_factory: ModelFactory
    workspace: Workspace
    tool: BaseTool

    async def link_schema(self, state: Linked) -> Linked:
        asked = [message.text for message in state["messages"] if isinstance(message, HumanMessage)]
        if not asked or not asked[-1].strip():
            raise InvalidInput("messages", asked[-1:], "a question as the last human message")
        question = asked[-1]
        found = link(question, self.workspace)
        _step("link_schema", tables=[item.name for item in found.tables])
        return Linked(
            messages=[],
            question=question,
            schema=described(found),
            links=[(item.word, list(item.columns)) for item in found.links],
            sql="",
            attempts=[],
            doubted="",
            doubt="",
            result=None,
            result_sql="",
            stopped="",
            spent=False,
        )

    async def draft(self, state: Linked) -> Command[Literal["static_check", "give_up"]]:
        attempts = state.get("attempts", [])
        try:
            drafted = await ask(await self.model_factory(), _draft_prompt(state), Draft)
        except BudgetExhausted as error:
            return Command(goto="give_up", update={"spent": True, "stopped": str(error)})
        sql = drafted.sql.strip().rstrip(";").strip()
        _step("draft", attempt=len(attempts) + 1, sql=sql)
        return Command(goto="static_check", update={"sql": sql, "doubt": ""})

    async def static_check(self, state: Linked) -> Command[Next]:
        sql, question = state.get("sql", ""), state.get("question", "")
        problems = self._problems(sql, question)
        fixed = (
            corrected(sql, self.workspace.tables, question=question, values=self.workspace.values) if problems else None
        )
        if problems and (fixed is None or self._problems(fixed, question)):
            return self._failed(state, "static_check", " ".join(problems))
        update: dict[str, Any] = {}
        if problems and fixed:
            _step("static_check", problem=" ".join(problems), sql=fixed)
            update = {"sql": fixed, "attempts": [*state.get("attempts", []), Attempt(action=sql, problem=problems[0])]}
            sql = fixed
        links = [Link(word=word, columns=tuple((t, c) for t, c in columns)) for word, columns in state.get("links", [])]
        doubt = " ".join(doubts(question, sql, links, self.workspace.tables))
        if doubt and not state.get("doubted"):
            return self._failed(state, "static_check", doubt, sql=sql, doubted=True)
        return Command(goto="explain", update={**update, "doubt": doubt})

    def _problems(self, sql: str, question: str) -> list[str]:
        return check(sql, self.workspace.tables, question=question, values=self.workspace.values)

    async def explain(self, state: Linked) -> Command[Literal["execute", "draft", "explain", "answer", "give_up"]]:
        try:
            await self.workspace.explain(state.get("sql", ""))
        except ToolFailed as error:
            return self._failed(state, "explain", str(error))
        return Command(goto="execute")

    async def execute(self, state: Linked) -> Command[Literal["check_result", "draft", "explain", "answer", "give_up"]]:
        sql = state.get("sql", "")
        _step("execute", sql=sql)
        try:
            rows: Rows = await self.tool.ainvoke({"sql": sql})
        except BudgetExhausted as error:
            return Command(goto="give_up", update={"spent": True, "stopped": str(error)})
        except ToolFailed as error:
            return self._failed(state, "execute", str(error))
        return Command(goto="check_result", update={"result": rows, "result_sql": sql})

    async def check_result(self, state: Linked) -> Command[Next]:
        rows, sql = state.get("result"), state.get("result_sql", "")
        assert rows is not None, "execute leads here with rows"
        found = rows["rows"]
        told = {"rows": len(found), "truncated": rows["truncated"]}
        _step("check_result", **told, columns=rows["columns"], first=found[:_TOLD_ROWS])
        problem = result_problem(rows, sql, self.workspace.tables)
        if problem:
            return self._failed(state, "check_result", problem)
        return Command(goto="answer", update={"status": "partial" if state.get("doubt") else "ok"})

    def _failed(self, state: Linked, step: str, problem: str, *, sql: str = "", doubted: bool = False) -> Command[Any]:
        """Send the query back; or stop with doubted rows, with a query that was only doubted, or with nothing."""
        tried = sql or state.get("sql", "")
        attempts = [*state.get("attempts", []), Attempt(action=tried, problem=problem)]
        _step(step, attempt=len(attempts), problem=problem)
        update: dict[str, Any] = {"attempts": attempts}
        if doubted:
            update["doubted"] = tried
        stop = stop_reason(attempts)
        if stop is None:
            return Command(goto="draft", update=update)
        update["stopped"] = stop
        fallback = state.get("doubted", "")
        if fallback and fallback != state.get("sql") and not state.get("stopped"):
            first = next(attempt["problem"] for attempt in attempts if attempt["action"] == fallback)
            return Command(goto="explain", update={**update, "sql": fallback, "doubt": first})
        return Command(goto="give_up", update=update)

    async def answer(self, state: Linked) -> Linked:
        rows, question, status = state.get("result"), state.get("question", ""), state.get("status", "ok")
        assert rows is not None, "check_result leads here with rows"
        reply: AIMessage | None = None
        try:
            model = await self.model_factory()
            reply = await model.bind(max_tokens=ANSWER_TOKENS).ainvoke(_answer_prompt(question, rows))
        except BudgetExhausted:
            status = "budget_exhausted"
        except MODEL_ERRORS as error:
            _step("answer", problem=f"the model failed: {type(error).__name__}")
        sentence = reply.text.strip() if reply else ""
        wrong = unsupported(sentence, rows, question)
        if wrong:
            _step("answer", problem=wrong)
            reply, sentence = None, plainly(rows)
        finding = self._finding(state, status, sentence, "rows" if reply is None else "model")
        return _ended(finding, message_id=reply.id if reply else None, doubt=state.get("doubt", ""))

    async def give_up(self, state: Linked) -> Linked:
        rows, stopped, spent = state.get("result"), state.get("stopped", ""), state.get("spent", False)
        attempts = state.get("attempts", [])
        last = f" The last problem: {_first_sentence(attempts[-1]['problem'])}" if attempts else ""
        if rows and rows["rows"]:
            ended: Status = "budget_exhausted" if spent else "partial"
            sentence = f"{plainly(rows)} But this is doubtful: {stopped}.{last}"
            finding = self._finding(state, ended, sentence, "rows", claimed=plainly(rows))
            return _ended(finding, message_id=None, doubt="")
        ended = "budget_exhausted" if spent else "failed"
        sentence = f"I can't answer this: {stopped}.{last}"
        return _ended(self._finding(state, ended, sentence, "nothing"), message_id=None, doubt="")

    def _finding(
        self,
        state: Linked,
        status: Status,
        sentence: str,
        composed: Literal["model", "rows", "nothing"],
        *,
        claimed: str = "",
    ) -> Finding:
        """The finding; `claimed` is the part of `sentence` that the rows hold, where it says more."""
        rows = state.get("result")
        kept = rows["rows"][:_KEPT_ROWS] if rows else []
        columns = rows["columns"] if rows else []
        truncated = bool(rows) and (rows["truncated"] or len(rows["rows"]) > _KEPT_ROWS)
        query = Query(sql=state.get("result_sql", ""), columns=columns, rows=kept, truncated=truncated)
        return Finding(
            agent=NAME,
            question=state.get("question", ""),
            status=status,
            answer=sentence,
            composed=composed,
            sql=query["sql"],
            columns=columns,
            rows=kept,
            truncated=truncated,
            attempts=state.get("attempts", []),
            claims=[] if composed == "nothing" else [Claim(text=claimed or sentence, quotes=[], queries=[query])],
        )


def _draft_prompt(state: Linked) -> list[BaseMessage]:
    asked = f"{state.get('schema', '')}\n\n{_before(state)}Question: {state.get('question', '')}{_checked(state)}"
    messages: list[BaseMessage] = [SystemMessage(_DRAFT), HumanMessage(asked)]
    if attempts := state.get("attempts", []):
        last = attempts[-1]
        messages[-1] = HumanMessage(
            f"{asked}\n\nThis query is wrong: {last['action']}\n{last['problem']}\nCorrected query:"
        )
    return messages


def _first_sentence(problem: str) -> str:
    """What was wrong, without what else was told to the model; all of it stands among the attempts."""
    return f"{problem.partition('. ')[0].rstrip('.')}."


def _before(state: Linked) -> str:
    context = state["brief"]["context"] if "brief" in state else ""
    said = f"Said before:\n{as_data(context, source='conversation')}\n" if context else ""
    return f"{remembered_for(state.get('brief'))}{said}"


def _checked(state: Linked) -> str:
    problems = state["brief"]["problems"] if "brief" in state else []
    return "".join(f"\nAn earlier answer was wrong:\n{as_data(one, source='check')}" for one in problems)


def _answer_prompt(question: str, rows: Rows) -> list[BaseMessage]:
    shown = rows["rows"][:_PROMPT_ROWS]
    lines = ["; ".join(f"{c} = {cell(v)}" for c, v in zip(rows["columns"], row, strict=True)) for row in shown]
    more = f"\n({len(rows['rows']) - len(shown)} more rows)" if len(rows["rows"]) > len(shown) else ""
    result = "\n".join(lines)
    return [SystemMessage(_ANSWER), HumanMessage(f"Question: {question}\nResult:\n{result}{more}\nAnswer:")]


def _ended(finding: Finding, *, message_id: str | None, doubt: str) -> Linked:
    parts = [finding["answer"]]
    if doubt:
        parts.append(f"This may not be what was asked. {doubt}")
    if finding["sql"]:
        parts.append(f"```sql\n{finding['sql']}\n```")
    if finding["rows"]:
        rows = Rows(columns=finding["columns"], rows=finding["rows"], truncated=finding["truncated"], elapsed_s=0.0)
        parts.append(table(rows))
    _step("ended", status=finding["status"], sql=finding["sql"], answer=finding["answer"])
    message = AIMessage("\n\n".join(parts), name=NAME, id=message_id)
    return Linked(messages=[message], findings=[finding], status=finding["status"])


def _step(step: str, **facts: object) -> None:
    """Tell whoever watches (stream mode `custom`) what is being done."""
    get_stream_writer()({"type": "step", "agent": NAME, "step": step, **facts})
