"""Personal data, secrets and what a page would load, on their way in and out."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import orjson
import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.tool import tool_call_chunk
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph

from motet.graphs.events import Part, encode
from motet.graphs.guardrails import Guard
from motet.graphs.outgoing import LONGEST_HELD, Outgoing, Searched
from motet.graphs.runtime import RunPlan, stream
from motet.testing import ScriptedModel, streamed

CARD = "4111 1111 1111 1111"
MASKED = "**** **** **** 1111"
ALL = {"email": "redact", "credit_card": "mask", "ip": "hash", "mac_address": "mask", "url": "redact"}
TEXT = f"Mail ada@example.org or pay 12 {CARD} and 5500-0000-0000-0004, not 4111 1111 1111 1112, from 10.1.2.3 today"


@pytest.mark.parametrize(
    ("kind", "strategy", "text", "left"),
    [
        ("credit_card", "mask", f"card {CARD}!", f"card {MASKED}!"),
        ("email", "redact", "to ada@example.org.", "to [REDACTED_EMAIL]."),
        ("ip", "hash", "at 10.1.2.3", "at <ip_hash:8e099943>"),
        ("url", "redact", "see https://a.example/b?c", "see [REDACTED_URL]"),
    ],
)
def test_each_kind_is_treated_as_its_rule_says(kind: str, strategy: str, text: str, left: str) -> None:
    """LangChain's detectors and strategies hold on the way in and on the way out."""
    guard = Guard({kind: strategy})

    for guarded in (guard.guard_in(text), guard.guard_out(text)):
        assert (guarded.text, guarded.redacted, guarded.refused) == (left, (kind,), False)


def test_without_rules_ordinary_text_stays() -> None:
    """An installation that asks for nothing gets its texts as they are."""
    guarded = Guard({}).guard_in(TEXT)

    assert (guarded.text, guarded.redacted) == (TEXT, ())
    assert Guard({}).outgoing() is None


def test_what_is_blocked_is_refused_in_words() -> None:
    """A turn with blocked data ends with a sentence that says why, and doesn't repeat the data."""
    guard = Guard({"email": "block"})

    for guarded in (guard.guard_in("I am ada@example.org"), guard.guard_out("She is ada@example.org")):
        assert guarded.refused
        assert "email" in guarded.text
        assert "ada@" not in guarded.text


def test_a_secret_in_a_persons_message_goes_no_further() -> None:
    """A key that somebody pastes is masked before a model reads it, and it is said."""
    guarded = Guard({}).guard_in("why does sk-proj-abcdefghijklmnop1234 fail?")

    assert (guarded.text, guarded.redacted) == ("why does [redacted] fail?", ("secret",))


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ("See ![it](https://evil.example/?q=1) now", "See (image left out: it) now"),
        ("![](http://evil.example)", "(image left out)"),
        ("![it][ref]", "(image left out: it)"),
        ("![it](https://evil.example/?q=", "(image left out: it)"),
        ("![ref]\n\n[ref]: http://evil.example", "(image left out: ref)\n\n[ref]: http://evil.example"),
        ('<img src="http://evil.example">', '\u2039img src="http://evil.example"\u203a'),
        ("a <script>x</script> b", "a \u2039script\u203ax\u2039/script\u203a b"),
        ("<img src=x onerror=y", "\u2039img src=x onerror=y\u203a"),
        ("\\`<img src=x>\\`", "\\`\u2039img src=x\u203a\\`"),
        ("`a\n\n<img src=x>`", "`a\n\n\u2039img src=x\u203a`"),
        (
            "| a | b | c |\n|---|---|---|\n| ` | ![](//e) | ` |",
            "| a | b | c |\n|---|---|---|\n| ` | (image left out) | ` |",
        ),
        ("a ` b\n` ![](//e) `", "a ` b\n` (image left out) `"),
        ("- a\n  ```\n![](//e)\n```\n", "- a\n  ```\n(image left out)\n```\n"),
        ("```\n```x\n```\n![](//e)\n```\n", "```\n```x\n```\n(image left out)\n```\n"),
        ("<![CDATA[\n```\n]]>\n\n<? ![](//e)", "\u2039![CDATA[\n```\n]]\u203a\n\n\u2039? ![](//e)\u203a"),
    ],
)
def test_an_answer_loads_and_renders_nothing(answer: str, shown: str) -> None:
    """Whatever shows the answer, it asks no other server for an image and runs no HTML."""
    assert Guard({}).guard_out(answer).text == shown


