# ruff: noqa: INP001 - part of a script, no package
"""Two systems that answered the same questions, compared: accuracy in pairs, what it took, and what failed."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from benchmarks.quality_evidence import Failure
from benchmarks.quality_scoring import KINDS, Question
from rich.console import Console
from rich.table import Table
from scipy.stats import binomtest

RESAMPLES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one system did on one question."""

    system: str
    question: Question
    expected: Sequence[Any]
    """The reference query's row; empty where there is no query."""
    answer: str
    right: bool
    failure: Failure | None
    error: str
    """What ended the run, if it didn't end by itself."""
    unsupported: Sequence[str]
    """Numbers and quotes of the answer that no tool returned."""
    model_calls: int
    tool_calls: int
    tokens: int
    """Input and output of all model calls, as the provider counts them."""
    steps: int
    """Nodes that ran, those of sub-graphs included."""
    seconds: float
    asked: int
    """Times a person was asked who shall take the question; the system's own proposal was approved."""
    events: Sequence[Mapping[str, Any]]
    """What the graph told of itself on the way."""
    used: Sequence[Mapping[str, Any]]
    """Calls of tools: tool, arguments, and the beginning of what was returned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """Two systems' right answers to the same questions."""

    questions: int
    first: int
    """Questions that the first system answered right."""
    second: int
    only_first: int
    only_second: int
    p: float
    """Exact two-sided McNemar test: how likely so uneven a split of the discordant pairs is, were both alike."""
    low: float
    """Of the difference in accuracy, first minus second: the lower end of the bootstrap's 95 % interval."""
    high: float

    @property
    def difference(self) -> float:
        """In accuracy, first minus second."""
        return (self.first - self.second) / self.questions


def mcnemar(only_first: int, only_second: int) -> float:
    """The exact two-sided p-value for discordant pairs; 1 where there are none."""
    discordant = only_first + only_second
    return float(binomtest(only_first, discordant, 0.5).pvalue) if discordant else 1.0


def paired(pairs: Sequence[tuple[bool, bool]], *, seed: int) -> Paired:
    """Compare two systems by whether each was right, question by question; there is at least one."""
    only_first = sum(first and not second for first, second in pairs)
    only_second = sum(second and not first for first, second in pairs)
    differences = np.array([int(first) - int(second) for first, second in pairs])
    drawn = np.random.default_rng(seed).choice(differences, size=(RESAMPLES, len(pairs)))
    low, high = np.percentile(drawn.mean(axis=1), [2.5, 97.5])
    return Paired(
        questions=len(pairs),
        first=sum(first for first, _ in pairs),
        second=sum(second for _, second in pairs),
        only_first=only_first,
        only_second=only_second,
        p=mcnemar(only_first, only_second),
        low=float(low),
        high=float(high),
    )


def splits(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, list[Outcome]]]:
    """Tuned on, held out, all; without those that hold nothing."""
    for name, chosen in (("tuned on", (False,)), ("held out", (True,)), ("all", (False, True))):
        found = [one for one in outcomes if one.question.held_out in chosen]
        if found:
            yield name, found


def compared(outcomes: Sequence[Outcome], *, seed: int) -> dict[str, Paired]:
    """By split: the two systems compared on the questions that both were asked; empty if there is one system."""
    systems = _systems(outcomes)
    if len(systems) != 2:  # noqa: PLR2004 - a pair is two
        return {}
    found: dict[str, Paired] = {}
    for name, chosen in splits(outcomes):
        first, second = ({one.question.id: one.right for one in chosen if one.system == system} for system in systems)
        if pairs := [(first[id], second[id]) for id in first if id in second]:
            found[name] = paired(pairs, seed=seed)
    return found


def show(outcomes: Sequence[Outcome], console: Console, *, seed: int) -> None:
    """Print accuracy, the paired comparison, cost and failures."""
    console.print(_accuracy(outcomes))
    if comparison := compared(outcomes, seed=seed):
        console.print(_comparison(comparison, _systems(outcomes)))
    console.print(_cost(outcomes))
    for system in _systems(outcomes):
        _failures([one for one in outcomes if one.system == system], console)


