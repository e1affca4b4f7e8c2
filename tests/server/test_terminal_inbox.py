"""What a person sees of an approval: exactly what would happen, whatever an agent wrote into it."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType

from motet.errors import InvalidConfig
from motet.memory.asking import Action, Asked, actions_hash
from motet.server.terminal import approvals, inbox_edits
from motet.server.terminal.conversation import Waiting
from motet.server.terminal.inbox import about, drawn, entry_line, granted
from motet.server.terminal.inbox_diff import diff
from motet.server.terminal.inbox_exact import Exact, in_line, lines_of, visible
from motet.server.terminal.screen import Screen

NOW = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)
THREAD, DIGEST = "0192f3a4-5b6c-7d8e-9f00-112233445566", "7c3e12ab" * 4
MAIL = {"to": "ada@example.org", "text": "hello"}

ESCAPE, OVERRIDE, NOTHING = "\x1b[2K\x1b[1A", "\u202e", "\u200b"


def shown(told: RenderableType, *, width: int = 100, colours: bool = False) -> str:
    """What stands on the screen, without blanks at the ends of lines."""
    written = io.StringIO()
    Console(file=written, width=width, force_terminal=colours, color_system="standard" if colours else None).print(told)
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines())


def approval(*actions: Action, **changes: Any) -> dict[str, Any]:
    """An approval as the server tells it."""
    actions = actions or (Action(tool="send_mail", arguments=MAIL, description="Send a mail.", effect="once"),)
    asked = Asked(
        interrupt_id="a" * 32, thread_id=THREAD, run_id="run-1", assistant_id="desk", graph_id="desk",
        checkpoint_id="point-1", checkpoint_ns="", agent=("clerk", "mailer"), shape="hitl", actions=actions, value={},
        response_schema=None, arguments_sha256=actions_hash(actions, {}),
        why=changes.pop("why", ""), evidence=changes.pop("evidence", ()),
    )  # fmt: skip
    told = {name: getattr(asked, name) for name in Asked.__slots__ if name != "carried"}
    told["actions"] = [{name: getattr(one, name) for name in Action.__slots__} for one in actions]
    made = {
        "approval_id": f"{THREAD}.{DIGEST}", "asked": told, "created_at": "2026-03-05T11:57:00+00:00",
        "deadline_at": None, "state": "open", "changed_at": "2026-03-05T11:57:00+00:00", "by": None, "decisions": [],
        "run_id": "", "reason": "", "outcome": None,
    }  # fmt: skip
    found: dict[str, Any] = json.loads(json.dumps(made | changes))
    return found


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (f"harmless{ESCAPE}", "harmless\\u{1b}[2K\\u{1b}[1A"),
        (f"{OVERRIDE}gpj.exe", "\\u{202e}gpj.exe"),
        (f"pay{NOTHING}pal", "pay\\u{200b}pal"),
        ("a\u3164b\u2800c\ufe0f", "a\\u{3164}b\\u{2800}c\\u{fe0f}"),
        ("\U000e0061\u00ad\u2066", "\\u{e0061}\\u{ad}\\u{2066}"),
        ("line\rover\x07\x9b2J\x7f", "line\\u{d}over\\u{7}\\u{9b}2J\\u{7f}"),
        ("end  \nnext\u00a0", "end \\u{20}\nnext\\u{a0}"),
        ("e" + "\u0301" * 5, "e" + "\u0301" * 3 + "\\u{301}" * 2),
        (" \u0336x", " \\u{336}x"),
        ("a \\u{202e} that is written", "a \\u{5c}u{202e} that is written"),
        ("Zoë, 李, שלום, C:\\users", "Zoë, 李, שלום, C:\\users"),
    ],
)
def test_nothing_is_hidden(text: str, seen: str) -> None:
    """What a screen would obey or draw as nothing is written out; letters of any language stay."""
    assert visible(text) == seen


@given(st.text())
def test_two_texts_never_look_alike(text: str) -> None:
    """What is shown gives the text back, whatever it holds, and holds nothing that a terminal obeys."""
    seen = visible(text)

    assert "".join(_read_back(seen)) == text
    assert all(one.isprintable() or one == "\n" for one in seen)


def _read_back(seen: str) -> Sequence[str]:
    first, *marks = seen.split("\\u{")
    return [first, *(f"{chr(int(code, 16))}{rest}" for code, _, rest in (one.partition("}") for one in marks))]


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        ("plain", ["x: plain"]),
        (5, ["x: 5"]),
        ("5", ['x: "5"']),
        ("", ['x: ""']),
        (None, ["x: null"]),
        ("null", ['x: "null"']),
        ("one\ntwo\n", ["x:", "  │ one", "  │ two", "  │ "]),
        ("yes\nto: eve@example.org", ["x:", "  │ yes", "  │ to: eve@example.org"]),
        ({"a": [1, "two"]}, ['x: {"a": [1, "two"]}']),
        ({"a": "b" * 60}, ["x:", "  {", '    "a": "' + "b" * 60 + '"', "  }"]),
        ({"a": NOTHING}, ['x: {"a": "\\u{200b}"}']),
    ],
)
def test_each_value_is_shown_as_what_it_is(value: Any, lines: Sequence[str]) -> None:
    """A number can't be taken for a text, nor a line of a text for another argument."""
    assert lines_of({"x": value}) == lines


