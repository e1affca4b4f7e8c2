"""What messages became is known from run to run: a turn writes out and adds what is new, under today's secrets."""

from __future__ import annotations

import tracemalloc
from typing import Any

import orjson
import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from tests.observability.recorded import SERDE

from motet.observability.trajectory.contents import Contents, plain, restore
from motet.observability.trajectory.known import KeptMessage, KnownMessages
from motet.observability.trajectory.records import CUT
from motet.observability.trajectory.redact import REDACTED, know
from motet.observability.trajectory.references import elements, listed, missing
from motet.remembered import Remembered

SECRET = "hunter2-hunter2"


def said(count: int) -> list[AnyMessage]:
    """A conversation."""
    return [HumanMessage(f"{number} {'x' * 300}", id=str(number)) for number in range(count)]


def run(known: KnownMessages, *values: Any, place: str | None = "here") -> tuple[Contents, list[str], dict[str, bytes]]:
    """What a run that puts these values has to keep."""
    contents = Contents(SERDE, known=known)
    refs = [contents.put(value, place) for value in values]
    return contents, refs, contents.take()


@pytest.mark.parametrize("place", ["here", None])
def test_a_run_writes_out_what_is_new(place: str | None) -> None:
    """Of a conversation that other runs saw, only the new message; and what it keeps is what a first run would."""
    known = KnownMessages()
    first, _, _ = run(known, said(200), place=place)

    second, refs, kept = run(known, said(200), said(201), place=place)

    assert (first.serialised, second.serialised) == (200, 1)
    alone = run(KnownMessages(), said(200), said(201))
    assert (refs, kept) == alone[1:]
    assert [restore(ref, kept, SERDE) for ref in refs] == [said(200), said(201)]


def test_what_is_known_takes_as_much_memory_as_is_counted() -> None:
    """However short the messages are: as they come from `orjson` they would take 4 kB each."""
    known = KnownMessages()
    messages = [HumanMessage(str(number), id=str(number)) for number in range(500)]
    tracemalloc.start()
    for message in messages:
        contents = Contents(SERDE, known=known)
        contents.put([message])
        del contents
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < 500 * 3000


@pytest.mark.parametrize("count", [32, 33, 200, 1024, 1025, 2500])
def test_a_list_that_grows_adds_a_row(count: int) -> None:
    """One message more is one content, its row, and for each level above a short list of rows; all comes back."""
    known = KnownMessages()
    contents, (before,), kept = run(known, said(count))

    ref = contents.put(said(count + 1), "here")

    added = contents.take()
    assert sum(map(len, added.values())) < 1000 + 3 * 35 * 32
    assert len(added) <= (3 if count < 1024 else 4)
    everything = {**kept, **added}
    assert restore(ref, everything, SERDE) == said(count + 1)
    assert len(plain(ref, everything)) == count + 1
    assert len(elements(orjson.loads(everything[ref]), everything)) == count + 1
    assert all(len(listed(one)) <= 32 for one in everything.values())
    assert restore(before, kept, SERDE) == said(count)
    assert missing([], everything) == set()


def test_what_is_missing_of_a_long_list_is_named() -> None:
    """A row that isn't there is told, by people's JSON too; what is there is shown."""
    _, (ref,), kept = run(KnownMessages(), said(100))
    row = listed(kept[ref])[1]
    del kept[row]

    shown = plain(ref, kept)

    assert shown[32] == {"missing": row}
    assert [one["id"] for one in shown[:32] + shown[33:]] == [str(n) for n in [*range(32), *range(64, 100)]]


def test_what_was_redacted_before_is_outdated_by_another_secret() -> None:
    """What became of a message is forgotten as soon as the process knows other secrets, and again when it forgets."""
    known, messages = KnownMessages(), [*said(5), AIMessage(f"it is {SECRET}")]

    told = [run(known, messages)]
    undo = know([SECRET])
    told.append(run(known, messages))
    undo()
    told.append(run(known, messages))

    assert [SECRET in b"".join(kept.values()).decode() for _, _, kept in told] == [True, False, True]
    assert restore(told[1][1][0], told[1][2], SERDE)[-1].content == f"it is {REDACTED}"


def test_what_was_shown_is_outdated_by_another_secret() -> None:
    """The same settings are looked through once for all runs, and again once the process knows other secrets."""
    known, settings = KnownMessages(), {"stop": [SECRET], "n": 1}

    told = [Contents(SERDE, known=known).shown_again(settings) for _ in range(2)]
    undo = know([SECRET])
    told.append(Contents(SERDE, known=known).shown_again(settings))
    undo()

    assert told[0] is told[1]
    assert [one["stop"] for one in told] == [[SECRET], [SECRET], [REDACTED]]


def test_known_messages_are_bounded() -> None:
    """The newest of them, up to a number of bytes, whether they came alone or in lists."""
    known = KnownMessages(limit=100_000)
    for number in range(100):
        run(known, [HumanMessage(f"{number} {'y' * 1000}")], place=f"place {number}")

    found = [
        run(known, [HumanMessage(f"{number} {'y' * 1000}")], place=None)[0].serialised for number in range(99, -1, -1)
    ]

    assert 10 < found.count(0) < 50
    assert found == sorted(found)
    kept = Remembered[int](limit=100)
    for number in range(50):
        kept.note(b"%9d" % number, number, 11)
        kept.note(b"%9d" % number, number, 11)
    assert [number for number in range(50) if kept.find(b"%9d" % number) is not None] == [45, 46, 47, 48, 49]


def test_what_a_run_could_not_keep_another_can() -> None:
    """That a message is cut, or holds what can't be written, is of the run and of the message, not of what is known."""
    known = KnownMessages()
    odd = AIMessage("odd", additional_kwargs={"o": 2**80, "long": [f"{n} {'x' * 100}" for n in range(100)]})
    full = Contents(SERDE, known=known)
    while full.put(f"{full.new_bytes} {'x' * 990_000}") != CUT:
        pass
    assert full.put_message(odd).ref == CUT
    assert full.put_messages(said(1))[0].ref == CUT

    for _ in range(2):
        contents = Contents(SERDE, known=known)
        put: list[KeptMessage] = [contents.put_message(one) for one in (odd, *said(1), HumanMessage("x" * 2_000_000))]
        kept = contents.take()
        assert [one.ref in kept for one in put] == [True, True, False]
        assert plain(put[0].ref, kept)["additional_kwargs"]["long"][99].startswith("99 x")
