"""What was made of a list's messages is made again only where they are no longer what they were."""

from __future__ import annotations

import copy
import json
from array import array
from collections.abc import Callable
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from redis.asyncio import Redis
from tests.memory.savers import claimed, put, thread, values_of

from motet.growing import Growing
from motet.memory.redis.checkpoints import RedisCheckpointer
from motet.memory.redis.keys import Keys


def _made_of(growing: Growing[str], messages: list[Any], place: str = "here") -> list[str]:
    """The messages of which something was made anew."""
    made: list[str] = []

    def make(message: Any) -> str:
        made.append(told := repr(message))
        return told

    assert growing.all_of(place, messages, make) == [repr(one) for one in messages]
    return made


def test_only_what_is_new_is_made() -> None:
    """A list that grew costs its new messages, also where the old ones are other objects that hold the same."""
    growing: Growing[str] = Growing()
    messages: list[BaseMessage] = [HumanMessage("a", id="1"), AIMessage("b", response_metadata={"n": [1]})]
    assert len(_made_of(growing, messages)) == 2
    assert _made_of(growing, messages) == []
    messages = [*copy.deepcopy(messages), AIMessage("c")]
    assert _made_of(growing, messages) == [repr(messages[2])]
    assert len(_made_of(growing, messages, "elsewhere")) == 3


def test_what_changed_is_made_anew() -> None:
    """A message that changed in its place, to the bit, one that went, and one of another class aren't overlooked."""
    growing: Growing[str] = Growing()
    first, second = AIMessage("a", response_metadata={"n": [1], "m": 0.0}), AIMessage("b")
    messages: list[Any] = [first, second]
    _made_of(growing, messages)
    for value in (True, 1.0, 1):
        first.response_metadata["n"][0] = value
        assert len(_made_of(growing, messages)) == 2
    first.response_metadata["m"] = -0.0
    assert len(_made_of(growing, messages)) == 2
    second.extra_field = "more"  # pyright: ignore[reportAttributeAccessIssue] - messages take any field
    assert len(_made_of(growing, messages)) == 2
    assert len(_made_of(growing, messages[1:])) == 1
    chunk = AIMessageChunk(content="a")
    assert len(_made_of(growing, [chunk])) == 1
    chunk.__class__ = AIMessage  # pyright: ignore[reportAttributeAccessIssue] - as bad as it gets
    assert len(_made_of(growing, [chunk])) == 1


def test_a_text_that_changed_inside_a_message_is_noticed() -> None:
    """A text far inside a field, an element more in a list, a name more in an object: what is held isn't shared."""
    growing: Growing[str] = Growing()
    message = AIMessage([{"type": "text", "text": "d"}], additional_kwargs={"a": [{"b": "c"}]})
    held, content = message.additional_kwargs, cast("list[Any]", message.content)
    changes: list[Callable[[], object]] = [
        lambda: held["a"][0].update(b="d"),
        lambda: held["a"].append({}),
        lambda: held.update(e=[]),
        lambda: content.append({"type": "text", "text": "d"}),
    ]
    for change in changes:
        _made_of(growing, [message])
        assert _made_of(growing, [message]) == []
        change()
        assert len(_made_of(growing, [message])) == 1


def test_what_has_no_fingerprint_is_made_each_time() -> None:
    """Elements that are no messages, or hold an object of any class, are never taken for what they were.

    Two arrays of the same bytes may be of other shapes.
    """
    growing: Growing[str] = Growing()
    others = (object(), {"deep": [bytearray(b"a")]}, array("i", [1]))
    for other in ("text", *(ToolMessage("t", tool_call_id="1", artifact=one) for one in others)):
        for _ in range(2):
            assert len(_made_of(growing, [HumanMessage("a"), other])) == 2


def test_what_is_kept_is_bounded() -> None:
    """The latest lists are kept, up to a number of bytes, and the newest however long it is."""
    growing: Growing[str] = Growing(limit=50_000)
    messages: list[Any] = [HumanMessage("x" * 1_000)]
    for number in range(100):
        _made_of(growing, messages, f"place {number}")
    kept = [number for number in range(99, -1, -1) if not _made_of(growing, messages, f"place {number}")]
    assert 5 < len(kept) < 25
    assert kept == list(range(99, 99 - len(kept), -1))

    long: list[Any] = [HumanMessage("x" * 100_000)]
    _made_of(growing, long)
    assert _made_of(growing, long) == []


_Change = st.tuples(
    st.sampled_from(["add", "drop", "change", "inside", "copy"]),
    st.integers(0, 3),
    st.sampled_from([0, True, 1.0, 1, "", "x", float("nan")]),
)


@given(st.lists(_Change, max_size=12))
def test_it_never_shows(changes: list[tuple[str, int, Any]]) -> None:
    """Whatever is done to a list, what comes back is what making all of it gives."""
    growing: Growing[str] = Growing()
    messages: list[Any] = []
    for what, at, value in changes:
        if what == "add":
            messages = [*messages, AIMessage(str(value), response_metadata={"n": value})]
        elif messages and what == "drop":
            messages.pop(at % len(messages))
        elif messages and what == "change":
            messages[at % len(messages)].response_metadata["n"] = value
        elif messages and what == "inside":
            messages[at % len(messages)].additional_kwargs.setdefault("n", [{}]).append({str(value): [str(value)]})
        elif messages:
            messages = copy.deepcopy(messages)
        assert list(growing.all_of((), messages, _json)) == [_json(one) for one in messages]


def _json(message: Any) -> str:
    return json.dumps(message.model_dump())


async def test_what_changes_in_its_place_between_supersteps_is_stored(redis: Redis, keys: Keys) -> None:
    """Under a claim, too, a checkpoint holds its messages as they were when it was put, in each of its namespaces."""
    saver = RedisCheckpointer(redis, keys).for_claim(await claimed(redis, keys, "run"))
    messages = [HumanMessage("x" * 300, id=str(number), additional_kwargs={"n": 1}) for number in range(20)]
    configs = {name: thread("t", name) for name in ("", "inner")}
    puts: list[tuple[Any, list[HumanMessage]]] = []

    async def step(messages: list[HumanMessage]) -> None:
        for name, config in configs.items():
            configs[name] = await put(saver, config, messages=messages, other=messages[:2])
            puts.append((configs[name], copy.deepcopy(messages)))

    await step(messages)
    messages[3].additional_kwargs["n"] = True
    await step([*messages, HumanMessage("new")])
    messages[3].content = "y"
    await step([*messages, HumanMessage("new"), HumanMessage("newer")])
    await step(messages[5:])

    reader = RedisCheckpointer(redis, keys)
    for config, expected in puts:
        values = await values_of(reader, config)
        assert [repr(one) for one in values["messages"]] == [repr(one) for one in expected]
        assert [repr(one) for one in values["other"]] == [repr(one) for one in expected[:2]]
