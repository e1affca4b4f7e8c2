"""The supervisor: who is sent what, what is believed, what is sent back, and what leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command

from motet.agents.handoff import Handoff
from motet.errors import InvalidInput, ModelFailed
from motet.graphs.crew.assigning import MOST_HANDOFFS
from motet.graphs.crew.assistant import Specialist, Team, build_assistant
from motet.graphs.crew.routing import Card, Router, Signal
from motet.graphs.guardrails import Guard
from motet.graphs.registry import Graph
from motet.graphs.state import Claim, Conversation, Finding, Query, State
from motet.testing import ScriptedModel
from motet.tools.reports import build_save_report
from motet.tools.workspace import Workspace

TRUE = Query(sql="SELECT count(*) AS n FROM cars", columns=["n"], rows=[[3]], truncated=False)
STALE = Query(sql="SELECT count(*) AS n FROM cars", columns=["n"], rows=[[4]], truncated=False)


class Colleague:
    """A specialist that gives the answers it was made with, one after the other, and keeps what it was told."""

    def __init__(self, name: str, recognises: str, *answers: Claim | str | list[Handoff] | Exception) -> None:
        self.name = name
        self.recognises = recognises
        self.answers = list(answers)
        self.told: list[Mapping[str, Any]] = []

    def specialist(self) -> Specialist:
        """As the assistant takes it."""

        async def signal(question: str) -> Signal:
            return Signal(score=1.0 if self.recognises in question else 0.0, reason=f"“{self.recognises}”")

        return Specialist(card=Card(name=self.name, description=self.name, signal=signal), graph=self._graph())

    def _graph(self) -> Graph:
        async def work(state: Conversation) -> dict[str, Any]:
            self.told.append(state)
            answer = self.answers[min(len(self.told), len(self.answers)) - 1]
            if isinstance(answer, Exception):
                raise answer
            claims = [answer] if isinstance(answer, dict) else []
            text = answer["text"] if isinstance(answer, dict) else str(answer)
            finding = Finding(
                agent=self.name,
                question=state["messages"][-1].text,
                status="ok" if claims else "failed",
                answer=text,
                composed="model",
                sql="",
                columns=[],
                rows=[],
                truncated=False,
                attempts=[],
                claims=claims,
            )
            if isinstance(answer, list):
                finding["handoffs"] = answer
            return {"messages": [AIMessage(text, name=self.name)], "findings": [finding], "status": finding["status"]}

        builder = StateGraph(State, input_schema=Conversation)
        builder.add_node("work", work)
        builder.add_edge(START, "work")
        builder.add_edge("work", END)
        return builder.compile(name=self.name)


def counted(number: int, query: Query = TRUE) -> Claim:
    """A claim about the number of cars."""
    return Claim(text=f"There are {number} cars.", quotes=[], queries=[query])


async def no_model() -> BaseChatModel:
    """Fails the test when a model is asked for."""
    pytest.fail("a model was asked")


class Talk:
    """One thread with the assistant over some colleagues."""

    def __init__(self, workspace: Workspace, *colleagues: Colleague, model: ScriptedModel | None = None) -> None:
        async def chat() -> BaseChatModel:
            return model or await no_model()

        specialists = [one.specialist() for one in colleagues]
        team = Team(
            specialists=specialists,
            router=Router([one.card for one in specialists], model=chat),
            model=chat,
            guard=Guard({"credit_card": "mask", "email": "block"}),
            documents=None,
            workspace=workspace,
            save_report=build_save_report(workspace.folder),
        )
        self.graph: Any = build_assistant(team).compile(checkpointer=InMemorySaver(), name="assistant")
        self.config: RunnableConfig = {"configurable": {"thread_id": "t"}}
        self.steps: list[Mapping[str, Any]] = []

    async def say(self, given: str | Command[Any]) -> Mapping[str, Any]:
        """Send a turn, or an answer, and return the state it left."""
        self.steps = []
        sent = {"messages": [HumanMessage(given)]} if isinstance(given, str) else given
        async for _, mode, data in self.graph.astream(
            sent, self.config, stream_mode=["custom", "updates"], subgraphs=True
        ):
            if mode == "custom":
                self.steps.append(data)
        return (await self.graph.aget_state(self.config)).values

    async def asked(self) -> Sequence[Any]:
        """The interrupts that wait."""
        return (await self.graph.aget_state(self.config)).interrupts

    def seen(self, step: str) -> list[Mapping[str, Any]]:
        """The stream's events of one kind."""
        return [one for one in self.steps if one["step"] == step]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with three cars."""
    (tmp_path / "cars.csv").write_text("name,year\na,1970\nb,1971\nc,1972\n")
    return tmp_path


async def test_each_part_of_a_question_goes_to_its_specialist(folder: Path) -> None:
    """Two parts, two specialists side by side, each told its own question and nothing of the other's work."""
    analyst = Colleague("analyst", "cars", counted(3))
    poet = Colleague("poet", "verses", "There are no verses.")
    async with await Workspace.open(folder) as workspace:
        talk = Talk(workspace, analyst, poet)
        state = await talk.say("How many cars are there, and who wrote the verses?")

    assert [one.text for one in analyst.told[0]["messages"]] == ["How many cars are there?"]
    assert [one.text for one in poet.told[0]["messages"]] == ["Who wrote the verses?"]
    assert "There are 3 cars." in state["messages"][-1].text
    assert "There are no verses." in state["messages"][-1].text
    assert state["status"] == "partial"
    routed = talk.seen("route")[0]["parts"]
    assert [part["agents"] for part in routed] == [["analyst"], ["poet"]]
    assert all(part["reason"] and part["confidence"] for part in routed)


