"""The append-only file of the embedded server, looked after and mended: a full disk may leave a gap of zeros in it.

Valkey and Redis since 7 open the file that a rewrite begins (BGREWRITEAOF, or by themselves) without O_APPEND. Where a
write finds the disk full after some bytes, they take those off again and forget that the next write now goes past the
end (`flushAppendOnlyFile` and `openNewIncrAofForAppend` in aof.c, up to Valkey 9.1.2). So:

- The first time, zeros stand between two commands, as many as were taken off. Nothing is missing, but no server reads
  such a file: the next start fails. `mend` takes the zeros out. The zeros that a power cut leaves at the end go, too.
- The next time in the same file, as many bytes as that first gap has are cut off commands that were answered. `tend`
  finds the first gap while the server lives and has it begin another file, so there is no next time.
- A file with such a loss, or one that is damaged otherwise, is left alone. `mend` says what a person can do.
"""

from __future__ import annotations

import mmap
import os
import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from redis.asyncio import Redis

from motet.errors import StoreUnavailable

_LISTED = re.compile(rb"^file (\S+) seq \d+ type ([bi])\b", re.MULTILINE)
"""A line of the manifest: files of the type h are done with."""
_BASE, _ADDED = b"b", b"i"
_ZEROS = re.compile(rb"\0+")
_COUNT = re.compile(rb"\*(\d{1,9})\r\n")
_LENGTH = re.compile(rb"\$(\d{1,18})\r\n")
_AFTER_A_GAP = re.compile(rb"(?<=\0)\*\d{1,9}\r\n\$\d{1,9}\r\n[A-Za-z]")
_TRANSACTION = {b"*1\r\n$5\r\nMULTI\r\n": True, b"*1\r\n$4\r\nEXEC\r\n": False}
_LONGEST_OF_THEM = 16
_CHUNK = 1 << 20


Health = Literal["well", "full", "gap"]
"""full: the server can't write to its file, and refuses every other write. gap: there was one, and it writes anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """A file that can be read again, with every command that was in it."""

    file: Path
    kept: Path
    """The file as it was."""
    zeros: int
    """How many bytes of nothing were taken out."""


@dataclass(slots=True, kw_only=True)
class _Scan:
    """What a file holds."""

    keep: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """Spans of whole commands."""
    zeros: int = 0
    gaps: int = 0
    broken_at: int | None = None
    """Where the first command is, or was, that can't be read any more."""
    broken: int = 0
    """How many bytes can't be read; 0 also where whole commands were cut off."""

    def skip(self, data: mmap.mmap, at: int, end: int, whole_until: int) -> int:
        """Note that there is no command at `at`; where the next one is. The first gap of a file has cost nothing."""
        gap = _ZEROS.match(data, at, end)
        if gap is None:
            found = _AFTER_A_GAP.search(data, at, end)
            resumes = found.start() if found else end
            broken_until = at + len(data[at:resumes].rstrip(b"\0"))
        else:
            self.zeros += gap.end() - at
            resumes, broken_until = gap.end(), at
        if gap is None or self.gaps or whole_until < at:
            self.broken_at = whole_until if self.broken_at is None else self.broken_at
            self.broken += broken_until - whole_until
        self.gaps += 1
        return resumes


async def tend(client: Redis, folder: Path) -> Health:
    """Look at the file of a living server, and have it written anew where it has got a gap.

    The gap shows in the sizes: the files on the disk are longer than what the server knows to have written.
    `client` is one of the server whose data are in `folder`. redis-py's errors pass through.
    """
    before = await client.info("persistence")
    on_disk = _size(folder, with_base=bool(before["aof_base_size"]))
    told = await client.info("persistence")
    if told["aof_last_write_status"] != "ok":
        return "full"
    busy = any(one["aof_rewrite_in_progress"] or one["aof_rewrite_scheduled"] for one in (before, told))
    if busy or told["aof_base_size"] != before["aof_base_size"] or on_disk <= told["aof_current_size"]:
        return "well"
    await client.bgrewriteaof()
    return "gap"


