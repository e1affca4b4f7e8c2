"""Wheels of a few bytes, made in a folder that pip can find them in."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

from motet.tools.index import Wheel


def make_wheel(folder: Path, project: str, members: Mapping[str, bytes], *, description: str = "") -> Wheel:
    """Write `project` 1.0 with `members` into `folder` and return its pin."""
    name = project.replace("-", "_")
    info = f"{name}-1.0.dist-info"
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {project}\nVersion: 1.0\n\n{description}")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    content = path.read_bytes()
    return Wheel(project=project, version="1.0", sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))


def found_in(folder: Path) -> tuple[str, ...]:
    """Options that make pip look in `folder` only."""
    return ("--no-index", "--find-links", str(folder))
