"""Logging of a server or worker process: one line an event on standard error."""

from __future__ import annotations

import logging


def configure() -> None:
    """Our own messages from INFO up, everybody else's from WARNING up."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("motet").setLevel(logging.INFO)
