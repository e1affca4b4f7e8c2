"""`assistant`: the chat's entry. A supervisor that sends each question to a specialist and believes none of them.

```
guard_in -> recall -> route -> specialists (side by side) -> compose -> verify -> guard_out -> remember -> report?
                       |               ^                        ^         |
                    clarify            +------ with the failure-+---------+   at most twice
```

What leaves has been checked: an answer whose evidence doesn't hold goes back with what is wrong about it, and is left
out if it still doesn't. So no token of it is streamed before; the specialists' own work is, in their namespaces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import BaseTool
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Overwrite, Send

from motet.agents.dangling import repaired
from motet.errors import BudgetExhausted, InvalidInput, ModelFailed
from motet.graphs import approval
from motet.graphs.correction import Attempt
from motet.graphs.crew.assigning import Assignment, assignment, handed_over, may_be_repeated, part_of
from motet.graphs.crew.composing import joined, supported
from motet.graphs.crew.ending import ended_status, final_text, left_out
from motet.graphs.crew.parts import leans, taken_apart
from motet.graphs.crew.remembering import known_of_the_person, noted, recalled
from motet.graphs.crew.report import build_report
from motet.graphs.crew.routing import UNSURE, Card, Decision, ModelFactory, Router
from motet.graphs.crew.turn import REPEATS, Answered, Note, Part, Summary, Turn, Unsupported
from motet.graphs.crew.wishes import wishes_in
from motet.graphs.guardrails import Guard, Guarded
from motet.graphs.registry import Graph
from motet.graphs.state import Claim, Conversation, Finding, State
from motet.graphs.verification import verify
from motet.tools.documents.ports import Documents
from motet.tools.workspace import Workspace

NAME = "assistant"
_SEVERAL = 2

Builder = StateGraph[Turn, Any, Conversation, State]


@dataclass(frozen=True, slots=True, kw_only=True)
class Specialist:
    """Who can be sent a question: takes a Conversation of one message, gives a State with one finding."""

    card: Card
    graph: Graph


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """Who works together, and what their work is checked against."""

    specialists: Sequence[Specialist]
    router: Router
    model: ModelFactory
    guard: Guard
    documents: Documents | None
    workspace: Workspace | None
    save_report: BaseTool


def build_assistant(team: Team) -> Builder:
    """The assistant over one team; the caller compiles it."""
    one = _Assistant(team=team, names=tuple(specialist.card.name for specialist in team.specialists))
    builder = Builder(Turn, input_schema=Conversation, output_schema=State)
    builder.add_node("guard_in", one.guard_in)
    builder.add_node("recall", one.recall)
    builder.add_node("route", one.route)
    builder.add_node("clarify", one.clarify, destinations=(*one.names, "compose", "guard_out"))
    for specialist in team.specialists:
        builder.add_node(specialist.card.name, _worker(specialist), input_schema=cast("Any", Assignment))
        builder.add_edge(specialist.card.name, "compose")
    builder.add_node("compose", one.compose)
    builder.add_node("verify", one.verify, destinations=(*one.names, "compose", "guard_out"))
    builder.add_node("guard_out", one.guard_out)
    builder.add_node("report", _reporter(team.save_report, team.guard))
    builder.add_node("remember", one.remember)
    builder.add_edge(START, "guard_in")
    builder.add_conditional_edges("guard_in", _refused, {"refused": "guard_out", "worked_on": "recall"})
    builder.add_edge("recall", "route")
    builder.add_edge("route", "clarify")
    builder.add_edge("compose", "verify")
    builder.add_edge("guard_out", "remember")
    builder.add_conditional_edges("remember", _saves, {"saves": "report", "done": END})
    builder.add_edge("report", END)
    return builder


@dataclass(frozen=True, slots=True, kw_only=True)
class _Assistant:
    team: Team
    names: tuple[str, ...]

    async def guard_in(self, state: Turn) -> dict[str, Any]:
        """Begin a turn: mend what an earlier one left open, and see what of the question may go on."""
        messages = state["messages"]
        asked = next((one.text for one in reversed(messages) if isinstance(one, HumanMessage)), "")
        if not asked.strip():
            raise InvalidInput("messages", asked, "a question as the last human message")
        guarded = self._guarded_in(asked)
        begun = {
            "question": "" if guarded.refused else guarded.text,
            "refused": guarded.text if guarded.refused else "",
            "context": "",
            "remembered": [],
            "told": [],
            "report": False,
            "parts": [],
            "answers": Overwrite([]),
            "summaries": [],
        }
        mended = repaired(messages)
        return begun if mended == messages else {**begun, "messages": Overwrite(mended)}

    def _guarded_in(self, text: str) -> Guarded:
        guarded = self.team.guard.guard_in(text)
        if guarded.redacted:
            _step("guard", redacted=list(guarded.redacted))
        return guarded

    async def recall(self, state: Turn) -> Turn:
        """Do what the person wishes remembered or forgotten, and bring what bears on the rest: of this thread only what
        a question leans on, of others what the person had remembered; a question that stands alone is told no more.
        """
        turned = wishes_in(state.get("question", ""))
        known = await recalled(turned, state)
        notes, asked = state.get("notes", []), taken_apart(turned.rest).questions
        context = f"{notes[-1]['question']} {notes[-1]['answer']}" if notes and asked and leans(asked[0]) else ""
        _step("recall", notes=len(notes), context=context, memories=len(known["remembered"]), **known)
        return Turn(messages=[], question=turned.rest, context=context, **known)

    async def route(self, state: Turn) -> Turn:
        """Take the turn apart and decide who takes each part; nobody, where only what is remembered answers it."""
        question, told = state.get("question", ""), state.get("told", [])
        asked = taken_apart(question)
        questions = asked.questions if question.strip() else ()
        known = known_of_the_person(question, state)
        if known and len(questions) == 1 and (await self.team.router.best_guess(question))["confidence"] < UNSURE:
            questions, told = (), [*told, known]
        parts = [
            Part(number=number, question=one, decision=await self._decided(state, one))
            for number, one in enumerate(questions)
        ]
        _step("route", parts=[{"question": part["question"], **part["decision"]} for part in parts])
        return Turn(messages=[], parts=parts, told=told, report=asked.report)

    async def _decided(self, state: Turn, question: str) -> Decision:
        decision = await self.team.router.route(question)
        notes = state.get("notes", [])
        before = [name for name in (notes[-1]["agents"] if notes else []) if name in self.names]
        if state.get("context") and before and decision["confidence"] < UNSURE:
            reason = "it goes on from the question before"
            return {**decision, "agents": before, "confidence": UNSURE, "reason": reason, "by": "rules"}
        return decision

    async def clarify(self, state: Turn) -> Command[Any]:
        """Ask a person who shall take what routing is unsure of, then send all parts off."""
        settled = [await self._settled(one) for one in state.get("parts", [])]
        if refused := next((one.text for one in settled if isinstance(one, Guarded)), ""):
            return Command(goto="guard_out", update={"refused": refused})
        parts = [one for one in settled if one is not None and not isinstance(one, Guarded)]
        assigned = [(agent, part) for part in parts for agent in part["decision"]["agents"]]
        alone = len(assigned) == 1 and not state.get("told")
        now = cast("Turn", {**state, "parts": parts})
        sends = [Send(agent, assignment(now, part["number"], alone=alone)) for agent, part in assigned]
        return Command(goto=sends or "compose", update={"parts": parts})

    async def _settled(self, part: Part) -> Part | Guarded | None:
        """The part with a decision that somebody stands for; None if the person drops it.

        What a person words anew is guarded like the first words; those that may not go on come back as they are said.
        """
        decision = part["decision"]
        if decision["confidence"] >= UNSURE:
            return part
        asked = {"agent": decision["agents"][0], "question": part["question"]}
        schema = {
            "type": "object",
            "properties": {"agent": {"enum": list(self.names)}, "question": {"type": "string", "pattern": r"\S"}},
            "required": ["agent", "question"],
            "additionalProperties": False,
        }
        names = ", ".join(self.names)
        why = f"Who should take this? {decision['reason']} ({decision['confidence']:.0%} sure). There are: {names}."
        decided = approval.ask("route", asked, description=why, arguments_schema=schema)
        if decided.type == "reject":
            return None
        told = decided.message.strip() or part["question"]
        arguments = asked if decided.arguments is None else decided.arguments
        said = self._guarded_in(told if decided.type == "respond" else str(arguments["question"]))
        if said.refused:
            return said
        if decided.type == "respond":
            chosen = await self.team.router.best_guess(said.text)
        else:
            agent = str(arguments["agent"])
            chosen = Decision(agents=[agent], confidence=1.0, reason="a person chose", by="person", second="")
        return {**part, "question": said.text, "decision": {**chosen, "by": "person"}}

    async def compose(self, state: Turn) -> Turn:
        """Join what several specialists found for one part into a sentence; one specialist's words stay its own."""
        summaries = {one["part"]: one for one in state.get("summaries", [])}
        for part in state.get("parts", []):
            found = [one for one in state.get("answers", []) if one["part"] == part["number"] and supported(one)]
            before = summaries.get(part["number"])
            if len(found) < _SEVERAL or (before and (before["held"] or len(before["attempts"]) > REPEATS)):
                continue
            attempts = before["attempts"] if before else []
            try:
                claim = await joined(self.team.model, part["question"], found, attempts)
            except (BudgetExhausted, ModelFailed) as error:
                _step("compose", problem=str(error))
                summaries.pop(part["number"], None)
                continue
            _step("compose", by="model", answer=claim["text"])
            summaries[part["number"]] = Summary(part=part["number"], claim=claim, attempts=attempts, held=False)
        return Turn(messages=[], summaries=list(summaries.values()))

    async def verify(self, state: Turn) -> Command[Any]:
        """Look up every piece of evidence again, and send back what doesn't hold, with what is wrong about it."""
        added, given = handed_over(state, self.names)
        answers = [await self._checked(one, state) for one in given]
        summaries = [await self._checked_summary(one, state) for one in state.get("summaries", [])]
        for part in added:
            decision = part["decision"]
            _step("handoff", to=decision["agents"][0], question=part["question"], reason=decision["reason"])
        now = cast("Turn", {**state, "parts": [*state.get("parts", []), *added]})
        update = {"answers": answers, "summaries": summaries, "parts": now.get("parts", [])}
        sends = [
            *self._sent_back(answers, state),
            *self._second_opinions(answers, state),
            *(Send(part["decision"]["agents"][0], assignment(now, part["number"])) for part in added),
        ]
        again = any(not one["held"] and len(one["attempts"]) <= REPEATS for one in summaries)
        return Command(goto=sends or ("compose" if again else "guard_out"), update=update)

    async def _checked(self, one: Answered, state: Turn) -> Answered:
        claims = one["finding"].get("claims", [])
        if one["checked"] or not claims:
            return {**one, "checked": True}
        problems = await self._problems(claims, may_be_repeated(state, one["part"]), one["agent"])
        return {**one, "checked": True, "problems": problems}

    async def _checked_summary(self, one: Summary, state: Turn) -> Summary:
        if one["held"] or len(one["attempts"]) > REPEATS:
            return one
        problems = await self._problems([one["claim"]], part_of(one["part"], state)["question"], NAME)
        if not problems:
            return {**one, "held": True}
        told = " ".join(problem["text"] for problem in problems)
        attempts = [*one["attempts"], Attempt(action=one["claim"]["text"], problem=told)]
        _step("sent_back", to=NAME, attempt=len(attempts), problem=told)
        return {**one, "attempts": attempts}

    async def _problems(self, claims: Sequence[Claim], question: str, agent: str) -> list[Unsupported]:
        team = self.team
        found = await verify(claims, question=question, documents=team.documents, workspace=team.workspace)
        problems = [Unsupported(claim=problem.claim, text=problem.text) for problem in found]
        refused = {problem["claim"] for problem in problems}
        _step("verify", of=agent, claims=len(claims), held=len(claims) - len(refused))
        for problem in problems:
            _step("verify", of=agent, problem=problem["text"], claim=claims[problem["claim"]]["text"])
        return problems

    def _sent_back(self, answers: Sequence[Answered], state: Turn) -> list[Send]:
        sends: list[Send] = []
        for one in answers:
            if one["problems"] and one["attempt"] < REPEATS:
                problem = " ".join(problem["text"] for problem in one["problems"])
                _step("sent_back", to=one["agent"], attempt=one["attempt"] + 1, problem=problem)
                again = assignment(state, one["part"], attempt=one["attempt"] + 1, problems=[problem])
                sends.append(Send(one["agent"], again))
        return sends

    def _second_opinions(self, answers: Sequence[Answered], state: Turn) -> list[Send]:
        """Another specialist for what the first could not answer, if it recognises something of the question."""
        sends: list[Send] = []
        for one in answers:
            part = part_of(one["part"], state)
            second = part["decision"]["second"]
            tried = {other["agent"] for other in answers if other["part"] == one["part"]}
            if one["finding"]["status"] == "failed" and second and second not in tried:
                reason = f"{one['agent']} found nothing"
                _step("route", parts=[{"question": part["question"], "agents": [second], "reason": reason}])
                sends.append(Send(second, assignment(state, one["part"])))
        return sends

    async def guard_out(self, state: Turn) -> dict[str, Any]:
        """Leave out what isn't supported, and let the answer go."""
        findings: list[Finding] = []
        for one in state.get("answers", []):
            finding, dropped = left_out(one)
            findings.append(finding)
            for claim, problem in dropped:
                _step("left_out", claim=claim, problem=problem)
        text = final_text(state)
        if not text:
            return {}
        guarded = self.team.guard.guard_out(text, asked=state.get("question", ""))
        if guarded.redacted:
            _step("guard", redacted=list(guarded.redacted))
        status = ended_status(state, findings)
        _step("ended", status=status, answer=guarded.text)
        found = [finding for finding in findings if not finding.get("handoffs")]
        return {"messages": [AIMessage(guarded.text, name=NAME)], "findings": found, "status": status}

    async def remember(self, state: Turn) -> Turn:
        """Keep what the next turns may lean on: of the answers, what held."""
        parts = state.get("parts", [])
        if not parts:
            return Turn(messages=[])
        held = [claim["text"] for one in state.get("answers", []) for claim in supported(one)]
        agents = [agent for part in parts for agent in part["decision"]["agents"]]
        note = Note(question=state.get("question", ""), answer=" ".join(held), agents=list(dict.fromkeys(agents)))
        return noted(state, note)


