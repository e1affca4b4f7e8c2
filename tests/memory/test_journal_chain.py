"""The chain of a journal: whatever is changed, taken out or moved is found, and named."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from motet.errors import InvalidInput
from motet.memory.approvals import Entry, JournalEvent
from motet.memory.journal import NUMBERS, ORIGIN, Broken, from_line, hash_of, sealed, to_line, verify, verify_head

PROFILE = settings(derandomize=True, database=None, max_examples=25, phases=[Phase.generate])

texts = st.text(st.characters(codec="utf-8"), max_size=12)
scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    scalars | texts, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=4
)
objects = st.dictionaries(texts, values, max_size=4)
events = st.sampled_from(get_args(JournalEvent))
hashes = st.text("0123456789abcdef", min_size=64, max_size=64)
fields: dict[str, st.SearchStrategy[Any]] = {
    "at": texts,
    "event": events,
    "approval_id": texts,
    "run_id": texts,
    "who": st.none() | objects,
    "detail": objects,
}
changes = {**fields, "number": st.integers(1, NUMBERS - 1), "previous": hashes, "hash": hashes}


@st.composite
def chains(draw: st.DrawFn, least: int = 1) -> list[Entry]:
    """A journal of up to five entries."""
    chain: list[Entry] = []
    for number in range(1, draw(st.integers(least, 5)) + 1):
        told = {name: draw(one) for name, one in fields.items()}
        chain.append(sealed(number=number, previous=chain[-1].hash if chain else ORIGIN, **told))
    return chain


def chain_of(count: int) -> list[Entry]:
    """A plain journal."""
    chain: list[Entry] = []
    for number in range(1, count + 1):
        chain.append(
            sealed(
                number=number,
                at="2026-01-02T03:04:05.000006+00:00",
                event="decided",
                approval_id=f"t.{number}",
                run_id="r",
                who={"actor": "Zoë", "verified_as": ""},
                detail={"b": [1, 2.5, None], "a": 'é "/'},
                previous=chain[-1].hash if chain else ORIGIN,
            )
        )
    return chain


def same(one: Any, other: Any) -> bool:
    """Whether both are the same JSON; 1, 1.0 and true are not."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


@PROFILE
@given(chain=chains())
def test_an_untouched_journal_verifies_and_survives_its_lines(chain: list[Entry]) -> None:
    """Lines give back each entry as it was, and the whole or any end of it verifies."""
    assert [from_line(to_line(entry)) for entry in chain] == chain
    assert verify(chain, after=None) is None
    for place in range(1, len(chain)):
        assert verify(chain[place:], after=chain[place - 1]) is None


@PROFILE
@given(chain=chains(), data=st.data())
def test_any_change_of_any_field_is_found_at_its_entry(chain: list[Entry], data: st.DataObject) -> None:
    """Whichever field of whichever entry has another value, verifying names that entry as changed."""
    place = data.draw(st.integers(0, len(chain) - 1))
    name = data.draw(st.sampled_from(sorted(changes)))
    value = data.draw(changes[name].filter(lambda one: not same(one, getattr(chain[place], name))))

    found = verify([*chain[:place], replace(chain[place], **{name: value}), *chain[place + 1 :]], after=None)

    assert found is not None
    assert (found.number, found.how) == (place + 1, "changed")


@PROFILE
@given(chain=chains(least=2), data=st.data())
def test_a_change_with_its_hash_made_to_fit_is_found_at_the_next(chain: list[Entry], data: st.DataObject) -> None:
    """Who changes an entry and its hash breaks the chain behind it; at the end, the head."""
    place = data.draw(st.integers(0, len(chain) - 1))
    name = data.draw(st.sampled_from(sorted(fields)))
    value = data.draw(fields[name].filter(lambda one: not same(one, getattr(chain[place], name))))
    forged = replace(chain[place], **{name: value})
    forged = replace(forged, hash=hash_of(forged))

    forgery = [*chain[:place], forged, *chain[place + 1 :]]
    found = verify(forgery, after=None) or verify_head(forgery[-1], number=len(chain), hash=chain[-1].hash)

    is_last = place == len(chain) - 1
    assert found is not None
    assert (found.number, found.how) == ((place + 1, "head mismatch") if is_last else (place + 2, "chain broken"))


