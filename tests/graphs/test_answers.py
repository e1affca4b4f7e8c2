"""An answer in any shape, to a question in any shape, is the same decision; one that doesn't fit is refused whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.graphs.any_json import ANY
from tests.graphs.asked import (
    ALL,
    ARGUMENTS,
    CALL_SCHEMA,
    EDITED,
    FIRST,
    NATIVE,
    QUESTIONS,
    SAID,
    SECOND,
    batched,
    legacy,
    per_call,
    per_call_schema,
    waiting,
)

from motet.errors import ArgumentsChanged, CallerError, InvalidInput, NoWaitingInterrupt
from motet.graphs.answers import answers, decided
from motet.graphs.approval import arguments_hash
from motet.graphs.questions import read
from motet.memory.asking import Action, Answer, Asked, Decision
from motet.memory.ports import WaitingInterrupt

CANONICAL = {
    "approve": Decision(type="approve"),
    "edit": Decision(type="edit", arguments=EDITED),
    "reject": Decision(type="reject", message="no"),
    "respond": Decision(type="respond", message="later"),
}
TABLE = [(shape, kind, way) for shape in QUESTIONS for kind, ways in SAID.items() for way in ways]
HASH = arguments_hash("send", ARGUMENTS)


def one(resume: Any, *questions: WaitingInterrupt) -> Answer:
    """The only answer in a resume."""
    (answer,) = answers("t", resume, questions)
    return answer


@pytest.mark.parametrize(("shape", "kind", "way"), TABLE)
def test_each_way_to_answer_reaches_each_way_to_ask(shape: str, kind: str, way: str) -> None:
    """The decision is the same, and the graph gets it in the shape that it asked in; by id or without."""
    question = QUESTIONS[shape]

    answer = one(SAID[kind][way], question)

    assert answer == Answer(interrupt_id=FIRST, native=NATIVE[shape][kind], decisions=[CANONICAL[kind]])
    assert one({FIRST: SAID[kind][way]}, question) == answer
    assert decided(question, [CANONICAL[kind]]) == answer


@pytest.mark.parametrize("way", ["human response", "human responses"])
def test_feedback_rejects_where_nobody_may_answer_for_the_tool(way: str) -> None:
    """Agent Inbox offers its text field where rejecting is allowed, and so means it; LangChain's `respond` doesn't."""
    question = waiting(batched("approve", "reject"))

    assert one(SAID["respond"][way], question).native == {"decisions": [{"type": "reject", "message": "later"}]}
    with pytest.raises(InvalidInput, match=r"type: 'respond' is not allowed; allowed: approve, reject"):
        one(SAID["respond"]["decisions"], question)


def test_what_agent_inbox_sends_to_each_question() -> None:
    """Its ignore has no words, its feedback may be an action request, and its decisions carry the legacy's `args`."""
    asked_for: dict[str, Any] = {"type": "response", "args": {"action": "send", "args": {"to": "eve"}}}

    assert one([{"type": "ignore", "args": None}], waiting([legacy()])).native == [{"type": "ignore", "args": None}]
    assert one({"decisions": [{"type": "ignore", "args": None}]}, waiting(batched(*ALL))).native == {
        "decisions": [{"type": "reject"}]
    }
    assert one([asked_for], waiting(legacy())).decisions == [Decision(type="respond", message='{"to":"eve"}')]


def test_a_batch_is_decided_call_by_call() -> None:
    """The decisions stand in the actions' order, and each may be written in another way."""
    mixed = {"decisions": [{"type": "accept"}, {"type": "reject", "args": "no"}, SAID["edit"]["ours"]]}

    answer = one(mixed, waiting(batched(*ALL, actions=3)))

    assert answer.native == {
        "decisions": [{"type": "approve"}, {"type": "reject", "message": "no"}, SAID["edit"]["one decision"]]
    }


@pytest.mark.parametrize("resume", ["yes", {"decisions": [{"type": "x"}]}, ["a"], {"type": "approve"}, 0, False, {}])
def test_an_answer_to_a_raw_question_stays_as_it_is(resume: Any) -> None:
    """Nobody knows what it means but the graph; a schema of the graph's is checked all the same."""
    question = waiting({"question": "sure?"})

    assert one(resume, question) == Answer(interrupt_id=FIRST, native=resume, decisions=())
    with pytest.raises(InvalidInput, match=r"^command\.resume: "):
        one(resume, replace(question, response_schema={"type": "null"}))


@pytest.mark.parametrize("schema", [{"type": 7}, {"$ref": "#/nowhere"}, {"$ref": "#"}])
def test_a_schema_that_is_none_refuses_nothing(schema: dict[str, Any]) -> None:
    """LangGraph takes any object for a schema and checks nothing by it."""
    assert one("yes", waiting("sure?", schema)).native == "yes"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_no_address_in_a_schema_is_opened(tmp_path: Path) -> None:
    """What a question's schema refers to outside itself stays outside, even if it is there."""
    (tmp_path / "null.json").write_text('{"type": "null"}')
    schema = {"$ref": (tmp_path / "null.json").as_uri()}

    assert one("yes", waiting("sure?", schema)).native == "yes"