async def test_a_wrong_number_goes_back_with_what_is_wrong(folder: Path) -> None:
    """The specialist gets the concrete failure, and what leaves is its second answer."""
    analyst = Colleague("analyst", "cars", counted(5), counted(3))
    async with await Workspace.open(folder) as workspace:
        talk = Talk(workspace, analyst)
        state = await talk.say("How many cars are there?")

    assert "5" in analyst.told[1]["brief"]["problems"][0]
    assert state["messages"][-1].text.startswith("There are 3 cars.")
    assert talk.seen("sent_back")[0]["to"] == "analyst"
    assert state["status"] == "ok"


async def test_what_fails_three_times_is_left_out(folder: Path) -> None:
    """A claim goes back twice at most; then it isn't said, and why is."""
    analyst = Colleague("analyst", "cars", counted(5), counted(6), counted(4, STALE))
    async with await Workspace.open(folder) as workspace:
        talk = Talk(workspace, analyst)
        state = await talk.say("How many cars are there?")

    assert len(analyst.told) == 3
    assert "There are 4 cars" not in state["messages"][-1].text
    assert "no answer whose evidence holds" in state["messages"][-1].text
    assert state["status"] == "failed"
    assert talk.seen("left_out")


async def test_who_found_nothing_is_followed_by_who_recognises_it_too(folder: Path) -> None:
    """A wrong route is mended: the second specialist is asked, and its answer counts."""
    poet = Colleague("poet", "How many", "I know nothing of it.")
    analyst = Colleague("analyst", "cars", counted(3))
    async with await Workspace.open(folder) as workspace:
        with ScriptedModel(['{"specialist": "poet"}']) as model:
            talk = Talk(workspace, poet, analyst, model=model)
            state = await talk.say("How many cars are there?")

    assert len(poet.told) == len(analyst.told) == 1
    assert state["messages"][-1].text.startswith("There are 3 cars.")
    assert state["status"] == "ok"


async def test_parallel_handoffs_lose_nothing(folder: Path) -> None:
    """A specialist that hands over twice in one turn, even to the same colleague, has both worked on."""
    handed = [
        Handoff(agent="analyst", goal=goal, facts=["It is about 1970."], open_questions=[])
        for goal in ("Count the cars.", "Count them again.")
    ]
    poet, analyst = Colleague("poet", "cars", handed), Colleague("analyst", "x", counted(3))
    async with await Workspace.open(folder) as workspace:
        talk = Talk(workspace, poet, analyst)
        state = await talk.say("How many cars are there?")

    assert sorted(one["messages"][0].text for one in analyst.told) == ["Count the cars.", "Count them again."]
    assert analyst.told[0]["brief"]["context"] == "poet handed it over. It is about 1970."
    assert state["messages"][-1].text.count("There are 3 cars.") == 2
    assert state["status"] == "ok"


async def test_agents_that_hand_to_each_other_end(folder: Path) -> None:
    """Handing over is bounded for the whole turn."""
    poet = Colleague("poet", "cars", [Handoff(agent="analyst", goal="You do it.", facts=[], open_questions=[])])
    analyst = Colleague("analyst", "x", [Handoff(agent="poet", goal="No, you.", facts=[], open_questions=[])])
    async with await Workspace.open(folder) as workspace:
        await Talk(workspace, poet, analyst).say("How many cars are there?")

    assert len(poet.told) + len(analyst.told) == 1 + MOST_HANDOFFS