def _systems(outcomes: Sequence[Outcome]) -> list[str]:
    return list(dict.fromkeys(one.system for one in outcomes))


def _accuracy(outcomes: Sequence[Outcome]) -> Table:
    systems, parts = _systems(outcomes), dict(splits(outcomes))
    table = Table(title="Right answers")
    table.add_column("kind")
    for part in parts:
        for system in systems:
            table.add_column(f"{part}\n{system}", justify="right")
    for kind in (*KINDS, None):
        cells: list[str] = []
        for chosen in parts.values():
            for system in systems:
                mine = [one for one in chosen if one.system == system and kind in (None, one.question.kind)]
                cells.append(f"{sum(one.right for one in mine)}/{len(mine)}" if mine else "")
        if any(cells):
            table.add_row(kind or "all", *cells, end_section=kind == KINDS[-1])
    return table


def _comparison(comparison: Mapping[str, Paired], systems: Sequence[str]) -> Table:
    first, second = systems
    table = Table(title=f"{first} against {second}, question by question")
    for heading in (
        "questions",
        "",
        first,
        second,
        "difference",
        "95 %",
        f"only {first}",
        f"only {second}",
        "McNemar p",
    ):
        table.add_column(heading, justify="left" if heading == "questions" else "right")
    for name, one in comparison.items():
        table.add_row(
            name,
            str(one.questions),
            f"{one.first / one.questions:.0%}",
            f"{one.second / one.questions:.0%}",
            f"{one.difference:+.0%}",
            f"{one.low:+.0%} to {one.high:+.0%}",
            str(one.only_first),
            str(one.only_second),
            f"{one.p:.4f}",
        )
    return table


def _cost(outcomes: Sequence[Outcome]) -> Table:
    systems = _systems(outcomes)
    table = Table(title="What it took")
    table.add_column("")
    for system in systems:
        table.add_column(system, justify="right")
    mine = [[one for one in outcomes if one.system == system] for system in systems]
    for label, values in (
        ("seconds a question, median", [f"{statistics.median(one.seconds for one in part):.1f}" for part in mine]),
        ("model calls, median", [f"{statistics.median(one.model_calls for one in part):g}" for part in mine]),
        ("tool calls, median", [f"{statistics.median(one.tool_calls for one in part):g}" for part in mine]),
        ("tokens, median", [f"{statistics.median(one.tokens for one in part):g}" for part in mine]),
        ("steps, median", [f"{statistics.median(one.steps for one in part):g}" for part in mine]),
        ("model calls in all", [str(sum(one.model_calls for one in part)) for part in mine]),
        ("tokens in all", [str(sum(one.tokens for one in part)) for part in mine]),
        ("questions to a person", [str(sum(one.asked for one in part)) for part in mine]),
        ("unsupported claims", [str(sum(len(one.unsupported) for one in part)) for part in mine]),
        ("answers with one", [str(sum(bool(one.unsupported) for one in part)) for part in mine]),
    ):
        table.add_row(label, *values)
    return table


def _failures(outcomes: Sequence[Outcome], console: Console) -> None:
    system = outcomes[0].system
    kinds = Counter(str(one.failure) for one in outcomes if not one.right)
    table = Table(title=f"{system}: {', '.join(f'{n} {kind}' for kind, n in kinds.most_common()) or 'no failure'}")
    for heading in ("question", "failure", "answer"):
        table.add_column(heading, overflow="fold")
    for one in outcomes:
        claims = f"unsupported: {'; '.join(one.unsupported)}" if one.unsupported else ""
        if not one.right or claims:
            held = " (held out)" if one.question.held_out else ""
            text = one.error or " ".join(one.answer.split())[:_ANSWER]
            table.add_row(
                f"{one.question.id}{held}\n{one.question.question}",
                "\n".join(filter(None, (one.failure, claims))),
                text,
            )
    if table.row_count:
        console.print(table)


_ANSWER = 300