BAD: list[tuple[Any, str]] = [
    ("yes", r"^command\.resume: 'yes'"),
    (None, r"^command\.resume: None"),
    ({}, r"^command\.resume\.type: None .*approve, edit, reject, respond"),
    ([], r"^command\.resume: '0 given' .*in their order: 1"),
    ({"decisions": []}, r"^command\.resume\.decisions: '0 given'"),
    ({"decisions": [{"type": "approve"}] * 2}, r"^command\.resume\.decisions: '2 given'"),
    ({"decisions": ["approve"]}, r"^command\.resume\.decisions\[0\]: 'approve'"),
    ({"decisions": [{"type": "maybe"}]}, r"^command\.resume\.decisions\[0\]\.type: 'maybe'"),
    ([{"type": ["approve"]}], r"^command\.resume\[0\]\.type"),
    ({"type": "edit"}, r"^command\.resume\.edited_action: None"),
    ({"type": "edit", "edited_action": {"name": "send"}}, r"^command\.resume\.edited_action\.args: None"),
    ({"type": "edit", "edited_action": {"name": "drop", "args": {}}}, r"edited_action\.name: 'drop' .*send"),
    ({"type": "edit", "args": {"action": "drop", "args": {}}}, r"args\.action: 'drop'"),
    ({"type": "edit", "args": "x"}, r"^command\.resume\.args\.args: None"),
    ({"type": "edit", "arguments": {"to": 7}}, r"^command\.resume\.arguments\.to: 7 .*not of type 'string'"),
    ({"type": "edit", "arguments": {"to": "a", "cc": "b"}}, r"'cc' was unexpected"),
    ({"type": "respond"}, r"^command\.resume\.message: ''"),
    ({"type": "response", "args": " "}, r"^command\.resume\.message: ' '"),
    ({"type": "reject", "message": 7}, r"^command\.resume\.message: 7 .*a text"),
    ({"type": "approve", "arguments_sha256": 7}, r"^command\.resume\.arguments_sha256: 7"),
]


@pytest.mark.parametrize(("resume", "told"), BAD)
def test_an_answer_that_doesnt_fit_is_refused_with_its_field(resume: Any, told: str) -> None:
    """The error names the field as the client wrote it, the value, and what is allowed."""
    with pytest.raises(InvalidInput, match=told):
        answers("t", resume, [waiting(per_call(), per_call_schema(*ALL))])


def test_what_isnt_allowed_is_refused_in_each_shape() -> None:
    """Each question says what may be decided on it, in its own way."""
    edit = SAID["edit"]["one decision"]
    for question in (
        waiting(batched("approve", "reject")),
        waiting(per_call(), per_call_schema("approve", "reject")),
        waiting(legacy(edit=False, respond=False)),
    ):
        with pytest.raises(InvalidInput, match=r"type: 'edit' is not allowed; allowed: approve, reject"):
            answers("t", edit, [question])
        with pytest.raises(InvalidInput, match="'edit'"):
            decided(question, [Decision(type="edit", arguments={})])


def test_edits_fit_the_schema_that_was_recorded() -> None:
    """A question that doesn't tell the tool's arguments was recorded with them: they count as if it had."""
    value = batched(*ALL)
    _, (action,) = read(value, None)
    asked = Asked(
        interrupt_id=FIRST,
        thread_id="t",
        run_id="r",
        assistant_id="a",
        graph_id="g",
        checkpoint_id="c",
        checkpoint_ns="",
        agent=(),
        shape="hitl",
        actions=[replace(action, arguments_schema=CALL_SCHEMA)],
        value=value,
        response_schema=None,
        arguments_sha256=HASH,
    )
    wrong = {"type": "edit", "arguments": {"to": 7}}

    assert one(wrong, waiting(value)).decisions == [Decision(type="edit", arguments={"to": 7})]
    with pytest.raises(InvalidInput, match=r"arguments\.to: 7"):
        answers("t", wrong, [waiting(value, asked=asked)])
    with pytest.raises(InvalidInput, match=r"decisions\[0\]\.arguments\.to: 7"):
        decided(waiting(value, asked=asked), [Decision(type="edit", arguments={"to": 7})])


