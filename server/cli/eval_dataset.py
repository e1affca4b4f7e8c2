"""`motet eval dataset`: the examples that graphs are evaluated with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from motet.server.cli import eval_feedback, options, printing

if TYPE_CHECKING:
    from motet.errors import CallerError
    from motet.memory.evaluations import DatasetVersion
    from motet.server.operating import Operating

app = typer.Typer(
    help="Examples to evaluate with: from runs and files, in versions that never change.", no_args_is_help=True
)

app.command()(eval_feedback.feedback)

Dataset = Annotated[str, typer.Argument(metavar="DATASET", help="The dataset's name.")]
Version = Annotated[str, typer.Option("--version", help="Its hash, or how this begins; the newest unless told.")]
Note = Annotated[str, typer.Option(help="What the version is, to be shown with it.")]

T = TypeVar("T")
U = TypeVar("U")


@app.callback()
def dataset() -> None:
    """Examples to evaluate with: from runs and files, in versions that never change."""


@app.command()
def add(
    name: Dataset,
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN…", help="Ids of runs, or how they begin; or exported .jsonl files.")
    ],
    *,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="Of these examples; may be told again.")] = None,
    split: Annotated[str, typer.Option(help="Of these examples, such as test or calibration.")] = "",
    redact: Annotated[
        bool, typer.Option("--redact", help="Put marks such as [REDACTED_EMAIL] in the place of personal data.")
    ] = False,
    allow: Annotated[
        list[str] | None,
        typer.Option("--allow", metavar="KIND", help="Let email, phone, ip or another kind stay; may be told again."),
    ] = None,
    skip: Annotated[bool, typer.Option("--skip", help="Leave out runs that can't be added, and add the rest.")] = False,
    note: Note = "",
    as_json: options.Json = False,
) -> None:
    """Make runs examples: what they were given, answered and did. The dataset is made if it isn't there.

    A run that holds personal data or secrets is refused, and then nothing is added, unless told otherwise. Names of
    people can't be found so: look at what you add.
    """
    from dataclasses import asdict

    from motet.observability.evaluation.personal_data import OnPersonalData
    from motet.server.evaluation.adding import add_runs

    on = OnPersonalData(redact=redact, allow=allow or ())
    left_out: dict[str, str] = {}

    def skipped(run: str, error: CallerError) -> None:
        left_out[run] = str(error)
        typer.echo(f"left out {run}: {error}", err=True)

    kept = _with_redis(
        lambda here: add_runs(
            here,
            name,
            runs,
            tags=tag or (),
            split=split,
            on_personal_data=on,
            skipped=skipped if skip else None,
            note=note or f"runs added: {len(runs)}",
        )
    )
    if as_json:
        printing.json_line({**asdict(kept), "skipped": left_out})
    else:
        _say(kept)


@app.command("import")
def import_file(
    name: Dataset,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Its examples: .jsonl, one a line, or .csv, one a row.")],
    *,
    note: Note = "",
    as_json: options.Json = False,
) -> None:
    """Make a file's examples the newest version, alone. The dataset is made if it isn't there.

    A table has columns such as question, reference, tags (with ; between them), split, group and expect.NAME.
    """
    from dataclasses import asdict

    from motet.observability.evaluation import dataset_file

    examples = dataset_file.read(path)
    kept = _with_redis(lambda here: here.datasets.save(name, examples, note=note or f"from {path.name}"))
    if as_json:
        printing.json_line(asdict(kept))
    else:
        _say(kept)


@app.command()
def export(
    name: Dataset,
    path: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Where to: .jsonl or .csv; JSON lines are printed without.")
    ] = None,
    *,
    version: Version = "",
    as_json: options.Json = False,
) -> None:
    """Write a version's examples to a file that `import` reads as the same version."""
    from motet.observability.evaluation import dataset_file

    _, written = dataset_file.form_of("-.jsonl" if path is None else str(path))
    found = _with_redis(lambda here: here.datasets.load(name, version))
    if path is None:
        typer.echo(written(found.examples), nl=False)
        return
    _write(path, written(found.examples))
    if as_json:
        printing.json_line({"name": name, "version": found.version, "examples": len(found.examples), "file": str(path)})
    else:
        typer.echo(f"Exported: {path}")


