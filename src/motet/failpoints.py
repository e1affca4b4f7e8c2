"""Places where a process dies or freezes when a test asks for it: what no signal from outside can hit so exactly.

The names stand between two steps whose order matters, such as `put.after`: the checkpoint is stored, and nothing
after it has happened. Where nothing is armed, `reached` costs one comparison.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from motet.errors import InvalidConfig, shortened

NAMES = frozenset(
    [
        f"{step}.{side}"
        for step in ("create", "claim", "put", "writes", "append", "finish")
        for side in ("before", "after")
    ]
    + ["effect.begun", "effect.called", "effect.done"]
)
"""Every place. create, claim, append, finish: the run's scripts; put, writes: a checkpoint's and its pending writes';
effect: started is recorded, the tool has acted, done is recorded."""

EXIT_CODE = 86
"""What a process that exits at a failpoint ends with."""

_SETTING = "MOTET_FAILPOINT"
_POINT = re.compile(r"(?P<name>[a-z.]+):(?P<action>[a-z]+)(?::(?P<nth>[1-9][0-9]{0,8}))?")


def _signal(number: signal.Signals) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


ACTIONS: Mapping[str, Callable[[], None]] = {
    "kill": _signal(signal.SIGKILL),
    "stop": _signal(signal.SIGSTOP),
    "exit": lambda: os._exit(EXIT_CODE),
}
"""What may happen: kill -9, freeze until SIGCONT, or an exit that closes nothing."""


@dataclass(slots=True, kw_only=True)
class _Point:
    left: int
    act: Callable[[], None]


_armed: dict[str, _Point] = {}


def arm(spec: str) -> None:
    """Set this process's failpoints in place of those there were; an empty text disarms all.

    Args:
        spec: `name:kill|stop|exit[:nth]`, several with commas between; `nth` counts from 1, which it is by default.
            A point acts once.

    Raises:
        InvalidConfig: names `MOTET_FAILPOINT`, and nothing is changed.
    """
    points: dict[str, _Point] = {}
    for one in spec.split(",") if spec.strip() else ():
        name, point = _parsed(one.strip())
        if name in points:
            raise InvalidConfig(_SETTING, f"{name!r} is named twice")
        points[name] = point
    _armed.clear()
    _armed.update(points)


def reached(name: str) -> None:
    """Die or freeze here, if this process was armed so; else nothing."""
    if not _armed:
        return
    point = _armed.get(name)
    if point is None:
        return
    point.left -= 1
    if point.left == 0:
        point.act()


def _parsed(told: str) -> tuple[str, _Point]:
    found = _POINT.fullmatch(told)
    if found is None:
        raise InvalidConfig(
            _SETTING, f"{shortened(told)} is no failpoint: write name:kill, name:stop or name:exit, with :nth"
        )
    name, action = found["name"], found["action"]
    if name not in NAMES:
        raise InvalidConfig(_SETTING, f"{name!r} is no place; there are {', '.join(sorted(NAMES))}")
    if action not in ACTIONS:
        raise InvalidConfig(_SETTING, f"{action!r} is nothing that can happen; allowed: {', '.join(sorted(ACTIONS))}")
    return name, _Point(left=int(found["nth"] or 1), act=ACTIONS[action])
