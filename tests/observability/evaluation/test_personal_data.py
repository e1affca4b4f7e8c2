"""What tells of somebody isn't kept by accident: it is found, named without being repeated, and taken out if asked."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from motet.errors import HoldsPersonalData, InvalidInput
from motet.observability.evaluation.example import Example
from motet.observability.evaluation.personal_data import OnPersonalData, treated
from motet.observability.evaluation.personal_kinds import KINDS, found
from motet.observability.trajectory import redact

REDACT = OnPersonalData(redact=True)
KEY = "sk-" + "a1B2" * 6

FINDS = [
    ("write to ada.l+x@mail.example.org now", "email", "ada.l+x@mail.example.org"),
    ("card 4111 1111 1111 1111.", "credit_card", "4111 1111 1111 1111"),
    ("card 4111111111111111", "credit_card", "4111111111111111"),
    ("amex 3782 822463 10005", "credit_card", "3782 822463 10005"),
    ("IBAN DE89 3704 0044 0532 0130 00 AND MORE", "iban", "DE89 3704 0044 0532 0130 00"),
    ("GB82WEST12345698765432", "iban", "GB82WEST12345698765432"),
    ("ES91 2100 0418 4502 0005 1332 WORD", "iban", "ES91 2100 0418 4502 0005 1332"),
    ("tel:+49 551 123456", "phone", "+49 551 123456"),
    ("+491701234567", "phone", "+491701234567"),
    ("call 0551 123456 or wait", "phone", "0551 123456"),
    ("030/1234567", "phone", "030/1234567"),
    ("020 7946 0958", "phone", "020 7946 0958"),
    ("name,(555) 123-4567", "phone", "(555) 123-4567"),
    ("555-123-4567", "phone", "555-123-4567"),
    ("from 84.12.7.200:443", "ip", "84.12.7.200"),
    ("from 2001:db8::8a2e:370:7334", "ip", "2001:db8::8a2e:370:7334"),
    ("its mac is 00:1A:2B:3C:4D:5E", "mac_address", "00:1A:2B:3C:4D:5E"),
    ("at https://bob:hunter2@host.example/x", "url_credentials", "bob:hunter2"),
    ("postgres://me:pw@10.0.0.7/db and ok", "url_credentials", "me:pw"),
    (f"key {KEY}", "secret", KEY),
]

FINDS_NOT = [
    "4111 1111 1111 1112",
    "GB83WEST12345698765432",
    "run 01234567-1234-4123-8123-012345678901",
    "4111-1111 of 2026-11-22T17:34:28.123456+00:00",
    "std::vector, 12:30:45, 127.0.0.1 and ::1",
    "1,234,567 or 1 234 567 890 or 3.14159265358979 or -0.00012345678",
    "08 2019 2020 and 2019-2020, 05-11-2026",
    "version 1.2.3, ratio 16:9, page 030",
    "call_0551123456789 and a@b",
    "[REDACTED_EMAIL] and [redacted]",
]


@pytest.mark.parametrize(("text", "kind", "part"), FINDS)
def test_each_kind_is_found_as_it_is_written(text: str, kind: str, part: str) -> None:
    """The whole of it, once, and as one kind."""
    spans = [one for one in found(text) if one.kind == kind]
    assert [text[one.start : one.end] for one in spans] == [part]
    assert all(one.kind in {kind, "ip"} for one in found(text))


@pytest.mark.parametrize("text", FINDS_NOT)
def test_what_only_looks_like_it_is_let_be(text: str) -> None:
    """Wrong check digits, ids, times, versions, numbers, and marks of what was taken out before."""
    assert found(text) == []


def test_values_that_this_installation_knows_are_secrets() -> None:
    """Whatever they look like, with blanks in them too."""
    forget = redact.know(["open sesame now"])
    try:
        [one] = found("say open sesame now, then go")
        assert (one.kind, one.start, one.end) == ("secret", 4, 19)
    finally:
        forget()
    assert found("say open sesame now, then go") == []


def example(**told: Any) -> Example:
    """One that holds three kinds in four places, one of them the JSON of a call."""
    arguments = json.dumps({"to": "\nada@x.org", "n": 1})
    return Example(
        example_id="r1",
        input={"messages": [{"role": "user", "content": "I'm ada@x.org, or bob@x.org"}], "apiKey": "hunter2hunter2"},
        reference="Call 555-123-4567",
        trajectory=[{"role": "assistant", "tool_calls": [{"function": {"name": "mail", "arguments": arguments}}]}],
        **told,
    )


def test_an_example_that_holds_some_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    """The error names fields, kinds and how often; the values stand neither there nor in a log."""
    with pytest.raises(HoldsPersonalData) as caught:
        treated(example(), OnPersonalData())
    assert set(caught.value.found) == {
        ("input.messages.0.content", "email", 2),
        ("input.apiKey", "secret", 1),
        ("reference", "phone", 1),
        ("trajectory.0.tool_calls.0.function.arguments.to", "email", 1),
    }
    assert "input.messages.0.content: email (2 times)" in str(caught.value)
    assert not any(one in f"{caught.value}{caplog.text}" for one in ("ada@", "hunter2", "4567"))


def test_it_is_taken_out_where_that_is_asked() -> None:
    """A mark says what was there; JSON in a text stays JSON, and nothing else is changed."""
    clean = treated(example(), REDACT)
    content = "I'm [REDACTED_EMAIL], or [REDACTED_EMAIL]"
    assert clean.input == {"messages": [{"role": "user", "content": content}], "apiKey": "[REDACTED_SECRET]"}
    assert clean.reference == "Call [REDACTED_PHONE]"
    arguments = json.loads(clean.trajectory[0]["tool_calls"][0]["function"]["arguments"])
    assert arguments == {"to": "\n[REDACTED_EMAIL]", "n": 1}
    assert treated(clean, OnPersonalData()) is clean


def test_kinds_that_are_allowed_stay() -> None:
    """They alone; all that are found allowed, the example is as it was."""
    clean = treated(example(), OnPersonalData(redact=True, allow=["email"]))
    assert clean.input["messages"] == example().input["messages"]
    assert clean.reference == "Call [REDACTED_PHONE]"
    whole = example()
    assert treated(whole, OnPersonalData(allow=["email", "phone", "secret"])) is whole
    with pytest.raises(InvalidInput, match="allow: 'emails' is not allowed; allowed: url_credentials, secret, email"):
        OnPersonalData(allow=["emails"])


def test_what_is_allowed_is_not_found_as_a_part_of_it() -> None:
    """The end of a URL's credentials looks like an address of email."""
    one = Example(example_id="a", input={"at": "https://bob:pw@host.example"})
    assert treated(one, OnPersonalData(allow=["url_credentials"])) is one


