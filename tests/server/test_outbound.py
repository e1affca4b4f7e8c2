"""Requests that can't be turned against the inside."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.server.receiver import HANG, receiving
from tests.support import free_port, wait_until

from motet.errors import InvalidInput, ServerUnavailable
from motet.server.outbound import AddressRule, Outbound, Resolve, kind_of, resolved

PUBLIC = AddressRule()
INSIDE = AddressRule(allow_private=True)

FORBIDDEN = {
    "loopback": ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"],
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fd00:ec2::254", "::ffff:a00:1"],
    "shared": ["100.64.0.1", "100.127.255.254", "64:ff9b::100.64.0.1"],
    "unspecified": ["0.0.0.0", "0.1.2.3", "::", "::ffff:0.0.0.0"],
    "link-local": ["169.254.169.254", "fe80::1", "fe80::1%1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff02::1"],
    "transition": ["192.88.99.1", "::8.8.8.8", "2002:7f00:1::", "2002:808:808::", "2001::1", "64:ff9b:1::808:808"],
    "reserved": [
        *["240.0.0.1", "255.255.255.255", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9"],
        *["2001:db8::1", "2001:10::1", "3fff::1", "fec0::1", "100::1", "5f00::1", "4000::1"],
    ],
}


def answering(*answers: Sequence[str]) -> tuple[Resolve, list[str]]:
    """A resolver that gives these answers in turn, the last for ever; and the names it was asked."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        assert port
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    return resolve, asked


def outbound(rule: AddressRule = INSIDE, *, resolve: Resolve = resolved, timeout_s: float = 5) -> Outbound:
    return Outbound(rule, timeout_s=timeout_s, resolve=resolve)


@pytest.mark.parametrize(("kind", "address"), [(kind, one) for kind, all_ in FORBIDDEN.items() for one in all_])
async def test_no_name_leads_inside(kind: str, address: str) -> None:
    """A host that has such an address is refused by that name, also if another of its addresses is public."""
    resolve, _ = answering(["93.184.216.34", address])

    with pytest.raises(InvalidInput, match=f"this one is {kind}$"):
        await outbound(PUBLIC, resolve=resolve).post("https://hooks.example/", b"", {})


@pytest.mark.parametrize("address", ["8.8.8.8", "100.63.255.255", "172.32.0.1", "2001:4860::8888", "64:ff9b::808:808"])
def test_the_rest_is_public(address: str) -> None:
    """What stands right beside a forbidden network, and a public address behind NAT64, may be asked."""
    assert kind_of(address) == "public"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "localhost", "127.1", "2130706433", "0x7f000001", "017700000001", "[::ffff:7f00:1]"]
)
async def test_no_spelling_of_loopback_gets_through(host: str) -> None:
    """However the address is written, the system's own resolver says what it is, and that is judged."""
    with pytest.raises(InvalidInput, match="this one is loopback"):
        await outbound(PUBLIC).post(f"https://{host}:8443/", b"", {})


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "0.0.0.0", "224.0.0.1", "2002:7f00:1::"])
async def test_own_networks_are_not_everything(address: str) -> None:
    """With own networks allowed, link-local addresses and those that are no host's are refused all the same."""
    resolve, _ = answering([address])

    with pytest.raises(InvalidInput, match="or one of the own networks; this one is"):
        await outbound(resolve=resolve).post("http://hooks.example/", b"", {})


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://hooks.example/", "http://hooks.example"),
        ("file:///etc/passwd", "allowed: https"),
        ("//hooks.example/", "allowed: https"),
        ("/threads", "allowed: https"),
        ("https:///path", "allowed: https"),
        ("https://me@hooks.example/", "a user's name"),
        ("https://hooks.example\\@127.0.0.1/", "a user's name"),
        ("https://hooks.example:22/", "port 22"),
        ("https://hooks.example:0/", "port 0"),
        ("https://hooks.example:99999/", "port 99999"),
        ("https://hooks.example/\n", "absolute URL"),
    ],
)
def test_a_url_of_another_form_is_refused(url: str, says: str) -> None:
    """Before anything is looked up: scheme, host, user, port."""
    with pytest.raises(InvalidInput) as refused:
        PUBLIC.url(url)

    assert says in str(refused.value)


