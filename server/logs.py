"""Logging of a server or worker process: one line an event on standard error, and no secret in it."""

from __future__ import annotations

import logging
import warnings

from typing_extensions import override

from motet.observability.trajectory.redact import without_secrets

logger = logging.getLogger(__name__)

_BYTES = 1_000_000
"""From here on a total is a size."""


class Masking(logging.Formatter):
    """Formats as logging does, tracebacks included, and takes the secrets out of the whole."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))


def log_progress(doing: str, done: int, total: int) -> None:
    """Say what takes long once, when it begins; nobody looks at a server's terminal.

    `total` is in bytes of what is fetched, in files or passages of what is indexed.
    """
    if done == 0 and total:
        logger.info("%s (%s)", doing, f"{total / 1e6:.0f} MB" if total >= _BYTES else total)


def configure_quietly() -> None:
    """Errors alone, for a command that works runs besides: what fails in a run is told where runs are."""
    handler = logging.StreamHandler()
    handler.setFormatter(Masking("motet: %(message)s"))
    logging.basicConfig(level=logging.ERROR, handlers=[handler])


def configure() -> None:
    """Our own messages from INFO up, everybody else's from WARNING up; Python's warnings are log lines like them."""
    handler = logging.StreamHandler()
    # A library may have chosen a level of its own; bm25s tells of each index it builds.
    handler.addFilter(lambda record: record.levelno >= logging.WARNING or record.name.split(".")[0] == "motet")
    handler.setFormatter(Masking("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("motet").setLevel(logging.INFO)
    logging.captureWarnings(capture=True)
    # langchain-openai makes it of each structured answer that is streamed, with the answer in it; nothing is wrong.
    warnings.filterwarnings("ignore", message="(?s)Pydantic serializer warnings.*field_name='parsed'")