@pytest.mark.parametrize("answer", ["n < 5 and m > 3", "`List<String>`", "```html\n<img src=x>\n```", "[a](b) !"])
def test_what_is_neither_image_nor_html_stays(answer: str) -> None:
    """Comparisons, links and code are shown as they are."""
    assert Guard({}).guard_out(answer).text == answer


def test_what_the_person_wrote_may_be_answered() -> None:
    """A tag that stands in the question may stand in the answer."""
    assert (
        Guard({}).guard_out("<b> is bold, <i> isn't", asked="what is <b>?").text == "<b> is bold, \u2039i\u203a isn't"
    )


def chunks_of(text: str, size: int, *, last: bool = True) -> list[AIMessageChunk]:
    """`text` as a model streams it, `size` characters at a time, its last chunk empty."""
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    end = [AIMessageChunk(content="", id="m", chunk_position="last")] if last else []
    return [AIMessageChunk(content=piece, id="m") for piece in pieces] + end


def sent(outgoing: Outgoing, messages: Sequence[Any]) -> list[Any]:
    """What leaves of these messages."""
    return [outgoing.part(Part(mode="messages", namespace=(), data=(one, {}))).data[0] for one in messages]


def guarded_stream(rules: dict[str, str] = ALL) -> Outgoing:
    """A stream under these rules."""
    outgoing = Guard(rules).outgoing()
    assert outgoing is not None
    return outgoing


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 16, 50, 500])
def test_a_split_stream_says_what_the_whole_text_says(size: int) -> None:
    """However a text is split, what leaves is the whole text redacted, and no chunk is lost or moved."""
    given = chunks_of(TEXT, size)

    left = sent(guarded_stream(), given)

    assert "".join(one.content for one in left) == Guard(ALL).guard_in(TEXT).text
    assert [one.chunk_position for one in left] == [one.chunk_position for one in given]


def test_at_no_point_a_split_card_has_left() -> None:
    """Of a card number that comes digit by digit, nothing is out before it is known what it is."""
    left = ""
    outgoing = guarded_stream({"credit_card": "mask"})

    for one in sent(outgoing, chunks_of(f"It is {CARD} ok", 1)):
        left += one.content
        assert "4111" not in left

    assert left == f"It is {MASKED} ok"


def test_words_are_held_no_longer_than_needed() -> None:
    """Ordinary text leaves a word behind what the model said, not a paragraph."""
    left = sent(guarded_stream(), chunks_of("one two three", 4, last=False))

    assert "".join(one.content for one in left) == "one two "


def test_a_word_without_end_is_not_held_for_ever() -> None:
    """What is held back is bounded, and a match in it is redacted all the same."""
    word = "x" * 2_000 + " ".join(["1"] * 2_000) + f" {CARD}"
    left = sent(guarded_stream({"credit_card": "mask"}), chunks_of(word, 10))

    assert len("".join(one.content for one in left[:-1])) > len(word) - LONGEST_HELD - 10
    assert CARD not in "".join(one.content for one in left)


def test_two_messages_at_once_are_kept_apart() -> None:
    """Agents that speak in parallel don't mix their words."""
    outgoing = guarded_stream()
    first, second = (chunks_of(text, 3) for text in (f"a {CARD} a", "b ada@example.org b"))
    second = [one.model_copy(update={"id": "other"}) for one in second]

    left = sent(outgoing, [one for pair in zip_longest(first, second) for one in pair if one is not None])

    assert "".join(one.content for one in left if one.id == "m") == f"a {MASKED} a"
    assert "".join(one.content for one in left if one.id == "other") == "b [REDACTED_EMAIL] b"


def test_blocks_and_arguments_are_redacted_too() -> None:
    """A provider that streams blocks, and the arguments of a tool call, are text like any other."""
    outgoing = guarded_stream()
    given = [
        AIMessageChunk(content=[{"type": "text", "text": "to ada@exa", "index": 0}], id="m"),
        AIMessageChunk(content=[{"type": "text", "text": "mple.org now", "index": 0}], id="m"),
        AIMessageChunk(content=[], id="m", tool_call_chunks=[tool_call_chunk(name="pay", id="1", args="", index=1)]),
        AIMessageChunk(content=[], id="m", tool_call_chunks=[tool_call_chunk(args='{"card": "4111 1111 ', index=1)]),
        AIMessageChunk(content=[], id="m", tool_call_chunks=[tool_call_chunk(args='1111 1111"}', index=1)]),
        AIMessageChunk(content=[], id="m", chunk_position="last"),
    ]

    left = sent(outgoing, given)

    whole = left[0]
    for one in left[1:]:
        whole += one
    assert whole.content == [{"type": "text", "text": "to [REDACTED_EMAIL] now", "index": 0}]
    assert whole.tool_calls == [{"name": "pay", "args": {"card": MASKED}, "id": "1", "type": "tool_call"}]


