"""`motet eval report`, `compare` and `gate`: from runs on the queue to files, and to an exit code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

import pytest
from tests.observability.evaluation.experiments_made import SCALES, Made, experiment
from tests.server.evaluating import EVALUATED, FAST, example, file_of
from tests.server.running import environment
from tests.server.typing_person import without_terminal

from motet.observability.evaluation.report import exported
from motet.observability.evaluation.report.reported import reported

WORDS = ("ulm", "trier", "kiel", "bonn", "jena", "gera", "hof")


@pytest.fixture
def env(redis_url: str, tmp_path: Path) -> Mapping[str, str]:
    """Of commands of one installation."""
    told = {"MOTET_REDIS_URL": redis_url, "MOTET_TENANT": uuid4().hex[:12], "TEST_NOTES": str(tmp_path)}
    return environment(tmp_path, {**FAST, **told, "COLUMNS": "200"})


async def ran(env: Mapping[str, str], dataset: Path, target: str, name: str) -> str:
    """The id of an experiment that ended."""
    run = ("eval", "run", str(dataset), "--target", target, "--evaluator", "exact", "--name", name, "--yes")
    code, said, complained = await without_terminal(*run, "--config", str(EVALUATED), env=env)
    assert code == 0, complained
    return said.splitlines()[0].partition("(")[2].partition(")")[0]


@pytest.mark.all
async def test_a_worse_prompt_is_caught_on_the_queue(env: Mapping[str, str], tmp_path: Path) -> None:
    """Run, report, run again: what is as it was passes the gate, the careless one doesn't, and the page shows why."""
    dataset = file_of(tmp_path, [example(word) for word in WORDS])
    careless = tmp_path / "careless.json"
    careless.write_text(json.dumps({"name": "hasty", "assistant": "hasty", "prompt": "be careless"}))
    baseline, page = tmp_path / "baseline.json", tmp_path / "compared.html"
    first = await ran(env, dataset, "hasty", "first")
    worse = await ran(env, dataset, str(careless), "worse")

    code, said, complained = await without_terminal("eval", "report", first, "--json", str(baseline), env=env)
    assert (code, complained) == (0, "")
    assert "hasty has exact 100.0 % over 7 trials of 7 examples" in said
    assert said.splitlines()[-1] == str(baseline)

    code, said, _ = await without_terminal("eval", "gate", first[:18], "--baseline", str(baseline), env=env)
    assert (code, said.splitlines()[0]) == (0, "passed")
    assert "What it could not have noticed" in said

    code, said, _ = await without_terminal("eval", "gate", worse, "--baseline", str(baseline), env=env)
    assert (code, said.splitlines()[0]) == (1, "failed")
    assert "hasty is worse than the baseline in exact: 0.0 % against 100.0 %" in said

    code, said, _ = await without_terminal("eval", "compare", first, worse, "--html", str(page), env=env)
    assert code == 0
    assert "hasty@worse is worse than hasty@first in exact, likely by at least" in said
    told = page.read_text("utf-8")
    assert "First divergence" in told
    assert "Both trajectories, step by step" in told
    assert "I forgot" in told
    assert "be careless" in told


async def test_every_form_is_written(env: Mapping[str, str], tmp_path: Path) -> None:
    """From a file alone, without Redis; --out writes all forms, and each option its own."""
    file = tmp_path / "made.json"
    file.write_bytes(exported.encoded(reported([experiment(examples=8, repeats=1)])))
    away = {**env, "MOTET_REDIS_URL": "redis://127.0.0.1:1"}
    out, page = tmp_path / "out" / "deep", tmp_path / "page.html"

    code, said, complained = await without_terminal(
        "eval", "report", str(file), "--out", str(out), "--html", str(page), env=away
    )

    assert (code, complained) == (0, "")
    assert {one.name for one in out.iterdir()} == {
        "report.md",
        "report.json",
        "report.xml",
        "report.csv",
        "report.comparisons.csv",
    }
    assert str(out / "report.comparisons.csv") in said.splitlines()
    assert page.read_text("utf-8").startswith("<!doctype html>")
    assert exported.read(out / "report.json") == exported.read(file)
    assert "Can't be told" in said


async def test_a_gate_refuses_what_can_not_be_compared(env: Mapping[str, str], tmp_path: Path) -> None:
    """Other data, missing trials: exit code 1 and the reason; what isn't METRIC=VALUE is a wrong use, 2."""
    files = {"now": experiment([Made(name="a")], examples=8), "before": experiment([Made(name="a")], examples=10)}
    for name, one in files.items():
        (tmp_path / f"{name}.json").write_bytes(exported.encoded(reported([one])))
    gate = ("eval", "gate", str(tmp_path / "now.json"), "--baseline", str(tmp_path / "before.json"))

    code, said, _ = await without_terminal(*gate, env=env)
    assert code == 1
    assert "2 examples of the baseline weren't tried: q-008, q-009" in said
    code, _, complained = await without_terminal(*gate, "--min", "correct", env=env)
    assert (code, "METRIC=VALUE" in complained) == (2, True)
    deep = tmp_path / ("deep" * 30)
    code, _, complained = await without_terminal(*gate[:-1], str(deep / "none.json"), env=env)
    assert (code, len(complained.splitlines())) == (1, 1)
    assert "'none.json'" in complained
    assert str(deep) in complained


@pytest.mark.all
async def test_a_judge_that_nobody_should_trust_is_named(env: Mapping[str, str], tmp_path: Path) -> None:
    """What `motet eval calibrate --json` told stands in the report, its warnings first."""
    file, told = tmp_path / "made.json", tmp_path / "calibration.jsonl"
    scales = {"judge.helpful": SCALES["judge.helpful"]}
    file.write_bytes(exported.encoded(reported([experiment(examples=8, repeats=1, scales=scales)])))
    agreement = {"kappa": 0.05, "interval": {"low": -0.2, "high": 0.3}, "n": 40, "p_value": 0.4}
    judge = {"metric": "judge.helpful", "evaluator": "judge", "warnings": ["this judge is no better than chance"]}
    told.write_text(json.dumps({**judge, "agreement": {**agreement, "better_than_chance": False}}))
    page = tmp_path / "page.html"

    report = ("eval", "report", str(file), "--html", str(page), "--calibration")
    code, said, _ = await without_terminal(*report, str(told), env=env)

    assert code == 0
    assert "this judge is no better than chance" in said
    assert "s kappa</th>" in page.read_text("utf-8")
    code, _, complained = await without_terminal(*report, str(file), env=env)
    assert (code, "motet eval calibrate --json" in complained) == (1, True)
