"""Reads what `motet eval calibrate --json` told, to be shown in a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from motet.errors import InvalidInput
from motet.observability.evaluation.report.report import Calibrated


def read(path: Path) -> Sequence[Calibrated]:
    """One for each line.

    Raises InvalidInput: the file can't be read, or a line isn't what `motet eval calibrate --json` writes.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise InvalidInput("--calibration", str(path), f"a file that can be read ({error.strerror})") from error
    found: list[Calibrated] = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(_of(orjson.loads(line)))
        except (ValueError, KeyError, TypeError) as error:
            wanted = "what `motet eval calibrate --json` writes"
            raise InvalidInput(
                f"--calibration {path}, line {number}", line[:80].decode(errors="replace"), wanted
            ) from error
    return found


def _of(told: Mapping[str, Any]) -> Calibrated:
    agreement: Mapping[str, Any] = told["agreement"]
    interval: Mapping[str, Any] = agreement["interval"]
    return Calibrated(
        metric=told["metric"],
        evaluator=told["evaluator"],
        kappa=agreement["kappa"],
        low=interval["low"],
        high=interval["high"],
        n=agreement["n"],
        p_value=agreement["p_value"],
        better_than_chance=agreement["better_than_chance"],
        warnings=told["warnings"],
    )
