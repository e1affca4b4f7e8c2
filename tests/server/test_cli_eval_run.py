"""`motet eval run`, and `list`, `show`, `delete`: what they print, ask and exit with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

import pytest
from tests.server.evaluating import EVALUATED, FAST, example, file_of
from tests.server.running import environment
from tests.server.typing_person import at_terminal, without_terminal

PRICES = '[[price]]\nmodel = "function"\ninput = 1000\noutput = 1000\n'


@pytest.fixture
def env(redis_url: str, tmp_path: Path) -> Mapping[str, str]:
    """Of commands of one installation, in which models have a price."""
    prices = tmp_path / "prices.toml"
    prices.write_text(PRICES)
    notes = tmp_path / "notes"
    notes.mkdir()
    told = {"MOTET_REDIS_URL": redis_url, "MOTET_TENANT": uuid4().hex[:12], "MOTET_PRICES": str(prices)}
    return environment(tmp_path, {**FAST, **told, "TEST_NOTES": str(notes), "COLUMNS": "200"})


async def test_from_a_file_to_a_table_and_away_again(env: Mapping[str, str], tmp_path: Path) -> None:
    """It says what it will be and what it can show, how far it is, and what came out; the rest finds it by its id."""
    dataset = file_of(tmp_path, [example("ulm"), example("xanten")])
    run = ("eval", "run", str(dataset), "--target", "clerk", "--target", "fast=hasty", "--evaluator", "exact")

    code, said, complained = await without_terminal(*run, "--name", "first", "--config", str(EVALUATED), env=env)

    assert code == 0
    lines = said.splitlines()
    experiment_id = lines[0].partition("(")[2].partition(")")[0]
    assert lines[0] == f"Experiment first ({experiment_id}), live"
    assert lines[1].startswith("2 examples of words@")
    assert "Targets: clerk as the baseline, fast (hasty)" in lines
    assert "Warning: 2 clusters, below 30 clusters: intervals are likely to be too narrow" in lines
    assert any(line.startswith("Least difference between two targets") for line in lines)
    assert ["exact", "50.0%", "of", "2", "100.0%", "of", "2"] in [line.split() for line in lines]
    assert complained.splitlines()[-1].startswith("4/4  75% pass")

    _, listed, _ = await without_terminal("eval", "list", env=env)
    assert listed.splitlines()[1].split()[:2] == [experiment_id[:13], "first"]
    _, shown, _ = await without_terminal("eval", "show", experiment_id[:13], "--json", env=env)
    assert {one["example_id"] for one in json.loads(shown)["results"]} == {"ulm", "xanten"}
    assert (await without_terminal("eval", "delete", experiment_id, "--yes", env=env))[0] == 0
    code, _, complained = await without_terminal("eval", "show", experiment_id, env=env)
    assert (code, complained.startswith("motet: ")) == (1, True)


@pytest.mark.all
async def test_a_person_agrees_to_what_it_is_estimated_to_cost(env: Mapping[str, str], tmp_path: Path) -> None:
    """The first time nobody knows; the second time it is asked before anything is made; and nobody is no yes."""
    dataset = file_of(tmp_path, [example("ulm"), example("trier")])
    run = ("eval", "run", str(dataset), "--target", "hasty", "--evaluator", "exact", "--config", str(EVALUATED))
    code, said, _ = await without_terminal(*run, env=env)
    assert code == 0
    assert "What it will take isn't known" in said

    code, _, complained = await without_terminal(*run, env=env)
    assert (code, "say --yes" in complained) == (2, True)
    async with at_terminal(*run, env=env) as person:
        await person.sees("2 trials will take about")
        await person.sees("Spend about $")
        person.types("n")
        assert await person.leaves() == 1
    async with at_terminal(*run, env=env) as person:
        await person.sees("Spend about $")
        person.types("y")
        await person.sees("100.0% of 2")
        assert await person.leaves() == 0

    _, listed, _ = await without_terminal("eval", "list", "--json", env=env)
    assert [json.loads(line)["results"] for line in listed.splitlines()] == [2, 2]


async def test_an_unknown_target_is_refused_before_any_estimate(env: Mapping[str, str], tmp_path: Path) -> None:
    """Exit code 1, the graphs that there are, and no experiment."""
    dataset = file_of(tmp_path, [example("ulm")])
    run = ("eval", "run", str(dataset), "--target", "nobody", "--evaluator", "exact", "--yes")

    code, said, complained = await without_terminal(*run, "--config", str(EVALUATED), env=env)

    assert (code, said) == (1, "")
    assert "'nobody' is not allowed; allowed: an assistant's UUID, or one of the graphs: clerk, hasty" in complained
    assert (await without_terminal("eval", "list", "--json", env=env))[1] == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name a dataset, or an experiment by --resume"),
        (("--resume", "01a2", "--target", "other"), "it goes on as it was planned"),
        (("words.jsonl", "--target", "two words"), "is no name"),
        (("words.jsonl", "--target", "a", "--evaluator", "nonsense"), "there is none of that name"),
    ],
)
async def test_what_cant_be_is_said(
    arguments: tuple[str, ...], said: str, env: Mapping[str, str], tmp_path: Path
) -> None:
    """Before anything is made, with exit code 2."""
    file_of(tmp_path, [example("ulm")])
    told = [str(tmp_path / one) if one == "words.jsonl" else one for one in arguments]

    code, _, complained = await without_terminal("eval", "run", *told, env=env)

    assert (code, said in complained) == (2, True), complained
