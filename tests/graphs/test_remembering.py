"""What the assistant remembers from one conversation to the next, without any model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore
from tests.graphs.test_assistant import Colleague, counted, no_model

from motet.errors import ModelFailed
from motet.graphs.crew.assigning import remembered_for
from motet.graphs.crew.assistant import Team, build_assistant
from motet.graphs.crew.routing import Router
from motet.graphs.crew.turn import MOST_NOTES
from motet.graphs.guardrails import Guard
from motet.graphs.state import Brief
from motet.memory.recall import LONGEST, Recall
from motet.tools.policy import holds_untrusted
from motet.tools.reports import build_save_report
from motet.tools.workspace import Workspace


class Talks:
    """Conversations with one assistant; each turn in a thread, for a user."""

    def __init__(self, workspace: Workspace, store: BaseStore | None, *colleagues: Colleague) -> None:
        specialists = [one.specialist() for one in colleagues]
        self.store = store
        team = Team(
            specialists=specialists,
            router=Router([one.card for one in specialists], model=no_model),
            model=no_model,
            guard=Guard({"credit_card": "mask"}),
            documents=None,
            workspace=workspace,
            save_report=build_save_report(workspace.folder),
        )
        self.graph: Any = build_assistant(team).compile(checkpointer=InMemorySaver(), store=store, name="assistant")
        self.steps: list[Mapping[str, Any]] = []

    async def say(self, text: str, thread: str = "t1", **configurable: Any) -> str:
        """Send a turn and return what the assistant answered."""
        self.steps = []
        config = {"configurable": {"thread_id": thread, **configurable}}
        sent = {"messages": [HumanMessage(text)]}
        async for step in self.graph.astream(sent, config, stream_mode="custom"):
            self.steps.append(step)
        values = (await self.graph.aget_state(config)).values
        assert isinstance(values["messages"][-1], AIMessage)
        return values["messages"][-1].text

    async def status(self, thread: str = "t1") -> str:
        """How the thread's last turn ended."""
        return (await self.graph.aget_state({"configurable": {"thread_id": thread}})).values["status"]

    async def kept(self, user: str = "default") -> Sequence[str]:
        """The texts that stand in the store."""
        assert self.store is not None
        return [one.text for one in await Recall(self.store).list(user)]

    def recalled(self) -> Mapping[str, Any]:
        """The step that tells what was recalled."""
        return next(one for one in self.steps if one["step"] == "recall")


@pytest.fixture
def analyst() -> Colleague:
    """Takes questions about cars."""
    return Colleague("analyst", "cars", counted(3))


@pytest.fixture
async def talks(tmp_path: Path, analyst: Colleague) -> Any:
    """Talks over three cars, with a store."""
    (tmp_path / "cars.csv").write_text("name,year\na,1970\nb,1971\nc,1972\n")
    async with await Workspace.open(tmp_path) as workspace:
        yield Talks(workspace, InMemoryStore(), analyst)


async def test_what_is_remembered_is_recalled_into_the_next_conversation(talks: Talks, analyst: Colleague) -> None:
    """Another thread's question gets what bears on it, marked as data; nobody is asked to route a mere wish."""
    answer = await talks.say("Remember that I only count cars from Japan.")
    assert answer.startswith("I will remember: “I only count cars from Japan”.")
    assert await talks.status() == "ok"
    assert analyst.told == []

    answer = await talks.say("How many cars are there?", "t2")
    assert answer.startswith("There are 3 cars.")
    assert talks.recalled()["memories"] == 1
    brief: Brief = analyst.told[0]["brief"]
    assert brief.get("remembered") == ["I only count cars from Japan"]
    assert holds_untrusted([HumanMessage(remembered_for(brief))])


async def test_without_memories_nothing_is_told(talks: Talks, analyst: Colleague) -> None:
    """A specialist's brief is what it was before there were memories."""
    await talks.say("How many cars are there?")

    assert analyst.told[0]["brief"] == {"context": "", "problems": []}
    assert talks.recalled()["memories"] == 0