@app.command("list")
def list_datasets(*, as_json: options.Json = False) -> None:
    """List the datasets, each with its newest version."""
    from dataclasses import asdict

    from motet.server.terminal.datasets import listed

    found = _with_redis(lambda here: here.datasets.all())
    if as_json:
        for one in found:
            printing.json_line(asdict(one))
    elif not found:
        typer.echo("no dataset yet; motet eval dataset add NAME RUN makes one", err=True)
    else:
        printing.console().print(listed(found))


@app.command()
def show(name: Dataset, *, version: Version = "", as_json: options.Json = False) -> None:
    """Show a version: how many examples it has, by split and tag; and the versions that there are."""
    from dataclasses import asdict

    from motet.server.terminal.datasets import clusters, counts, head, listed

    found, versions = _with_redis(lambda here: _both(here.datasets.load(name, version), here.datasets.versions(name)))
    if as_json:
        told = {"name": name, "version": found.version, "examples": len(found.examples), "clusters": clusters(found)}
        printing.json_line({**told, **counts(found), "versions": [asdict(one) for one in versions]})
        return
    for one in head(found):
        typer.echo(one)
    typer.echo("")
    printing.console().print(listed(versions, names=False))


@app.command()
def diff(
    name: Dataset,
    before: Annotated[str, typer.Argument(metavar="A", help="A version: its hash, or how this begins.")],
    after: Annotated[str, typer.Argument(metavar="[B]", help="Another one; the newest unless told.")] = "",
    *,
    as_json: options.Json = False,
) -> None:
    """Show which examples B has that A hasn't, which it lacks, and which say something else."""
    from dataclasses import asdict

    from motet.observability.evaluation.dataset_diff import compared
    from motet.server.terminal.datasets import drawn

    was, now = _with_redis(lambda here: _both(here.datasets.load(name, before), here.datasets.load(name, after)))
    found = compared(was, now)
    if as_json:
        printing.json_line({"name": name, "before": was.version, "after": now.version, **asdict(found)})
        return
    console = printing.console()
    for one in drawn(found):
        console.print(one)


@app.command()
def delete(
    name: Dataset,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    as_json: options.Json = False,
) -> None:
    """Forget a dataset with all its versions. Experiments over it stay, but can't be repeated."""
    versions = _with_redis(lambda here: here.datasets.versions(name))
    if not yes:
        typer.confirm(f"Forget dataset {name} with {_counted(len(versions), 'version')}?", abort=True, err=True)
    _with_redis(lambda here: here.datasets.delete(name))
    if as_json:
        printing.json_line({"deleted": name})
    else:
        typer.echo(f"dataset {name} is forgotten")


def _say(kept: DatasetVersion) -> None:
    typer.echo(f"{kept.name}: version {kept.version}, {_counted(kept.examples, 'example')}")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


async def _both(one: Awaitable[T], other: Awaitable[U]) -> tuple[T, U]:
    import asyncio

    return await asyncio.gather(one, other)


def _write(path: Path, data: bytes) -> None:
    """To a file that is there only once it is whole; until then it is one that nobody else writes or has."""
    from uuid import uuid4

    from motet.errors import InvalidConfig

    part = path.with_name(f".{uuid4().hex}.part")
    try:
        with part.open("xb") as file:
            file.write(data)
        part.replace(path)
    except OSError as error:
        raise InvalidConfig("FILE", f"{path} can't be written: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)


def _with_redis(work: Callable[[Operating], Awaitable[T]]) -> T:
    """What `work` returns, with Redis open meanwhile."""
    import asyncio

    from motet.server import settings
    from motet.server.operating import operating

    async def opened() -> T:
        async with operating(settings.load()) as here:
            return await work(here)

    return asyncio.run(opened())
