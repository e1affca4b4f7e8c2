"""What forks for this process is let go with it."""

from __future__ import annotations

import socket
import subprocess
from typing import cast

import pytest

from motet.memory.ports import RunLifecycle
from motet.server.isolation import isolating
from motet.server.zygote import Zygote


async def test_what_forks_is_let_go_though_nothing_was_awaited() -> None:
    """A process that fails as soon as it has isolation leaves neither the one that forks nor a trace of it."""
    ours, theirs = socket.socketpair()
    with theirs:
        reads = subprocess.Popen(["cat"], stdin=theirs.fileno(), stdout=subprocess.DEVNULL)  # noqa: ASYNC220 - as it is forked
    zygote, runs = Zygote(pid=reads.pid, connection=ours), cast("RunLifecycle", None)

    with pytest.raises(ValueError, match="at once"):
        async with isolating(zygote, runs, heartbeat_s=1, longest_s=1):
            raise ValueError("at once")

    try:
        assert reads.poll() is not None, "it lives, or nobody has waited for it"
    finally:
        reads.kill()
