"""A small file system that can be filled."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

_STEPS = (1_000_000, 4096, 1)


class NoSmallDisk(Exception):
    """A file system can't be mounted here; the text says why."""


@contextmanager
def small_disk(folder: Path, *, megabytes: int = 24) -> Generator[Path]:
    """An empty file system of its own in `folder`, which is made; gone at the end.

    Raises:
        NoSmallDisk: only root may mount one, on Linux.
    """
    if os.geteuid() != 0 or shutil.which("mount") is None:
        raise NoSmallDisk("only root can mount a small file system, with `mount`")
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "chaos", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        raise NoSmallDisk(f"a small file system can't be mounted: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Take all the room there is; the file that does. Room that others free meanwhile stays free."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in _STEPS:
            try:
                while file.write(b"x" * size) == size:
                    pass
            except OSError:
                continue
    return ballast