def test_a_name_can_not_be_taken_for_a_value() -> None:
    """Names that aren't plain stand in quotes."""
    assert lines_of({"to: eve@example.org\ncc": "ada"}) == ['"to: eve@example.org\\ncc": ada']


def test_long_lines_go_on_and_lose_nothing() -> None:
    """A terminal breaks them behind a dotted bar; in a pipe they stay whole."""
    words = "one two  three " * 12
    lines = shown(Exact([f"{words}end"]), width=30).split("\n")

    assert all(len(line) <= 30 for line in lines)
    assert all(line.startswith("┊ ") for line in lines[1:])
    assert "".join([lines[0], *(line[2:] for line in lines[1:])]).replace(" ", "") == f"{words}end".replace(" ", "")
    assert len(shown(Exact(["x" * 500]), width=1_000).split("\n")) == 1
    assert shown(Exact(["李" * 10]), width=9).split("\n") == ["李李李李", "┊ 李李李", "┊ 李李李"]


def test_no_argument_fakes_the_screen() -> None:
    """An argument that draws our own lines stands inside its place, and its escapes do nothing."""
    trick = f"hi\n{ESCAPE}arguments sha256 {'0' * 64}\nstate     decided\n╰───╯"
    seen = shown(about(approval(Action(tool="send\x1b[8m", arguments={"text": trick})), NOW), colours=True)
    plain = shown(about(approval(Action(tool="send\x1b[8m", arguments={"text": trick})), NOW), width=200)

    assert "\x1b[2K" not in seen
    assert "\x1b[1A" not in seen
    assert "\x1b[8m" not in seen
    starts = [line for line in plain.split("\n") if line.startswith(("arguments sha256", "state"))]
    assert [line.split()[:2] for line in starts] == [["state", "open"], ["arguments", "sha256"]]
    assert f"      │ \\u{{1b}}[2K\\u{{1b}}[1Aarguments sha256 {'0' * 64}" in plain


def test_all_is_told_of_an_approval() -> None:
    """Arguments whole, the hash whole, the agent's words as its words, evidence, effect, deadline, what is allowed."""
    body = "word " * 900
    action = Action(
        tool="send_mail", arguments={**MAIL, "text": body}, description="Send a mail.", allowed=("approve", "edit"),
        arguments_schema={"type": "object", "required": ["to"]}, tool_call_id="call-1", effect="once",
    )  # fmt: skip
    told = approval(
        action, why="The user asked for it.", evidence=[{"quote": "Mail Ada.", "file": "notes.md"}],
        deadline_at="2026-03-05T14:00:00+00:00",
    )  # fmt: skip
    seen = shown(about(told, NOW), width=6_000)

    for words in (
        f"{THREAD}.{DIGEST}", "open for 3 min", "desk › clerk › mailer", "run-1", "point-1", "Send a mail.",
        "to: ada@example.org", body.rstrip(), "once: it changes something, and must not happen twice", "call-1",
        '"required": [', "the agent says (its own words, which nobody has checked)", "│ The user asked for it.",
        "• quote: Mail Ada.", "file: notes.md", "in 2 h, 2026-03-05 14:00:00 UTC; then it counts as rejected",
        told["asked"]["arguments_sha256"], "approve, edit",
    ):  # fmt: skip
        assert words in seen, words
    assert '"required": [' not in shown(about(told, NOW, schema=False), width=6_000)


def test_the_record_of_a_decision_is_told() -> None:
    """Who, when, what was changed, and what came of it."""
    told = approval(
        state="decided", changed_at="2026-03-05T11:59:00+00:00", by={"actor": "ada", "verified_as": "api-key"},
        decisions=[{"type": "edit", "arguments": {**MAIL, "to": "bob@example.org"}}], run_id="run-2",
        outcome={"status": "done", "tool": "send_mail", "at": "2026-03-05T11:59:02+00:00", "result": "sent\nonce"},
    )  # fmt: skip
    seen = shown(about(told, NOW))

    for words in (
        "decided: edit by ada (api-key), 1 min ago", "answered in  run-2", "- to: ada@example.org",
        "+ to: bob@example.org", "done  send_mail  2026-03-05T11:59:02+00:00", "│ sent", "│ once",
    ):  # fmt: skip
        assert words in seen, words
    assert "may be decided" not in seen


