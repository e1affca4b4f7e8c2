"""How far a conversation is the expected one, in its turns and its tool calls: a share, and the reason for each loss.

A turn weighs 1/4, a call of a tool 1. A call of the right tool with wrong arguments is worth a half, and of the other
half the share of its arguments that are right. One that was made in the wrong place is worth half of that. The share is
that of all there is on both sides, as Dice means it; with `subset` only of what was done, with `superset` only of what
was expected.

Which call is which is decided first as openevals decides it, call by call, and only then by what is most alike. So the
share is 1 exactly where openevals' boolean of the same mode is true.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from motet.observability.evaluation.tool_arguments import ArgumentsRule
from motet.observability.evaluation.turns import Turn, Wish, wishes

Mode = Literal["strict", "unordered", "subset", "superset"]
"""strict: the same turns in the same order, the calls of one turn in any. unordered: the same calls. subset: no call
that isn't expected. superset: each call that is expected."""

_TURN, _TOOL, _ELSEWHERE = 0.25, 0.5, 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Something that isn't as expected."""

    kind: Literal["missing call", "extra call", "arguments", "wrong order", "missing turn", "extra turn"]
    text: str
    """For a person."""
    weight: float
    """What it costs, of the weight of all."""

    def as_json(self) -> Mapping[str, Any]:
        """For machines."""
        return {"kind": self.kind, "text": self.text, "weight": round(self.weight, 6)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """How far, and what is lacking."""

    share: float
    """0 to 1; 1 only without a loss."""
    losses: Sequence[Loss]


def graded(called: Sequence[Turn], expected: Sequence[Turn], *, mode: Mode, rule: ArgumentsRule) -> Grade:
    """How far `called` is what was expected."""
    if mode == "strict":
        return _in_order(called, expected, rule)
    return _in_any(wishes(called), wishes(expected), mode, rule)


def _in_any(called: Sequence[Wish], expected: Sequence[Wish], mode: Mode, rule: ArgumentsRule) -> Grade:
    ways: Mapping[Mode, Sequence[bool]] = {"superset": [True], "subset": [False], "unordered": [True, False]}
    found = [_paired(called, expected, rule, expected_first=first) for first in ways[mode]]
    paired = min(found, key=lambda one: sum(one.values()))
    sides = 2 if mode == "unordered" else 1
    losses: list[Loss] = []
    for (i, j), worth in paired.items():
        if worth < 1:
            wrong = rule.differences(called[i].tool, called[i].arguments, expected[j].arguments)
            text = f"{called[i].tool}: {'; '.join(wrong)}"
            losses.append(Loss(kind="arguments", text=text, weight=sides * (1 - worth)))
    if mode != "subset":
        losses += [_missing(one) for at, one in enumerate(expected) if at not in {j for _, j in paired}]
    if mode != "superset":
        losses += [_extra(one) for at, one in enumerate(called) if at not in {i for i, _ in paired}]
    weight = {"superset": len(expected), "subset": len(called), "unordered": len(called) + len(expected)}[mode]
    return _grade(losses, weight)


def _in_order(called: Sequence[Turn], expected: Sequence[Turn], rule: ArgumentsRule) -> Grade:
    losses: list[Loss] = []
    left: list[_Left] = []
    open_: list[_Left] = []
    for n, (i, j) in enumerate(_aligned(called, expected, rule)):
        ours, theirs = called[i].calls if i is not None else (), expected[j].calls if j is not None else ()
        if j is None:
            losses.append(Loss(kind="extra turn", text=f"extra turn {_at(i)}: {called[i or 0].role}", weight=_TURN))
        elif i is None:
            losses.append(Loss(kind="missing turn", text=f"missing turn {_at(j)}: {expected[j].role}", weight=_TURN))
        agreed = _agreed(ours, theirs, rule, expected_first=False)
        left += [_Left(n, _at(i), call) for at, call in enumerate(ours) if at not in {one for one, _ in agreed}]
        open_ += [_Left(n, _at(j), call) for at, call in enumerate(theirs) if at not in {one for _, one in agreed}]
    losses += _of_the_rest(left, open_, rule)
    return _grade(losses, sum(map(_weight, called)) + sum(map(_weight, expected)))


@dataclass(frozen=True, slots=True)
class _Left:
    """A call that isn't matched where it stands."""

    place: int
    """In the alignment."""
    turn: int
    """In its conversation, from 1."""
    call: Wish


def _at(position: int | None) -> int:
    return 0 if position is None else position + 1


def _of_the_rest(left: Sequence[_Left], open_: Sequence[_Left], rule: ArgumentsRule) -> list[Loss]:
    """What was made elsewhere as it was expected; then what was made with other arguments, in its place or not."""
    ours, theirs = [one.call for one in left], [one.call for one in open_]

    def worth(i: int, j: int) -> tuple[bool, float]:
        share = _worth(ours[i], theirs[j], rule)
        return share == 1, share if left[i].place == open_[j].place else share * _ELSEWHERE

    paired = _best(
        [(i, j, worth(i, j)) for i in range(len(ours)) for j in range(len(theirs)) if _same(ours[i], theirs[j])]
    )
    losses: list[Loss] = []
    for (i, j), (_, share) in paired.items():
        wrong = rule.differences(ours[i].tool, ours[i].arguments, theirs[j].arguments)
        if left[i].place == open_[j].place:
            losses.append(Loss(kind="arguments", text=f"{ours[i].tool}: {'; '.join(wrong)}", weight=2 * (1 - share)))
        else:
            where = f"wrong order: {ours[i]} in turn {left[i].turn}, expected in turn {open_[j].turn}"
            losses.append(Loss(kind="wrong order", text="; ".join([where, *wrong]), weight=2 * (1 - share)))
    found, met = {i for i, _ in paired}, {j for _, j in paired}
    return [
        *losses,
        *(_missing(call) for j, call in enumerate(theirs) if j not in met),
        *(_extra(call) for i, call in enumerate(ours) if i not in found),
    ]


def _missing(call: Wish) -> Loss:
    return Loss(kind="missing call", text=f"missing call: {call}", weight=1)


def _extra(call: Wish) -> Loss:
    return Loss(kind="extra call", text=f"extra call: {call}", weight=1)


def _grade(losses: Sequence[Loss], weight: float) -> Grade:
    lost = sum(one.weight for one in losses)
    return Grade(share=max(0.0, 1 - lost / weight) if losses else 1.0, losses=losses)


def _weight(turn: Turn) -> float:
    return _TURN + len(turn.calls)


def _paired(
    called: Sequence[Wish], expected: Sequence[Wish], rule: ArgumentsRule, *, expected_first: bool
) -> Mapping[tuple[int, int], float]:
    """Which call is which, called and expected, and what the pair is worth: those that agree, then those most alike."""
    agreed = _agreed(called, expected, rule, expected_first=expected_first)
    left = [i for i in range(len(called)) if i not in {one for one, _ in agreed}]
    open_ = [j for j in range(len(expected)) if j not in {one for _, one in agreed}]
    alike = [
        (i, j, (False, _worth(called[i], expected[j], rule)))
        for i in left
        for j in open_
        if _same(called[i], expected[j])
    ]
    return {**dict.fromkeys(agreed, 1.0), **{pair: worth for pair, (_, worth) in _best(alike).items()}}


def _agreed(
    called: Sequence[Wish], expected: Sequence[Wish], rule: ArgumentsRule, *, expected_first: bool
) -> Sequence[tuple[int, int]]:
    """The calls that agree, in the order in which openevals finds them: each with the first that is still free."""
    free = list(range(len(called) if expected_first else len(expected)))
    pairs: list[tuple[int, int]] = []
    for one in range(len(expected) if expected_first else len(called)):
        for other in free:
            i, j = (other, one) if expected_first else (one, other)
            if _same(called[i], expected[j]) and _worth(called[i], expected[j], rule) == 1:
                pairs.append((i, j))
                free.remove(other)
                break
    return pairs


def _best(
    candidates: Sequence[tuple[int, int, tuple[bool, float]]],
) -> Mapping[tuple[int, int], tuple[bool, float]]:
    """Of these pairs those that are worth most, each call once."""
    found: dict[tuple[int, int], tuple[bool, float]] = {}
    ours: set[int] = set()
    theirs: set[int] = set()
    for i, j, worth in sorted(candidates, key=lambda one: (not one[2][0], -one[2][1], one[0], one[1])):
        if i not in ours and j not in theirs:
            found[i, j] = worth
            ours.add(i)
            theirs.add(j)
    return found


def _same(called: Wish, expected: Wish) -> bool:
    return called.tool == expected.tool


def _worth(called: Wish, expected: Wish, rule: ArgumentsRule) -> float:
    """Of two calls of one tool: 1 where they agree, at least a half where they don't."""
    return _TOOL + (1 - _TOOL) * rule.share(called.tool, called.arguments, expected.arguments)


def _aligned(
    called: Sequence[Turn], expected: Sequence[Turn], rule: ArgumentsRule
) -> Sequence[tuple[int | None, int | None]]:
    """The alignment in one order that is worth most; only turns of one role are paired.

    Turns that agree whole, at the begin and at the end, are paired first: nothing could be worth more.
    """
    most = min(len(called), len(expected))
    begin = next((n for n in range(most) if not _whole(called[n], expected[n], rule)), most)
    rest = most - begin
    end = next((n for n in range(rest) if not _whole(called[-1 - n], expected[-1 - n], rule)), rest)
    i, j = len(called) - end, len(expected) - end
    inner = _best_places(called[begin:i], expected[begin:j], rule)
    return [
        *((n, n) for n in range(begin)),
        *((None if one is None else one + begin, None if other is None else other + begin) for one, other in inner),
        *((i + n, j + n) for n in range(end)),
    ]


def _whole(one: Turn, other: Turn, rule: ArgumentsRule) -> bool:
    if one.role != other.role or len(one.calls) != len(other.calls):
        return False
    return len(_agreed(one.calls, other.calls, rule, expected_first=False)) == len(one.calls)


def _best_places(
    called: Sequence[Turn], expected: Sequence[Turn], rule: ArgumentsRule
) -> Sequence[tuple[int | None, int | None]]:
    """Needleman and Wunsch's global alignment."""
    worth = [[_of_turns(one, other, rule) for other in expected] for one in called]
    best = [[0.0] * (len(expected) + 1) for _ in range(len(called) + 1)]
    for i in range(len(called) - 1, -1, -1):
        for j in range(len(expected) - 1, -1, -1):
            best[i][j] = max(best[i + 1][j + 1] + worth[i][j], best[i + 1][j], best[i][j + 1])
    places: list[tuple[int | None, int | None]] = []
    i = j = 0
    while i < len(called) and j < len(expected):
        if worth[i][j] and best[i][j] == best[i + 1][j + 1] + worth[i][j]:
            places.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            places.append((i, None))
            i += 1
        else:
            places.append((None, j))
            j += 1
    places += [(one, None) for one in range(i, len(called))]
    return [*places, *((None, one) for one in range(j, len(expected)))]


def _of_turns(one: Turn, other: Turn, rule: ArgumentsRule) -> float:
    if one.role != other.role:
        return 0.0
    if not one.calls or not other.calls:
        return _TURN
    return _TURN + sum(_paired(one.calls, other.calls, rule, expected_first=False).values())
