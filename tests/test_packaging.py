"""What is shipped: the wheel, built from the sdist, holds every file of the six rooms and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import motet

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("agents", "graphs", "tools", "memory", "observability", "server")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as a user would get it: the checkout's sdist, unpacked elsewhere, built there."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.glob("*.whl"))


def test_the_wheel_holds_what_the_rooms_hold(wheel: Path) -> None:
    """Python, scripts, prompts and data: each file of the checkout's six folders is in the wheel, no other is."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *ROOMS, "src/motet"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    files = {path for path in listed if (ROOT / path).is_file()}
    expected = {f"motet/{path.removeprefix('src/motet/')}" for path in files}

    shipped = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}

    assert shipped == expected


def test_the_wheel_works_where_nothing_else_is(wheel: Path, tmp_path: Path) -> None:
    """Installed into an empty folder, the package is imported from there and needs nothing for its errors."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", str(tmp_path)]
    subprocess.run([*pip, str(wheel)], check=True, timeout=60)
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import motet.errors; print(motet.errors.__file__)"

    found = subprocess.run([sys.executable, "-ISc", program], capture_output=True, text=True, check=True, timeout=30)

    assert found.stdout.strip() == str(tmp_path / "motet" / "errors.py")


def test_there_is_one_version(wheel: Path) -> None:
    """The package, the wheel and the newest entry of the changelog agree on the version."""
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    newest = re.search(r"^## \[(\d[^\]]*)\]", changelog, re.MULTILINE)

    assert wheel.name.split("-")[1] == motet.__version__
    assert newest is not None
    assert newest[1] == motet.__version__
