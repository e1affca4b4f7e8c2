"""`motet eval report|compare|gate`: what came out of experiments, and whether it may pass."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motet.server.cli import printing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from motet.observability.evaluation.report.report import Report

FAILED = 1

_NAMED = "An experiment's id, or how it begins; or a .json file that one was reported to."
_Experiment = Annotated[str, typer.Argument(metavar="EXPERIMENT", help=_NAMED)]
_Html = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write one self-contained HTML page.")]
_Markdown = Annotated[Path | None, typer.Option("--markdown", metavar="FILE", help="Write Markdown.")]
_Json = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write all numbers and trials: what a gate's baseline is.")
]
_Junit = Annotated[
    Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML: a case an example and target.")
]
_Csv = Annotated[
    Path | None, typer.Option("--csv", metavar="FILE", help="Write CSV: a row a trial; and comparisons beside it.")
]
_Out = Annotated[Path | None, typer.Option("--out", metavar="FOLDER", help="Write all of these into a folder.")]
_Calibration = Annotated[
    Path | None,
    typer.Option("--calibration", metavar="FILE", help="What motet eval calibrate --json told of the judge."),
]


def report(
    experiment: _Experiment,
    *,
    html: _Html = None,
    markdown: _Markdown = None,
    json: _Json = None,
    junit: _Junit = None,
    csv: _Csv = None,
    out: _Out = None,
    calibration: _Calibration = None,
) -> None:
    """Say what an experiment shows: in words, with intervals and paired tests against its first target.

    Without an option: a summary here, and the HTML page in this folder.
    """
    asked = {"html": html, "markdown": markdown, "json": json, "junit": junit, "csv": csv}
    _report([experiment], asked, out, calibration)


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help=f"{_NAMED} Its first target is the baseline.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The other one.")],
    *,
    html: _Html = None,
    markdown: _Markdown = None,
    json: _Json = None,
    junit: _Junit = None,
    csv: _Csv = None,
    out: _Out = None,
    calibration: _Calibration = None,
) -> None:
    """Lay two experiments side by side: their examples are paired by their ids.

    Without an option: a summary here, and the HTML page in this folder.
    """
    asked = {"html": html, "markdown": markdown, "json": json, "junit": junit, "csv": csv}
    _report([a, b], asked, out, calibration)


def gate(
    experiment: _Experiment,
    *,
    baseline: Annotated[
        str, typer.Option(metavar="FILE", help="What motet eval report --json wrote of what is good enough; or an id.")
    ],
    metric: Annotated[
        list[str] | None, typer.Option(help="May not become worse; repeatable. Every metric of quality unless told.")
    ] = None,
    least: Annotated[
        list[str] | None,
        typer.Option("--min", metavar="METRIC=VALUE", help="May not fall short of that; 0.9 is 90 %. Repeatable."),
    ] = None,
    alpha: Annotated[float, typer.Option(help="The chance of a false alarm, over all metrics together.")] = 0.05,
    margin: Annotated[float, typer.Option(help="How much worse, in the metric's own unit, doesn't count.")] = 0.0,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Judge by what there is, where trials or values are missing.")
    ] = False,
) -> None:
    """Fail where an experiment is significantly worse than a baseline: paired, one-sided, Holm over all metrics.

    It passes otherwise, and says how large a loss it could not have noticed.

    Exit code 0: it passes. 1: it doesn't, they can't be compared, or there is no such metric or experiment; says why.
    2: an option or a file can't be read.
    """
    import asyncio

    from motet.errors import InvalidInput
    from motet.observability.evaluation.report.gate import Terms
    from motet.observability.evaluation.report.gate import gate as decided
    from motet.server.evaluation.reporting import experiments_of
    from motet.server.terminal.evaluated import judged

    found = asyncio.run(experiments_of(experiment, baseline))
    if len(found) != len((experiment, baseline)):
        raise InvalidInput("--baseline", baseline, "a file or an id of one experiment")
    terms = Terms(
        metrics=metric or (), least=_bounds(least or ()), alpha=alpha, margin=margin, allow_missing=allow_missing
    )
    verdict = decided(found[0], found[1], terms)
    console = printing.console()
    for one in judged(verdict):
        console.print(one)
    raise typer.Exit(0 if verdict.passed else FAILED)


def _bounds(told: Sequence[str]) -> Mapping[str, float]:
    """Raises InvalidConfig: one isn't METRIC=VALUE."""
    from motet.errors import InvalidConfig

    found: dict[str, float] = {}
    for one in told:
        name, _, value = one.rpartition("=")
        try:
            found[name] = float(value)
        except ValueError:
            name = ""
        if not name:
            raise InvalidConfig("--min", f"{one!r} is not METRIC=VALUE, such as correct=0.9")
    return found


def _report(named: Sequence[str], asked: Mapping[str, Path | None], out: Path | None, calibration: Path | None) -> None:
    import asyncio

    from motet.observability.evaluation.report import calibrated
    from motet.server.evaluation.reporting import FORMS, report_of

    judges = () if calibration is None else calibrated.read(calibration)
    made = asyncio.run(report_of(*named, calibration=judges))
    files = {form: path for form, path in asked.items() if path is not None}
    if out is not None:
        files = {form: out / f"report.{suffix}" for form, suffix in FORMS.items()} | files
    if not files:
        ids = "-".join(one.experiment_id[:13] for one in made.sources)
        files = {"html": Path(f"report-{ids}.html")}
    written = _write(made, files)
    _show(made)
    for path in written:
        typer.echo(path)


def _write(made: Report, files: Mapping[str, Path]) -> Sequence[Path]:
    """What was written. Raises InvalidConfig: a file can't be written."""
    from motet.errors import InvalidConfig
    from motet.server.evaluation.reporting import write

    written: list[Path] = []
    for form, path in files.items():
        try:
            written += write(made, form, path)
        except OSError as error:
            raise InvalidConfig(f"--{form}", f"{path} can't be written: {error.strerror or error}") from error
    return written


def _show(made: Report) -> None:
    from motet.server.terminal.evaluated import drawn

    console = printing.console()
    for one in drawn(made):
        console.print(one)
