"""`motet serve` that ends when whoever started it is gone: `python -m motet.server.terminal.attended --port 0 …`.

Its standard input is a pipe that the starter holds and never writes to. A starter that is killed
can't stop anything any more, but its end of the pipe closes.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from motet.server.__main__ import main

_STDIN = 0


def _end_with_the_input() -> None:
    while os.read(_STDIN, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_end_with_the_input, daemon=True).start()
    sys.argv = ["motet", "serve", *sys.argv[1:]]
    main()