def test_a_free_question_is_told() -> None:
    """What the graph asked, as JSON."""
    told = approval()
    told["asked"] |= {"actions": [], "value": {"question": f"which{OVERRIDE}?"}, "shape": "raw"}

    assert '"question": "which\\u{202e}?"' in shown(about(told, NOW))
    assert "may be decided  an answer" in shown(about(told, NOW))


def test_the_list_is_a_table() -> None:
    """Short ids, age, tool, agent, thread, effect, time left; whole ids where nobody watches."""
    soon = approval(deadline_at="2026-03-05T12:20:00+00:00")
    two = approval(Action(tool="read", arguments={}, effect="none"), Action(tool="write", arguments={}))
    seen = shown(drawn([soon, two], NOW, whole=False))

    assert [line.split() for line in seen.splitlines()] == [
        ["id", "age", "tool", "agent", "thread", "deadline", "effect"],
        ["7c3e12ab", "3", "min", "send_mail", "mailer", "0192f3a4-5b6c", "in", "20", "min", "once"],
        ["7c3e12ab", "3", "min", "read", "+1", "mailer", "0192f3a4-5b6c", "none", "none,", "unknown"],
    ]
    assert f"{THREAD}.{DIGEST}" in shown(drawn([soon], NOW, whole=True), width=1_000)
    gone = approval(state="withdrawn", reason="the thread was deleted")
    assert "withdrawn, 3 min ago" in shown(drawn([soon, gone], NOW, whole=False), width=130)
    assert shown(drawn([], NOW, whole=False)) == "No approvals."


def test_an_edit_is_shown_as_what_it_changes() -> None:
    """Lines that go and that come; of a long text only those around a change; a moved argument has not changed."""
    old: Mapping[str, Any] = {"to": "ada@example.org", "n": 5, "text": "\n".join(f"line {n}" for n in range(20))}
    new = {"text": old["text"].replace("line 10\n", "line ten\n"), "n": "5", "to": "ada@example.com", "cc": OVERRIDE}

    assert shown(diff(old, new)).split("\n") == [
        "- to: ada@example.org", "+ to: ada@example.com", "- n: 5", '+ n: "5"', "  text:", "    │ line 0",
        "  … 7 lines unchanged", "    │ line 8", "    │ line 9", "-   │ line 10", "+   │ line ten", "    │ line 11",
        "    │ line 12", "  … 5 lines unchanged", "    │ line 18", "    │ line 19", "+ cc: \\u{202e}",
    ]  # fmt: skip


def test_an_edit_is_coloured() -> None:
    """What goes is red, what comes is green, and the letters that differ are set off."""
    seen = shown(diff(MAIL, {**MAIL, "to": "ada@example.com"}), colours=True)
    gone, come, _ = seen.split("\n")

    assert gone.startswith("\x1b[31m- to: ada@example.")
    assert come.startswith("\x1b[32m+ to: ada@example.")
    assert "\x1b[1;37;41m" in gone
    assert "\x1b[1;37;42m" in come


def test_grants_and_changes_are_lines() -> None:
    """Who said what, and where it holds."""
    grant = {
        "grant_id": "g1", "thread_id": THREAD, "tool": "send_mail", "arguments": {"to": "ada@example.org"},
        "text": f"mails to Ada{ESCAPE}", "by": {"actor": "ada", "verified_as": ""}, "at": "2026-03-05T11:00:00+00:00",
    }  # fmt: skip
    entry = {
        "number": 4, "at": "2026-03-05T11:57:00+00:00", "event": "decided", "approval_id": f"{THREAD}.{DIGEST}",
        "run_id": "run-2", "who": {"actor": "ada\x1b", "verified_as": "api-key"},
        "detail": {"decisions": [{"type": "reject", "message": "no"}]},
    }  # fmt: skip

    assert shown(granted([grant, {**grant, "arguments": {}}])).split("\n") == [
        "g1  send_mail  by ada, 2026-03-05 11:00 UTC", "  │ mails to Ada\\u{1b}[2K\\u{1b}[1A", "  to: ada@example.org",
        "",
        "g1  send_mail  by ada, 2026-03-05 11:00 UTC", "  │ mails to Ada\\u{1b}[2K\\u{1b}[1A", "  with any arguments",
    ]  # fmt: skip
    assert shown(entry_line(entry, whole=False)) == (
        "11:57:00  decided   7c3e12ab  reject  by ada\\u{1b} (api-key)  no"
    )


