"""The client: what it refuses, what it survives, and what it never says."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError
from tests.support import free_port, wait_until

from motet.errors import InvalidConfig, StoreUnavailable
from motet.memory.redis.client import address, answering, connect
from motet.memory.redis.embedded import EmbeddedRedis


async def test_nobody_there_is_said_without_the_password() -> None:
    """A server that isn't there is unavailable, and the error shows where, not the secret."""
    port = free_port()
    with pytest.raises(StoreUnavailable, match=f"redis://127.0.0.1:{port}/3") as caught:
        await connect(f"redis://someone:hunter2@127.0.0.1:{port}/3")

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "localhost:6379",
        "http://localhost",
        "unix://",
        "redis://:hunter2/x@localhost:6379",
        "redis://:6379hunter2#x@localhost",
        "redis://localhost?no_such_option=hunter2",
        "redis://[hunter2",
    ],
)
async def test_a_url_that_cannot_be_read_is_a_setup_error(url: str) -> None:
    """A malformed URL is refused before anything is connected, quoting nothing of it but its scheme."""
    with pytest.raises(InvalidConfig) as caught:
        await connect(url)

    assert "hunter2" not in str(caught.value)


async def test_a_wrong_password_is_unavailable(tmp_path: Path) -> None:
    """A server that refuses the key is as good as gone, and the key isn't repeated."""
    async with EmbeddedRedis(tmp_path) as url:
        with pytest.raises(StoreUnavailable) as caught:
            await connect(f"{url}?password=hunter2&username=nobody")
    assert "hunter2" not in str(caught.value)


async def test_a_blocking_read_is_not_cut(redis: Redis) -> None:
    """A read that waits for nothing longer than the library's default limit gets its empty answer."""
    assert redis.connection_pool.connection_kwargs["socket_timeout"] is None
    assert await redis.blpop(["never"], timeout=0.2) is None


async def test_a_command_is_never_sent_twice(redis: Redis, redis_url: str) -> None:
    """A connection that breaks while a command runs is an error: the command may have been done."""
    mine = await redis.client_id()
    waiting = asyncio.ensure_future(redis.blpop(["never"], timeout=5))
    admin = await connect(redis_url)
    await wait_until(lambda: _is_blocked(admin, mine), description="the command runs")
    await admin.client_kill_filter(_id=str(mine))
    await admin.aclose()

    with pytest.raises(StoreUnavailable), answering(redis):
        await waiting


async def test_a_connection_that_died_while_idle_is_replaced(redis: Redis, redis_url: str) -> None:
    """A connection the server closed in the meantime costs the next command nothing."""
    before = await redis.client_id()
    admin = await connect(redis_url)
    await admin.client_kill_filter(_id=str(before))
    await admin.aclose()

    assert await redis.client_id() != before


async def test_a_scripts_own_error_passes_through(redis: Redis) -> None:
    """What isn't about availability keeps its type."""
    with pytest.raises(ResponseError), answering(redis):
        await redis.execute_command("EVAL", "return redis.error_reply('MINE it is')", 0)


@pytest.mark.parametrize("reply", ["READONLY replica", "OOM no room", "LOADING soon", "MISCONF disk is full"])
async def test_a_server_that_refuses_to_work_is_unavailable(redis: Redis, reply: str) -> None:
    """A replica, a full memory, a full disk and a server that still loads are one error to callers."""
    with pytest.raises(StoreUnavailable), answering(redis):
        await redis.execute_command("EVAL", f"return redis.error_reply('{reply}')", 0)


async def test_settings_that_lose_data_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A server that may evict, or that keeps no file, is used, with a warning for each."""
    async with EmbeddedRedis(tmp_path) as url:
        admin = await connect(url)
        await admin.config_set("maxmemory-policy", "allkeys-lru")
        await admin.config_set("appendonly", "no")
        await admin.aclose()
        with caplog.at_level(logging.WARNING):
            await (await connect(url)).aclose()

    assert [name for name in ("allkeys-lru", "appendonly yes") if name in caplog.text] == [
        "allkeys-lru",
        "appendonly yes",
    ]


async def test_a_user_who_may_not_ask_is_served(tmp_path: Path) -> None:
    """Where INFO is forbidden, the client connects all the same."""
    async with EmbeddedRedis(tmp_path) as url:
        admin = await connect(url)
        await admin.execute_command("ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all", "-info")
        client = await connect(f"{url}?username=app&password=secret")
        assert await client.ping()
        assert "secret" not in address(client)
        await client.aclose()
        await admin.aclose()


async def _is_blocked(admin: Redis, client_id: int) -> bool:
    """Whether this client waits in a blocking command; others on the same server may wait, too."""
    return any(int(one["id"]) == client_id and "b" in one["flags"] for one in await admin.client_list())
