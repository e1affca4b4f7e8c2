"""Where numbers come from: data, seeds, versions, machine, cost, and the command that gets them again."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, cast

import orjson

from motet.observability.evaluation.example import Example
from motet.observability.evaluation.experiment import Experiment, Plan, Target
from motet.observability.evaluation.report.report import Source

TARGETS = "targets.json"
"""The file that a command names where a target has more than an assistant."""
_OPTIONS = {"tags": "tag"}
_BARE = re.compile(r"[A-Za-z_./][\w./:-]*")


def source(experiment: Experiment, examples: Mapping[str, Example] | None) -> Source:
    """Of one experiment; `examples` by id, where the dataset is at hand."""
    plan, results = experiment.plan, experiment.results
    splits = None
    if examples is not None:
        found = Counter(examples[one].split for one in plan.example_ids if one in examples)
        splits = {split or "(none)": count for split, count in sorted(found.items())}
    versions = {name: value for name, value in plan.versions.items() if name != "machine"}
    return Source(
        experiment_id=plan.experiment_id,
        name=plan.name,
        dataset=plan.dataset,
        dataset_version=plan.dataset_version,
        examples=len(plan.example_ids),
        clusters=len({plan.clusters[one] for one in plan.example_ids}),
        of_all=None if examples is None else len(examples),
        splits=splits,
        repeats=plan.repeats,
        parallel=plan.parallel,
        seed=plan.seed,
        mode=plan.mode,
        created_at=plan.created_at,
        ended_at=max((one.scored_at for one in results), default=""),
        evaluators=[told(one) for one in plan.evaluators],
        judge=plan.judge or "",
        versions=versions,
        machine=_text(plan.versions.get("machine", "")),
        planned=len(plan.example_ids) * len(plan.targets) * plan.repeats,
        done=len(results),
        stopped=experiment.stopped,
        seconds=sum(one.seconds for one in results),
        cost_usd=_sum(one.cost_usd for one in results),
        judge_cost_usd=_sum(one.judge_cost_usd for one in results) if plan.judge else 0.0,
        tokens=sum(one.tokens for one in results),
        command=command(plan),
        targets_file=targets_file(plan),
    )


def told(evaluator: Mapping[str, Any]) -> str:
    """An evaluator as a person tells it: `name:argument=value,…`, values as JSON where they need it."""
    arguments = [f"{name}={_written(value)}" for name, value in evaluator.items() if name != "name"]
    return str(evaluator["name"]) + (f":{','.join(arguments)}" if arguments else "")


def command(plan: Plan) -> str:
    """`motet eval run …` with all that the plan decided; targets that aren't just assistants stand in a file."""
    parts = ["motet", "eval", "run", f"{plan.dataset}@{plan.dataset_version}"]
    if any(_changed(one) for one in plan.targets):
        parts += ["--target", TARGETS]
    else:
        for one in plan.targets:
            parts += ["--target", one.assistant if one.name == one.assistant else f"{one.name}={one.assistant}"]
    for evaluator in plan.evaluators:
        parts += ["--evaluator", told(evaluator)]
    parts += ["--repeat", str(plan.repeats), "--parallel", str(plan.parallel), "--seed", str(plan.seed)]
    for name, value in plan.choice.items():
        each = cast("list[Any]", value) if isinstance(value, list | tuple) else [value]
        for one in each:
            parts += [f"--{_OPTIONS.get(name, name)}", str(one)]
    if plan.cap_usd is not None:
        parts += ["--cap", f"{plan.cap_usd:g}"]
    if plan.mode == "recorded":
        parts += ["--recorded", "FOLDER"]
    return shlex.join(parts)


def targets_file(plan: Plan) -> str:
    """What `TARGETS` holds, where the command names it: JSON, without what is empty; else nothing."""
    if not any(_changed(one) for one in plan.targets):
        return ""
    found: list[dict[str, Any]] = orjson.loads(orjson.dumps(list(plan.targets)))
    kept = [{name: value for name, value in one.items() if value not in (None, {}, "")} for one in found]
    return orjson.dumps(kept, option=orjson.OPT_INDENT_2).decode()


def _changed(target: Target) -> bool:
    return bool(target.config or target.context or target.model or target.prompt or target.agent)


def _written(value: Any) -> str:
    if isinstance(value, str) and _BARE.fullmatch(value):
        return value
    return orjson.dumps(value, default=repr).decode()


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {inner}" for name, inner in cast("Mapping[str, Any]", value).items())
    return str(value)


def _sum(costs: Iterable[float | None]) -> float | None:
    """None where any isn't known."""
    known = list(costs)
    return None if None in known else sum(one for one in known if one is not None)
