"""Judges held against people, and the command that does it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from typer.testing import CliRunner

from motet.errors import InvalidInput
from motet.observability.evaluation.calibration import Calibration, calibrated
from motet.observability.evaluation.evaluator import Means
from motet.observability.evaluation.example import Example
from motet.observability.evaluation.registry import evaluators
from motet.server.terminal.calibrated import disagreements, table
from motet.testing import FunctionModel


def _labelled(count: int) -> list[Example]:
    """Half good, half bad, and labelled so."""
    return [
        Example(
            example_id=f"e{number}",
            input={"messages": [{"role": "user", "content": "When?"}]},
            expect={"label": number % 2 == 0, "answer": "In 1889." if number % 2 == 0 else "No idea."},
        )
        for number in range(count)
    ]


async def _calibrated(judge: Callable[[str], Any], examples: Sequence[Example], told: str = "judge") -> Calibration:
    def answer(messages: list[BaseMessage], _: Any) -> str:
        word = judge(messages[-1].text)
        return word if isinstance(word, str) else json.dumps({"reasoning": "so", "score": word})

    async def chat(name: str) -> BaseChatModel:
        assert name == ""
        return FunctionModel(answer)

    [found] = await calibrated(evaluators([told], Means(chat=chat))[0], examples)
    return found


async def test_a_judge_that_agrees_is_better_than_chance() -> None:
    """One that says what people say has a kappa of 1, and no warning where there are enough examples."""
    found = await _calibrated(lambda text: "1889" in text, _labelled(40))
    assert (found.agreement.kappa, found.agreement.n, found.warnings) == (1.0, 40, [])
    assert found.disagreements == []


async def test_a_judge_that_guesses_is_warned_of() -> None:
    """One whose word has nothing to do with the answer is no better than chance, and that is said."""
    said = iter(range(1000))
    found = await _calibrated(lambda _: next(said) % 4 < 2, _labelled(40))
    assert found.agreement.kappa == pytest.approx(0.0)
    assert found.agreement.better_than_chance is False
    [warning] = found.warnings
    assert "no better than chance on these 40 examples: Cohen's kappa is 0.00" in warning
    assert len(found.disagreements) == 20


async def test_a_judge_that_always_says_the_same_is_warned_of() -> None:
    """Half agreement by saying yes to everything is none; few examples are warned of, too."""
    found = await _calibrated(lambda _: True, _labelled(12))
    assert found.agreement.observed == 0.5
    assert ["no better than chance" in one for one in found.warnings] == [True, False]
    assert "12 labelled examples are few" in found.warnings[1]


async def test_what_couldnt_be_judged_doesnt_count() -> None:
    """Rubbish is told with its example, and left out of the agreement."""
    found = await _calibrated(lambda text: "1889" in text or "rubbish", _labelled(6))
    assert found.agreement.n == 3
    assert list(found.failed) == ["e1", "e3", "e5"]
    assert found.warnings[-1] == "judge:correctness: 3 of 6 examples couldn't be judged."


async def test_grades_are_categories() -> None:
    """Labels on a scale of grades are compared as grades; the answer may be a trajectory's last message."""
    examples = [
        Example(
            example_id=f"e{grade}{copy}",
            input={},
            trajectory=[{"role": "assistant", "content": "no"}, {"role": "assistant", "content": f"grade {grade}"}],
            expect={"label": grade},
        )
        for grade in range(1, 6)
        for copy in range(4)
    ]
    found = await _calibrated(lambda text: int(text.split("grade ")[1][0]), examples, "judge:scale=5")
    assert (found.agreement.kappa, found.agreement.n) == (1.0, 20)


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        ({"answer": "x"}, "a person's label in at least one example"),
        ({"label": True}, "one: expect.answer"),
        ({"label": "yes", "answer": "x"}, "one: expect.label: 'yes' is not allowed; allowed: true or false"),
        ({"label": 1, "answer": "x"}, "one: expect.label: 1 is not allowed"),
    ],
)
async def test_labels_must_be_there_and_on_the_scale(expect: dict[str, Any], said: str) -> None:
    """What is missing or wrong is named with its example, before the judge is asked."""
    with pytest.raises(InvalidInput) as refused:
        await _calibrated(lambda _: pytest.fail("asked"), [Example(example_id="one", input={}, expect=expect)])
    assert said in str(refused.value)


async def test_the_table_says_it_all() -> None:
    """What a person is shown has agreement, kappa, interval and disagreements."""
    from motet.server.cli import printing  # noqa: PLC0415 - a console of this test's output

    found = await _calibrated(lambda text: "idea" in text, _labelled(6))
    with (console := printing.console()).capture() as shown:
        console.print(table([found]))
        console.print(disagreements([found]))
    text = shown.get()
    assert "judge:correctness" in text
    assert "-1.00" in text
    assert [line.split()[0] for line in text.splitlines() if line.startswith(" e") or " e" in line[:4]] != []


def test_the_command_calibrates_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`motet eval calibrate FILE --evaluator FILE.py:attr` prints a table, or JSON; 1 says no better than chance."""
    import typer  # noqa: PLC0415 - an app of this command alone

    from motet.server.cli.eval_calibrate import calibrate  # noqa: PLC0415 - as above

    app = typer.Typer()
    app.command()(calibrate)
    monkeypatch.setenv("MOTET_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    Path("good.jsonl").write_bytes(b"\n".join(orjson.dumps(one) for one in _labelled(40)))
    Path("mine.py").write_text(
        "def agrees(outputs) -> bool:\n    return '1889' in outputs\n\ndef never(outputs) -> bool:\n    return False\n"
    )
    shown = CliRunner().invoke(app, ["good.jsonl", "--evaluator", "mine.py:agrees"])
    assert (shown.exit_code, "better than chance" in shown.output.lower()) == (0, True)
    told = CliRunner().invoke(app, ["good.jsonl", "--evaluator", "mine.py:never", "--json"])
    [line] = [one for one in told.output.splitlines() if one.startswith("{")]
    found = json.loads(line)
    assert (told.exit_code, found["metric"], found["agreement"]["better_than_chance"]) == (1, "never", False)
    assert CliRunner().invoke(app, ["good.jsonl", "--evaluator", "mine.py:never", "--split", "x"]).exit_code != 0
