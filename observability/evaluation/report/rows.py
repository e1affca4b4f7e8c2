"""A report as CSV, for tables and notebooks: one row a trial, and of comparisons one row each."""

from __future__ import annotations

import csv
import io

from motet.observability.evaluation.report.metrics import score_of
from motet.observability.evaluation.report.report import Report
from motet.observability.evaluation.report.table import laid_out

_FIXED = (
    "experiment", "target", "example_id", "repeat", "cluster", "tags", "outcome", "error", "answer", "seconds",
    "first_token_s", "model_calls", "tool_calls", "tokens", "cost_usd", "judge_cost_usd", "run_ids", "thread_id",
    "scored_at",
)  # fmt: skip
_COMPARED = (
    "metric", "target", "baseline", "verdict", "difference", "low", "high", "test", "p_value", "p_holm", "family",
    "effect", "effect_name", "detectable", "examples", "clusters", "left_out", "improved", "worsened", "equal",
)  # fmt: skip
_CHECKED = ("check", "check_p_value", "check_note")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def written(report: Report) -> str:
    """The table, with a header; each metric has its value, and its error in a column of its own.

    A text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    table = laid_out(report.experiments)
    quality = [one for one in report.metrics if one.of == "quality"]
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow([*_FIXED, *(column for one in quality for column in (one.key, f"{one.key}.error"))])
    for placed in table.targets:
        plan = report.experiments[placed.experiment].plan
        for one in table.of(placed.target.name):
            cells: list[object] = [
                plan.experiment_id, placed.target.name, one.example_id, one.repeat, table.clusters[one.example_id],
                " ".join(table.tags.get(one.example_id, ())), one.outcome, one.error, one.answer, one.seconds,
                one.first_token_s, one.model_calls, one.tool_calls, one.tokens, one.cost_usd, one.judge_cost_usd,
                " ".join(one.run_ids), one.thread_id, one.scored_at,
            ]  # fmt: skip
            for metric in quality:
                score = score_of(one, metric)
                cells += ["", ""] if score is None else [score.value, score.error]
            writer.writerow([_safe(cell) for cell in cells])
    return out.getvalue()


def compared(report: Report) -> str:
    """A row a comparison: the test that decides with its p-values, then each check, which decides nothing."""
    checks = range(max((len(one.checks) for one in report.comparisons), default=0))
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow([*_COMPARED, *(f"{name}_{at + 1}" for at in checks for name in _CHECKED)])
    for one in report.comparisons:
        cells: list[object] = [
            one.metric, one.target, one.baseline, one.meaning, one.difference, one.low, one.high, one.test,
            one.p_value, one.adjusted, one.family, one.effect, one.effect_name, one.detectable, one.n, one.clusters,
            one.left_out, one.improved, one.worsened, one.equal,
        ]  # fmt: skip
        for check in one.checks:
            cells += [check.test, check.p_value, check.note]
        writer.writerow([_safe(cell) for cell in cells])
    return out.getvalue()


def _safe(cell: object) -> object:
    if isinstance(cell, str):
        text = cell.replace("\0", "�")
        return f"'{text}" if text.startswith(_FORMULA) else text
    return cell
