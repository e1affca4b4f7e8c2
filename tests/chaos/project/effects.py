"""What the graphs do to the outside world: a line in a file, which no crash takes back."""

from __future__ import annotations

import json
import os
import time


def act(key: str, kind: str) -> None:
    """Perform the effect `key`; `kind` says what its tool declares: none, idempotent or once."""
    line = json.dumps({"key": key, "kind": kind, "pid": os.getpid(), "at": time.time()}) + "\n"
    target = os.open(os.environ["CHAOS_EFFECTS"], os.O_WRONLY | os.O_APPEND)
    try:
        os.write(target, line.encode())
    finally:
        os.close(target)
