"""A Redis that dies, sleeps, fills up or forgets, and networks that swallow: nothing that was accepted is lost."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.chaos.disk import NoSmallDisk, fill, small_disk
from tests.chaos.fleet import Child, store
from tests.chaos.proxy import proxy
from tests.chaos.scene import Scene, scene
from tests.support import wait_until


async def _running(on: Scene, server: Child, *, until: int = 30) -> tuple[str, str, str]:
    """Thread, run and tag of a counter that has begun."""
    thread_id, tag = await on.client.thread(server.url), on.client.tag()
    run_id = await on.client.create(server.url, thread_id, "counter", {"tag": tag, "until": until, "pause": 0.05})
    await on.stepped(tag, 3)
    return thread_id, run_id, tag


async def _probe(on: Scene, server: Child) -> float:
    """Seconds until a run succeeds that is asked for again and again from now on."""
    begun = time.monotonic()

    async def succeeds() -> bool:
        try:
            thread_id = await on.client.thread(server.url)
        except httpx.HTTPError:
            return False
        run_id = await on.client.create(server.url, thread_id, "counter", {"tag": on.client.tag(), "until": 1})
        return bool(run_id) and await on.ended(server, thread_id, run_id) == "success"

    await wait_until(succeeds, description="a run succeeds again", timeout_s=30)
    return time.monotonic() - begun


async def _refused(server: Child) -> httpx.Response:
    """What the server answers where Redis can't be written."""
    async with httpx.AsyncClient(base_url=server.url, timeout=15) as http:
        return await http.post("/threads", json={})


async def _waits(server: Child) -> bool:
    """Whether the server has a request wait for a Redis that says nothing, and still says that it's alive itself."""
    async with httpx.AsyncClient(base_url=server.url, timeout=2) as http:
        with pytest.raises(httpx.ReadTimeout):
            await http.post("/threads", json={})
        return (await http.get("/ok")).status_code == 200


async def test_redis_killed_and_started_again(alone: Scene) -> None:
    """Runs go on, a cancel that was acknowledged before is done, and the next run succeeds within 5 s."""
    server, _ = await alone.fleet.server(), await alone.fleet.worker()
    thread_id, run_id, _ = await _running(alone, server)
    other, doomed, _ = await _running(alone, server, until=1000)
    assert (await alone.client.cancel(server.url, other, doomed)).outcome == "ok"
    await alone.store.kill()
    assert (await _refused(server)).status_code == 503
    await alone.store.start()

    assert await _probe(alone, server) <= 5.0
    assert await alone.ended(server, thread_id, run_id) == "success"
    assert await alone.ended(server, other, doomed) == "interrupted"
    await alone.quiet()


@pytest.mark.all
@pytest.mark.parametrize("paused", ["ALL", "WRITE"])
async def test_redis_paused_longer_than_a_lease(alone: Scene, paused: str) -> None:
    """Commands that hang for longer than a lease: whoever goes on, nothing is done or told twice."""
    short = {"MOTET_LEASE_SECONDS": "1.2", "MOTET_HEARTBEAT_SECONDS": "0.3", "MOTET_SWEEP_SECONDS": "0.3"}
    server = await alone.fleet.server(env=short)
    await asyncio.gather(*(alone.fleet.worker(env=short) for _ in range(2)))
    thread_id, run_id, _ = await _running(alone, server)
    async with alone.store.client() as redis:
        await redis.execute_command("CLIENT", "PAUSE", 2500, paused)

    assert await alone.ended(server, thread_id, run_id, within_s=30) == "success"
    assert await _probe(alone, server) <= 5.0
    await alone.quiet()


@pytest.mark.all
async def test_redis_sleeps(alone: Scene) -> None:
    """A Redis that answers nothing at all for longer than a lease loses nothing."""
    server = await alone.fleet.server()
    await asyncio.gather(*(alone.fleet.worker() for _ in range(2)))
    thread_id, run_id, _ = await _running(alone, server)
    async with alone.store.client() as redis:
        await redis.execute_command("DEBUG", "SLEEP", "4")

    assert await alone.ended(server, thread_id, run_id, within_s=30) == "success"
    await alone.quiet()


@pytest.mark.all
async def test_redis_without_memory_refuses_and_loses_nothing(alone: Scene) -> None:
    """While there is no memory, requests get 503 and a run can't go on; afterwards all goes on."""
    server, _ = await alone.fleet.server(), await alone.fleet.worker()
    thread_id, run_id, _ = await _running(alone, server)
    async with alone.store.client() as redis:
        await redis.execute_command("CONFIG", "SET", "maxmemory", "1")
        refused = await _refused(server)
        await redis.execute_command("CONFIG", "SET", "maxmemory", "0")

    assert (refused.status_code, "Redis" in refused.json()["detail"]) == (503, True)
    assert await _probe(alone, server) <= 5.0
    assert await alone.ended(server, thread_id, run_id) == "success"
    await alone.quiet()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB."""
    try:
        with small_disk(tmp_path / "disk") as mounted:
            yield mounted
    except NoSmallDisk as error:
        pytest.skip(str(error))


async def test_a_full_disk_refuses_and_loses_nothing(tmp_path: Path, disk: Path, seed: int) -> None:
    """While Redis can't write its file, requests get 503; with room again, all that was accepted goes on."""
    (disk / "data").mkdir()
    async with store(disk / "data") as running, scene(tmp_path, running, seed=seed) as on:
        server, _ = await on.fleet.server(), await on.fleet.worker()
        thread_id, run_id, _ = await _running(on, server, until=60)
        ballast = await asyncio.to_thread(fill, disk)

        async def refuses() -> bool:
            return (await _refused(server)).status_code == 503

        await wait_until(refuses, description="requests are refused", timeout_s=15)
        ballast.unlink()

        assert await _probe(on, server) <= 5.0
        assert await on.ended(server, thread_id, run_id) == "success"
        await on.quiet()


