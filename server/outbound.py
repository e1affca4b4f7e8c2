"""Requests to addresses that come from outside, made so that none of them leads inside.

A name is looked up once, every address it has is judged, and the connection is made to a judged address and to no
other: a name that answers differently a moment later changes nothing. The certificate, SNI and the Host header remain
the name's. Nothing is followed, no proxy is taken from the environment, and of the answer only the status is read.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Literal

import httpx

from motet.errors import InvalidInput, ServerUnavailable

Kind = Literal[
    "public", "loopback", "private", "shared", "unspecified", "link-local", "multicast", "transition", "reserved"
]
"""What an address is for. shared: a carrier's inner network, RFC 6598. transition: IPv6 that carries an IPv4 address
to whoever translates it. reserved: whatever no host of the internet has, among it the networks of documents."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host, best first. Raises OSError."""

_INSIDE: frozenset[Kind] = frozenset({"loopback", "private", "shared"})

_NETWORKS: Sequence[tuple[Kind, str]] = (
    ("loopback", "127.0.0.0/8 ::1/128"),
    ("private", "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7"),
    ("shared", "100.64.0.0/10"),
    ("unspecified", "0.0.0.0/8 ::/128"),
    ("link-local", "169.254.0.0/16 fe80::/10"),
    ("multicast", "224.0.0.0/4 ff00::/8"),
    ("transition", "192.88.99.0/24 ::/96 64:ff9b:1::/48 2001::/32 2002::/16"),
    ("reserved", "192.0.0.0/24 192.0.2.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 240.0.0.0/4"),
    ("reserved", "2001::/23 2001:db8::/32 3fff::/20"),
)
_KINDS: Sequence[tuple[Kind, IPv4Network | IPv6Network]] = tuple(
    (kind, ip_network(one)) for kind, networks in _NETWORKS for one in networks.split()
)
_GLOBAL_IPV6 = ip_network("2000::/3")
_NAT64 = ip_network("64:ff9b::/96")

_HTTPS_PORT = 443
_FIRST_USER_PORT = 1024
_LAST_PORT = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressRule:
    """Where requests may go."""

    allow_private: bool = False
    """Also to this host and its own networks, on any port; and there, without TLS. Never to link-local addresses, where
    clouds keep the credentials of their machines."""

    def url(self, text: str) -> httpx.URL:
        """`text` as the URL of a request that may be tried; where a name leads is judged when the request is made.

        Raises:
            InvalidInput: scheme, port, form or an address isn't allowed. Says nothing of path and query, which may be
                secret.
        """
        try:
            url = httpx.URL(text)
        except httpx.InvalidURL as error:
            raise InvalidInput("url", "what was given", f"an absolute URL ({error})") from None
        schemes = ("https", "http") if self.allow_private else ("https",)
        if url.scheme not in schemes or not url.host:
            raise InvalidInput("url", f"{url.scheme}://{url.host}", f"{' or '.join(schemes)}, and the name of a host")
        if url.userinfo:
            raise InvalidInput("url", "a user's name in it", "the host alone before the path")
        port, lowest = _port(url), 1 if self.allow_private else _FIRST_USER_PORT
        if port != _HTTPS_PORT and not lowest <= port <= _LAST_PORT:
            raise InvalidInput("url", f"port {port}", f"{_HTTPS_PORT}, or one from {lowest} to {_LAST_PORT}")
        if _is_address(url.host):
            self.check(url, url.host)
        return url

    def check(self, url: httpx.URL, address: str) -> None:
        """Raise InvalidInput if `url` must not be asked at `address`."""
        kind = kind_of(address)
        told = f"{url.host} at {address}" if url.host != address else address
        if kind != "public" and not (self.allow_private and kind in _INSIDE):
            allowed = "a public address or one of the own networks" if self.allow_private else "a public address"
            raise InvalidInput("url", told, f"{allowed}; this one is {kind}")
        if url.scheme == "http" and kind == "public":
            raise InvalidInput("url", f"http to {told}", "https to whatever is outside the own networks")


def kind_of(address: str) -> Kind:
    """What an IP address is for; one that stands for an IPv4 address is what that is. Raises ValueError for no address.

    After IANA's registries of special-purpose addresses; of IPv6 only what is given out as global unicast is public.
    """
    one = ip_address(address)
    if isinstance(one, IPv6Address):
        inner = IPv4Address(int(one) & 0xFFFF_FFFF) if one in _NAT64 else one.ipv4_mapped
        one = inner or one
    for kind, network in _KINDS:
        if one in network:
            return kind
    return "public" if isinstance(one, IPv4Address) or one in _GLOBAL_IPV6 else "reserved"


async def resolved(host: str, port: int) -> Sequence[str]:
    """The host's addresses as this system finds them, best first; an address is its own. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Outbound:
    """Makes requests to where a rule lets it."""

    def __init__(self, rule: AddressRule, *, timeout_s: float, resolve: Resolve = resolved) -> None:
        """`timeout_s` bounds a request from the look-up to its answer's status."""
        self._rule = rule
        self._timeout_s = timeout_s
        self._resolve = resolve
        self._trusted: ssl.SSLContext | None = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Send `body` and give the status that came; what else came is neither read nor kept.

        Raises:
            InvalidInput: the URL isn't allowed, or one of its host's addresses isn't.
            ServerUnavailable: no such host, no connection, a wrong certificate, no HTTP, or no answer in time.
        """
        wanted = self._rule.url(url)
        where = f"{wanted.scheme}://{wanted.netloc.decode()}"
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._sent(wanted, await self._addresses(wanted), body, headers)
        except TimeoutError:
            raise ServerUnavailable(where, f"not within {self._timeout_s:g} s") from None
        except (httpx.TransportError, OSError) as error:
            raise ServerUnavailable(where, f"{type(error).__name__}: {error}") from error

    async def _addresses(self, url: httpx.URL) -> Sequence[str]:
        addresses = await self._resolve(url.raw_host.decode(), _port(url))
        for address in addresses:
            self._rule.check(url, address)
        return addresses

    async def _tls(self, url: httpx.URL) -> ssl.SSLContext:
        """Trusts the certificates of `SSL_CERT_FILE` or `SSL_CERT_DIR`, else certifi's; for http, none at all.

        They are read once, beside the event loop: it takes 50 ms.
        """
        if url.scheme != "https":
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self._trusted is None:
            self._trusted = await asyncio.to_thread(httpx.create_ssl_context)
        return self._trusted

    async def _sent(self, url: httpx.URL, addresses: Sequence[str], body: bytes, headers: Mapping[str, str]) -> int:
        """The status from the first of the addresses that a connection can be made to."""
        host = url.raw_host.decode()
        own = {"host": url.netloc.decode(), "user-agent": "motet"}
        async with httpx.AsyncClient(
            verify=await self._tls(url),
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(self._timeout_s, connect=self._timeout_s / 3),
        ) as client:
            failed: httpx.TransportError | None = None
            for address in addresses:
                pinned = url.copy_with(host=address)
                try:
                    async with client.stream(
                        "POST", pinned, content=body, headers={**headers, **own}, extensions={"sni_hostname": host}
                    ) as response:
                        return response.status_code
                except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                    failed = error
        raise failed or httpx.ConnectError("the host has no address")


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _port(url: httpx.URL) -> int:
    usual = _HTTPS_PORT if url.scheme == "https" else 80
    return usual if url.port is None else url.port