async def test_a_wish_and_a_question_are_both_heard(talks: Talks, analyst: Colleague) -> None:
    """The wish is carried out and said first; the specialist gets the question alone."""
    answer = await talks.say("Remember that I report in euros. How many cars are there?")

    assert re.match(r"I will remember: .*\n\nThere are 3 cars\.", answer)
    assert [one.text for one in analyst.told[0]["messages"]] == ["How many cars are there?"]
    assert await talks.kept() == ["I report in euros"]


async def test_a_model_that_fails_doesnt_hide_what_was_done(tmp_path: Path) -> None:
    """A wish that was carried out is told, though nobody could answer the question beside it."""
    (tmp_path / "cars.csv").write_text("name\na\n")
    failing = Colleague("analyst", "cars", ModelFailed("scripted", "it is down"))
    async with await Workspace.open(tmp_path) as workspace:
        talks = Talks(workspace, InMemoryStore(), failing)
        answer = await talks.say("Remember that I report in euros. How many cars are there?")

    assert answer.startswith("I will remember: “I report in euros”.")
    assert "it is down" in answer
    assert await talks.status() == "failed"


async def test_a_message_of_countless_wishes_is_done_in_part_and_says_so(talks: Talks) -> None:
    """One message doesn't hold a worker for as long as it likes: what wasn't done is told, with the number."""
    answer = await talks.say(" ".join(f"Remember that {number} is my number." for number in range(25)))

    assert "say the other 5 in another message" in answer
    assert len(await talks.kept()) == 20


async def test_where_it_was_said_is_kept(talks: Talks) -> None:
    """A memory names the thread, the person's message, and the person."""
    await talks.say("Remember that I report in euros.", "the-thread")
    assert talks.store is not None
    [memory] = await Recall(talks.store).list("default")
    [source] = memory.sources
    state = await talks.graph.aget_state({"configurable": {"thread_id": "the-thread"}})

    assert (source.thread_id, source.by) == ("the-thread", "person")
    assert source.message_id == state.values["messages"][0].id is not None


async def test_the_same_again_is_known_already(talks: Talks) -> None:
    """Another thread adds its source and is told so."""
    await talks.say("Remember that I report in euros.", "t1")
    answer = await talks.say("remember that I REPORT in euros", "t2")
    assert talks.store is not None
    [memory] = await Recall(talks.store).list("default")

    assert answer.startswith("I know that already")
    assert [one.thread_id for one in memory.sources] == ["t1", "t2"]


async def test_forget_that_undoes_the_last(talks: Talks) -> None:
    """It is this thread's latest memory that goes, and it is named."""
    await talks.say("Remember that I live in Texas.", "other")
    await talks.say("Remember that I report in euros.")
    answer = await talks.say("Forget that.")

    assert answer.startswith("Forgotten: “I report in euros”.")
    assert await talks.kept() == ["I live in Texas"]
    assert (await talks.say("Forget that.")).startswith("I remember nothing from this conversation.")
    assert await talks.kept() == ["I live in Texas"]


async def test_forget_that_after_two_wishes_means_the_second(talks: Talks) -> None:
    """Of one message as of two; the first isn't guessed to be meant next, but shown."""
    await talks.say("Remember that I report in euros. Remember that I live in Texas.")

    assert (await talks.say("Forget that.")).startswith("Forgotten: “I live in Texas”.")
    assert "Which of these?" in await talks.say("Forget that.")
    assert await talks.kept() == ["I report in euros"]


class DiesOnce(InMemoryStore):
    """A store whose user dies right after its first deletion."""

    died = False

    async def adelete(self, namespace: tuple[str, ...], key: str) -> None:
        """Delete, then raise the first time."""
        await super().adelete(namespace, key)
        if not self.died:
            self.died = True
            raise ConnectionError("the process is gone")


