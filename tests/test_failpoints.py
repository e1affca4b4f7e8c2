"""Failpoints: a process dies exactly where it was told to, and nowhere where it wasn't."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from motet import failpoints
from motet.errors import InvalidConfig

PASSES = """
from motet import failpoints
failpoints.arm({spec!r})
for number in range(1, 5):
    failpoints.reached("put.after")
    print(number, flush=True)
"""


def _passing(spec: str) -> tuple[int, list[str]]:
    """Exit code and output of a process that comes four times past a point."""
    done = subprocess.run(
        [sys.executable, "-c", PASSES.format(spec=spec)], capture_output=True, text=True, check=False, timeout=30
    )
    return done.returncode, done.stdout.split()


@pytest.mark.parametrize(
    ("spec", "code", "said"),
    [
        ("put.after:kill", -signal.SIGKILL, []),
        ("put.after:exit:3", failpoints.EXIT_CODE, ["1", "2"]),
        ("put.before:kill, append.after:exit:1", 0, ["1", "2", "3", "4"]),
        ("", 0, ["1", "2", "3", "4"]),
    ],
)
def test_a_process_dies_at_its_point_and_at_no_other(spec: str, code: int, said: list[str]) -> None:
    """Kill and exit act the nth time that the point is reached; other points and none at all do nothing."""
    assert _passing(spec) == (code, said)


def test_a_process_freezes_and_goes_on() -> None:
    """`stop` holds the process where it is until SIGCONT, once."""
    with subprocess.Popen(
        [sys.executable, "-c", PASSES.format(spec="put.after:stop:2")], stdout=subprocess.PIPE, text=True
    ) as process:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        process.send_signal(signal.SIGCONT)
        said, _ = process.communicate(timeout=30)

    assert os.WIFSTOPPED(status)
    assert (process.returncode, said.split()) == (0, ["1", "2", "3", "4"])


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ("put.after", "'put.after'"),
        ("put.after:kill:0", "'put.after:kill:0'"),
        ("put.after:kill:-1", "'put.after:kill:-1'"),
        ("put.middle:kill", "put.middle"),
        ("put.after:sleep", "sleep"),
        ("put.after:kill,", "''"),
        ("put.after:kill,put.after:exit", "twice"),
    ],
)
def test_a_point_that_makes_no_sense_is_refused_by_name(spec: str, named: str) -> None:
    """The message names the setting and what is wrong, and what was armed before stays as it was."""
    with pytest.raises(InvalidConfig, match=named) as refused:
        failpoints.arm(spec)

    assert refused.value.source == "MOTET_FAILPOINT"
    failpoints.reached("put.after")
