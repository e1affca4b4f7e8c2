"""`motet chat`: talk with an assistant."""

from __future__ import annotations

from typing import Annotated

import typer

from motet.server.cli import options


def chat(
    question: Annotated[str | None, typer.Argument(help="Asked once; without it, a talk begins.")] = None,
    *,
    url: Annotated[str | None, typer.Option(help="A running server; without it one is started.")] = None,
    thread: Annotated[str | None, typer.Option(help="The thread to go on with.")] = None,
    assistant: Annotated[str | None, typer.Option(help="A graph's name; the server's first by default.")] = None,
    workspace: options.Workspace = None,
    config: options.Config = None,
    private: Annotated[
        bool, typer.Option("--private", help="A new thread that remembers nothing for others, and recalls nothing.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Talk with an assistant: watch its work, answer its questions, decide what it may do.

    Exit codes: 0 done, 1 failed, 2 usage, 3 waits for a decision, 4 no server.
    """
    from motet.errors import InvalidConfig
    from motet.server import settings
    from motet.server.terminal import chatting
    from motet.server.terminal.session import Where

    if url is not None and (workspace is not None or config is not None):
        raise InvalidConfig("--url", "a running server has its own workspace and config; leave them out")
    if private and thread is not None:
        raise InvalidConfig("--private", "a thread is private from its beginning, or not at all; leave --thread out")
    loaded = settings.load()
    own_data = loaded.data_dir if url is None and "data_dir" in loaded.model_fields_set else None
    talk = chatting.chat_in_json if as_json else chatting.chat
    code = talk(
        Where(url=url, workspace=workspace, config=config, data_dir=own_data),
        loaded,
        thread_id=thread,
        private=private,
        assistant=assistant,
        question=question,
    )
    raise typer.Exit(code)
