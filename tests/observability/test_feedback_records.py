"""Feedback in a trajectory is told and exported, and changes nothing of what the run did."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.models import asked
from tests.observability.by_hand import team, weather
from tests.observability.recording import Recording, replayed
from tests.observability.test_otlp import spans, told
from tests.observability.weather import supervisor

from motet.errors import TrajectoryUnreadable
from motet.memory.serde import StrictSerializer
from motet.observability.feedback_metrics import FeedbackMetrics, verdict
from motet.observability.setup import TelemetrySettings, install
from motet.observability.trajectory import file
from motet.observability.trajectory.atif import atif
from motet.observability.trajectory.contents import Contents
from motet.observability.trajectory.diff.compare import compare
from motet.observability.trajectory.records import FeedbackGiven, decode, encode
from motet.observability.trajectory.trajectory import Trajectory, assembled
from motet.observability.trajectory.tree import build, walk
from motet.observability.trajectory.tree_detail import Telling
from motet.server.terminal.trace_lines import lines


def judged(trajectory: Trajectory, *, score: float | None = False) -> Trajectory:
    """The same, and days later somebody said what they think of its first run."""
    run_id = trajectory.run_ids[0]
    contents = Contents(StrictSerializer())
    said, _ = contents.put_told({"comment": "too long", "correction": {"answer": "12 °C"}})
    one = FeedbackGiven(
        run_id=run_id,
        attempt=max(record.attempt for record in trajectory.records if record.run_id == run_id),
        index=1_795_000_000_000_000,
        at="2026-12-24T18:00:00.000000+00:00",
        feedback_id="f-1",
        key="helpful",
        said=said,
        score=score,
        source={"type": "api", "actor": "ada"},
    )
    kept = {**trajectory.contents, **contents.take()}
    return assembled([encode(record) for record in (one, *trajectory.records)], kept, events=trajectory.events)


def test_a_record_comes_back_as_it_was() -> None:
    """A thumb stays a thumb, and a number a number."""
    for score in (True, False, 0.0, 1.0, None):
        [one] = [record for record in judged(weather(), score=score).records if isinstance(record, FeedbackGiven)]
        again = decode(encode(one))

        assert again == one
        assert isinstance(again, FeedbackGiven)
        assert type(again.score) is type(score)


@pytest.mark.parametrize("make", [weather, team])
def test_what_the_run_did_stays_as_it_was(make: Any) -> None:
    """Segments, the tree without feedback, ATIF and a comparison say the same with and without it."""
    plain, other = make(), judged(make())

    assert other.segments() == plain.segments()
    assert compare(plain, other).same
    assert atif(other) == atif(plain)
    left = [(one.kind, one.path, one.duration_s) for one in walk(build(other.records)) if one.kind != "feedback"]
    assert left == [(one.kind, one.path, one.duration_s) for one in walk(build(plain.records))]


def test_the_tree_and_the_lines_tell_it() -> None:
    """It stands in its run, behind all else, with what was said and by whom."""
    trajectory = judged(weather())
    root = build(trajectory.records)
    [branch] = [one for one in root.children if one.kind == "feedback"]
    detail = Telling(trajectory).of(branch)
    drawn = [one.plain for one in lines(branch.records[0], detail, width=None)]

    assert root.children[-1] is branch
    assert (branch.name, detail["comment"], detail["correction"]) == ("helpful", "too long", {"answer": "12 °C"})
    assert (detail["score"], detail["source"]) == (False, {"type": "api", "actor": "ada"})
    assert drawn[0].endswith("helpful feedback")
    assert [one.strip() for one in drawn[1:]] == [
        "thumb down · ada",
        "comment: too long",
        'correction: {"answer": "12 °C"}',
    ]


def test_otlp_has_it_as_an_event_of_the_run() -> None:
    """The event has the name and the attributes of the conventions; its reason only with content."""
    for content in (False, True):
        found = spans(judged(weather()), content=content)
        [span] = next(named for name, named in found.items() if name.startswith("run "))
        [event] = [one for one in span.events if one.name == "gen_ai.evaluation.result"]
        said = told(event)

        assert said["gen_ai.evaluation.name"] == "helpful"
        assert (said["gen_ai.evaluation.score.value"], said["gen_ai.evaluation.score.label"]) == (0.0, "fail")
        assert said.get("gen_ai.evaluation.explanation") == ("too long" if content else None)


def test_an_exported_file_holds_it_whole(tmp_path: Path) -> None:
    """It is read back as it was; without what was said it would not be whole, and isn't written."""
    trajectory = judged(weather())
    [one] = [record for record in trajectory.records if isinstance(record, FeedbackGiven)]
    assert one.said is not None
    path = tmp_path / "a.jsonl"
    with path.open("wb") as out:
        file.write(trajectory, out)
    without = {ref: content for ref, content in trajectory.contents.items() if ref != one.said}

    again = file.read(path)

    assert (list(again.records), again.contents) == (list(trajectory.records), trajectory.contents)
    with (tmp_path / "b.jsonl").open("wb") as out, pytest.raises(TrajectoryUnreadable, match="1 contents are missing"):
        file.write(replace(trajectory, contents=without), out)


async def test_a_judged_run_is_replayed_as_any() -> None:
    """A replay meets nothing that the feedback would be missing from."""
    graph = supervisor()
    trajectory = await Recording(graph).run(asked("Oslo?"))

    verdict = await replayed(judged(trajectory), graph)

    assert verdict.divergence is None
    assert verdict.counts == (await replayed(trajectory, graph)).counts


def test_keys_of_clients_are_a_bounded_number_of_labels() -> None:
    """After fifty keys all others are counted as one, so that no client can fill what Prometheus keeps."""
    telemetry = install(TelemetrySettings(metrics=True))
    try:
        assert isinstance(telemetry.feedback, FeedbackMetrics)
        for n in range(60):
            telemetry.feedback.given(f"key-{n}", -1.0, "api")
        text = telemetry.exposed("")[0].decode()
    finally:
        telemetry.shutdown()

    counted = [one for one in text.splitlines() if one.startswith("motet_feedback_given_total")]
    assert len(counted) == 51
    assert [one.rpartition(" ")[2] for one in counted if 'key="other"' in one] == ["10.0"]


def test_a_score_comes_down_to_a_verdict() -> None:
    """A thumb, the two numbers that stand for one, another number, and none."""
    assert [verdict(one) for one in (True, False, 1, 0.0, 0.5, None)] == ["up", "down", "up", "down", "score", "words"]