@pytest.mark.parametrize("shape", QUESTIONS)
def test_a_decision_on_other_arguments_is_refused(shape: str) -> None:
    """The hash may stand in the decision, beside them all, or with a canonical one; the right one is taken."""
    question = QUESTIONS[shape]
    ways: list[Any] = [
        lambda sha: {"type": "approve", "arguments_sha256": sha},
        lambda sha: {"decisions": [{"type": "approve", "arguments_sha256": sha}]},
        lambda sha: {"decisions": [{"type": "approve"}], "arguments_sha256": sha},
        lambda sha: [{"type": "accept", "args": None, "arguments_sha256": sha}],
    ]
    for way in ways:
        assert one(way(HASH), question).decisions == [Decision(type="approve")]
        with pytest.raises(ArgumentsChanged, match=HASH):
            one(way("0" * 64), question)
    assert decided(question, [Decision(type="approve")], seen=HASH).decisions == [Decision(type="approve")]
    with pytest.raises(ArgumentsChanged, match="look again"):
        decided(question, [Decision(type="approve")], seen="0" * 64)


def test_a_batch_is_bound_call_by_call_or_as_a_whole() -> None:
    """One decision carries the hash of its call, or that of all the calls; another call's is refused."""
    value = batched(*ALL, actions=2)
    value["action_requests"][1] = {"name": "send", "args": EDITED}
    other = arguments_hash("send", EDITED)
    approve = {"type": "approve"}

    def hashed(*hashes: str) -> Any:
        return {"decisions": [{**approve, "arguments_sha256": sha} for sha in hashes]}

    assert len(one(hashed(HASH, other), waiting(value)).decisions) == len((HASH, other))
    with pytest.raises(ArgumentsChanged, match=other):
        one(hashed(HASH, HASH), waiting(value))


def test_all_answers_are_checked_before_any_counts() -> None:
    """One that doesn't fit refuses them all, whichever stands first."""
    both = [waiting(batched(*ALL)), waiting(per_call(), per_call_schema(*ALL), interrupt_id=SECOND)]
    good, bad = {"type": "approve"}, {"type": "maybe"}

    assert [found.interrupt_id for found in answers("t", {SECOND: good, FIRST: good}, both)] == [SECOND, FIRST]
    for resume in ({FIRST: good, SECOND: bad}, {SECOND: bad, FIRST: good}):
        with pytest.raises(InvalidInput, match=rf"^command\.resume\[{SECOND}\]\.type: 'maybe'"):
            answers("t", resume, both)


def test_questions_are_named_by_either_id() -> None:
    """An interrupt's id or an approval's; both at once would be two answers to one question."""
    approval = f"t.{'a' * 32}"
    both = [waiting(batched(*ALL), approval_id=approval), waiting("sure?", interrupt_id=SECOND)]
    approve = {"type": "approve"}

    assert one({approval: approve}, *both).interrupt_id == FIRST
    assert len(answers("t", {approval: approve, SECOND: "yes"}, both)) == len(both)
    with pytest.raises(InvalidInput, match="one answer for each question"):
        answers("t", {approval: approve, FIRST: approve}, both)


@pytest.mark.parametrize("unknown", ["0" * 32, f"t.{'0' * 32}", f"another.{'0' * 32}"])
def test_an_id_that_doesnt_wait_is_refused(unknown: str) -> None:
    """Unknown, answered already, of another thread, or with other arguments since: nothing is answered."""
    question = waiting("sure?", approval_id=f"t.{'a' * 32}")

    with pytest.raises(NoWaitingInterrupt, match=f"answer can be given to interrupt {unknown}"):
        answers("t", {unknown: "yes"}, [question])
    with pytest.raises(NoWaitingInterrupt, match=unknown):
        answers("t", {FIRST: "yes", unknown: "yes"}, [question])


def test_an_answer_without_an_id_needs_one_question() -> None:
    """Of two, nobody can say which it answers: the error names the ids. Where none waits, it is too late."""
    with pytest.raises(InvalidInput, match=f"ids: {FIRST}, {SECOND}"):
        answers("t", {"type": "approve"}, [waiting("a"), waiting("b", interrupt_id=SECOND)])
    with pytest.raises(NoWaitingInterrupt, match="nothing waits"):
        answers("t", {"type": "approve"}, [])


@settings(max_examples=200)
@given(resume=ANY, question=st.sampled_from([*QUESTIONS.values(), waiting(batched(*ALL, actions=2)), waiting("raw")]))
def test_any_json_is_an_answer_or_is_refused(resume: Any, question: WaitingInterrupt) -> None:
    """Nothing a client sends fails in another way."""
    try:
        answer = one(resume, question)
    except CallerError:
        return
    _, actions = read(question.value, question.response_schema)
    assert len(answer.decisions) == len(actions)


def test_a_recorded_action_is_what_was_asked() -> None:
    """Nothing here changes what the person sees: the arguments are the very ones."""
    for question in QUESTIONS.values():
        _, (action,) = read(question.value, question.response_schema)
        assert (action.tool, action.arguments, tuple(action.allowed)) == ("send", ARGUMENTS, ALL)
        assert isinstance(action, Action)
