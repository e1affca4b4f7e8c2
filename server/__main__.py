"""The `motet` command. Each command's imports happen when it runs, so that `--help` is quick."""

from __future__ import annotations

import os
import sys

import typer

from motet.errors import MotetError, OperatorError, SetupError
from motet.server.cli import chat, demo, doctor, graph, inbox, memory, replay, runs, serve, trace, validate, worker
from motet.server.cli import eval as evaluation

FAILED, USAGE, UNREACHABLE = 1, 2, 4
"""Exit codes besides 0; 3 says that a decision is waited for."""

app = typer.Typer(
    name="motet",
    help="Durable, supervised, replayable multi-agent services on LangGraph.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("serve")(serve.serve)
app.command("worker")(worker.worker)
app.command("chat")(chat.chat)
app.command("demo")(demo.demo)
app.command("validate")(validate.validate)
app.command("doctor")(doctor.doctor)
app.command("replay")(replay.replay)
app.add_typer(runs.app, name="runs")
app.add_typer(inbox.app, name="inbox")
app.add_typer(trace.app, name="trace")
app.add_typer(graph.app, name="graph")
app.add_typer(memory.app, name="memory")
app.add_typer(evaluation.app, name="eval")


def main() -> None:
    """Run the command; an error of ours is one line for a person and an exit code for a script.

    LangGraph reads its switch for strict deserialisation when it is imported: it is thrown here, before that.
    """
    os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")
    try:
        app()
    except MotetError as error:
        typer.secho(f"motet: {error}", fg="red", err=True)
        sys.exit(exit_code(error))


def exit_code(error: MotetError) -> int:
    """2 for what the command line or a setting must change, 4 for what doesn't answer, 1 for the rest."""
    if isinstance(error, SetupError):
        return USAGE
    return UNREACHABLE if isinstance(error, OperatorError) else FAILED


if __name__ == "__main__":
    main()