async def test_a_crash_forgets_nothing_more(tmp_path: Path, analyst: Colleague) -> None:
    """A turn that is done again after it forgot leaves the thread's other memories alone."""
    (tmp_path / "cars.csv").write_text("name\na\n")
    async with await Workspace.open(tmp_path) as workspace:
        talks = Talks(workspace, DiesOnce(), analyst)
        for text in ("I live in Texas", "I report in euros"):
            await talks.say(f"Remember that {text}.")
        with pytest.raises(ConnectionError):
            await talks.say("Forget that.")
        values = await talks.graph.ainvoke(None, {"configurable": {"thread_id": "t1"}})

    assert values["messages"][-1].text == "That isn't remembered any more."
    assert await talks.kept() == ["I live in Texas"]


async def test_its_own_words_or_its_id_say_which(talks: Talks) -> None:
    """Two that share all words are told apart by their order, and any by the id that is shown."""
    for text in ("Ann reports to Bo", "Bo reports to Ann", "I like Ann"):
        await talks.say(f"Remember that {text}.")
    shown = await talks.say("Forget that Ann")
    [like] = re.findall(r"“I like Ann” \(([0-9a-f]{8})", shown)

    assert (await talks.say("Forget that Bo reports to Ann.")).startswith("Forgotten: “Bo reports to Ann”.")
    assert (await talks.say(f"Forget {like}.")).startswith("Forgotten: “I like Ann”.")
    assert await talks.kept() == ["Ann reports to Bo"]


async def test_only_what_is_surely_meant_is_forgotten(talks: Talks) -> None:
    """All telling words must stand in it; of several, and of none, nothing is forgotten."""
    for text in ("I like cats", "I like dogs", "my name is Ann"):
        await talks.say(f"Remember that {text}.")

    assert "Which of these?" in await talks.say("Forget that I like")
    assert "I remember nothing like “I like birds”" in await talks.say("Forget that I like birds")
    assert len(await talks.kept()) == 3
    assert "Forgotten: “my name is Ann”" in await talks.say("Forget my name")
    assert "Forgotten: “I like cats”" in await talks.say("Forget that I like cats")
    assert await talks.kept() == ["I like dogs"]


async def test_everything_is_forgotten_only_if_it_is_said_in_full(talks: Talks) -> None:
    """“Forget everything” may mean the conversation: it is asked back and does nothing."""
    await talks.say("Remember that I report in euros.")

    assert "Nothing is forgotten yet" in await talks.say("Forget everything!")
    assert await talks.kept() == ["I report in euros"]
    assert "(1 in all)" in await talks.say("Forget everything about me.")
    assert await talks.kept() == []


async def test_a_person_sees_what_is_remembered(talks: Talks) -> None:
    """All of it, or what bears on a subject; each with its id."""
    assert await talks.say("What do you remember about me?") == "I remember nothing of you."
    await talks.say("Remember that I report in euros.")
    await talks.say("Remember that I live in Texas.")

    listed = await talks.say("What do you remember about me?", "t2")
    assert re.search(r"- “I report in euros” \([0-9a-f]{8}, \d{4}-\d\d-\d\d\)", listed)
    assert "I live in Texas" in listed
    assert "euros" not in await talks.say("What do you remember about Texas?", "t3")


async def test_a_question_about_the_person_is_answered_from_memory(tmp_path: Path) -> None:
    """Where no specialist recognises it, neither a model nor a person is asked who takes it."""
    (tmp_path / "cars.csv").write_text("name\na\n")
    poet, analyst = Colleague("poet", "verses", "I know no verse."), Colleague("analyst", "cars", counted(3))
    async with await Workspace.open(tmp_path) as workspace:
        talks = Talks(workspace, InMemoryStore(), poet, analyst)
        await talks.say("Remember that I report in euros.")
        answer = await talks.say("What currency do I report in?", "t2")

    assert answer == "You had me remember: “I report in euros”."
    assert await talks.status("t2") == "ok"
    assert poet.told == analyst.told == []