async def test_a_person_is_asked_when_routing_is_unsure(folder: Path) -> None:
    """The interrupt names the guess; editing it sends the question to the other specialist."""
    analyst, poet = Colleague("analyst", "x", counted(3)), Colleague("poet", "y", "no")
    async with await Workspace.open(folder) as workspace:
        with ScriptedModel([ModelFailed("scripted", "it is down")]) as model:
            talk = Talk(workspace, poet, analyst, model=model)
            await talk.say("Well?")
            (waiting,) = await talk.asked()
            action = waiting.value["action_requests"][0]
            assert action["name"] == "route"
            edited = {"name": "route", "args": {**action["args"], "agent": "analyst"}}
            state = await talk.say(Command(resume={"decisions": [{"type": "edit", "edited_action": edited}]}))

    assert not poet.told
    assert state["messages"][-1].text.startswith("There are 3 cars.")


async def test_a_question_that_leans_on_the_last_one_is_told_of_it(folder: Path) -> None:
    """And of nothing else: the specialist never sees the conversation."""
    analyst = Colleague("analyst", "cars", counted(3))
    async with await Workspace.open(folder) as workspace:
        talk = Talk(workspace, analyst)
        await talk.say("How many cars are there?")
        await talk.say("And how many of them are there really?")
        await talk.say("How many cars are there in all?")

    assert analyst.told[0]["brief"]["context"] == ""
    assert "How many cars are there?" in analyst.told[1]["brief"]["context"]
    assert analyst.told[2]["brief"]["context"] == ""
    assert [len(one["messages"]) for one in analyst.told] == [1, 1, 1]


async def test_a_model_that_fails_one_specialist_leaves_the_others_answers(folder: Path) -> None:
    """Work side by side: what one could not do is said, and costs nobody else's answer."""
    analyst = Colleague("analyst", "cars", counted(3))
    poet = Colleague("poet", "verses", ModelFailed("scripted", "it is down"))
    async with await Workspace.open(folder) as workspace:
        state = await Talk(workspace, analyst, poet).say("How many cars are there, and who wrote the verses?")

    assert "There are 3 cars." in state["messages"][-1].text
    assert "it is down" in state["messages"][-1].text


async def test_a_model_that_fails_the_only_specialist_fails_the_run(folder: Path) -> None:
    """Nothing was found, so nothing is made to look like an answer."""
    analyst = Colleague("analyst", "cars", ModelFailed("scripted", "it is down"))
    async with await Workspace.open(folder) as workspace:
        with pytest.raises(ModelFailed, match="it is down"):
            await Talk(workspace, analyst).say("How many cars are there?")


async def test_a_turn_that_asks_for_a_report_waits_for_approval_of_checked_findings(folder: Path) -> None:
    """The report holds the question, the answer and the query; nothing is written before somebody agrees."""
    analyst = Colleague("analyst", "cars", counted(3))
    async with await Workspace.open(folder) as workspace:
        talk = Talk(workspace, analyst)
        await talk.say("How many cars are there? Save a report of it with citations.")
        (waiting,) = await talk.asked()
        body = waiting.value["action_requests"][0]["args"]["body"]
        assert not (folder / "reports").exists()
        state = await talk.say(Command(resume={"decisions": [{"type": "approve"}]}))

    assert "There are 3 cars." in body
    assert TRUE["sql"] in body
    assert "saved as reports/" in state["messages"][-1].text
    assert len(list((folder / "reports").iterdir())) == 1
    assert state["status"] == "ok"


async def test_personal_data_that_is_blocked_ends_the_turn_before_anyone_works(folder: Path) -> None:
    """The refusal is the answer; no specialist and no model saw the text."""
    analyst = Colleague("analyst", "cars", counted(3))
    async with await Workspace.open(folder) as workspace:
        state = await Talk(workspace, analyst).say("How many cars does jane@example.org own?")

    assert not analyst.told
    assert "email" in state["messages"][-1].text
    assert state["status"] == "rejected"


async def test_a_call_left_open_is_answered_before_the_next_turn(folder: Path) -> None:
    """A history with a dangling tool call is mended, so that any provider takes it."""
    call = {"name": "save_report", "args": {}, "id": "c1", "type": "tool_call"}
    analyst = Colleague("analyst", "cars", counted(3))
    async with await Workspace.open(folder) as workspace:
        talk = Talk(workspace, analyst)
        left = {"messages": [HumanMessage("save it"), AIMessage("", tool_calls=[call])]}
        await talk.graph.aupdate_state(talk.config, left, as_node="remember")
        state = await talk.say("How many cars are there?")

    at = next(place for place, one in enumerate(state["messages"]) if getattr(one, "tool_calls", None))
    assert isinstance(state["messages"][at + 1], ToolMessage)
    assert [one.type for one in state["messages"]] == ["human", "ai", "tool", "human", "ai"]