@PROFILE
@given(chain=chains(), data=st.data())
def test_any_deletion_is_found_where_the_entry_was(chain: list[Entry], data: st.DataObject) -> None:
    """However many entries in a row are taken out, the first of them is named as left out."""
    place = data.draw(st.integers(0, len(chain) - 1))
    count = data.draw(st.integers(1, len(chain) - place))
    left = [*chain[:place], *chain[place + count :]]

    found = verify(left, after=None) or verify_head(left[-1] if left else None, number=len(chain), hash=chain[-1].hash)

    assert found is not None
    assert (found.number, found.how) == (place + 1, "left out")


@PROFILE
@given(chain=chains(least=2), data=st.data())
def test_any_swap_and_any_repetition_is_found(chain: list[Entry], data: st.DataObject) -> None:
    """Two entries in each other's place, or one that stands twice, are named as out of order."""
    first, second = sorted(data.draw(st.lists(st.integers(0, len(chain) - 1), min_size=2, max_size=2, unique=True)))
    swapped = list(chain)
    swapped[first], swapped[second] = chain[second], chain[first]

    for forgery, number in ((swapped, first + 1), ([*chain[:second], chain[first], *chain[second:]], second + 1)):
        found = verify(forgery, after=None)
        assert found is not None
        assert (found.number, found.how) == (number, "out of order")


def test_an_entry_written_in_between_is_found() -> None:
    """A forged entry with a hash of its own, and all later ones numbered anew, breaks the chain behind it."""
    chain = chain_of(4)
    forged = replace(chain[2], approval_id="t.forged")
    forged = replace(forged, hash=hash_of(forged))
    moved = [replace(one, number=one.number + 1) for one in chain[2:]]
    moved = [replace(one, hash=hash_of(one)) for one in moved]

    found = verify([*chain[:2], forged, *moved], after=None)

    assert found is not None
    assert (found.number, found.how) == (4, "chain broken")


def test_a_journal_longer_than_its_head_tells_doesnt_fit() -> None:
    """Entries behind the head, or none where there should be some, are told."""
    chain = chain_of(3)

    assert verify_head(None, number=0, hash=ORIGIN) is None
    assert verify_head(chain[2], number=3, hash=chain[2].hash) is None
    behind = verify_head(chain[2], number=2, hash=chain[1].hash)
    assert isinstance(behind, Broken)
    assert (behind.number, behind.how) == (3, "head mismatch")
    gone = verify_head(None, number=3, hash=chain[2].hash)
    assert str(gone) == "entry 1: left out: 3 was the last to be written; the newest were deleted"


def test_a_hash_can_be_made_with_any_json_library() -> None:
    """The hash is that of the other fields as JSON, names sorted, nothing between the tokens, UTF-8."""
    entry = chain_of(1)[0]
    told = json.loads(to_line(entry))
    del told["hash"]
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    assert hashlib.sha256(text.encode()).hexdigest() == entry.hash


LINE = to_line(chain_of(1)[0])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "line"),
        ("[]", "a JSON object with the fields approval_id, at"),
        (LINE[:-1], "line"),
        (LINE.replace('"run_id":"r",', ""), "a JSON object with the fields"),
        (LINE.replace('"run_id":"r"', '"run_id":"r","more":1'), "a JSON object with the fields"),
        (LINE.replace('"run_id":"r"', '"run_id":"x","run_id":"r"'), "each once"),
        (LINE.replace('"run_id":"r"', '"run_id": "r"'), "nothing between the tokens"),
        (LINE.replace('"number":1', '"number":0'), "number: 0 is not allowed"),
        (LINE.replace('"number":1', '"number":true'), "number: True is not allowed"),
        (LINE.replace('"number":1', '"number":1.0'), "number: 1.0 is not allowed"),
        (LINE.replace('"number":1', f'"number":{NUMBERS}'), "an integer from 1 on"),
        (
            LINE.replace('"event":"decided"', '"event":"undecided"'),
            "event: 'undecided' is not allowed; allowed: opened",
        ),
        (LINE.replace('"run_id":"r"', '"run_id":null'), "run_id: None is not allowed"),
        (LINE.replace(f'"previous":"{ORIGIN}"', '"previous":"0"'), "64 hexadecimal digits"),
        (LINE.replace('"who":{', '"who":[{').replace('""}}', '""}]}'), "who: "),
    ],
)
def test_a_line_that_was_never_written_is_refused(line: str, said: str) -> None:
    """Another field, another type or one space more is refused, and the field is named."""
    with pytest.raises(InvalidInput) as refused:
        from_line(line)

    assert said in str(refused.value)
    assert line != LINE