def mend(folder: Path) -> Sequence[Mended]:
    """Take gaps out of the files in `folder`, whose server is down; what was mended. Reads all of them.

    Every command stays, and each file as it was is kept under another name. Needs as much room as the files take.

    Raises:
        StoreUnavailable: commands are cut off or can't be read. The file is as it was; one without them is beside it.
        OSError.
    """
    mended: list[Mended] = []
    for file in _files(folder, _ADDED):
        with file.open("rb") as opened:
            if not os.fstat(opened.fileno()).st_size:
                continue
            with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
                found = _scan(data)
                if found.broken_at is not None:
                    beside = _write(file.with_name(f"{file.name}.mended"), data, found.keep)
                    raise StoreUnavailable(str(folder), _damage(file, beside, found))
                if not found.zeros:
                    continue
                whole = _write(file.with_name(f"{file.name}.mending"), data, found.keep)
        kept = file.with_name(f"{file.name}.damaged-{time.strftime('%Y%m%dT%H%M%S')}")
        _keep(file, kept)
        whole.replace(file)
        _sync(file.parent)
        mended.append(Mended(file=file, kept=kept, zeros=found.zeros))
    return mended


def leftovers(folder: Path) -> Sequence[Path]:
    """Files as they were before they were mended, or that wait for a person to put them in place."""
    return sorted(one for form in ("*.damaged-*", "*.mended") for one in (folder / "appendonlydir").glob(form))


def _damage(file: Path, beside: Path, found: _Scan) -> str:
    lost = f"{found.broken} bytes can't be read" if found.broken else "some commands before it are cut off"
    return (
        f"its append-only file {file} is damaged at byte {found.broken_at}: {lost}. Restore a backup; or go on without "
        f"them: keep a copy of {file.name}, then `mv {beside} {file}`, which has everything else"
    )


def _files(folder: Path, *types: bytes) -> Sequence[Path]:
    there = folder / "appendonlydir"
    try:
        manifest = (there / "appendonly.aof.manifest").read_bytes()
    except FileNotFoundError:
        return []
    return [there / os.fsdecode(name) for name, kind in _LISTED.findall(manifest) if kind in types]


def _size(folder: Path, *, with_base: bool) -> int:
    """Bytes on the disk; a server doesn't count the base that it made at its very first start."""
    types = (_BASE, _ADDED) if with_base else (_ADDED,)
    return sum(one.stat().st_size for one in _files(folder, *types) if one.exists())


def _scan(data: mmap.mmap) -> _Scan:
    """Read command by command. A last one that is unfinished counts as whole: the server itself cuts it off.

    Not so behind a gap: it may be where a second full disk has cut, and the server was killed before it wrote again.
    """
    end = _without_zeros(data)
    found = _Scan(zeros=len(data) - end)
    at = start = 0
    transaction: int | None = None
    while at < end or (found.gaps and transaction is not None):
        after = _command(data, at, end)
        if after is not None and (after <= end or not found.gaps):
            opens = _TRANSACTION.get(data[at : min(after, at + _LONGEST_OF_THEM)])
            transaction = at if opens else transaction if opens is None else None
            at = min(after, end)
            continue
        whole_until = at if transaction is None else transaction
        found.keep.append((start, whole_until))
        at = start = found.skip(data, at, end, whole_until)
        transaction = None
    found.keep.append((start, at))
    return found


def _without_zeros(data: mmap.mmap) -> int:
    """Where the zeros at the end begin: a command ends with CRLF."""
    end = len(data)
    while end and not data[end - 1]:
        block = data[max(0, end - _CHUNK) : end]
        end -= len(block) - len(block.rstrip(b"\0"))
    return end


def _command(data: mmap.mmap, at: int, end: int) -> int | None:
    """Where the command at `at` ends: behind `end` if that is in its middle, None if it isn't one."""
    count = _COUNT.match(data, at, end)
    if count is None:
        return _unfinished(data, at, end)
    at = count.end()
    for _ in range(int(count[1])):
        length = _LENGTH.match(data, at, end)
        if length is None:
            return _unfinished(data, at, end)
        at = length.end() + int(length[1])
        if at + 2 > end:
            return end + 1
        if data[at : at + 2] != b"\r\n":
            return None
        at += 2
    return at


def _unfinished(data: mmap.mmap, at: int, end: int) -> int | None:
    return end + 1 if re.fullmatch(rb"([*$]\d*\r?)?", data[at : min(end, at + 32)]) else None


def _write(target: Path, data: mmap.mmap, spans: Sequence[tuple[int, int]]) -> Path:
    try:
        with target.open("wb") as file:
            for start, stop in spans:
                for at in range(start, stop, _CHUNK):
                    file.write(data[at : min(stop, at + _CHUNK)])
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        target.unlink(missing_ok=True)
        raise
    return target


def _keep(file: Path, kept: Path) -> None:
    try:
        kept.hardlink_to(file)
    except OSError:  # a file system without links
        shutil.copyfile(file, kept)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
