"""The embedded model's own process: `python -m motet.agents.local --file WEIGHTS --threads N`.

It serves the OpenAI API on a free loopback port, prints one line `{"base_url": …}` when it is ready,
and ends when its standard input closes, so it never outlives the process that started it. A process
of its own, because a crash in native code must not take the server along.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import sys
from pathlib import Path

CONTEXT_TOKENS = 8192
"""Prompt and answer together; costs 100 MB of memory, and a prompt this long 2 minutes on 2 cores."""


def serve(file: Path, threads: int) -> None:
    """Load `file`, say where it is served, and block until standard input closes."""
    # Ctrl-C reaches the whole process group; the parent decides when this process ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # OpenMP's threads spin while they wait; unbounded, they take the core another process needs, and
    # generation falls from 24 to 2 tokens/s on a busy machine. Read when the library is loaded.
    os.putenv("GOMP_SPINCOUNT", "1000")
    xllamacpp = importlib.import_module("xllamacpp")

    params = xllamacpp.CommonParams()
    params.model.path = str(file)
    # What replies call the model: its path would tell where somebody's files lie to whoever sees a trajectory.
    params.model_alias = {file.stem}
    params.n_ctx = CONTEXT_TOKENS
    # Two at once generate no more tokens a second in all than one after the other.
    params.n_parallel = 1
    # Prompts seen before are kept here, so that agents which take turns don't read theirs anew.
    params.cache_ram_mib = 512
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.ui = False
    server = xllamacpp.Server(params)
    sys.stdout.write(json.dumps({"base_url": server.listening_address}) + "\n")
    sys.stdout.flush()
    # Nobody reads standard output from now on: what the library may print must not fill the pipe.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    sys.stdin.read()
    os._exit(0)


def main() -> None:
    """Parse the command line; run only by `EmbeddedModel`."""
    parser = argparse.ArgumentParser(prog="python -m motet.agents.local")
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    serve(arguments.file, arguments.threads)


if __name__ == "__main__":
    main()