async def test_plain_http_stays_inside() -> None:
    """With own networks allowed http is, too, but only there."""
    resolve, _ = answering(["93.184.216.34"])

    with pytest.raises(InvalidInput, match="https to whatever is outside"):
        await outbound(resolve=resolve).post("http://hooks.example/", b"", {})


async def test_the_connection_goes_to_the_judged_address() -> None:
    """A name that answers otherwise the second time is asked once, and what it would have answered isn't reached."""
    resolve, asked = answering(["127.0.0.2"], ["127.0.0.1"])
    async with receiving(host="127.0.0.2") as judged, receiving(port=judged.port) as other:
        url = f"http://hooks.example:{judged.port}/in?a=b"
        status = await outbound(resolve=resolve).post(url, b"hello", {"x": "y"})

    assert (status, asked, other.requests) == (204, ["hooks.example"], [])
    (request,) = judged.requests
    assert (request.line, request.body, request.headers["x"]) == ("POST /in?a=b HTTP/1.1", b"hello", "y")
    assert request.headers["host"] == f"hooks.example:{judged.port}"


async def test_the_next_address_is_tried_where_none_listens() -> None:
    """A host with several addresses is reached at the first that takes a connection."""
    resolve, _ = answering(["127.0.0.2", "127.0.0.1"])
    async with receiving() as receiver:
        assert await outbound(resolve=resolve).post(f"http://hooks.example:{receiver.port}/", b"", {}) == 204


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    """Its status is all that comes back; where it points hears nothing."""
    async with receiving() as inner:
        further = f"location: http://127.0.0.1:{inner.port}/\r\n"
        async with receiving(answers=[status], further=further) as receiver:
            assert await outbound().post(f"http://127.0.0.1:{receiver.port}/", b"", {}) == status

    assert inner.requests == []


async def test_no_proxy_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the proxy would look the name up anew."""
    async with receiving() as proxy, receiving() as receiver:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        await outbound().post(f"http://127.0.0.1:{receiver.port}/", b"", {})

    assert (len(receiver.requests), proxy.requests) == (1, [])


async def test_a_large_answer_is_not_read() -> None:
    """Of 10 MB no more leaves the receiver than what sockets hold by themselves; the status counts."""
    async with receiving(answers=[200], size=10_000_000) as receiver:
        assert await outbound().post(f"http://127.0.0.1:{receiver.port}/", b"", {}) == 200
        await wait_until(lambda: receiver.cut_off == 1, description="the receiver was cut off")

    assert receiver.written < 8_000_000


async def test_an_answer_that_does_not_come_ends_in_time() -> None:
    """The time bounds the whole request; the error names the receiver without its path, which may be secret."""
    async with receiving(answers=[HANG]) as receiver:
        with pytest.raises(ServerUnavailable, match=r"not within 0\.9 s") as failed:
            await outbound(timeout_s=0.9).post(f"http://127.0.0.1:{receiver.port}/token", b"", {})

    assert "token" not in str(failed.value)


async def test_a_receiver_that_is_not_there_is_told_so() -> None:
    """No such name, no address, nobody listening: all are one error."""

    async def unknown(_host: str, _port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    nothing, _ = answering([])
    for resolve in (unknown, nothing, resolved):
        with pytest.raises(ServerUnavailable):
            await outbound(resolve=resolve).post(f"http://127.0.0.1:{free_port()}/", b"", {})


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """For a receiver that is hooks.example; what it shows is trusted by this process."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=hooks.example"
    names = ["-addext", "subjectAltName=DNS:hooks.example", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*made.split(), *names], check=True, capture_output=True, timeout=20)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
async def test_the_certificate_is_checked_for_the_name(tls: ssl.SSLContext) -> None:
    """The judged address is connected to, the name's certificate asked for; another's isn't taken."""
    resolve, _ = answering(["127.0.0.1"])
    asked: list[str | None] = []
    tls.sni_callback = lambda _socket, name, _context: asked.append(name)

    async with receiving(tls=tls) as receiver:
        assert await outbound(resolve=resolve).post(f"https://hooks.example:{receiver.port}/", b"", {}) == 204
        for host in ("other.example", "127.0.0.1"):
            with pytest.raises(ServerUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
                await outbound(resolve=resolve).post(f"https://{host}:{receiver.port}/", b"", {})

    assert len(receiver.requests) == 1
    assert asked == ["hooks.example", "other.example", None]