@pytest.mark.parametrize(
    ("told", "changed"),
    [
        ("to=bob@example.org", {"to": "bob@example.org"}),
        ("to=5", {"to": "5"}),
        ('to="5"', {"to": "5"}),
        ("n=7", {"n": 7}),
        ("n=seven", {"n": "seven"}),
        ("new=[1, 2]", {"new": [1, 2]}),
        ("who.names[1]=bob", {"who": {"names": ["ada", "bob"]}}),
        ("who.more=true", {"who": {"names": ["ada", "eve"], "more": True}}),
        ("a.b=x=y", {"a.b": "x=y"}),
    ],
)
def test_one_argument_is_set(told: str, changed: Mapping[str, Any]) -> None:
    """By its name or a path; JSON, or a text where a text stood."""
    now = {"to": "ada@example.org", "n": 5, "who": {"names": ["ada", "eve"]}, "a.b": ""}

    assert inbox_edits.with_values(now, [told]) == {**now, **changed}
    assert now["who"] == {"names": ["ada", "eve"]}


@pytest.mark.parametrize("told", ["to", "=5", "who[0]=x", "who.names[2]=x", "nobody.name=x", "to..x=1", "n.x=1"])
def test_a_path_that_leads_nowhere_is_refused(told: str) -> None:
    """The message says which."""
    with pytest.raises(InvalidConfig, match="--set"):
        inbox_edits.with_values({"to": "ada", "n": 5, "who": {"names": ["ada", "eve"]}}, [told])


def test_an_editor_shows_what_it_would_hide(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """The file is ASCII where characters are hidden, and means the same."""
    kept = tmp_path / "kept"
    monkeypatch.setenv("EDITOR", f'sh -c \'cp "$0" {kept}; sed -i s/hello/bye/ "$0"; touch -d tomorrow "$0"\'')
    now = {"text": f"hello{OVERRIDE}{NOTHING}{ESCAPE}\\u{{202e}}ë", "\u2066": "\U000e0061"}

    assert inbox_edits.edited(now) == {**now, "text": now["text"].replace("hello", "bye")}
    written = kept.read_text()
    assert json.loads(written) == now
    assert all(one.isprintable() or one == "\n" for one in written)


def asked(value: Mapping[str, Any], *typed: str) -> tuple[Any, str]:
    """What `motet chat` answers when these lines are typed, and what it shows."""
    written, lines = io.StringIO(), iter(typed)
    screen = Screen(Console(file=written, width=100))
    return approvals.decide(screen, Waiting(interrupt_id="i", value=value), lambda _: next(lines)), written.getvalue()


def question(**more: Any) -> dict[str, Any]:
    """A question as a chat gets it."""
    request = {"name": "send_mail", "args": MAIL, "description": "Send a mail.", "arguments_sha256": "5" * 64}
    return {
        "action_requests": [request],
        "review_configs": [{"action_name": "send_mail", "allowed_decisions": ["approve", "edit"]}],
        **more,
    }


def test_a_chat_shows_an_edit_before_it_is_sent() -> None:
    """The same changes as in the inbox; an edit that changes nothing is none, and the person is asked again."""
    answer, seen = asked(question(), "e", "", "", "e", "bob@example.org", "")

    [decision] = answer["decisions"]
    assert decision["edited_action"] == {"name": "send_mail", "args": {**MAIL, "to": "bob@example.org"}}
    assert decision["arguments_sha256"] == "5" * 64
    assert "nothing was changed" in seen
    assert "- to: ada@example.org" in seen
    assert "+ to: bob@example.org" in seen


def test_a_chat_marks_what_the_agent_says() -> None:
    """Its words and what it cites stand as its own, and the effect is told; nothing of them moves the screen."""
    _, seen = asked(question(why=f"Trust me.{ESCAPE}", evidence=[{"quote": "Mail Ada."}], effect="once"), "a")

    assert "the agent says (its own words, which nobody has checked)" in seen
    assert "│ Trust me.\\u{1b}[2K\\u{1b}[1A" in seen
    assert "• quote: Mail Ada." in seen
    assert "once: it changes something" in seen
    assert "\x1b" not in seen


def test_in_a_line_there_is_one_line() -> None:
    """Line breaks are written out where one line stands."""
    assert in_line("a\nb") == "a\\u{a}b"
