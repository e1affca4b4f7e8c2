"""The benchmark of the server measures what it says, as little as a test can wait for."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from benchmarks.server import PROJECT, Rounds, figures, least, most, show
from rich.console import Console
from tests.server.running import serving


@pytest.mark.all
async def test_every_figure_is_measured(tmp_path: Path) -> None:
    """A round at a hundredth of the size gives each figure a value that can be true."""
    seen: list[str] = []
    async with serving("--config", str(PROJECT), data_dir=tmp_path) as running:
        rounds = Rounds(running, 0.01)
        await rounds.once(seen.append)
    found = {one.what: one for one in figures(rounds)}

    assert len(found) == 11
    assert seen
    for what in ("stateless wait, p50", "turn 5 of a thread, p50", "history(10) of it, p50"):
        assert 0.5 < found[what].value < 5000
    for what in ("runs a second, 50 clients", "custom events, 20 streams", "model chunks, 8 streams"):
        assert found[what].value > 1


def test_a_missed_target_is_said() -> None:
    """One figure beyond its target makes the whole run fail, and stands out in the table."""
    told = StringIO()
    console = Console(file=told, width=120)
    assert show(console, [most("time", 3, "ms", 5), least("rate", 200, "/s", 100)])
    assert not show(console, [most("time", 3, "ms", 5), least("rate", 50, "/s", 100)])
    assert "missed" in told.getvalue()
