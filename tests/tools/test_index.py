"""Files carried by wheels: pinned, never installed, and nothing left behind by a failure."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib.util
import io
import sys
import venv
from pathlib import Path

import pytest
from tests.support import free_port
from tests.tiny_wheels import found_in, make_wheel

from motet.errors import DownloadFailed
from motet.tools.index import copy_member, download_wheel, require_space, scratch_folder


def ignore(_: int) -> None:
    """Progress that nobody looks at."""


def listed(folder: Path) -> list[Path]:
    """All that lies in `folder`."""
    return list(folder.iterdir())


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """An empty folder to download into."""
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


async def test_a_member_is_taken_out_of_a_wheel_that_is_never_installed(tmp_path: Path, target: Path) -> None:
    """The wheel arrives under its name, its member is copied, and no module of it can be imported."""
    wheel = make_wheel(tmp_path, "motet-tiny", {"motet_tiny/data.bin": b"payload"})

    path = await download_wheel(wheel, target, report=ignore, pip_options=found_in(tmp_path))
    taken = io.BytesIO(b"before ")
    taken.seek(0, io.SEEK_END)
    copy_member(path, "motet_tiny/data.bin", taken)

    assert taken.getvalue() == b"before payload"
    assert listed(target) == [path]
    assert importlib.util.find_spec("motet_tiny") is None


async def test_a_wheel_with_another_hash_is_refused(tmp_path: Path, target: Path) -> None:
    """A wheel that isn't the pinned one is not kept, and the error says so."""
    wheel = dataclasses.replace(make_wheel(tmp_path, "motet-tiny", {"a": b"b"}), sha256="0" * 64)

    with pytest.raises(DownloadFailed, match="another hash than the pinned one"):
        await download_wheel(wheel, target, report=ignore, pip_options=found_in(tmp_path))

    assert listed(target) == []


async def test_an_index_out_of_reach_is_told_with_the_next_step(tmp_path: Path, target: Path) -> None:
    """Without a network the error names the network and pip's configuration."""
    wheel = make_wheel(tmp_path, "motet-tiny", {"a": b"b"})
    nobody = f"http://127.0.0.1:{free_port()}/simple"

    with pytest.raises(DownloadFailed, match="can't be reached, or doesn't carry it; check the network"):
        await download_wheel(wheel, target, report=ignore, pip_options=("--retries", "0", "--index-url", nobody))


async def test_a_python_without_pip_is_told_how_to_get_it(
    tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where pip is missing, the error names the command that installs it."""
    wheel = make_wheel(tmp_path, "motet-tiny", {"a": b"b"})
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bare" / "bin" / "python"))

    with pytest.raises(DownloadFailed, match="-m ensurepip"):
        await download_wheel(wheel, target, report=ignore, pip_options=found_in(tmp_path))


async def test_a_cancelled_download_ends_pip_and_leaves_nothing(tmp_path: Path, target: Path) -> None:
    """Cancelling closes pip's connection to the index and removes its folder."""
    asked, gone = asyncio.Event(), asyncio.Event()

    async def silent_index(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        gone.set()
        writer.close()

    wheel = make_wheel(tmp_path, "motet-tiny", {"a": b"b"})
    async with await asyncio.start_server(silent_index, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        options = ("--index-url", f"http://127.0.0.1:{port}/simple")
        download = asyncio.create_task(download_wheel(wheel, target, report=ignore, pip_options=options))
        await asyncio.wait_for(asked.wait(), 20)
        download.cancel()
        with pytest.raises(asyncio.CancelledError):
            await download
        await asyncio.wait_for(gone.wait(), 10)

    assert listed(target) == []


async def test_a_missing_member_is_named(tmp_path: Path, target: Path) -> None:
    """A wheel without the file it should carry is told by both names."""
    wheel = make_wheel(tmp_path, "motet-tiny", {"a": b"b"})
    path = await download_wheel(wheel, target, report=ignore, pip_options=found_in(tmp_path))

    with pytest.raises(DownloadFailed, match=r"data\.bin could not be fetched: motet_tiny"):
        copy_member(path, "data.bin", io.BytesIO())


def test_a_disk_that_is_too_small_is_told_before_anything_is_fetched(tmp_path: Path) -> None:
    """The error says how much is needed, where, and what is free."""
    with pytest.raises(DownloadFailed, match=rf"1,000,000,000,000 MB in {tmp_path}, where [\d,]+ MB are free"):
        require_space(tmp_path, 10**18, "the moon")

    require_space(tmp_path, 1, "a byte")


def test_a_scratch_folder_is_gone_with_all_it_held(tmp_path: Path) -> None:
    """Whatever was put into a scratch folder disappears with it."""
    with scratch_folder(tmp_path) as scratch:
        (scratch / "half").write_bytes(b"x")

    assert listed(tmp_path) == []
