"""`motet eval dataset feedback`: what people said of runs becomes examples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from motet.server.cli import options, printing

if TYPE_CHECKING:
    from motet.errors import CallerError
    from motet.memory.evaluations import DatasetVersion


def feedback(
    name: Annotated[str, typer.Argument(metavar="DATASET", help="The dataset's name.")],
    *,
    key: Annotated[str, typer.Option("--key", help="What the feedback is about, such as helpful.")],
    below: Annotated[float | None, typer.Option("--below", help="Only lower scores; a thumb is 1 or 0.")] = None,
    at_least: Annotated[
        float | None,
        typer.Option("--at-least", help="Only scores of this or more: these runs' own answers are the reference."),
    ] = None,
    since: Annotated[str, typer.Option(help="Only what was said later: 90m, 2h, 3d, 1w ago, or a date.")] = "",
    tag: Annotated[list[str] | None, typer.Option("--tag", help="Of these examples; may be told again.")] = None,
    split: Annotated[str, typer.Option(help="Of these examples, such as test or calibration.")] = "",
    redact: Annotated[
        bool, typer.Option("--redact", help="Put marks such as [REDACTED_EMAIL] in the place of personal data.")
    ] = False,
    allow: Annotated[
        list[str] | None,
        typer.Option("--allow", metavar="KIND", help="Let email, phone, ip or another kind stay; may be told again."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Make the runs that people judged examples. A correction becomes the reference; of several, the newest holds.

    Runs that can't be added, such as those with personal data, are left out and named.
    """
    import asyncio
    from dataclasses import asdict

    from motet.observability.evaluation.personal_data import OnPersonalData
    from motet.server import settings
    from motet.server.evaluation.from_feedback import Wished, add_judged
    from motet.server.operating import operating
    from motet.server.trajectory_search import since as moment

    wished = Wished(key=key, below=below, at_least=at_least, since=moment(since) if since else None)
    left_out: dict[str, str] = {}

    def skipped(run: str, error: CallerError) -> None:
        left_out[run] = str(error)
        typer.echo(f"left out {run}: {error}", err=True)

    async def added() -> DatasetVersion:
        on = OnPersonalData(redact=redact, allow=allow or ())
        async with operating(settings.load()) as here:
            return await add_judged(
                here, name, wished, tags=tag or (), split=split, on_personal_data=on, skipped=skipped
            )

    kept = asyncio.run(added())
    if as_json:
        printing.json_line({**asdict(kept), "skipped": left_out})
    else:
        typer.echo(f"{kept.name}: version {kept.version}, {kept.examples} example{'' if kept.examples == 1 else 's'}")