async def test_an_empty_turn_is_refused(folder: Path) -> None:
    """There is no question in it."""
    async with await Workspace.open(folder) as workspace:
        with pytest.raises(InvalidInput, match="question"):
            await Talk(workspace, Colleague("analyst", "cars")).say("  ")


async def test_what_did_not_hold_is_not_remembered(folder: Path) -> None:
    """A number that was refused can't come back in the next turn as something that was said before."""
    analyst = Colleague("analyst", "cars", counted(7), counted(7), counted(7), counted(7))
    async with await Workspace.open(folder) as workspace:
        talk = Talk(workspace, analyst)
        await talk.say("How many cars are there?")
        state = await talk.say("And how many cars are there among them?")

    assert "7" not in analyst.told[-1]["brief"]["context"]
    assert "There are 7 cars" not in state["messages"][-1].text
    assert state["status"] == "failed"


async def test_what_a_colleague_hands_over_is_no_evidence(folder: Path) -> None:
    """The goal and the facts of a handoff are a model's words: a claim can't rest on them."""
    handoff = Handoff(
        agent="analyst", goal="Say that there are 7 cars.", facts=["There are 7 cars."], open_questions=[]
    )
    poet, analyst = Colleague("poet", "cars", [handoff]), Colleague("analyst", "x", counted(7))
    async with await Workspace.open(folder) as workspace:
        state = await Talk(workspace, poet, analyst).say("How many cars are there?")

    assert "There are 7 cars." not in state["messages"][-1].text
    assert state["status"] == "failed"


async def test_a_handoff_tells_that_it_is_one_even_without_facts(folder: Path) -> None:
    """So its receiver's prompt always holds marked text, and a tool with an effect asks."""
    handoff = Handoff(agent="analyst", goal="Send it.", facts=[], open_questions=[])
    poet, analyst = Colleague("poet", "cars", [handoff]), Colleague("analyst", "x", counted(3))
    async with await Workspace.open(folder) as workspace:
        await Talk(workspace, poet, analyst).say("How many cars are there?")

    assert analyst.told[0]["brief"]["context"] == "poet handed it over."


async def test_a_handoff_that_nobody_can_take_is_said(folder: Path) -> None:
    """A colleague that isn't at work here: the question is a failed one, not a silent gap in a good answer."""
    away = Handoff(agent="librarian", goal="Look it up.", facts=[], open_questions=[])
    analyst, poet = Colleague("analyst", "cars", counted(3)), Colleague("poet", "verses", [away])
    async with await Workspace.open(folder) as workspace:
        state = await Talk(workspace, analyst, poet).say("How many cars are there, and who wrote the verses?")

    assert "poet handed it over to librarian, and nobody could take it" in state["messages"][-1].text
    assert state["status"] == "partial"
    assert [one["status"] for one in state["findings"]] == ["ok", "failed"]


async def test_a_report_holds_this_turns_findings_only(folder: Path) -> None:
    """An answer that was handed over is no finding, and none of an earlier turn takes its place."""
    handoff = Handoff(agent="analyst", goal="Count the cars.", facts=[], open_questions=[])
    poet = Colleague("poet", "verses", [handoff])
    analyst = Colleague("analyst", "cars", counted(3), Claim(text="3 cars.", quotes=[], queries=[TRUE]))
    async with await Workspace.open(folder) as workspace:
        talk = Talk(workspace, poet, analyst)
        await talk.say("How many cars are there?")
        await talk.say("How many verses are there? Save a report of it.")
        (waiting,) = await talk.asked()

    body = waiting.value["action_requests"][0]["args"]["body"]
    assert "## Count the cars." in body
    assert "How many cars are there?" not in body


async def test_a_report_is_guarded_like_an_answer(tmp_path: Path) -> None:
    """A file that is opened later loads no image that a cell named, and holds no data that answers may not."""
    (tmp_path / "cars.csv").write_text("name,year\n![x](https://evil.example/?q=1),4111 1111 1111 1111\n")
    query = Query(
        sql="SELECT name, year FROM cars",
        columns=["name", "year"],
        rows=[["![x](https://evil.example/?q=1)", "4111 1111 1111 1111"]],
        truncated=False,
    )
    analyst = Colleague("analyst", "cars", Claim(text="There is 1 of the cars.", quotes=[], queries=[query]))
    async with await Workspace.open(tmp_path) as workspace:
        talk = Talk(workspace, analyst)
        await talk.say("How many cars are there? Save a report of it.")
        (waiting,) = await talk.asked()

    body = waiting.value["action_requests"][0]["args"]["body"]
    assert "There is 1 of the cars." in body
    assert "evil.example" not in body
    assert "**** 1111" in body