async def test_what_nobody_can_answer_is_answered_from_memory_too(tmp_path: Path) -> None:
    """A specialist that recognises the question and finds nothing doesn't hide what the person said before."""
    (tmp_path / "cars.csv").write_text("name\na\n")
    poet = Colleague("poet", "verses", "I know no verse.")
    async with await Workspace.open(tmp_path) as workspace:
        talks = Talks(workspace, InMemoryStore(), poet)
        await talks.say("Remember that all verses are in iambs.")
        answer = await talks.say("What are the verses in?", "t2")

    assert answer == "I know no verse.\n\nYou had me remember: “all verses are in iambs”."
    assert await talks.status("t2") == "failed"


async def test_users_share_nothing(talks: Talks, analyst: Colleague) -> None:
    """Neither list nor recall nor forgetting reaches another user's."""
    await talks.say("Remember that I count cars in euros.", "t1", user_id="ann@example.com")

    assert await talks.say("What do you remember?", "t2", user_id="bob") == "I remember nothing of you."
    await talks.say("How many cars are there?", "t3", user_id="bob")
    assert "remembered" not in analyst.told[0]["brief"]
    await talks.say("Forget everything about me.", "t4", user_id="bob")
    assert await talks.kept("ann@example.com") == ["I count cars in euros"]
    undo = await talks.say("Remember that I count cars in euros.", "t5", user_id="ann@example.com")
    assert "--user ann@example.com`" in undo


async def test_a_private_thread_stores_and_recalls_nothing(talks: Talks, analyst: Colleague) -> None:
    """No wish is carried out, no memory is used, and the answer says so."""
    await talks.say("Remember that I count cars in euros.")
    for wish in ("Remember that I am ill.", "What do you remember?", "Forget everything about me.", "Forget that."):
        assert "private" in await talks.say(wish, "hidden", private=True)
    await talks.say("How many cars are there?", "hidden", private=True)

    assert "remembered" not in analyst.told[0]["brief"]
    assert await talks.kept() == ["I count cars in euros"]


async def test_a_server_without_a_store_says_so(tmp_path: Path, analyst: Colleague) -> None:
    """A wish isn't taken for done, and questions are answered as ever."""
    (tmp_path / "cars.csv").write_text("name,year\na,1970\nb,1971\nc,1972\n")
    async with await Workspace.open(tmp_path) as workspace:
        talks = Talks(workspace, None, analyst)
        assert "keeps no memories" in await talks.say("Remember that I report in euros.")
        assert (await talks.say("How many cars are there?")).startswith("There are 3 cars.")


async def test_what_cant_be_kept_is_said(talks: Talks) -> None:
    """Too long, or only pointed at: the person is told what would do, and nothing is stored."""
    assert f"1 to {LONGEST} characters" in await talks.say(f"Remember that I {'x' * LONGEST}.")
    assert "Tell me the words" in await talks.say("Remember that.")
    assert await talks.kept() == []


async def test_personal_data_under_a_rule_isnt_remembered(talks: Talks) -> None:
    """What the guard takes out of a question stands in no memory."""
    await talks.say("Remember that my card is 4111 1111 1111 1111.")

    assert "4111 1111 1111 1111" not in "".join(await talks.kept())
    assert len(await talks.kept()) == 1


async def test_older_turns_are_kept_as_lines(talks: Talks) -> None:
    """A thread longer than its notes still knows what it was about, a line a turn, without a model."""
    for number in range(MOST_NOTES + 3):
        await talks.say(f"How many cars are there in lot {number}?")
    state = (await talks.graph.aget_state({"configurable": {"thread_id": "t1"}})).values
    answer = await talks.say("What have we talked about so far?")

    assert (len(state["notes"]), len(state["earlier"])) == (MOST_NOTES, 3)
    assert state["earlier"][0].startswith("- How many cars are there in lot 0?")
    lines = answer.splitlines()
    assert (lines[0], len(lines)) == ("We talked about:", MOST_NOTES + 4)
    assert lines[-1].startswith(f"- How many cars are there in lot {MOST_NOTES + 2}?")
