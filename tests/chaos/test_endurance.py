"""The long run in short: every fault at least once, in random order, under clients that never stop."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.chaos.endurance import Report, endure


async def _endured(folder: Path, seconds: float, seed: int, visitors: int) -> Report:
    said: list[str] = []
    report = await endure(folder, seconds=seconds, seed=seed, visitors=visitors, tell=said.append)
    print(f"seed {seed}", *said, sep="\n")  # noqa: T201 - pytest shows it with a failure
    return report


async def test_seconds_of_faults_leave_nothing_wrong(tmp_path: Path, seed: int) -> None:
    """A few faults among many runs: nothing that was accepted is lost, doubled or out of order."""
    report = await _endured(tmp_path, 12.0, seed, visitors=2)

    assert report.violations == []
    assert report.runs >= 20


@pytest.mark.all
@pytest.mark.timeout(900)
async def test_minutes_of_faults_leave_nothing_wrong(tmp_path: Path, seed: int) -> None:
    """All faults, several times each."""
    report = await _endured(tmp_path, 300.0, seed, visitors=4)

    assert report.violations == []
    assert report.runs >= 300
    assert report.kills >= 15
