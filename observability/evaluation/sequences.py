"""How two sequences of names compare: nodes, handoffs, tools."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from motet.observability.evaluation.graded import Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What of a sequence isn't as expected."""

    agrees: bool
    reasons: Sequence[str]
    """For a person; also where it agrees, of what the mode lets pass."""
    details: Mapping[str, Any]


def compared(found: Sequence[str], expected: Sequence[str], mode: Mode) -> Comparison:
    """Strict: the same in the same order; unordered: in any; subset: none but those expected; superset: all of them.

    What stands there more than once counts as often.
    """
    extra, missing = Counter(found) - Counter(expected), Counter(expected) - Counter(found)
    agrees = {
        "strict": list(found) == list(expected),
        "unordered": not extra and not missing,
        "subset": not extra,
        "superset": not missing,
    }[mode]
    reasons = [*(_counted("missing", one, n) for one, n in missing.items())]
    reasons += [_counted("extra", one, n) for one, n in extra.items()]
    if list(found) != list(expected) and not reasons:
        at = next(n for n, (one, other) in enumerate(zip(found, expected, strict=True)) if one != other)
        reasons.append(f"wrong order: {found[at]} in place {at + 1}, expected {expected[at]}")
    details = {"found": list(found), "expected": list(expected), "missing": dict(missing), "extra": dict(extra)}
    return Comparison(agrees=agrees, reasons=reasons, details=details)


def _counted(kind: str, name: str, times: int) -> str:
    return f"{kind}: {name}" if times == 1 else f"{kind}: {name}, {times} times"
