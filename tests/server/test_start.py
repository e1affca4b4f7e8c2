"""What is refused before anything is served, each with what to do."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from tests.server.running import PROJECT

from motet.errors import (
    AddressInUse,
    InvalidConfig,
    InvalidWorkspace,
    ModelUnavailable,
    MotetError,
    NotFound,
    StoreUnavailable,
)
from motet.server import settings
from motet.server.__main__ import exit_code
from motet.server.auth import is_loopback, require_safe_address
from motet.server.serving import serve
from motet.server.settings import Settings


async def _start(tmp_path: Path, *, config: Path | None = None, workspace: Path | None = None, **given: object) -> None:
    """Try to serve with these settings on a free port."""
    chosen = Settings.model_validate(
        {"data_dir": tmp_path, "model": "openai:none", "model_base_url": "http://x"} | given
    )
    await serve(
        chosen, host="127.0.0.1", port=0, workers=1, insecure=False, config=config, workspace=workspace,
        opening=lambda *_: pytest.fail("it must not open"),
    )  # fmt: skip


async def test_a_port_in_use_is_said(tmp_path: Path) -> None:
    """The error carries the address and names the way out."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]

        with pytest.raises(AddressInUse, match=f"127.0.0.1:{port} is in use: .*--port"):
            await serve(
                Settings(data_dir=tmp_path), host="127.0.0.1", port=port, workers=1, insecure=False,
                config=PROJECT, workspace=None, opening=lambda *_: None,
            )  # fmt: skip


async def test_a_workspace_without_data_is_refused(tmp_path: Path) -> None:
    """An empty folder, and one that isn't there, are named."""
    (tmp_path / "empty").mkdir()

    for name in ("empty", "missing"):
        with pytest.raises(InvalidWorkspace, match=str(tmp_path / name)):
            await _start(tmp_path / "data", workspace=tmp_path / name)


async def test_nothing_to_serve_is_said(tmp_path: Path) -> None:
    """Without a project and without a workspace there is nothing to serve."""
    with pytest.raises(InvalidConfig, match="--workspace"):
        await _start(tmp_path)


async def test_redis_that_is_not_there_is_said_without_its_password(tmp_path: Path) -> None:
    """The address is told, the secret isn't."""
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1") as caught:
        await _start(tmp_path, config=PROJECT, redis_url="redis://:secret@127.0.0.1:1/0")

    assert "secret" not in str(caught.value)


def test_nothing_but_loopback_is_listened_on_without_a_key() -> None:
    """Another address needs a key, or the word `--insecure`."""
    with pytest.raises(InvalidConfig, match="MOTET_AUTH"):
        require_safe_address("0.0.0.0", Settings(auth=None), insecure=False)

    require_safe_address("0.0.0.0", Settings(auth=None), insecure=True)
    require_safe_address("0.0.0.0", Settings.model_validate({"auth": "key"}), insecure=False)
    require_safe_address("127.0.0.1", Settings(auth=None), insecure=False)


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("example.org", False)],
)
def test_only_this_machines_own_addresses_are_loopback(host: str, *, local: bool) -> None:
    """A name that merely might point here isn't trusted."""
    assert is_loopback(host) is local


def test_a_wrong_setting_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that can't be used is told with the variable's name."""
    monkeypatch.setenv("MOTET_LEASE_SECONDS", "soon")

    with pytest.raises(InvalidConfig, match="MOTET_LEASE_SECONDS: 'soon' is not allowed"):
        settings.load()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidConfig("x", "y"), 2),
        (ModelUnavailable("x", "y"), 2),
        (StoreUnavailable("x", "y"), 4),
        (NotFound("thread", "x"), 1),
    ],
)
def test_exit_codes_say_who_must_react(error: MotetError, code: int) -> None:
    """2 for the command line and settings, 4 for what doesn't answer, 1 for the rest."""
    assert exit_code(error) == code
