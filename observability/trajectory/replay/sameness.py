"""The one canonical form of two trajectories, applied to both at once: ids by first appearance, nothing else masked.

An id of one side stands for one id of the other, from where the two are first met in the same place: that is what
renaming each side's ids by first appearance comes to, and needs no second copy of either. Ids are UUIDs wherever they
stand in a text, the ids of questions that are told to it, and in a message its own id and those of its tool calls;
where such an id of a message stands alone in another place, as the call that a person is asked about, it is that id.
Times stand in named fields of records and events, which aren't compared; no value of a state is ever taken for a time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson

from motet.observability.trajectory.records import CUT, Ref
from motet.observability.trajectory.references import elements, listed
from motet.observability.trajectory.replay.divergence import Difference

_IDS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
_BEGINNINGS = (b'{"$list":', b'{"$rows":')
_UUID_LENGTH = 36
_LISTS = frozenset({"$list", "$rows"})
"""What stands in a content for a list whose elements, or rows of elements, are contents themselves."""
_SHORTEST = 32
"""Characters of the shortest id that is recognised by its look."""
_SHORTEST_KNOWN = 16
"""Characters of the shortest id of a message that is recognised elsewhere; a shorter text may stand there by chance."""

_IDS_IN_BYTES = re.compile(
    rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\"(?:id|tool_call_id)\":\"([^\"\\\\]+)\""
)
_OF_MESSAGES = frozenset({"id", "tool_call_id"})
"""Fields of a message that are ids as a whole, whatever their shape."""

Plain = Callable[[Ref], Any]
"""JSON of a content."""


class Sameness:
    """Compares what was recorded with what a replay did; remembers which id stands for which."""

    def __init__(self, expected: Mapping[Ref, bytes], actual: Mapping[Ref, bytes], plain: tuple[Plain, Plain]) -> None:
        """`plain` makes JSON for people of a content of `expected`, and of one of `actual`."""
        self._expected, self._actual, self._plain = expected, actual, plain
        self._there: dict[str, str] = {}
        self._back: dict[str, str] = {}
        self._same: set[tuple[Ref, Ref]] = set()
        self._messages: set[bytes] = set()
        """Messages that are the same, with what they are the same as."""
        self._seen: set[Ref] = set()
        """Contents that are the same on both sides and whose ids are known to stand for themselves."""
        self._questions: tuple[set[str], set[str]] = (set(), set())

    def questions(self, expected: Iterable[str], actual: Iterable[str]) -> None:
        """These are ids of questions to people, which look like hashes."""
        self._questions[0].update(expected)
        self._questions[1].update(actual)

    def among_expected(self) -> Sameness:
        """The same for two contents that were both recorded."""
        return Sameness(self._expected, self._expected, (self._plain[0], self._plain[0]))

    def both(self, expected: Sequence[Ref], actual: Sequence[Ref]) -> tuple[list[Any], list[Any]]:
        """These contents as JSON, of either side."""
        return [self._told(0, one) for one in expected], [self._told(1, one) for one in actual]

    def contents(self, expected: Ref | None, actual: Ref | None, at: str = "") -> Difference | None:
        """The first difference of two contents; one that was cut counts as the same only as another that was."""
        if (expected, actual) in self._same:
            return None
        if expected == actual and (expected is None or self._stands_for_itself(expected)):
            return None
        if expected is None or actual is None or CUT in (expected, actual):
            return self.values(self._told(0, expected), self._told(1, actual), at)
        left, right = _lists(self._expected.get(expected)), _lists(self._actual.get(actual))
        if left is None or right is None:
            # What is shown to people leaves out what is empty, and a message's class.
            found = self.values(self._told(0, expected), self._told(1, actual), at) or self._raw(expected, actual, at)
        else:
            found = self._elements(left, right, at)
        if found is None:
            self._same.add((expected, actual))
        return found

    def values(self, expected: Any, actual: Any, at: str = "") -> Difference | None:
        """The first difference of two values of JSON, in the order of what was recorded."""
        kind = type(expected)
        if kind is type(actual):
            if kind is str:
                return None if self._texts(expected, actual) else Difference(field=at, expected=expected, actual=actual)
            if kind is dict:
                return self._objects(expected, actual, at)
            if kind is list:
                return self._lists(expected, actual, at)
            if expected == actual or expected != expected:  # noqa: PLR0124 - only NaN isn't itself
                return None
        return Difference(field=at, expected=expected, actual=actual)

    def _stands_for_itself(self, ref: Ref) -> bool:
        """Note that the ids in a content that both sides have mean the same; whether they did until now."""
        if ref in self._seen:
            return True
        self._seen.add(ref)
        content = self._expected.get(ref, b"")
        for found in _IDS_IN_BYTES.finditer(content):
            named = (found[1] or found[0]).decode()
            if not self._paired(named, named):
                return False
        return all(map(self._stands_for_itself, listed(content)))

    def _raw(self, expected: Ref, actual: Ref, at: str) -> Difference | None:
        left, right = self._expected.get(expected), self._actual.get(actual)
        return None if left is None or right is None else self.values(orjson.loads(left), orjson.loads(right), at)

    def _told(self, side: int, ref: Ref | None) -> Any:
        if ref is None:
            return None
        return {"$cut": True} if ref == CUT else self._plain[side](ref)

    def _elements(self, expected: Mapping[str, Any], actual: Mapping[str, Any], at: str) -> Difference | None:
        """Row by row, for rows that were compared before are many; where one differs, which of its elements."""
        left, right = expected.get("$rows", ()), actual.get("$rows", ())
        alike = bool(left) and len(left) == len(right)
        if alike and all(self.contents(one, other) is None for one, other in zip(left, right, strict=True)):
            return None
        return self._listed(elements(expected, self._expected), elements(actual, self._actual), at)

    def _listed(self, expected: Sequence[Ref], actual: Sequence[Ref], at: str) -> Difference | None:
        for position, (left, right) in enumerate(zip(expected, actual, strict=False)):
            if found := self.contents(left, right, f"{at}[{position}]"):
                return found
        if len(expected) > len(actual):
            return _missing(f"{at}[{len(actual)}]", self._told(0, expected[len(actual)]))
        if len(actual) > len(expected):
            return _surplus(f"{at}[{len(expected)}]", self._told(1, actual[len(expected)]))
        return None

    def _lists(self, expected: Sequence[Any], actual: Sequence[Any], at: str) -> Difference | None:
        for position, (left, right) in enumerate(zip(expected, actual, strict=False)):
            if found := self.values(left, right, f"{at}[{position}]"):
                return found
        if len(expected) > len(actual):
            return _missing(f"{at}[{len(actual)}]", expected[len(actual)])
        if len(actual) > len(expected):
            return _surplus(f"{at}[{len(expected)}]", actual[len(expected)])
        return None

    def _objects(self, expected: Mapping[str, Any], actual: Mapping[str, Any], at: str) -> Difference | None:
        if {*expected, *actual} <= _LISTS and expected and actual:
            return self._elements(expected, actual, at)
        message = "content" in expected and "type" in expected
        if message:
            # A conversation is told again with each step.
            both = orjson.dumps(expected if expected == actual else [expected, actual])
            if both in self._messages:
                return None
            found = self._fields(expected, actual, at, message=True)
            if found is None:
                self._messages.add(both)
            return found
        return self._fields(expected, actual, at, message=False)

    def _fields(
        self, expected: Mapping[str, Any], actual: Mapping[str, Any], at: str, *, message: bool
    ) -> Difference | None:
        called = "name" in expected and "args" in expected
        renamed = dict(self._renamed(expected, actual))
        for name, left in expected.items():
            here = f"{at}.{name}" if at else name
            if (there := renamed.get(name, name)) not in actual:
                return _missing(here, left)
            right = actual[there]
            if (message and name in _OF_MESSAGES) or (called and name == "id"):
                if not self._id(left, right):
                    return Difference(field=here, expected=left, actual=right)
            elif found := self.values(left, right, here):
                return found
        if len(actual) > len(expected):
            known = {renamed.get(name, name) for name in expected}
            surplus = next(name for name in actual if name not in known)
            return _surplus(f"{at}.{surplus}" if at else surplus, actual[surplus])
        return None

    def _renamed(self, expected: Mapping[str, Any], actual: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        """Keys that are ids, with what they are called on the other side."""
        left = [name for name in expected if name not in actual and _IDS.search(name)]
        if left:
            right = [name for name in actual if name not in expected]
            yield from ((one, other) for one, other in zip(left, right, strict=False) if self._texts(one, other))

    def _id(self, expected: Any, actual: Any) -> bool:
        if not isinstance(expected, str) or not isinstance(actual, str):
            return expected is actual
        return self._paired(expected, actual)

    def _texts(self, expected: str, actual: str) -> bool:
        if expected == actual:
            return len(expected) < _SHORTEST or all(self._paired(one, one) for one in _IDS.findall(expected))
        if len(expected) >= _SHORTEST_KNOWN and self._there.get(expected) == actual:
            return True
        left, right = _IDS.findall(expected), _IDS.findall(actual)
        if not left or len(left) != len(right) or _IDS.split(expected) != _IDS.split(actual):
            return False
        return all(self._may_differ(one, other) for one, other in zip(left, right, strict=True))

    def _may_differ(self, expected: str, actual: str) -> bool:
        if expected == actual:
            return self._paired(expected, actual)
        both_ids = len(expected) == len(actual) == _UUID_LENGTH
        asked = expected in self._questions[0] and actual in self._questions[1]
        return (both_ids or asked) and self._paired(expected, actual)

    def _paired(self, expected: str, actual: str) -> bool:
        return (
            self._there.setdefault(expected, actual) == actual and self._back.setdefault(actual, expected) == expected
        )


def _lists(content: bytes | None) -> Mapping[str, Any] | None:
    """A content that is a list kept element by element; None for any other."""
    return orjson.loads(content) if content is not None and content.startswith(_BEGINNINGS) else None


def _missing(at: str, expected: Any) -> Difference:
    return Difference(field=at, expected=expected, actual=None, only="expected")


def _surplus(at: str, actual: Any) -> Difference:
    return Difference(field=at, expected=None, actual=actual, only="actual")
