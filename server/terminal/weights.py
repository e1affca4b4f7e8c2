"""Sees to it that what the embedded model needs is there before anybody waits for an answer."""

from __future__ import annotations

from motet.agents.openmp import fetch_openmp, lacks_openmp
from motet.agents.weights import QWEN_CODER, find_weights
from motet.server.settings import Settings
from motet.server.terminal.screen import Screen


async def fetch(settings: Settings, screen: Screen) -> None:
    """Fetch it with a bar, or find it at once; nothing where another model is chosen.

    The weights, and the OpenMP runtime where the system has none.

    Raises:
        ModelUnavailable: says what to do.
    """
    if settings.model is not None:
        return
    screen.working("checking the embedded model")
    try:
        await find_weights(QWEN_CODER, file=settings.model_file, data_dir=settings.data_dir, progress=screen.download)
        if lacks_openmp():
            await fetch_openmp(settings.data_dir, screen.download)
    finally:
        screen.close()
