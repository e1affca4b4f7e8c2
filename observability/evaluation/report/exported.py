"""A report's JSON, and experiments out of it: what a comparison and a gate read again."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import orjson
from pydantic import TypeAdapter, ValidationError

from motet.errors import InvalidInput
from motet.observability.evaluation.experiment import VERSION, Experiment
from motet.observability.evaluation.report.report import Report

FORMAT = "evaluation"
_WANTED = "what `motet eval report --json` wrote, or an experiment as JSON with `plan` and `results`"


def encoded(report: Report) -> bytes:
    """The whole report as one JSON object, indented, so that its changes can be read in a repository.

    Bounds that the data say nothing of are null.
    """
    told = {"motet": FORMAT, **orjson.loads(orjson.dumps(report, default=repr))}
    return orjson.dumps(told, option=orjson.OPT_INDENT_2) + b"\n"


def read(path: Path) -> Sequence[Experiment]:
    """The experiments with all their trials' values.

    Raises InvalidInput: there is no such file, it's something else, or a newer Motet wrote it.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidInput("file", path.name, f"one that can be read in {path.parent} ({error.strerror})") from error
    return decoded(data, str(path))


def decoded(data: bytes, name: str) -> Sequence[Experiment]:
    """The same of a file's bytes; `name` is told in errors. Raises InvalidInput."""
    try:
        found: Any = orjson.loads(data)
    except ValueError as error:
        raise InvalidInput(name, data[:40].decode(errors="replace"), _WANTED) from error
    told = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    listed: Any = [told] if "plan" in told else told.get("experiments")
    if not isinstance(listed, list) or not listed:
        raise InvalidInput(name, sorted(told)[:5], _WANTED)
    for one in cast("list[Any]", listed):
        _check_version(one, name)
    try:
        read = _experiments().validate_python(listed)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"{name}: experiments.{where}", first["input"], first["msg"]) from error
    for at, one in enumerate(read):
        _check_parts(one, f"{name}: experiments.{at}")
    return read


def _check_version(told: Any, name: str) -> None:
    plan = cast("dict[str, Any]", told).get("plan") if isinstance(told, dict) else None
    version = cast("dict[str, Any]", plan).get("v", VERSION) if isinstance(plan, dict) else VERSION
    if version != VERSION:
        raise InvalidInput(f"{name}: version of an experiment", version, f"{VERSION}; another Motet wrote this")


def _check_parts(experiment: Experiment, name: str) -> None:
    """Raises InvalidInput: an example has no cluster, or a result is of no trial that was planned."""
    plan = experiment.plan
    if lacking := [one for one in plan.example_ids if one not in plan.clusters]:
        raise InvalidInput(f"{name}.plan.clusters", lacking[0], "a cluster for each of example_ids")
    examples, targets = set(plan.example_ids), {one.name for one in plan.targets}
    for one in experiment.results:
        if one.example_id not in examples or one.target not in targets:
            raise InvalidInput(f"{name}.results", one.key, "trials of the plan's targets and example_ids")


@functools.cache
def _experiments() -> TypeAdapter[list[Experiment]]:
    return TypeAdapter(list[Experiment])
