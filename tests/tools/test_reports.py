"""`save_report` writes where it should, and nowhere else."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from motet.errors import ToolFailed
from motet.tools.reports import build_save_report, file_name


async def test_a_report_is_a_new_markdown_file(tmp_path: Path) -> None:
    """Title and body are written, and the path is told relative to the workspace."""
    told = await build_save_report(tmp_path).ainvoke({"title": "Airports in Texas", "body": "There are 209."})

    assert told == "reports/airports-in-texas.md"
    assert (tmp_path / told).read_text() == "# Airports in Texas\n\nThere are 209.\n"


async def test_a_report_that_cant_be_written_whole_isnt_there(tmp_path: Path) -> None:
    """A full disk leaves no half of a report: what fails has done nothing."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(ToolFailed, match="the report can't be written: File too large"):
            await build_save_report(tmp_path).ainvoke({"title": "Long", "body": "x" * 5000})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert list((tmp_path / "reports").iterdir()) == []


async def test_no_report_is_written_over(tmp_path: Path) -> None:
    """A second report of the same title gets a number."""
    tool = build_save_report(tmp_path)

    paths = [await tool.ainvoke({"title": "Same", "body": str(number)}) for number in range(3)]

    assert paths == ["reports/same.md", "reports/same-2.md", "reports/same-3.md"]
    assert [(tmp_path / path).read_text().splitlines()[-1] for path in paths] == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("../../etc/passwd", "etc-passwd.md"),
        ("/home/ada/.ssh/id", "home-ada-ssh-id.md"),
        ("..", "report.md"),
        ("Überblick: Größe", "uberblick-groe.md"),
        ("x" * 500, f"{'x' * 80}.md"),
        ("日本", "report.md"),
        ("a\x00b\nc", "a-b-c.md"),
    ],
)
def test_a_title_can_form_no_path(title: str, name: str) -> None:
    """Whatever a model or a person calls it, the file's name is letters, digits and dashes."""
    assert file_name(title) == name


async def test_a_link_that_leads_elsewhere_is_not_followed(tmp_path: Path) -> None:
    """A `reports` that is a link is refused, and nothing is written behind it."""
    elsewhere = tmp_path / "elsewhere"
    workspace = tmp_path / "workspace"
    elsewhere.mkdir()
    workspace.mkdir()
    (workspace / "reports").symlink_to(elsewhere)

    with pytest.raises(ToolFailed, match="link"):
        await build_save_report(workspace).ainvoke({"title": "x", "body": "y"})

    assert list(elsewhere.iterdir()) == []


async def test_a_folder_that_can_not_be_written_is_said(tmp_path: Path) -> None:
    """The tool tells the model instead of raising something unknown."""
    (tmp_path / "reports").write_text("a file in the way")

    with pytest.raises(ToolFailed, match="can't be written"):
        await build_save_report(tmp_path).ainvoke({"title": "x", "body": "y"})