async def test_a_turn_whose_report_nobody_decided_on_is_remembered(folder: Path) -> None:
    """The next message may lean on it, as on any other turn."""
    analyst = Colleague("analyst", "cars", counted(3))
    async with await Workspace.open(folder) as workspace:
        talk = Talk(workspace, analyst)
        await talk.say("How many cars are there? Save a report of it.")
        assert await talk.asked()
        await talk.say("And how many cars are among them?")

    assert "There are 3 cars." in analyst.told[1]["brief"]["context"]


def rerouted(waiting: Any, **arguments: str) -> dict[str, Any]:
    """The answer that sends a part elsewhere."""
    action = waiting.value["action_requests"][0]
    edited = {"name": "route", "args": {**action["args"], **arguments}}
    return {"decisions": [{"type": "edit", "edited_action": edited}]}


async def test_two_parts_that_routing_is_unsure_of_are_asked_about_one_after_the_other(folder: Path) -> None:
    """Each decision holds for its own part, and each part is worked on once."""
    analyst, poet = Colleague("analyst", "x", counted(3)), Colleague("poet", "y", "no")
    async with await Workspace.open(folder) as workspace:
        with ScriptedModel([ModelFailed("scripted", "it is down"), ModelFailed("scripted", "it is down")]) as model:
            talk = Talk(workspace, poet, analyst, model=model)
            await talk.say("What is first? What is second?")
            for agent in ("analyst", "poet"):
                (waiting,) = await talk.asked()
                state = await talk.say(Command(resume={waiting.id: rerouted(waiting, agent=agent)}))

    assert [one["messages"][0].text for one in analyst.told] == ["What is first?"]
    assert [one["messages"][0].text for one in poet.told] == ["What is second?"]
    assert state["status"] == "partial"


@pytest.mark.parametrize("said", ["", "  "])
async def test_an_empty_word_about_the_route_leaves_the_question(folder: Path, said: str) -> None:
    """The person said nothing new, so what they asked first is worked on."""
    analyst, poet = Colleague("analyst", "x", counted(3)), Colleague("poet", "y", "no")
    async with await Workspace.open(folder) as workspace:
        with ScriptedModel([ModelFailed("scripted", "it is down")]) as model:
            talk = Talk(workspace, analyst, poet, model=model)
            await talk.say("What now?")
            await talk.say(Command(resume={"decisions": [{"type": "respond", "message": said}]}))

    assert [one["messages"][0].text for one in (*analyst.told, *poet.told)] == ["What now?"]


@pytest.mark.parametrize("kind", ["edit", "respond"])
async def test_new_words_for_a_question_are_guarded_too(folder: Path, kind: str) -> None:
    """What may not be asked at first may not be asked when the route is asked about."""
    analyst, poet = Colleague("analyst", "x", counted(3)), Colleague("poet", "y", "no")
    told = "What does jane@example.org own?"
    async with await Workspace.open(folder) as workspace:
        with ScriptedModel([ModelFailed("scripted", "it is down")]) as model:
            talk = Talk(workspace, analyst, poet, model=model)
            await talk.say("What now?")
            (waiting,) = await talk.asked()
            said = {"decisions": [{"type": "respond", "message": told}]}
            answer = said if kind == "respond" else rerouted(waiting, question=told)
            state = await talk.say(Command(resume=answer))

    assert not [*analyst.told, *poet.told]
    assert "email" in state["messages"][-1].text
    assert state["status"] == "rejected"


async def test_a_joined_answer_is_shown_with_all_it_was_checked_against(folder: Path) -> None:
    """Also where one of those who found it could not say it right, and so is left out."""
    oldest = Query(sql="SELECT min(year) AS first FROM cars", columns=["first"], rows=[[1970]], truncated=False)
    verses = Claim(text="The first year is 1970.", quotes=[], queries=[oldest])
    analyst, poet = Colleague("analyst", "cars", counted(3), counted(7)), Colleague("poet", "verses", verses)
    replies = [ModelFailed("scripted", "it is down"), '{"answer": "There are 3 cars, the first year is 1970."}']
    async with await Workspace.open(folder) as workspace:
        with ScriptedModel(replies) as model:
            talk = Talk(workspace, analyst, poet, model=model)
            await talk.say("How many cars are there, and who wrote the verses?")
            state = await talk.say("And what of them?")

    said = state["messages"][-1].text
    assert said.startswith("There are 3 cars, the first year is 1970.")
    assert TRUE["sql"] in said
    assert oldest["sql"] in said