@pytest.mark.parametrize("mode", ["values", "updates", "custom"])
def test_every_other_part_is_looked_through(mode: Any) -> None:
    """State, updates and custom events are redacted wherever a text stands in them; numbers too."""
    data = {
        "messages": [HumanMessage(CARD), AIMessage("", tool_calls=[{"name": "t", "args": {"a": CARD}, "id": "1"}])],
        "rows": [(4111111111111111, "ada@example.org", 7)],
        "untouched": {"x": [1.5, None, True]},
    }

    _, told = encode(guarded_stream().part(Part(mode=mode, namespace=("a:1",), data=data)))

    assert told.count(MASKED.encode()) == 2
    assert b'["************1111","[REDACTED_EMAIL]",7]' in told
    assert b'"untouched":{"x":[1.5,null,true]}' in told


@pytest.mark.parametrize("mode", ["values", "updates"])
def test_a_part_with_nothing_in_it_is_passed_on_as_it_is(mode: Any) -> None:
    """Where there is nothing to redact, the stream says what it would say without rules."""
    part = Part(mode=mode, namespace=(), data={"messages": [HumanMessage("hello")], "n": 1})

    assert encode(guarded_stream().part(part)) == encode(part)


def test_a_message_that_changes_between_two_states_is_looked_through_again() -> None:
    """What was clean in one state and stays in the next is sent on; a card that it got meanwhile isn't."""
    outgoing = guarded_stream()
    first, second = HumanMessage("hello"), HumanMessage("you")
    told: list[bytes] = []
    for content in ("hello", CARD, "hello"):
        first.content = content
        state = Part(mode="values", namespace=(), data={"messages": [first, second]})
        told.append(encode(outgoing.part(state))[1])

    assert told[0] == told[2] == encode(state)[1]
    assert MASKED.encode() in told[1]
    assert CARD.encode() not in told[1]


def test_who_approves_sees_exactly_what_will_be_done() -> None:
    """A question's arguments are what a decision is made on: they leave as they are."""
    part = Part(mode="updates", namespace=(), data={"__interrupt__": [{"value": {"args": {"to": "ada@example.org"}}}]})

    assert guarded_stream().part(part) is part


async def test_a_streamed_graph_says_no_card_number() -> None:
    """From a model's tokens to the stream of a run: the number never leaves, whichever mode is read."""
    model = ScriptedModel([streamed("Your card 4111 11", "11 1111", " 1111", " is fine")])

    async def answer(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState).add_node("answer", answer)
    graph.add_edge(START, "answer").add_edge("answer", END)
    plan = RunPlan(
        run_id="0197f3c0-0000-7000-8000-000000000001", thread_id="t", attempt=1, input={"messages": ["hi"]},
        modes=("messages", "values", "updates"), subgraphs=False, seconds=10, name="g",
        outgoing=guarded_stream({"credit_card": "mask"}),
    )  # fmt: skip

    events = stream(graph.compile(checkpointer=InMemorySaver()), plan)
    parts = [event async for event in events if isinstance(event, Part)]

    tokens = "".join(one.data[0].content for one in parts if one.mode == "messages")
    assert tokens == f"Your card {MASKED} is fine"
    assert not any(CARD.encode() in encode(one)[1] for one in parts)


async def test_a_specialist_made_by_create_agent_keeps_the_same_rules() -> None:
    """The guard's middleware redacts words, tools' results and answers inside an agent, and raises nothing."""
    model = ScriptedModel([f"It was {CARD}, says ada@example.org"])
    rules = {"credit_card": "mask", "email": "block"}
    agent: Any = create_agent(model, middleware=list(Guard(rules).middleware))
    said = [
        HumanMessage("pay"),
        AIMessage("", tool_calls=[{"name": "card", "args": {}, "id": "1"}]),
        ToolMessage(CARD, tool_call_id="1"),
    ]

    async with asyncio.timeout(10):
        state = await agent.ainvoke({"messages": said})

    told = [one.content for one in state["messages"]]
    assert told == ["pay", "", MASKED, f"It was {MASKED}, says [REDACTED_EMAIL]"]


def _told(outgoing: Outgoing, *messages: BaseMessage, namespace: tuple[str, ...] = ()) -> list[str]:
    """The contents of a state's messages as they leave."""
    _, data = encode(outgoing.part(Part(mode="values", namespace=namespace, data={"messages": list(messages)})))
    return [one["content"] for one in orjson.loads(data)["messages"]]


