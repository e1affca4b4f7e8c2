"""`motet doctor`: what a person and a script learn about the installation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.memory.servers import valkey
from tests.server.running import environment
from tests.server.typing_person import without_terminal
from tests.support import free_port

from motet.memory.redis.client import connected
from motet.memory.redis.embedded import EmbeddedRedis

WIDE = {"COLUMNS": "200"}
"""No line of its table is folded."""


async def doctor(data_dir: Path, *arguments: str, **settings: str) -> tuple[int, str]:
    """Exit code and output, errors included, under these settings and none of the environment's."""
    env = environment(data_dir, WIDE | settings)
    code, said, complained = await without_terminal("doctor", *arguments, env=env)
    return code, said + complained


async def told(data_dir: Path, **settings: str) -> tuple[int, list[Mapping[str, Any]]]:
    code, out = await doctor(data_dir, "--json", **settings)
    return code, [json.loads(line) for line in out.splitlines()]


async def test_a_fresh_machine_is_well(tmp_path: Path) -> None:
    """Without any setting: our own server, every check passed, exit code 0, nothing left running."""
    code, out, _ = await without_terminal("doctor", env=environment(tmp_path / "data", WIDE), fresh=True)

    assert code == 0
    assert "All is well." in out
    assert "our own, in the data directory" in out
    assert not list((tmp_path / "data" / "redis").glob("*.sock"))


async def test_a_script_reads_a_line_a_check(tmp_path: Path) -> None:
    """JSON has what was looked at, how it is, and what to do, in a fixed order."""
    code, checks = await told(tmp_path)

    assert code == 0
    assert list(dict.fromkeys(check["about"] for check in checks)) == [
        "Python",
        "data directory",
        "Redis",
        "round trip",
        "durability",
        "encryption",
        "model",
        "clock",
        "runs",
    ]
    fields = {"about", "level", "what", "why", "advice", "thread_id", "run_id"}
    assert all(set(check) == fields for check in checks)


async def test_settings_are_told_as_they_are(tmp_path: Path) -> None:
    """Strict durability is tried, the key's presence and the model's name are told, and no secret is shown."""
    key, model = "0123456789abcdef", "openai:gpt-5"
    code, out = await doctor(tmp_path, MOTET_DURABILITY="strict", LANGGRAPH_AES_KEY=key, MOTET_MODEL=model)

    assert code == 0
    assert "strict: a write is answered once it reached the server's disk (WAITAOF)" in out
    assert "appendfsync always" in out
    assert "AES: states and trajectories are encrypted; memories, runs' inputs and events, and documents are not" in out
    assert model in out
    assert key not in out


async def test_a_redis_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    """Exit code 4, the address without its password, and the other checks all the same."""
    port = free_port()
    code, out = await doctor(tmp_path, MOTET_REDIS_URL=f"redis://:hunter2@127.0.0.1:{port}")

    assert code == 4
    assert f"redis://127.0.0.1:{port}/0 is not available" in out
    assert "hunter2" not in out
    assert "model" in out


@pytest.mark.all
async def test_a_damaged_file_of_our_own_redis_is_explained(tmp_path: Path) -> None:
    """Exit code 4: which file, what to do, where the rest is; what a repair left is told as long as it's there."""
    async with EmbeddedRedis(tmp_path) as url, connected(url) as client:
        await client.set("some", "thing")
    (file,) = (tmp_path / "redis" / "appendonlydir").glob("*.incr.aof")
    whole = file.read_bytes()
    file.write_bytes(whole + b"rubbish")
    code, checks = await told(tmp_path)
    (damaged,) = [check for check in checks if check["about"] == "Redis"]

    assert code == 4
    assert f"append-only file {file} is damaged at byte {len(whole)}: 7 bytes can't be read" in damaged["what"]
    assert f"mv {file}.mended {file}" in damaged["what"]
    assert str(tmp_path / "redis" / "redis.log") in damaged["advice"]

    file.write_bytes(whole)
    code, checks = await told(tmp_path)

    assert code == 0
    assert [check["what"] for check in checks if check["level"] == "warning"] == [
        f"{file}.mended, 0.0 MB, is left of the repair of our own Redis' file"
    ]


async def test_what_can_be_lost_is_a_warning(tmp_path: Path) -> None:
    """A server that may lose data can be used: exit code 0, and what to set."""
    async with valkey(tmp_path / "redis", appendonly="no") as server:
        code, out = await doctor(tmp_path, MOTET_REDIS_URL=server.url)

    assert code == 0
    assert "set appendonly yes" in out
    assert "Motet works here; 1 warning." in out


@pytest.mark.parametrize(
    ("server_has", "settings", "words"),
    [
        ({"replicaof": "127.0.0.1 1"}, {}, "it is a replica, which takes no writes"),
        ({"appendonly": "no"}, {"MOTET_DURABILITY": "strict"}, "strict can't be kept"),
        ({}, {"LANGGRAPH_AES_KEY": "short"}, "an AES key has 16, 24 or 32"),
    ],
)
async def test_what_motet_cannot_work_with_is_an_error(
    tmp_path: Path, server_has: dict[str, str], settings: dict[str, str], words: str
) -> None:
    """Exit code 1, and which of the checks it is."""
    async with valkey(tmp_path / "redis", **server_has) as server:
        code, out = await doctor(tmp_path, MOTET_REDIS_URL=server.url, **settings)

    assert code == 1
    assert words in out
    assert "Motet can't work here as it is" in out


@pytest.mark.parametrize("folder", ["file", "long" * 100])
async def test_a_data_directory_that_cannot_be_is_an_error(tmp_path: Path, folder: str) -> None:
    """A file where the folder should be, or a path that can't even be looked at, is told with the setting's name."""
    (tmp_path / "file").write_text("a file", encoding="utf-8")
    code, out = await doctor(tmp_path / folder)

    assert code == 1
    assert "set another MOTET_DATA_DIR" in out
