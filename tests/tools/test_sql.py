"""The tool by which agents query a workspace."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from motet.errors import ToolFailed
from motet.tools.sql import query_tool
from motet.tools.workspace import Workspace


async def test_the_tool_returns_json_or_says_what_to_change(tmp_path: Path) -> None:
    """Rows come back as plain JSON, so that they can be recorded; a refused query raises ToolFailed."""
    (tmp_path / "t.csv").write_text("a,b\n1,2020-01-01\n")
    async with await Workspace.open(tmp_path) as workspace:
        tool = query_tool(workspace)
        rows = await tool.ainvoke({"sql": "SELECT * FROM t"})
        assert tool.name == "query_workspace"
        assert (rows["columns"], rows["rows"], rows["truncated"]) == (["a", "b"], [[1, "2020-01-01"]], False)
        json.dumps(rows)
        with pytest.raises(ToolFailed, match="only one SELECT"):
            await tool.ainvoke({"sql": "DROP TABLE t"})
