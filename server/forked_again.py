"""A run under another model or prompt, such as a fork, that is replayed: what was other in it then is other now."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from motet.calls import Interceptor
from motet.errors import NotReplayable, SetupError
from motet.observability.trajectory.records import RunStarted
from motet.server.fork_block import ForkBlock
from motet.server.settings import Settings


@asynccontextmanager
async def replaced_then(started: RunStarted, settings: Settings) -> AsyncGenerator[Sequence[Interceptor]]:
    """What stood outside the recorder of the run; nothing for most. No model is asked.

    Raises:
        NotReplayable: it asked another model, which can't be had here, so that nobody knows what it was asked.
    """
    fork = ForkBlock.of(started.config)
    if fork is None and "replaced" not in started.config:
        yield []
        return
    from motet.server.replaced_block import ReplacedBlock, replacing  # noqa: PLC0415 - no other replay has need of it

    asked = [ReplacedBlock.of(started.config), fork]
    async with AsyncExitStack() as opened:
        try:
            outside = await opened.enter_async_context(replacing(settings, *asked))
        except SetupError as error:
            named = ", ".join(one.model for one in asked if one is not None and one.model)
            raise NotReplayable(started.run_id, f"it asked {named} in the place of its own: {error}") from error
        yield outside
