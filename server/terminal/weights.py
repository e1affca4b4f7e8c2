"""Sees to it that what the embedded model needs is there before anybody waits for an answer."""

from __future__ import annotations

from contextlib import suppress

from motet.agents.openmp import fetch_openmp, lacks_openmp
from motet.agents.weights import MINILM, QWEN_CODER, find_weights
from motet.errors import ModelUnavailable
from motet.server.settings import Settings
from motet.server.terminal.screen import Screen


async def fetch(settings: Settings, screen: Screen) -> None:
    """Fetch it with a bar, or find it at once; nothing where another model is chosen.

    The weights of the chat model and of search, and the OpenMP runtime where the system has none. Without the
    weights of search the server goes by words alone, and says why.

    Raises:
        ModelUnavailable: the chat model can't be had; says what to do.
    """
    screen.working("checking the embedded models")
    data_dir = settings.data_dir
    try:
        if settings.embeddings is None:
            with suppress(ModelUnavailable):
                await find_weights(MINILM, file=None, data_dir=data_dir, progress=screen.download)
        if settings.model is None:
            await find_weights(QWEN_CODER, file=settings.model_file, data_dir=data_dir, progress=screen.download)
            if lacks_openmp():
                await fetch_openmp(data_dir, screen.download)
    finally:
        screen.close()