async def test_forgotten_scripts_are_loaded_again(alone: Scene) -> None:
    """SCRIPT FLUSH, again and again in the middle of runs, is seen by nobody."""
    server, _ = await alone.fleet.server(), await alone.fleet.worker()
    thread_id, run_id, tag = await _running(alone, server)
    async with alone.store.client() as redis:
        for step in range(5, 25, 5):
            await redis.script_flush()
            await alone.stepped(tag, step)

    assert await alone.ended(server, thread_id, run_id) == "success"
    assert len(alone.steps(tag)) == 30
    await alone.quiet()


async def test_a_redis_that_was_emptied_starts_anew(alone: Scene) -> None:
    """FLUSHALL in the middle of runs: their worker stops, nothing of them comes back, and new runs work."""
    server, worker = await alone.fleet.server(), await alone.fleet.worker()
    running = await asyncio.gather(*(_running(alone, server, until=1000) for _ in range(4)))
    async with alone.store.client() as redis:
        await redis.flushall()
        await wait_until(
            lambda: worker.said().count("no longer claimed") >= len(running), description="the worker stops"
        )
        done = [len(alone.steps(tag)) for _, _, tag in running]
        threads = {thread_id for thread_id, _, _ in running}
        names = [bytes(name).decode() async for name in redis.scan_iter()]
        left = [name for name in names if any(one in name for one in threads) and await redis.ttl(name) < 0]

    assert left == []
    assert await _probe(alone, server) <= 5.0
    assert [len(alone.steps(tag)) for _, _, tag in running] == done


@pytest.mark.all
async def test_a_half_open_connection_makes_a_zombie_not_a_hang(alone: Scene) -> None:
    """A worker whose network swallows everything loses its run to another; a server works again once it comes back."""
    server = await alone.fleet.server()
    async with proxy(alone.store.port) as network:
        there = {"MOTET_REDIS_URL": f"redis://127.0.0.1:{network.port}"}
        cut_off, cut_server = await alone.fleet.worker(env=there), await alone.fleet.server(env=there)
        thread_id, run_id, tag = await _running(alone, server, until=60)
        network.behaviour = "blackhole"
        await alone.fleet.worker()
        waits = await _waits(cut_server)
        await alone.stepped(tag, 40)
        network.behaviour = "pass"

        assert await alone.ended(server, thread_id, run_id) == "success"
        assert waits
        assert await _probe(alone, cut_server) <= 5.0
        await alone.quiet()
        assert cut_off.alive


@pytest.mark.all
@pytest.mark.parametrize("behaviour", ["slow", "slice", "reset"])
async def test_a_bad_network_costs_time_and_nothing_else(alone: Scene, behaviour: str) -> None:
    """Delays, packets of seven bytes and connections that are cut: runs succeed, streams are whole."""
    async with proxy(alone.store.port, delay_s=0.01) as network:
        there = {"MOTET_REDIS_URL": f"redis://127.0.0.1:{network.port}"}
        server, _ = await alone.fleet.server(env=there), await alone.fleet.worker(env=there)
        if behaviour != "reset":
            network.behaviour = "slow" if behaviour == "slow" else "slice"
        thread_id, run_id, tag = await _running(alone, server, until=20)
        if behaviour == "reset":
            for step in (5, 8, 11):
                network.reset()
                await alone.stepped(tag, step)

        assert await alone.ended(server, thread_id, run_id, within_s=30) == "success"
        heard = await alone.client.stream(server.url, thread_id, run_id)
        assert heard.complete
        await alone.quiet()


@pytest.mark.all
async def test_a_frozen_redis_is_waited_for(alone: Scene) -> None:
    """SIGSTOP of Redis for longer than a lease: requests wait, and all goes on once it does."""
    server, _ = await alone.fleet.server(), await alone.fleet.worker()
    thread_id, run_id, _ = await _running(alone, server)
    alone.store.send(signal.SIGSTOP)
    waits = [await _waits(server), await _waits(server)]
    alone.store.send(signal.SIGCONT)

    assert waits == [True, True]
    assert await _probe(alone, server) <= 5.0
    assert await alone.ended(server, thread_id, run_id) == "success"
    await alone.quiet()
