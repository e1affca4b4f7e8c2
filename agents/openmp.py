"""The OpenMP runtime that the embedded model's library is linked to, for systems that have none.

xllamacpp's wheel for Linux needs the system's `libgomp.so.1` and doesn't carry it. A fresh Debian has
none, and who may not install packages there couldn't run the embedded model at all. Other wheels carry
the same library of GCC (GPL with the runtime library exception), so it's taken out of a pinned one, which
is neither installed nor imported, into the data directory; only the embedded model's own process sees it.
"""

from __future__ import annotations

import asyncio
import ctypes
import hashlib
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from motet.errors import DownloadFailed, ModelUnavailable
from motet.tools.index import Progress, Wheel, copy_member, download_wheel, scratch_folder

_NAME = "libgomp.so.1"
_WHAT = "the embedded model's OpenMP runtime"
_OTHERWISE = "The system's own comes with `apt-get install libgomp1` (Fedora: `dnf install libgomp`)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """A shared library inside a wheel."""

    machine: str
    """The only processor it runs on, as `platform.machine` names it."""
    wheel: Wheel
    member: str
    """Path inside the wheel."""
    sha256: str
    """The member's own."""


GCC_OPENMP = Library(
    machine="x86_64",
    wheel=Wheel(
        project="xgboost-cpu",
        version="3.2.0",
        sha256="9c10b1653e1a689bf4094a328144cf3633c9be0e5217a76fbdc2fde6abcb2950",
        size_bytes=5_595_924,
    ),
    member="xgboost_cpu.libs/libgomp-e985bcbb.so.1.0.0",
    sha256="a43904e4fa297301d4640dc1bb3c8a3480b406f99e498eba9b1914b68aab604a",
)
"""GCC's libgomp as the wheel's makers took it from their build system; the smallest wheel that carries it."""


def lacks_openmp() -> bool:
    """Whether this is a Linux that can't load `libgomp.so.1`; other systems need none."""
    if sys.platform != "linux":
        return False
    try:
        ctypes.CDLL(_NAME)
    except OSError:
        return True
    return False


async def fetch_openmp(
    data_dir: Path, progress: Progress, *, library: Library = GCC_OPENMP, pip_options: Sequence[str] = ()
) -> Path:
    """The folder in `data_dir` that holds the verified `libgomp.so.1`, fetched if it isn't there yet.

    Processes that fetch at once each put the same bytes in place.

    Raises:
        ModelUnavailable: no library for this processor, no network, another file than the pinned one,
            or `data_dir` can't be written; says how to install it.
    """
    if platform.machine() != library.machine:
        raise ModelUnavailable(
            "embedded", f"this system has no {_NAME}, and there is none to fetch for {platform.machine()}. {_OTHERWISE}"
        )
    folder = data_dir / "lib"
    target = folder / _NAME
    try:
        if not await asyncio.to_thread(_matches, target, library):
            await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
            await _fetch(library, target, progress, pip_options)
    except DownloadFailed as failed:
        raise ModelUnavailable("embedded", f"this system has no {_NAME}, and {failed}. {_OTHERWISE}") from failed
    except OSError as refused:
        raise ModelUnavailable("embedded", f"{folder} can't be written: {refused}. Set MOTET_DATA_DIR") from refused
    return folder


def searched_first(folder: Path) -> dict[str, str]:
    """This process's environment for a child that looks for shared libraries in `folder` first."""
    inherited = os.environ.get("LD_LIBRARY_PATH")
    return {**os.environ, "LD_LIBRARY_PATH": f"{folder.resolve()}:{inherited}" if inherited else str(folder.resolve())}


async def _fetch(library: Library, target: Path, progress: Progress, pip_options: Sequence[str]) -> None:
    total = library.wheel.size_bytes
    progress(_WHAT, 0, total)
    with scratch_folder(target.parent) as scratch:
        wheel = await download_wheel(
            library.wheel, scratch, report=lambda done: progress(_WHAT, done, total), pip_options=pip_options
        )
        taken = scratch / _NAME
        with taken.open("wb") as file:
            await asyncio.to_thread(copy_member, wheel, library.member, file)
        if not await asyncio.to_thread(_matches, taken, library):
            raise DownloadFailed(_WHAT, f"{library.member} has another SHA-256 than the pinned one")
        taken.replace(target)
    progress(_WHAT, total, total)


def _matches(path: Path, library: Library) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == library.sha256
    except FileNotFoundError:
        return False
