"""What a server says on its terminal: one line an event, and only what somebody can use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from motet.server.cli.serve import Progress

LIBRARY = """
import logging
from motet.server.logs import configure
configure()
chatty = logging.getLogger("bm25s")
chatty.setLevel(logging.DEBUG)
chatty.debug("an index is built")
chatty.warning("an index is broken")
logging.getLogger("motet.server.worker").info("a run was lost")
"""

WARNING = """
import warnings
from motet.observability.trajectory import redact
from motet.server.logs import configure
configure()
redact.know(["a-word-of-this-house"])
warnings.warn("it says a-word-of-this-house")
warnings.warn("Pydantic serializer warnings:\\n  Expected `none` [field_name='parsed', input_value=Choice()]")
"""


def test_a_library_that_sets_its_own_level_stays_quiet(tmp_path: Path) -> None:
    """Ours from INFO up, others' from WARNING up, whatever level they gave themselves."""
    done = subprocess.run(
        [sys.executable, "-c", LIBRARY], capture_output=True, text=True, timeout=30, check=True, cwd=tmp_path
    )

    assert [line.split(": ")[-1] for line in done.stderr.splitlines()] == ["an index is broken", "a run was lost"]


def test_a_warning_is_a_line_without_secrets(tmp_path: Path) -> None:
    """Python's warnings are masked as all lines are; the one about an answer that was parsed as asked isn't told."""
    done = subprocess.run(
        [sys.executable, "-c", WARNING], capture_output=True, text=True, timeout=30, check=True, cwd=tmp_path
    )

    assert "it says [redacted]" in done.stderr
    assert "a-word-of-this-house" not in done.stderr
    assert "parsed" not in done.stderr


def test_progress_in_a_log_is_a_few_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Of many quick steps the first and the last are told; of nothing, nothing."""
    progress = Progress()

    progress("reading documents", 0, 0)
    for done in range(301):
        progress("reading documents", done, 300)

    assert capsys.readouterr().out.splitlines() == ["… reading documents: 0 of 300", "… reading documents: 300 of 300"]
