"""The example that the guide gives is run as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide.md"


def test_the_guides_example_works(tmp_path: Path) -> None:
    """Its three files, written as a user would write them, are a green test suite of four tests."""
    section = GUIDE.read_text("utf-8").split("## Testing your own graphs\n")[1].split("\n## ")[0]
    files = re.findall(r"```python\n# ([\w.]+)(.*?)```", section, re.DOTALL)
    for name, text in files:
        (tmp_path / name).write_text(f"# {name}{text}")

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "-p", "no:asyncio"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert [name for name, _ in files] == ["agent.py", "conftest.py", "test_agent.py"]
    assert (done.returncode, "4 passed" in done.stdout) == (0, True), done.stdout + done.stderr
