"""What the server lets in, lets out, and how it can be left."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import httpx
import pytest
from tests.server.running import PROJECT, Running, serving
from tests.support import wait_until

ODD = Path(__file__).parent / "odd" / "langgraph.json"
MODEL = {"MOTET_MODEL": "openai:none", "OPENAI_API_KEY": "k"}


async def test_a_body_of_two_lengths_is_refused(redis_url: str, tmp_path: Path) -> None:
    """A body in chunks with another length beside it, which two readers may read as two requests, is refused unread."""
    env = MODEL | {"MOTET_REDIS_URL": redis_url, "MOTET_MAX_BODY_BYTES": "1000"}
    body = b'{"metadata": {"a": "' + b"x" * 2000 + b'"}}'
    request = (
        b"POST /threads HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\n"
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    )
    async with serving("--config", str(PROJECT), "--workers", "0", data_dir=tmp_path, env=env) as server:
        url = httpx.URL(server.url)
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(request)
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        await writer.wait_closed()

    assert answer.startswith(b"HTTP/1.1 400 ")


async def test_pages_about_the_api_need_the_key_too(redis_url: str, tmp_path: Path) -> None:
    """With a key set, no route but `/ok` answers without it, and the pages that can't ask for it are off."""
    env = MODEL | {"MOTET_REDIS_URL": redis_url, "MOTET_AUTH": "key"}
    async with (
        serving("--config", str(PROJECT), "--workers", "0", data_dir=tmp_path, env=env) as server,
        httpx.AsyncClient(base_url=server.url) as http,
    ):
        statuses = {path: (await http.get(path)).status_code for path in ("/ok", "/docs", "/redoc", "/openapi.json")}

    assert statuses == {"/ok": 200, "/docs": 404, "/redoc": 404, "/openapi.json": 404}


async def test_any_loopback_address_can_be_served(redis_url: str, tmp_path: Path) -> None:
    """The address that was asked for is a host name that is let in; a wrong method is told the right one."""
    env = MODEL | {"MOTET_REDIS_URL": redis_url}
    async with (
        serving(
            "--host", "127.0.0.2", "--config", str(PROJECT), "--workers", "0", data_dir=tmp_path, env=env
        ) as server,
        httpx.AsyncClient(base_url=server.url) as http,
    ):
        ok, wrong = await http.get("/ok"), await http.put("/threads")

    assert (ok.status_code, wrong.status_code, wrong.headers["allow"]) == (200, 405, "POST")


async def test_a_signal_ends_open_streams_at_once(redis_url: str, tmp_path: Path) -> None:
    """A long run's stream is broken off, so that its client comes back by its last id, and nothing fails."""
    env = MODEL | {"MOTET_REDIS_URL": redis_url, "MOTET_TENANT": "streams", "MOTET_DRAIN_SECONDS": "0.5"}
    async with (
        serving("--config", str(ODD), data_dir=tmp_path, env=env) as server,
        httpx.AsyncClient(base_url=server.url) as http,
    ):
        thread_id = (await http.post("/threads", json={})).json()["thread_id"]
        asked = {"assistant_id": "waits", "input": {}}
        async with http.stream("POST", f"/threads/{thread_id}/runs/stream", json=asked) as answer:
            lines = answer.aiter_lines()
            first = await anext(lines)
            server.process.send_signal(signal.SIGTERM)
            with pytest.raises(httpx.RemoteProtocolError):
                async with asyncio.timeout(4):
                    _ = [line async for line in lines]
        assert server.process.stdout is not None
        said = await asyncio.wait_for(server.process.stdout.read(), 10)
        # Signalled between its end and asyncio's notice of it, a process would be reaped without its status.
        code = await asyncio.wait_for(server.process.wait(), 10)

    assert first.startswith("id: ")
    assert (code, b"Traceback" in said) == (0, False)


async def test_a_second_signal_ends_what_the_first_can_not(redis_url: str, tmp_path: Path) -> None:
    """A graph that blocks its thread holds up an orderly end; a second signal doesn't wait for it."""
    env = MODEL | {"MOTET_REDIS_URL": redis_url, "MOTET_TENANT": "signals"}
    async with serving("--config", str(ODD), data_dir=tmp_path, env=env) as server, server.client() as client:
        thread_id = (await client.threads.create())["thread_id"]
        run_id = (await client.runs.create(thread_id, "blocks", input={}))["run_id"]

        async def works() -> bool:
            return (await client.runs.get(thread_id, run_id))["status"] == "running"

        await wait_until(works, description="the run works")
        server.process.send_signal(signal.SIGTERM)
        await wait_until(lambda: _refuses(server), description="the door is closed")
        server.process.send_signal(signal.SIGTERM)

        assert await asyncio.wait_for(server.process.wait(), 20) == -signal.SIGTERM


async def _refuses(server: Running) -> bool:
    url = httpx.URL(server.url)
    try:
        _, writer = await asyncio.open_connection(url.host, url.port)
    except ConnectionRefusedError:
        return True
    writer.close()
    await writer.wait_closed()
    return False


async def test_a_page_of_a_named_origin_may_speak_to_the_server(redis_url: str, tmp_path: Path) -> None:
    """Its preflight is answered, and it may read where its run is; the preflight of any other page isn't answered."""
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-api-key"}
    env = MODEL | {"MOTET_REDIS_URL": redis_url, "MOTET_CORS_ORIGINS": "http://localhost:3000, https://chat.example"}
    async with (
        serving("--config", str(PROJECT), "--workers", "0", data_dir=tmp_path, env=env) as server,
        httpx.AsyncClient(base_url=server.url) as http,
    ):
        allowed = await http.options("/threads", headers={"Origin": "http://localhost:3000", **asked})
        refused = await http.options("/threads", headers={"Origin": "http://evil.example", **asked})
        answered = await http.post("/threads", json={}, headers={"Origin": "https://chat.example"})

    assert allowed.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert "access-control-allow-origin" not in refused.headers
    assert answered.headers["access-control-allow-origin"] == "https://chat.example"
    assert "Content-Location" in answered.headers["access-control-expose-headers"]


async def test_a_body_that_is_no_json_is_told_so(redis_url: str, tmp_path: Path) -> None:
    """The refusal names the body, and where it stops being JSON."""
    env = MODEL | {"MOTET_REDIS_URL": redis_url}
    async with (
        serving("--config", str(PROJECT), "--workers", "0", data_dir=tmp_path, env=env) as server,
        httpx.AsyncClient(base_url=server.url, headers={"Content-Type": "application/json"}) as http,
    ):
        answer = await http.post("/threads", content=b'{"metadata"}')

    assert (answer.status_code, answer.json()) == (422, {"detail": "body: it is not JSON, from character 11 on"})
