"""What is at hand of a stream's end: in order, each event once, and no hole that nobody sees."""

from __future__ import annotations

from motet.memory.ports import END, StoredEvent
from motet.memory.redis.feed import HANDED, KEPT, Cursor, Feed


def event(n: int, *, ms: int = 1, name: str = "e", data: bytes = b"") -> StoredEvent:
    """The n-th event of a run."""
    return StoredEvent(event_id=f"{ms}-{n}", name=name, data=data)


def feed() -> Feed:
    """Of a run that has no event yet."""
    return Feed(thread_id="t", run_id="r", last=(0, 0), begins=(0, 0))


def numbers(events: list[StoredEvent] | None) -> list[int]:
    """Which events these are."""
    assert events is not None
    return [int(one.event_id.partition("-")[2]) for one in events]


def test_what_comes_twice_is_kept_once() -> None:
    """A read that overlaps with what was heard adds only what is new."""
    one = feed()
    assert one.heard([event(1), event(2)])
    one.add([event(1), event(2), event(3)])
    assert one.heard([event(2), event(3), event(4)])
    assert numbers(one.after((0, 0))) == [1, 2, 3, 4]


def test_what_is_heard_with_a_hole_isnt_taken() -> None:
    """Events that don't follow the newest one must be read instead."""
    one = feed()
    assert one.heard([event(1)])
    assert not one.heard([event(3)])
    assert numbers(one.after((0, 0))) == [1]


def test_a_hole_that_redis_has_sends_readers_there() -> None:
    """Where events were trimmed before they were read, who is behind the hole finds his place gone."""
    one = feed()
    one.add([event(1), event(2)])
    one.add([event(9, ms=5), event(10, ms=5)])
    assert one.after((1, 2)) is None
    assert numbers(one.after((5, 8))) == [9, 10]
    assert numbers(one.after((5, 9))) == [10]


def test_a_redis_that_lost_its_last_second_is_followed() -> None:
    """Numbers that are given out again, later, are new events."""
    one = feed()
    one.add([event(1), event(2), event(3)])
    assert not one.heard([event(3, ms=9)])
    one.add([event(3, ms=9), event(4, ms=9)])
    assert [found.event_id for found in one.after((1, 3)) or ()] == ["9-3", "9-4"]


def test_only_the_newest_are_kept() -> None:
    """A count bounds what is kept, what is handed out at a time, and what all readers have is dropped."""
    one = feed()
    one.add([event(n) for n in range(1, KEPT + 101)])
    assert one.after((1, 99)) is None
    assert numbers(one.after((1, 100))) == list(range(101, 101 + HANDED))

    one.cursors |= {Cursor(at=(1, KEPT), after=""), Cursor(at=(1, KEPT + 50), after="")}
    one.forget_read()
    assert one.after((1, KEPT - 1)) is None
    assert numbers(one.after((1, KEPT + 50))) == list(range(KEPT + 51, KEPT + 101))


def test_bytes_are_bounded_too() -> None:
    """Large events push out earlier ones; the newest stays, however large."""
    one = feed()
    one.add([event(n, data=b"x" * 400_000) for n in (1, 2, 3)])
    assert numbers(one.after((1, 1))) == [2, 3]
    one.add([event(4, data=b"x" * 5_000_000, name=END)])
    assert numbers(one.after((1, 3))) == [4]
    assert one.over
