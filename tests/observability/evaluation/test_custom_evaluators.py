"""Evaluators that users bring: how they are found, what they are given, and what they may return."""

from __future__ import annotations

import asyncio
import importlib
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.observability.evaluation.trials import scores, trial

from motet.errors import InvalidConfig
from motet.observability.evaluation.custom import scored
from motet.observability.evaluation.evaluator import Means, Scale, Score, Trial
from motet.observability.evaluation.registry import evaluators

_HERE = f"{__name__}:"
_GRADES = Scale(kind="number", low=1.0, high=5.0)
_TRIED = trial("Blue.", reference="blue", question="Sky?")


def length(trial: Trial) -> float:
    """A share, undeclared."""
    return len(trial.observed.answer) / 10


def yes(trial: Trial) -> bool:
    """Yes or no, by its annotation."""
    return trial.observed.answer == "Blue."


async def later(trial: Trial, *, factor: float = 1.0) -> float:
    """Asynchronous, with an argument."""
    await asyncio.sleep(0)
    return factor * len(trial.observed.answer) / 10


def like_openevals(*, outputs: Any, reference_outputs: Any, **_: Any) -> Mapping[str, Any]:
    """As openevals' evaluators are called, and what they return."""
    return {"key": "its_own", "score": outputs == reference_outputs, "comment": "compared", "metadata": {"n": 1}}


def all_three(inputs: Any, outputs: Any, reference_outputs: Any) -> bool:
    """As LangSmith's are."""
    return bool(inputs["messages"]) and outputs == "Blue." and reference_outputs == "blue"


def only_outputs(outputs: str) -> bool:
    """One of the three."""
    return outputs.endswith(".")


@scored(_GRADES)
def graded(trial: Trial) -> float:
    """On a declared scale."""
    return float(trial.example.expect.get("says", 4))


@scored(Scale(kind="category", categories=("calm", "angry")))
def tone(trial: Trial) -> str:
    """One of its categories."""
    return str(trial.example.expect.get("says", "calm"))


@scored({"style": _GRADES, "style.polite": Scale()})
def several(trial: Trial) -> Sequence[Any]:
    """Several metrics, each with its scale."""
    extra = trial.example.expect.get("extra", ())
    return [Score(key="style", value=3, comment="fine"), {"key": "style.polite", "score": True}, *extra]


def broken(trial: Trial) -> bool:
    """Fails."""
    raise KeyError(trial.example.example_id)


def which_thread(trial: Trial) -> float:
    """Whether it runs beside the event loop."""
    del trial
    return 0.0 if threading.current_thread() is threading.main_thread() else 1.0


def two_undeclared(trial: Trial) -> Sequence[Any]:
    """Two scores, and no scales."""
    del trial
    return [{"key": "a", "score": 1}, {"key": "b", "score": 1}]


def needs_more(trial: Trial, threshold: float) -> bool:
    """Needs an argument."""
    return len(trial.observed.answer) > threshold


class _Callable:
    scales = _GRADES

    def __call__(self, trial: Trial) -> int:
        return 2 if trial.observed.answer else 1


an_object = _Callable()
not_callable = 5


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """This module by its name, as an installed one would be."""
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or _module())


def _module() -> Any:
    import types  # noqa: PLC0415 - for this alone

    made = types.ModuleType(__name__)
    made.__dict__.update(globals())
    return made


@pytest.mark.parametrize(
    ("told", "key", "value"),
    [
        ("length", "length", 0.5),
        ("yes", "yes", True),
        ("later", "later", 0.5),
        ("later:factor=2", "later", 1.0),
        ("like_openevals", "like_openevals", 0.0),
        ("all_three", "all_three", True),
        ("only_outputs", "only_outputs", True),
        ("graded", "graded", 4.0),
        ("tone", "tone", "calm"),
        ("an_object", "an_object", 2),
        ("which_thread", "which_thread", 1.0),
        ("needs_more:threshold=4", "needs_more", True),
    ],
)
async def test_any_callable_is_an_evaluator(told: str, key: str, value: Any) -> None:
    """By what it takes: a trial, or inputs, outputs and reference_outputs; synchronous ones run in a thread."""
    found = await scores(_HERE + told, _TRIED)
    assert {name: (one.value, one.error) for name, one in found.items()} == {key: (value, "")}


