"""`motet memory`: what is remembered of a user."""

from __future__ import annotations

from typing import Annotated

import typer

from motet.server.cli import options

app = typer.Typer(help="What is remembered of a user: list it, correct it, have it forgotten.", no_args_is_help=True)

User = Annotated[str, typer.Option(help="Whose memories: the `user_id` that their runs are configured with.")]
MemoryId = Annotated[str, typer.Argument(metavar="ID", help="The memory's id, as `list` shows it.")]


@app.command("list")
def list_memories(*, user: User = "default", as_json: options.Json = False) -> None:
    """Show all memories, the latest first: what was said, when, in which thread, by whom."""
    import asyncio
    from collections.abc import Sequence
    from dataclasses import asdict

    import orjson
    from rich.console import Console

    from motet.memory.recall import Memory, checked_user
    from motet.server import settings
    from motet.server.remembered import remembered
    from motet.server.terminal.memories import drawn

    async def read() -> Sequence[Memory]:
        async with remembered(settings.load()) as recall:
            return await recall.list(checked_user(user, field="--user"))

    found = asyncio.run(read())
    if as_json:
        for one in found:
            typer.echo(orjson.dumps(asdict(one)))
    else:
        Console(highlight=False).print(drawn(found, user))


@app.command()
def forget(
    memory: Annotated[str | None, typer.Argument(metavar="[ID]", help="The memory's id, as `list` shows it.")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Forget all that is remembered of the user.")] = False,
    user: User = "default",
) -> None:
    """Delete one memory, or all; nothing of it stays in any index. Conversations it was said in stay as they are."""
    import asyncio

    from motet.errors import InvalidConfig
    from motet.memory.recall import checked_user
    from motet.server import settings
    from motet.server.remembered import remembered

    if (memory is None) != everything:
        raise InvalidConfig("motet memory forget", "give a memory's ID, or --all, and not both")
    whose = checked_user(user, field="--user")

    async def delete() -> str:
        async with remembered(settings.load()) as recall:
            if memory is None:
                return f"{await recall.forget_all(whose)} forgotten"
            return f"forgotten: {(await recall.forget(whose, memory)).text}"

    typer.echo(asyncio.run(delete()))


@app.command()
def correct(
    memory: MemoryId, text: Annotated[str, typer.Argument(help="What it shall say.")], *, user: User = "default"
) -> None:
    """Put other words in a memory's place; where it came from is kept."""
    import asyncio
    from datetime import UTC, datetime

    from motet.memory.recall import Provenance, checked_user
    from motet.server import settings
    from motet.server.remembered import remembered

    whose = checked_user(user, field="--user")

    async def change() -> str:
        async with remembered(settings.load(), writing=True) as recall:
            now = Provenance(at=datetime.now(UTC).isoformat(timespec="seconds"), by="person")
            return (await recall.correct(whose, memory, text, provenance=now)).text

    typer.echo(f"corrected: {asyncio.run(change())}")