def test_a_history_is_searched_once_whatever_run_it_is_in() -> None:
    """What one run looked through isn't by the next, whatever was found; a message that changed is."""
    looked_at: list[str] = []

    def redact(text: str) -> str:
        looked_at.append(text)
        return text.replace("secret", "[REDACTED]")

    searched = Searched()
    clean, spoiled = AIMessage("nothing to be found", id="1"), AIMessage("holds a secret", id="2")
    for _ in range(2):
        outgoing = Outgoing(redact, searched)
        assert _told(outgoing, clean) == ["nothing to be found"]
        assert _told(outgoing, clean, spoiled) == ["nothing to be found", "holds a [REDACTED]"]
        assert _told(outgoing, clean.model_copy(deep=True), spoiled, clean)[1:] == [
            "holds a [REDACTED]",
            "nothing to be found",
        ]
    assert [looked_at.count(text) for text in ("nothing to be found", "holds a secret")] == [1, 1]

    clean.content = "changed in its place"
    assert _told(Outgoing(redact, searched), clean) == ["changed in its place"]
    assert looked_at.count("changed in its place") == 1


def test_a_message_that_changes_in_its_place_leaves_as_it_is() -> None:
    """Between two states of a run a node may change what a message holds: it is looked through and told as changed."""
    outgoing = Guard({"email": "redact"}).outgoing()
    assert outgoing is not None
    first, last = HumanMessage("hello", additional_kwargs={"n": 1, "deep": [{}]}), AIMessage("to ada@example.org")
    state = Part(mode="values", namespace=(), data={"messages": [first, last]})

    def told() -> Any:
        return orjson.loads(encode(outgoing.part(state))[1])["messages"]

    assert [one["content"] for one in told()] == ["hello", "to [REDACTED_EMAIL]"]
    first.content = "from ada@example.org"
    assert [one["content"] for one in told()] == ["from [REDACTED_EMAIL]", "to [REDACTED_EMAIL]"]
    first.additional_kwargs["n"] = True
    first.additional_kwargs["deep"][0]["mail"] = "bob@example.org"
    assert told()[0]["additional_kwargs"] == {"n": True, "deep": [{"mail": "[REDACTED_EMAIL]"}]}
    assert told()[0]["additional_kwargs"]["n"] is True
    last.content = "nobody"
    assert told()[1]["content"] == "nobody"
    state.data["messages"][:] = [last]
    assert [one["content"] for one in told()] == ["nobody"]


def test_a_message_with_a_value_of_any_class_leaves_as_it_is() -> None:
    """What has no fingerprint, a tool's artifact, is known by its JSON; a changed one isn't taken for the old."""

    class Held:
        def __init__(self) -> None:
            self.text = "ada@example.org"

        def __repr__(self) -> str:
            return self.text

    held = Held()
    outgoing = Guard({"email": "redact"}).outgoing()
    assert outgoing is not None
    state = Part(mode="values", namespace=(), data={"messages": [ToolMessage("t", tool_call_id="1", artifact=held)]})

    for text, left in (("ada@example.org", "[REDACTED_EMAIL]"), ("bob", "bob")):
        held.text = text
        assert orjson.loads(encode(outgoing.part(state))[1])["messages"][0]["artifact"] == left


def test_what_was_looked_through_is_bounded() -> None:
    """The newest messages are kept, up to a number of bytes; the oldest are searched again."""
    searched = Searched(limit=10_000)
    for number in range(100):
        searched.note(b"%300d" % number, b"x" * 500)
    kept = [number for number in range(100) if searched.find(b"%300d" % number)]
    assert kept == list(range(100 - len(kept), 100))
    assert 5_000 < len(kept) * 800 <= 10_000


def test_what_was_looked_through_takes_as_much_memory_as_is_counted() -> None:
    """However short the messages are: as they come from `orjson` they would take 4 kB each."""
    messages = [HumanMessage(str(number), id=str(number)) for number in range(500)]
    states = [Part(mode="values", namespace=(), data={"messages": [one]}) for one in messages]
    outgoing = Outgoing(lambda text: text, Searched())
    tracemalloc.start()
    for state in states:
        outgoing.part(state)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < 500 * 3000


def test_a_list_without_messages_is_not_remembered() -> None:
    """Each task of a sub-graph is a place of its own; what is empty there counts no byte, and would stay for ever."""
    searched = Searched()
    outgoing = Outgoing(lambda text: text, searched)
    for number in range(10):
        state = Part(mode="values", namespace=(f"worker:{number}",), data={"messages": [], "log": []})
        assert encode(outgoing.part(state))[1] == b'{"messages":[],"log":[]}'

    assert not vars(searched.lists)["_lists"]
