"""The OpenMP runtime for systems without one: only the pinned bytes, and only the child sees them."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import importlib.util
import platform
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
from tests.tiny_wheels import found_in, make_wheel

from motet.agents.openmp import Library, fetch_openmp, searched_first
from motet.errors import ModelUnavailable

CONTENT = b"\x7fELF, as it were"
MEMBER = "some.libs/libgomp-1234.so.1.0.0"


def ignore(what: str, done: int, total: int) -> None:
    """Progress that nobody looks at."""


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """A library for this machine, in a wheel that lies in `tmp_path`."""
    return Library(
        machine=platform.machine(),
        wheel=make_wheel(tmp_path, "motet-carrier", {MEMBER: CONTENT}),
        member=MEMBER,
        sha256=hashlib.sha256(CONTENT).hexdigest(),
    )


async def test_the_library_is_taken_out_of_the_wheel_and_kept(tmp_path: Path, library: Library) -> None:
    """It lies in the data directory under the name the loader asks for, alone; the second time no index is asked."""
    told: list[tuple[int, int]] = []

    folder = await fetch_openmp(
        tmp_path / "data",
        lambda _, done, total: told.append((done, total)),
        library=library,
        pip_options=found_in(tmp_path),
    )
    again = await fetch_openmp(tmp_path / "data", ignore, library=library, pip_options=("--no-such-option",))

    assert folder == again == tmp_path / "data" / "lib"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"libgomp.so.1": CONTENT}
    assert (told[0], told[-1]) == ((0, library.wheel.size_bytes), (library.wheel.size_bytes,) * 2)


async def test_a_broken_copy_is_replaced(tmp_path: Path, library: Library) -> None:
    """A file that isn't the pinned one is never used, wherever it comes from."""
    kept = tmp_path / "lib" / "libgomp.so.1"
    kept.parent.mkdir()
    kept.write_bytes(CONTENT[:-1])

    await fetch_openmp(tmp_path, ignore, library=library, pip_options=found_in(tmp_path))

    assert kept.read_bytes() == CONTENT


@pytest.mark.parametrize("change", ["another member", "no member", "no wheel"])
async def test_what_cant_be_had_is_told_with_a_way_out(tmp_path: Path, library: Library, change: str) -> None:
    """Without the right bytes there is no file, and the error says what to install instead."""
    (tmp_path / "empty").mkdir()
    altered = {"another member": {"sha256": "0" * 64}, "no member": {"member": "some.libs/else"}, "no wheel": {}}
    options = found_in(tmp_path / "empty" if change == "no wheel" else tmp_path)

    with pytest.raises(ModelUnavailable, match="apt-get install libgomp1"):
        await fetch_openmp(
            tmp_path, ignore, library=dataclasses.replace(library, **altered[change]), pip_options=options
        )

    assert list((tmp_path / "lib").iterdir()) == []


async def test_another_processor_is_told_what_to_install(tmp_path: Path, library: Library) -> None:
    """Nothing is fetched for a machine that couldn't run it."""
    with pytest.raises(ModelUnavailable, match=r"none to fetch for .*apt-get install libgomp1"):
        await fetch_openmp(tmp_path, ignore, library=dataclasses.replace(library, machine="abacus"))


async def test_a_folder_that_cant_be_written_is_told(tmp_path: Path, library: Library) -> None:
    """A file where the folder should be ends in an error that names the setting."""
    (tmp_path / "lib").write_text("in the way")

    with pytest.raises(ModelUnavailable, match="MOTET_DATA_DIR"):
        await fetch_openmp(tmp_path, ignore, library=library, pip_options=found_in(tmp_path))


@pytest.mark.parametrize(("inherited", "expected"), [(None, "{}"), ("/theirs", "{}:/theirs")])
def test_the_childs_own_search_path_is_kept_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inherited: str | None, expected: str
) -> None:
    """The folder comes first, then what was set already; every other variable stays."""
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    monkeypatch.setenv("MOTET_TEST_KEPT", "yes")
    if inherited:
        monkeypatch.setenv("LD_LIBRARY_PATH", inherited)

    environment = searched_first(tmp_path)

    assert environment["LD_LIBRARY_PATH"] == expected.format(tmp_path)
    assert environment["MOTET_TEST_KEPT"] == "yes"


@pytest.mark.all
@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64" or importlib.util.find_spec("xllamacpp") is None,
    reason="needs xllamacpp on Linux, x86_64",
)
async def test_the_models_library_runs_with_the_fetched_one(tmp_path: Path) -> None:
    """The real wheel's library is the one that xllamacpp loads, whether or not the system has its own."""
    folder = await fetch_openmp(tmp_path, ignore)
    program = "import xllamacpp; print(open('/proc/self/maps').read())"

    child = await asyncio.create_subprocess_exec(sys.executable, "-c", program, env=searched_first(folder), stdout=PIPE)
    said, _ = await child.communicate()

    assert child.returncode == 0
    assert {line.split()[-1] for line in said.decode().splitlines() if "libgomp" in line} == {
        str(folder / "libgomp.so.1")
    }
