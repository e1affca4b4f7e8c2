"""Evaluators that a user brings: any callable, in a module, a file or an installed package."""

from __future__ import annotations

import asyncio
import functools
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast

from motet.errors import InvalidConfig
from motet.observability.evaluation.custom_scores import Scales, read
from motet.observability.evaluation.evaluator import Evaluator, Scale, Score, Trial
from motet.observability.evaluation.telling import Told

GROUP = "motet.evaluators"
"""Entry points of this group are evaluators, by their names."""

_STYLE = ("inputs", "outputs", "reference_outputs")
_SCALES = "scales"
_Function = TypeVar("_Function", bound=Callable[..., Any])
_MODULE = "motet_evaluators_of_"


def scored(scale: Scale | Mapping[str, Scale]) -> Callable[[_Function], _Function]:
    """Declare the scale of what a function returns, or of each metric by its key.

    ```python
    @scored(Scale(kind="number", low=1, high=5))
    def tone(trial): ...
    ```

    An attribute `scales` with either says the same. Without one it is a share from 0 to 1, and True and False are 1
    and 0; a function annotated to return `bool` says yes or no.
    """

    def declare(function: _Function) -> _Function:
        setattr(function, _SCALES, scale)
        return function

    return declare


def is_entry_point(name: str) -> bool:
    """Whether an installed package brings an evaluator of that name."""
    return bool(entry_points(group=GROUP, name=name))


def installed() -> Sequence[str]:
    """Names of the evaluators that installed packages bring."""
    return sorted({one.name for one in entry_points(group=GROUP)})


def custom(told: Told, name: str, folder: Path) -> Evaluator:
    """The evaluator that `module:attr`, `FILE.py:attr` (from `folder`) or an entry point's name means.

    What is found may be a function of a trial, or of any of `inputs`, `outputs` and `reference_outputs` by name, as
    openevals and LangSmith have them; asynchronous, or not: then it runs in a thread. Its arguments are `told`'s.

    Raises:
        InvalidConfig: there is nothing there, it can't be called so, or the scale it declares is none.
    """
    found = _found(told.name, folder)
    if not callable(found):
        raise InvalidConfig(f"evaluator {told.name}", f"it is no function, but a {type(found).__name__}")
    own = _name_of(told.name)
    by_name = _by_name(found, told)
    scales = Scales.declared(own, getattr(found, _SCALES, None), found)
    return _Custom(name=name, own=own, declared=scales, arguments=told.arguments, function=found, by_name=by_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Custom:
    """Somebody's function, and what its values may be."""

    name: str
    own: str
    declared: Scales
    arguments: Mapping[str, Any]
    function: Callable[..., Any]
    by_name: Sequence[str]
    """Which of `_STYLE` it takes; none: it takes the trial."""

    @property
    def scales(self) -> Mapping[str, Scale]:
        return self.declared.by_key

    async def score(self, trial: Trial) -> Sequence[Score]:
        try:
            returned = await self._called(trial)
        except Exception as error:  # noqa: BLE001 - it is anybody's code; what it raised is told
            said = f"{type(error).__name__}: {error}"
            return [Score(key=key, value=None, error=said) for key in self.declared.by_key]
        return read(returned, self.declared, self.own)

    async def _called(self, trial: Trial) -> Any:
        if self.by_name:
            observed = trial.observed
            given = {
                "inputs": trial.example.input,
                "outputs": observed.answer or observed.output,
                "reference_outputs": trial.example.reference,
            }
            call = functools.partial(self.function, **{name: given[name] for name in self.by_name}, **self.arguments)
        else:
            call = functools.partial(self.function, trial, **self.arguments)
        if _asynchronous(self.function):
            return await cast("Awaitable[Any]", call())
        returned = await asyncio.to_thread(call)
        return await returned if inspect.isawaitable(returned) else returned


def _found(name: str, folder: Path) -> Any:
    if is_entry_point(name):
        [point, *more] = entry_points(group=GROUP, name=name)
        if more:
            raise InvalidConfig(f"evaluator {name}", f"{len(more) + 1} packages bring an evaluator of that name")
        return _loaded(name, point.load)
    where, _, attribute = name.rpartition(":")
    module = _loaded(name, lambda: _of_file(folder, where) if where.endswith(".py") else importlib.import_module(where))
    for part in attribute.split("."):
        if not hasattr(module, part):
            raise InvalidConfig(f"evaluator {name}", f"{where} has no {attribute}")
        module = getattr(module, part)
    return module


def _loaded(name: str, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except InvalidConfig:
        raise
    except Exception as error:  # importing runs anybody's code
        raise InvalidConfig(f"evaluator {name}", f"it can't be loaded: {type(error).__name__}: {error}") from error


def _of_file(folder: Path, where: str) -> ModuleType:
    file = (folder / where).resolve()
    if not file.is_file():
        raise InvalidConfig(f"evaluator {where}", f"there is no file {file}")
    name = f"{_MODULE}{'_'.join(part for part in file.with_suffix('').parts if part.isidentifier())}"
    if name in sys.modules and getattr(sys.modules[name], "__file__", None) == str(file):
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None, "a .py file has a loader"
    assert spec.loader is not None, "a .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _by_name(function: Callable[..., Any], told: Told) -> Sequence[str]:
    """Which of `inputs`, `outputs` and `reference_outputs` it takes; none where it takes the trial.

    Raises InvalidConfig: it takes neither, needs more, or doesn't know an argument that was told.
    """
    where = f"evaluator {told.name}"
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError) as error:
        raise InvalidConfig(where, f"it says nothing of what it takes: {error}") from error
    rest = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values())
    named = [name for name in _STYLE if name in parameters]
    positional = [one for one in parameters.values() if one.kind in _POSITIONAL]
    if not named and not positional:
        if not rest:
            raise InvalidConfig(where, "it takes neither a trial nor inputs, outputs or reference_outputs")
        named = list(_STYLE)
    filled = {*named, *told.arguments, *({positional[0].name} if not named else ())}
    lacking = [name for name, one in parameters.items() if name not in filled and _needed(one)]
    if lacking:
        raise InvalidConfig(where, f"it needs {', '.join(lacking)}; give it as an argument")
    unknown = [name for name in told.arguments if name not in parameters and not rest]
    if unknown:
        raise InvalidConfig(where, f"it takes no {', '.join(unknown)}; it takes {', '.join(parameters)}")
    return named


_POSITIONAL = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.VAR_POSITIONAL,
)


def _needed(parameter: inspect.Parameter) -> bool:
    variadic = parameter.kind in {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}
    return parameter.default is inspect.Parameter.empty and not variadic


def _asynchronous(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _name_of(told: str) -> str:
    """What its metric is called: the last part of how it was told, or its entry point's name."""
    return told.rpartition(":")[2].rpartition(".")[2]