def _worker(specialist: Specialist) -> Any:
    """A node that gives the specialist its assignment and nothing else, and takes its finding and nothing else."""
    name = specialist.card.name

    async def work(sent: Assignment) -> dict[str, Any]:
        given = {"messages": [HumanMessage(sent["question"])], "brief": sent["brief"]}
        try:
            told = await specialist.graph.ainvoke(given)
            finding = cast("Finding", told["findings"][-1])
        except ModelFailed as error:
            if sent["alone"]:
                raise
            finding = _nothing(name, sent["question"], str(error))
        answered = Answered(
            part=sent["part"], agent=name, attempt=sent["attempt"], finding=finding, checked=False, problems=[]
        )
        return {"answers": [answered]}

    return work


def _nothing(agent: str, question: str, reason: str) -> Finding:
    return Finding(
        agent=agent,
        question=question,
        status="failed",
        answer=f"I can't answer this: {reason}.",
        composed="nothing",
        sql="",
        columns=[],
        rows=[],
        truncated=False,
        attempts=[],
        claims=[],
    )


def _reporter(save_report: BaseTool, guard: Guard) -> Any:
    """A node around the reporter: it sees the turn's findings (all, if it has none), and its messages join the thread.

    A person may leave its question unanswered and go on, so nothing that the next turn needs comes after it.
    """
    reporter = build_report(save_report, lambda text: guard.guard_out(text).text).compile(name="reporter")
    graph = reporter.with_config(metadata={"lc_agent_name": "reporter", "agent_name": "reporter"})

    async def report(state: Turn) -> dict[str, Any]:
        new = sum(not one["finding"].get("handoffs") for one in state.get("answers", []))
        told = await graph.ainvoke({"messages": [], "findings": state.get("findings", [])[-new:]})
        # A saved report makes an answer no better than it was.
        status = state.get("status", "ok") if told["status"] == "ok" and new else told["status"]
        return {"messages": told["messages"], "status": status}

    return report


def _refused(state: Turn) -> Literal["refused", "worked_on"]:
    return "refused" if state.get("refused") else "worked_on"


def _saves(state: Turn) -> Literal["saves", "done"]:
    return "saves" if state.get("report") and not state.get("refused") else "done"


def _step(step: str, **facts: object) -> None:
    """Tell whoever watches (stream mode `custom`) what is being done."""
    get_stream_writer()({"type": "step", "agent": NAME, "step": step, **facts})
