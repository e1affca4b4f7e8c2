"""`deploy/setup.py` in a small checkout of its own: one package to install, from a folder instead of an index."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
BACKEND = """
import shutil
WHEEL = "motet-1.0-py3-none-any.whl"
def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    shutil.copy(WHEEL, wheel_directory)
    return WHEEL
"""
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "motet"
version = "1.0"
"""


def make_wheel(folder: Path, name: str) -> Path:
    """The smallest wheel there can be: one empty module."""
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    about = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as content:
        content.writestr(f"{name}.py", "")
        content.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        content.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        content.writestr(f"{about}/RECORD", f"{name}.py,,\n{about}/METADATA,,\n{about}/WHEEL,,\n{about}/RECORD,,\n")
    return wheel


class Checkout:
    """A folder with our set-up, a lock of one package, and a folder of wheels beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "checkout"
        self.wheels = folder / "wheels"
        self.wheels.mkdir()
        shutil.copytree(ROOT / "deploy", self.folder / "deploy")
        make_wheel(self.folder, "motet")
        (self.folder / "backend.py").write_text(BACKEND, "utf-8")
        (self.folder / "pyproject.toml").write_text(PYPROJECT, "utf-8")
        self.package = make_wheel(self.wheels, "single")
        self.lock(hashlib.sha256(self.package.read_bytes()).hexdigest())

    def lock(self, digest: str) -> None:
        """Pin the one package to this hash."""
        (self.folder / "requirements-dev.lock").write_text(f"single==1.0 --hash=sha256:{digest}\n", "utf-8")

    def set_up(self) -> subprocess.CompletedProcess[str]:
        """Run the script, without a network."""
        index = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels), "PIP_CONFIG_FILE": os.devnull}
        command = [sys.executable, "deploy/setup.py", "dev"]
        environment = os.environ | index
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=50, check=False
        )

    def can_import(self) -> bool:
        """Whether the environment holds the project and its dependency."""
        python = self.folder / ".venv" / "bin" / "python"
        return python.exists() and subprocess.run([python, "-c", "import motet, single"], check=False).returncode == 0


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A fresh one."""
    return Checkout(tmp_path)


def test_set_up_happens_once_and_again_after_a_move(checkout: Checkout) -> None:
    """The first run installs, the second does nothing; a moved checkout, whose paths are wrong, is built anew."""
    first, second = checkout.set_up(), checkout.set_up()
    checkout.folder = checkout.folder.rename(checkout.folder.with_name("moved"))
    moved = checkout.set_up()

    assert (first.returncode, first.stderr) == (0, "")
    assert "Making .venv" in first.stdout
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert "Making .venv" in moved.stdout
    assert checkout.can_import()


def test_a_failed_set_up_never_looks_finished(checkout: Checkout) -> None:
    """A package that can't be had ends with the step's name and what to do; the next run goes on and finishes."""
    hidden = checkout.package.rename(checkout.package.with_suffix(".hidden"))
    failed = checkout.set_up()
    hidden.rename(checkout.package)
    mended = checkout.set_up()

    assert failed.returncode == 1
    assert "Set-up stopped at: installing requirements-dev.lock" in failed.stderr
    assert "What to do: check the network" in failed.stderr
    assert mended.returncode == 0
    assert checkout.can_import()


def test_another_file_than_the_locked_one_is_refused(checkout: Checkout) -> None:
    """The hash decides, not the name: nothing is installed and the text says whom to ask."""
    checkout.lock("0" * 64)

    refused = checkout.set_up()

    assert refused.returncode == 1
    assert "another file than the lock names" in refused.stderr
    assert not checkout.can_import()


def test_a_stranger_s_folder_is_left_alone(checkout: Checkout) -> None:
    """A `.venv` that isn't a virtual environment is somebody's: it is named, never deleted."""
    precious = checkout.folder / ".venv" / "precious"
    precious.parent.mkdir()
    precious.write_text("mine", "utf-8")

    refused = checkout.set_up()

    assert refused.returncode == 1
    assert "is no virtual environment" in refused.stderr
    assert precious.read_text("utf-8") == "mine"


def test_an_unfit_python_is_named_with_what_to_do() -> None:
    """Without a Python that fits, `make` says which ones would."""
    environment = os.environ | {"PYTHON": "/bin/false"}

    found = subprocess.run(
        [ROOT / "deploy" / "find-python"], env=environment, capture_output=True, text=True, check=False
    )

    assert (found.returncode, found.stdout) == (1, "")
    assert "Python 3.11, 3.12 or 3.13" in found.stderr
    assert "What to do: " in found.stderr
