"""Makes experiments that never ran: targets of a known quality, trials drawn from a seed, trajectories by hand."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.messages import HumanMessage
from tests.observability.by_hand import ByHand, says

from motet.observability.evaluation.evaluator import Scale, Score
from motet.observability.evaluation.example import Dataset, Example, version_of
from motet.observability.evaluation.experiment import Experiment, Plan, Target, TrialResult
from motet.observability.trajectory.trajectory import Trajectory

SCALES = {
    "correct": Scale(),
    "similarity": Scale(kind="number"),
    "judge.helpful": Scale(),
    "judge.tone": Scale(kind="category", categories=("friendly", "neutral", "curt")),
    "steps": Scale(kind="number", high=None, higher_is_better=False, unit="steps"),
}
_TOPICS = ("revenue by region", "late orders", "stock of spare parts", "refunds in March", "the longest contract")


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a target is like."""

    name: str
    skill: float = 0.0
    """Moves the chance of a right answer, in logits."""
    seconds: float = 4.0
    dollars: float | None = 0.002
    crashes: float = 0.0
    prompt: str | None = None


THREE = (
    Made(name="assistant"),
    Made(name="careful", skill=1.3, seconds=6.5, dollars=0.0046, prompt="Check each number twice before you answer."),
    Made(name="hasty", skill=-0.4, seconds=2.2, dollars=0.0009, crashes=0.05),
)


def dataset(count: int = 60, *, name: str = "sales questions") -> Dataset:
    """Examples with inputs, references, tags and splits; each third shares its document with another one."""
    made = [
        Example(
            example_id=f"q-{at:03d}",
            input={"messages": [{"role": "user", "content": f"What do the data say about {_topic(at)} ({at})?"}]},
            reference=f"{1000 + 37 * at} units",
            tags=("documents",) if at % 3 == 0 else ("data", "sql"),
            split="test" if at % 5 else "calibration",
            group=f"document-{at // 6}" if at % 3 == 0 else "",
        )
        for at in range(count)
    ]
    return Dataset(name=name, version=version_of(made), examples=made)


def experiment(
    targets: Sequence[Made] = THREE,
    *,
    examples: int = 60,
    repeats: int = 3,
    seed: int = 7,
    name: str = "prompt of November",
    scales: dict[str, Scale] | None = None,
    data: Dataset | None = None,
) -> Experiment:
    """One with every trial's result."""
    data = data or dataset(examples)
    plan = Plan(
        experiment_id=f"{seed:08x}-made",
        name=name,
        dataset=data.name,
        dataset_version=data.version,
        example_ids=[one.example_id for one in data.examples],
        clusters={one.example_id: one.cluster for one in data.examples},
        tags={one.example_id: one.tags for one in data.examples},
        targets=[Target(name=one.name, assistant="assistant", prompt=one.prompt) for one in targets],
        evaluators=[
            {"name": "exact"},
            {"name": "string_distance", "measure": "levenshtein"},
            {"name": "judge", "criterion": "helpful"},
        ],
        scales=SCALES if scales is None else scales,
        repeats=repeats,
        parallel=4,
        seed=seed,
        mode="live",
        created_at="2026-11-22T09:00:00+00:00",
        versions={"python": "3.11.7", "motet": "0.1.0", "langgraph": "1.2.22", "machine": "2 cores, 8 GB, x86_64"},
        judge="local:small-1" if scales is None else None,
    )
    results = [
        _trial(made, one, repeat, seed, plan.scales)
        for made in targets
        for one in data.examples
        for repeat in range(repeats)
    ]
    return Experiment(plan=plan, results=results)


def changed(given: Experiment, key: tuple[str, str, int], **fields: Any) -> Experiment:
    """`given` with another word on one trial."""
    results = [
        replace(one, **fields) if (one.target, one.example_id, one.repeat) == key else one for one in given.results
    ]
    return replace(given, results=results)


def trajectory(target: str, example_id: str, repeat: int) -> Trajectory:
    """A run of an agent that asks a database once or, where it is careful, twice; repeats differ in what they say."""
    told = ByHand(thread_id=f"{target}-{example_id}-{repeat}")
    question = HumanMessage(f"What do the data say about {example_id}?", id="h1")
    told.begins(f"run-{target}-{example_id}-{repeat}", given={"messages": [question]})
    history: list[Any] = [question]
    for step in range(2 if target == "careful" else 1):
        query = {"query": f"sum of units of {example_id}, {step}"}
        asks = says("", ("sql", query), id=f"a{step}")
        with told.node(f"model@{2 * step + 1}", writes={"messages": [asks]}):
            told.model(history, asks)
        with told.node(f"tools@{2 * step + 2}"):
            told.calls("sql", query, [[1000 + repeat]])
        history.append(asks)
    answer = says(f"It is {1000 + repeat} units, says {target}.", id="end")
    with told.node("model@9", writes={"messages": [answer]}):
        told.model(history, answer)
    told.ends()
    return told.done()


def _topic(at: int) -> str:
    return _TOPICS[at % len(_TOPICS)]


def _trial(made: Made, example: Example, repeat: int, seed: int, scales: dict[str, Scale] | Any) -> TrialResult:
    ease = random.Random(f"{example.cluster}").gauss(0.6, 1.2)  # noqa: S311 - no secret is drawn
    drawn = random.Random(f"{seed} {made.name} {example.example_id} {repeat}")  # noqa: S311 - as above
    crashed = drawn.random() < made.crashes
    right = not crashed and drawn.random() < 1 / (1 + 2.718281828 ** -(ease + made.skill))
    seconds = made.seconds * drawn.lognormvariate(0, 0.5)
    known = {
        "correct": Score(
            key="correct", value=right, comment="" if right else f"says 998 units, not {example.reference}"
        ),
        "similarity": Score(key="similarity", value=round(min(1.0, (0.75 if right else 0.4) + drawn.random() / 4), 3)),
        "judge.helpful": _judged(drawn, right, repeat),
        "judge.tone": Score(key="judge.tone", value=drawn.choice(("friendly", "neutral", "neutral", "curt"))),
        "steps": Score(key="steps", value=float(drawn.randint(3, 6 if made.skill > 0 else 4))),
    }
    return TrialResult(
        target=made.name,
        example_id=example.example_id,
        repeat=repeat,
        outcome="error" if crashed else "ok",
        error="ModelFailed: the model timed out after 60 s" if crashed else "",
        answer="" if crashed else f"It is {1000 if right else 998} units.",
        scores=[known[key] for key in scales],
        run_ids=[f"run-{made.name}-{example.example_id}-{repeat}"],
        thread_id=f"{made.name}-{example.example_id}-{repeat}",
        seconds=seconds,
        first_token_s=seconds / 5,
        model_calls=3,
        tool_calls=2 if made.skill > 0 else 1,
        tokens=int(900 * drawn.lognormvariate(0, 0.2) * made.seconds / 4),
        cost_usd=None if made.dollars is None else made.dollars * drawn.lognormvariate(0, 0.3),
        judge_cost_usd=0.0004,
        scored_at=f"2026-11-22T09:{repeat:02d}:30+00:00",
    )


def _judged(drawn: random.Random, right: bool, repeat: int) -> Score:  # noqa: FBT001 - what was drawn
    if drawn.random() < 0.02:
        return Score(key="judge.helpful", value=None, error="the judge answered with no JSON")
    helpful = drawn.random() < (0.9 if right else 0.5)
    return Score(key="judge.helpful", value=helpful, comment=f"vote {repeat + 1} of 3: it answers what was asked")
