"""What the guide to evaluation says of evaluators, and shows as programs, is so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.observability.by_hand import weather
from tests.observability.evaluation.trials import example, seen

from motet.observability.evaluation.custom import custom
from motet.observability.evaluation.evaluator import Trial
from motet.observability.evaluation.registry import DescribedEvaluator, as_told, described
from motet.observability.trajectory import file

GUIDE = (Path(__file__).parents[3] / "docs" / "guide" / "evaluation.md").read_text("utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", GUIDE, flags=re.DOTALL)
ROWS = dict(re.findall(r"^\| `(\w+)` \|(.*)\|$", GUIDE, flags=re.MULTILINE))


@pytest.mark.parametrize("one", described(), ids=lambda one: one.name)
def test_the_guide_names_each_evaluator_with_its_arguments(one: DescribedEvaluator) -> None:
    """And what an argument may be."""
    row = ROWS[one.name]
    assert [name for name in (a.name for a in one.arguments) if f"`{name}`" not in row] == []
    assert [value for a in one.arguments for value in a.allowed if value not in row] == []


async def test_an_evaluator_of_ones_own_is_as_the_guide_shows_it(tmp_path: Path) -> None:
    """The function of the guide scores an answer."""
    (tmp_path / "own.py").write_text(PROGRAMS[0], "utf-8")
    evaluator = custom(as_told("own.py:brevity"), "brevity", tmp_path)

    [score] = await evaluator.score(Trial(example=example(), observed=seen(answer="four words and more")))
    assert (score.key, score.value, score.comment) == ("brevity", 1.0, "4 words")


def test_the_library_scores_what_was_recorded(tmp_path: Path) -> None:
    """The guide's program prints a line for each file in its folder."""
    folder = tmp_path / "recorded"
    folder.mkdir()
    with (folder / "weather.jsonl").open("wb") as opened:
        file.write(weather(), opened)

    command = [sys.executable, "-c", PROGRAMS[1]]
    said = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert said.stdout.startswith("weather.jsonl {'outcome': True")
