"""Whatever a graph asks is read as calls to decide on, or left as it is; and it is shown as each client reads it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.graphs.any_json import ANY
from tests.graphs.asked import ALL, ARGUMENTS, CALL_SCHEMA, batched, legacy, per_call, per_call_schema

from motet.errors import InvalidInput
from motet.graphs.answers import decided
from motet.graphs.questions import Told, digest, read, told
from motet.graphs.response_schemas import misfit, offered
from motet.graphs.shapes import Shown, native, shown
from motet.memory.asking import Action, Decision, actions_hash
from motet.memory.ports import WaitingInterrupt

HASH = actions_hash([Action(tool="send", arguments=ARGUMENTS)], None)


def test_a_batch_is_read_call_by_call() -> None:
    """Each action has the decisions of the configuration with its name, in whatever order those stand."""
    value = {
        "action_requests": [
            {"name": "send", "args": {"to": "a"}, "description": "one", "tool_call_id": "c1"},
            {"name": "drop", "args": {}},
            {"name": "send", "args": {"to": "b"}},
        ],
        "review_configs": [
            {"action_name": "drop", "allowed_decisions": ["reject", "approve"], "args_schema": {"type": "object"}},
            {"action_name": "send", "allowed_decisions": ["edit", "approve", "escalate"], "args_schema": CALL_SCHEMA},
        ],
    }

    shape, actions = read(value, None)

    assert shape == "hitl"
    assert actions == [
        Action(
            tool="send",
            arguments={"to": "a"},
            description="one",
            allowed=("approve", "edit"),
            arguments_schema=CALL_SCHEMA,
            tool_call_id="c1",
        ),
        Action(tool="drop", arguments={}, allowed=("approve", "reject")),
        Action(tool="send", arguments={"to": "b"}, allowed=("approve", "edit"), arguments_schema=CALL_SCHEMA),
    ]


@pytest.mark.parametrize("allowed", [ALL, ("approve", "edit"), ("edit",), ("reject", "approve")])
def test_a_call_of_its_own_is_read_with_its_response_schema(allowed: tuple[str, ...]) -> None:
    """What is allowed, and what edits must fit, only the schema says; one decision alone is an object of its own."""
    schema = per_call_schema(*allowed)
    if len(allowed) == 1:
        schema = {**schema["$defs"]["edit"], "$defs": schema["$defs"]}

    shape, (action,) = read(per_call(), schema)

    assert (shape, action.tool, action.arguments, action.tool_call_id) == ("tool_approval", "send", ARGUMENTS, "call_1")
    assert set(action.allowed) == set(allowed)
    assert action.arguments_schema == (CALL_SCHEMA if "edit" in allowed else None)


def test_a_schema_of_edits_stands_by_itself() -> None:
    """What it refers to comes along, and nothing else does."""
    schema = per_call_schema(*ALL)
    nested = {"type": "object", "properties": {"to": {"$ref": "#/$defs/To"}}}
    schema["$defs"] |= {"send": nested, "To": {"$ref": "#/$defs/Name"}, "Name": {"type": "string"}}

    found = offered(schema).arguments_schema

    assert found is not None
    assert found == {**nested, "$defs": {"To": {"$ref": "#/$defs/Name"}, "Name": {"type": "string"}}}
    assert misfit(found, {"to": 1}) is not None
    assert misfit(found, {"to": "ada"}) is None


@pytest.mark.parametrize("wrap", [False, True])
def test_an_older_question_is_read(wrap: bool) -> None:  # noqa: FBT001 - a case of the table
    """Its switches are decisions; alone or in a list."""
    value: Any = legacy(edit=False)

    shape, actions = read([value, legacy(respond=False)] if wrap else value, None)

    assert shape == "legacy"
    assert actions[0] == Action(
        tool="send", arguments=ARGUMENTS, description="0", allowed=("approve", "reject", "respond")
    )
    assert [one.allowed for one in actions[1:]] == ([("approve", "edit", "reject")] if wrap else [])


@pytest.mark.parametrize(
    "value",
    [
        "sure?",
        None,
        [],
        {},
        {**batched(*ALL), "review_configs": []},
        {**batched(*ALL), "review_configs": [{"action_name": "other", "allowed_decisions": ["approve"]}]},
        {**batched(*ALL), "review_configs": [{"action_name": ["send"], "allowed_decisions": ["approve"]}]},
        {**batched(*ALL), "review_configs": [{"action_name": "send", "allowed_decisions": "approve"}]},
        batched("escalate"),
        {**batched(*ALL), "action_requests": [{"name": "send"}]},
        {**batched(*ALL), "action_requests": [*batched(*ALL)["action_requests"], "send"]},
        {**per_call(), "args": "x"},
        {**per_call(), "type": "mcp_elicitation"},
        {**legacy(), "config": None},
        legacy(accept=False, edit=False, ignore=False, respond=False),
        [legacy(), "and"],
        {**legacy(), "action_request": {"action": 1, "args": {}}},
    ],
)
def test_what_isnt_well_formed_is_raw(value: Any) -> None:
    """Half a request isn't guessed at: it is shown and answered as it is."""
    assert read(value, None) == ("raw", ())
    assert [shown(value, None, one) for one in ("hitl", "legacy", "raw")] == [value] * 3


