"""The benchmark of savers measures what it says, for as many turns as a test can wait for."""

from __future__ import annotations

import statistics
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from benchmarks.checkpoints import measured
from benchmarks.checkpoints_report import plot, show, targets
from benchmarks.checkpoints_run import DURABILITIES, Durability, Result, Thread, smoothed
from benchmarks.checkpoints_savers import MEMORY, OURS, PLAIN, POSTGRES, Subject
from langgraph.checkpoint.memory import InMemorySaver
from rich.console import Console


def result(name: str, *, ms: float, kept: float) -> Result:
    """Two rounds of 400 even turns."""
    turns: dict[Durability, list[list[float]]] = {durability: [[ms] * 400, [ms] * 400] for durability in DURABILITIES}
    return Result(
        name=name, turns=turns, reading=[1.0], listing=[1.0], deleting=[1.0], kept=[kept] * 400, written=[kept] * 400
    )


async def test_each_saver_goes_the_same_way() -> None:
    """A turn adds a question and three answers, and two savers are told the same words."""
    threads = [Thread(Subject(name=MEMORY, saver=InMemorySaver()), durability) for durability in DURABILITIES]
    said: list[list[str]] = []
    for thread in threads:
        await thread.begin()
        await thread.turn()
        found = await thread.subject.saver.aget_tuple(thread.config)
        assert found is not None
        said.append([message.text for message in found.checkpoint["channel_values"]["messages"]])

    assert said[0] == said[1]
    assert len(said[0]) == 54
    assert {len(text) for text in said[0]} == {350}


async def test_times_bytes_and_what_is_missing_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both savers get times and ours its bytes; a peer that can't be had is named with the reason."""
    monkeypatch.setenv("PATH", "")

    results, missing = await measured([MEMORY, OURS, POSTGRES], turns=3, rounds=1)

    memory, ours = results
    assert (memory.name, ours.name, list(missing)) == (MEMORY, OURS, [POSTGRES])
    assert missing[POSTGRES]
    for one in results:
        assert [len(times) for durability in DURABILITIES for times in one.turns[durability]] == [3, 3]
        assert min(*one.medians("sync"), *one.reading, *one.listing, *one.deleting) > 0
    assert len(ours.kept) == len(ours.written) == 3
    assert min(*ours.kept, *ours.written) > 4 * 350
    assert memory.kept == []


def test_a_doubled_table_is_no_turns_price() -> None:
    """What happens once in many turns doesn't count where the median stands for a turn, and does in the mean."""
    totals = [100 * number + (10_000 if number > 6 else 0) for number in range(12)]

    assert smoothed(totals, statistics.median) == [100] * 11
    assert smoothed(totals, statistics.fmean)[-1] == 1100


def test_targets_are_judged_by_what_was_measured() -> None:
    """What is reached and what is missed is said with its number; what wasn't measured isn't judged."""
    memory, ours, plain = (
        result(MEMORY, ms=10, kept=0),
        result(OURS, ms=19, kept=100),
        result(PLAIN, ms=30, kept=999),
    )
    grown = replace(ours, kept=[100.0] * 399 + [121.0])
    console = Console(file=StringIO(), width=120)

    judged = {target.text: target.met for target in targets([memory, grown, plain])}

    assert judged == {
        "sync: at most 2 x InMemorySaver": True,
        "sync: faster than plainredis": True,
        "async: at most 1.6 x InMemorySaver": False,
        "async: faster than plainredis": True,
        "bytes kept at turn 100: at least 10 times fewer than plainredis": False,
        "bytes kept: turn 400 at most 1.2 x turn 20": False,
        "bytes written at turn 100: at least 10 times fewer than plainredis": False,
        "bytes written: turn 400 at most 1.2 x turn 20": True,
    }
    assert targets([memory, plain]) == []
    assert not show(console, [memory, grown], {PLAIN: "not installed"})
    assert show(console, [result(MEMORY, ms=10, kept=0), result(OURS, ms=11, kept=1)], {})


@pytest.mark.all
def test_the_picture_is_drawn(tmp_path: Path) -> None:
    """A PNG of all that was measured (needs matplotlib, which only the peers' lock has)."""
    pytest.importorskip("matplotlib", reason="matplotlib isn't installed; `make test-all` installs it")
    file = tmp_path / "checkpoints.png"

    plot([result(MEMORY, ms=10, kept=0), result(OURS, ms=19, kept=100)], file)

    assert file.read_bytes().startswith(b"\x89PNG")