async def test_what_openevals_returns_is_kept() -> None:
    """Comment, metadata and its own name stand in the score."""
    [found] = (await scores(_HERE + "like_openevals", _TRIED)).values()
    assert (found.comment, found.details) == ("compared", {"n": 1, "key": "its_own"})


async def test_openevals_own_evaluators_work() -> None:
    """Openevals' functions can be named as they are."""
    found = await scores("openevals.exact:exact_match", trial("blue", reference="blue"))
    assert found["exact_match"].value == 1.0


async def test_several_metrics_each_on_its_scale() -> None:
    """A list of scores, each declared; what isn't declared is an error."""
    found = await scores(_HERE + "several", _TRIED)
    assert {key: one.value for key, one in found.items()} == {"style": 3, "style.polite": True}
    [one] = evaluators([_HERE + "several"], Means())
    *_, last = await one.score(trial("x", expect={"extra": [{"key": "loud", "score": 1}]}))
    assert last.error == "it gave 'loud', which it doesn't declare; it declares style, style.polite"
    undeclared = await scores(_HERE + "two_undeclared", _TRIED)
    assert "declare one for each key" in undeclared["two_undeclared"].error


@pytest.mark.parametrize(
    ("told", "says", "error"),
    [
        ("graded", 6, "its value 6.0 isn't on its scale: a number from 1 to 5"),
        ("graded", "nan", "its value nan isn't on its scale: a number from 1 to 5"),
        ("tone", "loud", "its value 'loud' isn't on its scale: calm, angry"),
    ],
)
async def test_a_value_outside_its_scale_is_an_error(told: str, says: Any, error: str) -> None:
    """It isn't cut down to the scale, and not kept."""
    [found] = (await scores(_HERE + told, trial("x", expect={"says": says}))).values()
    assert (found.value, found.error) == (None, error)


async def test_what_it_raises_is_told() -> None:
    """Class and text of an exception are the score's error."""
    [found] = (await scores(_HERE + "broken", _TRIED)).values()
    assert (found.value, found.error) == (None, "KeyError: 'e'")


async def test_a_file_of_evaluators(tmp_path: Path) -> None:
    """A file is found from the folder that is told, and its functions may be asynchronous, too."""
    (tmp_path / "mine.py").write_text("async def short(outputs): return len(outputs) < 9\n")
    found = await scores("mine.py:short", _TRIED, Means(folder=tmp_path))
    assert found["short"].value == 1.0
    (tmp_path / "wrong.py").write_text("1 / 0\n")
    with pytest.raises(InvalidConfig, match="can't be loaded: ZeroDivisionError"):
        evaluators(["wrong.py:short"], Means(folder=tmp_path))
    with pytest.raises(InvalidConfig, match="there is no file"):
        evaluators(["none.py:short"], Means(folder=tmp_path))
    with pytest.raises(InvalidConfig, match=r"mine\.py has no long"):
        evaluators(["mine.py:long"], Means(folder=tmp_path))


async def test_an_entry_point_is_an_evaluator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package on the path that brings one in the group motet.evaluators is known by that name."""
    (tmp_path / "polite_package.py").write_text("def polite(trial, level=1) -> bool:\n    return level > 1\n")
    told = tmp_path / "polite_package-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: polite-package\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text("[motet.evaluators]\npoliteness = polite_package:polite\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    found = await scores("politeness:level=2", _TRIED)
    assert found["politeness"].value is True


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ("no.such.module:f", "can't be loaded: ModuleNotFoundError"),
        (f"{_HERE}not_callable", "it is no function, but a int"),
        (f"{_HERE}missing", "has no missing"),
        (f"{_HERE}needs_more", "it needs threshold; give it as an argument"),
        (f"{_HERE}length:speed=3", "it takes no speed; it takes trial"),
    ],
)
def test_what_cant_be_used_is_said_at_once(told: str, message: str) -> None:
    """Before anything is run, with the evaluator's name."""
    with pytest.raises(InvalidConfig, match=message):
        evaluators([told], Means())


def test_scales_must_be_scales() -> None:
    """A declared scale of another kind is refused."""
    for wrong in (3, {}, {"a": 3}, {"no key": Scale()}, Scale(kind="category")):
        declared = scored(wrong)(lambda trial: trial)  # pyright: ignore[reportArgumentType] - that is what is tested
        vars(sys.modules[__name__])["declared_wrong"] = declared
        with pytest.raises(InvalidConfig):
            evaluators([f"{_HERE}declared_wrong"], Means())