@settings(max_examples=100)
@given(value=ANY, schema=st.none() | ANY.filter(lambda one: isinstance(one, dict)))
def test_no_json_makes_it_fail(value: Any, schema: Any) -> None:
    """Whatever a graph asks is read and shown, as JSON that reads the same way again."""
    shape, actions = read(value, schema)

    assert (shape == "raw") == (not actions)
    assert digest(value, actions)
    assert isinstance(told(value), Told)
    for kind in ("hitl", "legacy", "raw"):
        seen = shown(value, schema, kind)
        again = read(orjson.loads(orjson.dumps(seen)), schema)[1]
        assert [(one.tool, one.arguments) for one in again] == [(one.tool, one.arguments) for one in actions]


def test_what_is_told_beside_the_call_is_read() -> None:
    """The agent's words, what it rests on and how long it waits; what is of another kind isn't told."""
    value = {**batched(*ALL), "why": "asked to", "evidence": [{"file": "a.md"}], "deadline_s": 60}

    assert told(value) == Told(why="asked to", evidence=[{"file": "a.md"}], deadline_s=60)
    assert told({"why": 1, "evidence": ["x"], "deadline_s": True}) == told({"deadline_s": -1}) == told("x") == Told()


REQUEST = {
    "action_requests": [{"name": "send", "args": ARGUMENTS, "description": "0", "arguments_sha256": HASH}],
    "review_configs": [{"action_name": "send", "allowed_decisions": list(ALL)}],
}


@pytest.mark.parametrize(
    ("value", "kind", "seen"),
    [
        (per_call(), "hitl", {**per_call(), **REQUEST}),
        (legacy(), "hitl", REQUEST),
        ([legacy()], "hitl", REQUEST),
        (batched(*ALL), "hitl", batched(*ALL)),
        (per_call(), "legacy", legacy()),
        (batched(*ALL), "legacy", legacy()),
        (batched("approve", "reject"), "legacy", legacy(edit=False, respond=False)),
        ([legacy()], "legacy", legacy()),
        (batched(*ALL, actions=2), "hitl", batched(*ALL, actions=2)),
        (batched(*ALL, actions=2), "legacy", batched(*ALL, actions=2)),
        ([legacy(), legacy()], "legacy", [legacy(), legacy()]),
        (per_call(), "raw", per_call()),
        ([legacy()], "raw", [legacy()]),
    ],
)
def test_a_question_is_shown_as_the_client_reads_it(value: Any, kind: Shown, seen: Any) -> None:
    """One call in the shape that is wanted; several calls at once, and raw questions, as they were asked."""
    assert shown(value, per_call_schema(*ALL) if isinstance(value, dict) and "type" in value else None, kind) == seen


def test_both_stock_clients_take_what_they_are_shown() -> None:
    """Agent Chat UI wants lists that aren't empty, with these fields; Agent Inbox an action and a configuration."""
    for value in (per_call(), legacy(), batched(*ALL)):
        chat, inbox = shown(value, None, "hitl"), shown(value, None, "legacy")

        assert all(isinstance(one["name"], str) and isinstance(one["args"], dict) for one in chat["action_requests"])
        assert all(isinstance(one["action_name"], str) and one["allowed_decisions"] for one in chat["review_configs"])
        assert set(inbox) == {"action_request", "config", "description"}
        assert all(isinstance(one, bool) for one in inbox["config"].values())


def test_a_question_with_a_hash_of_its_own_is_bound_to_that() -> None:
    """It may cover more than the arguments; without one, it is the hash of tool and arguments."""
    own = {**batched(*ALL), "action_requests": [{**REQUEST["action_requests"][0], "arguments_sha256": "f" * 64}]}
    _, actions = read(own, None)

    assert digest(own, actions) == "f" * 64
    assert digest(batched(*ALL), actions) == HASH
    assert digest("sure?", ()) == actions_hash((), "sure?")
    (decision,) = native("hitl", own, actions, [Decision(type="approve")])["decisions"]
    assert decision == {"type": "approve", "arguments_sha256": "f" * 64}


def test_nothing_is_decided_on_a_raw_question() -> None:
    """It takes an answer; there is no call whose decision could be told to the graph."""
    question = WaitingInterrupt(interrupt_id="i", task_id="", value="sure?")

    with pytest.raises(ValueError, match="answered, not decided on"):
        native("raw", "sure?", (), [Decision(type="reject")])
    with pytest.raises(InvalidInput, match="no call waits"):
        decided(question, [Decision(type="reject")])
