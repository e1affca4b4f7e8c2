"""`motet inbox audit`: the journal of approvals, verified or exported, whether or not any server lives."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import IO, TYPE_CHECKING, Annotated, TypeVar

import typer

from motet.server.cli import options

if TYPE_CHECKING:
    from motet.memory.approvals import Journal
    from motet.server.audit import Verdict

FAILED = 1

T = TypeVar("T")


def audit(
    *,
    verify: Annotated[bool, typer.Option("--verify", help="Verify it; done unless --export is all you ask.")] = False,
    export: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write it as lines of JSON; - writes to standard output.")
    ] = None,
    expect: Annotated[
        str, typer.Option(metavar="HASH", help="A hash that was its head once: shows what was cut off since.")
    ] = "",
    file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Verify an exported journal instead; - reads standard input.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Verify or export the journal: who saw, who decided, what ran. Reads Redis itself, so no server need live.

    Exit codes: 0 nothing was changed, left out or moved; 1 something was; 4 no Redis.
    """
    import sys

    from motet.errors import InvalidConfig
    from motet.server import audit as auditing

    if file is not None and export is not None:
        raise InvalidConfig("--export", "a file is an export already; leave --file or --export out")
    if expect and export is not None and not verify:
        raise InvalidConfig("--expect", "it goes with --verify")
    if file is not None:
        with _reading(file) as lines:
            _tell(auditing.verify_file(lines, expect=expect), as_json=as_json)
        return
    if export is not None:
        with _writing(export) as output:
            written = _with_journal(lambda journal: auditing.export(journal, output.write))
        if export != "-":
            typer.echo(f"{written:,} entries written to {export}", err=as_json)
    if verify or export is None:
        verdict = _with_journal(lambda journal: auditing.verify_all(journal, expect=expect))
        sys.stdout.flush()
        _tell(verdict, as_json=as_json, aside=export == "-")


def _tell(verdict: Verdict, *, as_json: bool, aside: bool = False) -> None:
    """Say the verdict, `aside` on standard error; ends the command with 1 if it is bad."""
    from dataclasses import asdict

    import orjson

    if as_json:
        typer.echo(orjson.dumps(asdict(verdict)), err=aside)
    else:
        for number, line in enumerate(verdict.told()):
            typer.secho(line, fg=None if number else "green" if verdict.ok else "red", err=aside)
    if not verdict.ok:
        raise typer.Exit(FAILED)


def _with_journal(work: Callable[[Journal], Awaitable[T]]) -> T:
    """What `work` returns, with the tenant's journal open meanwhile."""
    import asyncio

    async def opened() -> T:
        async with _journal() as journal:
            return await work(journal)

    return asyncio.run(opened())


@asynccontextmanager
async def _journal() -> AsyncGenerator[Journal]:
    from motet.memory.redis.journal import RedisJournal
    from motet.memory.redis.keys import Keys
    from motet.memory.redis.opening import scripts_of
    from motet.server import settings
    from motet.server.store import redis_client

    loaded = settings.load()
    async with redis_client(loaded) as client:
        scripts = await scripts_of(client, strict=loaded.durability == "strict")
        yield RedisJournal(client, Keys(loaded.tenant), scripts)


@contextmanager
def _reading(path: str) -> Generator[IO[str]]:
    """The lines of a file; bytes that are no text stay, for the verdict to say so."""
    import sys
    from io import TextIOWrapper
    from pathlib import Path

    from motet.errors import InvalidConfig

    if path == "-":
        yield TextIOWrapper(sys.stdin.buffer, encoding="utf-8", errors="surrogateescape")
        return
    try:
        with Path(path).open(encoding="utf-8", errors="surrogateescape") as lines:
            yield lines
    except OSError as error:
        raise InvalidConfig("--file", f"{path} can't be read: {error.strerror}") from None


@contextmanager
def _writing(path: str) -> Generator[IO[str]]:
    """A file that is there only once it is whole, or standard output."""
    import sys
    from pathlib import Path

    from motet.errors import InvalidConfig

    if path == "-":
        yield sys.stdout
        return
    whole, part = Path(path), Path(f"{path}.part")
    try:
        with part.open("w", encoding="utf-8", newline="\n") as output:
            yield output
        part.replace(whole)
    except OSError as error:
        raise InvalidConfig("--export", f"{path} can't be written: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