def test_names_and_numbers_are_looked_at_too() -> None:
    """A field's name isn't repeated in the error; a card's number needs no quotes."""
    one = Example(example_id="a", input={"ada@x.org": {"card": 4111111111111111, "n": 4111}})
    with pytest.raises(HoldsPersonalData) as caught:
        treated(one, OnPersonalData())
    assert caught.value.found == (
        ("input (a name)", "email", 1),
        ("input.[REDACTED_EMAIL].card", "credit_card", 1),
    )
    assert treated(one, REDACT).input == {"[REDACTED_EMAIL]": {"card": "[REDACTED_CREDIT_CARD]", "n": 4111}}


def test_every_kind_is_tried_here() -> None:
    """No kind that can be allowed is without a case."""
    assert {kind for _, kind, _ in FINDS} == set(KINDS)


def test_a_long_conversation_is_looked_through_quickly() -> None:
    """Letters, digits, signs and blanks without end keep no pattern busy."""
    found("The first look at https://a:b@c.example imports what looks.")
    for piece in ("1 ", "0123 ", "a:", "a.", "+1 ", "AA11 ", "x@", "://a:", "12:", "0" * 50 + " "):
        began = time.process_time()
        found(piece * (30_000 // len(piece)))
        assert time.process_time() - began < 3, piece


@pytest.mark.parametrize("depth", [240, 300, 900, 100_000])
def test_no_text_is_too_deep(depth: int) -> None:
    """A person's text of so many brackets is looked through like any other, and what it holds is found."""
    text = "[" * depth + '"ada@x.org"' + "]" * depth
    asked = Example(example_id="r", input={"text": text})
    clean = treated(asked, REDACT)
    assert clean.input["text"] == text.replace("ada@x.org", "[REDACTED_EMAIL]")


def test_many_finds_take_no_long_time() -> None:
    """Twenty thousand addresses in one text: each is found, in well under the minutes that pairs of them would take."""
    begin = time.process_time()
    assert len(found("84.12.7.200 " * 20_000)) == 20_000
    assert time.process_time() - begin < 10


@pytest.mark.parametrize(
    "text",
    [
        "say {'password': 'hunter2abc'} there",
        'answer {"db_password": "hunter2abc"} given',
        "curl -H 'x-api-key: hunter2abc' host",
        "password=hunter2abc",
        "API_KEY=hunter2abc go",
    ],
)
def test_what_is_named_a_secret_in_a_text_is_one(text: str) -> None:
    """As a program's output, a header or a setting has it; its name stays."""
    assert treated(Example(example_id="r", input={"text": text}), REDACT).input["text"] == text.replace(
        "hunter2abc", "[REDACTED_SECRET]"
    )


@pytest.mark.parametrize(
    "text", ["the password: please", "token: a word", "secret = x", "my password is long", "monkey: banana12"]
)
def test_words_about_secrets_are_none(text: str) -> None:
    """People may speak of them."""
    assert found(text) == []


@pytest.mark.parametrize("text", ["ada@exämple.de", "ada%40example.com", "ada\uff20example.com", "zoë@example.com"])
def test_addresses_are_found_in_every_spelling(text: str) -> None:
    """Of other alphabets, and as an address of a page has them."""
    assert [(one.kind, one.start, one.end) for one in found(f"{text}, now")] == [("email", 0, len(text))]


def test_an_error_is_for_every_terminal() -> None:
    """Names of fields are anybody's words: none moves a cursor, and none fills the screen."""
    asked = Example(example_id="r", input={"\x1b[2J": {"x" * 10_000: "ada@x.org"}})
    with pytest.raises(HoldsPersonalData) as caught:
        treated(asked, OnPersonalData())
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def test_an_error_names_some_places_of_many() -> None:
    """However much there is, a person can read it; programs have all of it."""
    asked = Example(example_id="r", input={"people": ["ada@x.org"] * 5_000})
    with pytest.raises(HoldsPersonalData, match=r"and 4990 other places$") as caught:
        treated(asked, OnPersonalData())
    assert len(caught.value.found) == 5_000


def in_base64(text: str) -> str:
    """As an attachment or a token has it."""
    return base64.b64encode(text.encode()).decode()


def in_url(text: str) -> str:
    """As a link has it."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize("encode", [in_base64, in_url])
def test_what_is_encoded_is_found(encode: Callable[[str], str]) -> None:
    """Base64 of a text is looked into, once; the place is told, and all of it is taken out."""
    told = encode("Zoë is ada@example.org, ÿÿ~~ call 0551 123456")
    example = Example(example_id="e", input={"file": f"text=plain;base64={told} and more"})

    with pytest.raises(HoldsPersonalData) as refused:
        treated(example, OnPersonalData())
    assert "input.file: email" in str(refused.value)
    assert "input.file: phone" in str(refused.value)
    assert treated(example, REDACT).input == {"file": "text=plain;base64=[REDACTED_EMAIL] and more"}
    with pytest.raises(HoldsPersonalData, match="phone"):
        treated(example, OnPersonalData(allow=["email"]))
    assert treated(example, OnPersonalData(allow=["email", "phone"])) == example


def test_what_only_looks_encoded_stays() -> None:
    """Pictures, hashes, long words, encoded texts about nobody; and what is encoded twice, which isn't looked for."""
    twice = in_base64(in_base64("I am ada@example.org, and nobody else"))
    picture = base64.b64encode(bytes(range(256)) * 20).decode()
    for text in (picture, "a" * 500, "0123456789abcdef" * 4, in_base64("The meeting is on Monday, as ever."), twice):
        assert found(text) == [], text[:40]


def test_much_that_is_encoded_is_looked_through_quickly() -> None:
    """A quarter of a megabyte of it, in one piece and in many."""
    began = time.process_time()
    assert found(in_base64("All is well here. " * 10_000)) == []
    assert found(" ".join([in_base64("All is well here.")] * 10_000)) == []
    assert time.process_time() - began < 3
