"""Kinds of personal data that have a form, and where a text holds some.

Card numbers, IPv4 and MAC addresses are found by LangChain's detectors; secrets as everywhere here, and by their names.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from motet.observability.trajectory.redact import is_secret_name, masked


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A part of a text."""

    kind: str
    start: int
    end: int


KINDS = ("url_credentials", "secret", "email", "iban", "credit_card", "mac_address", "ip", "phone")
"""In the order in which they are looked for: what is one is no part of another."""

_ID = re.compile(r"(?<![\w-])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![\w-])")
_URL = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]{0,30}://([^/\s:@\"'<>]{0,256}:[^/\s@\"'<>]{1,256})@")
_EMAIL = re.compile(r"[\w.+%-]{1,64}(?:@|%40|\uff20)(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,63}(?![\w-])")
_AT = re.compile("@|%40|\uff20")
_NAMED = re.compile(
    r"(?<![A-Za-z0-9_-])([A-Za-z][A-Za-z0-9_-]{2,40})[\"']?\s{0,3}[:=]\s{0,3}[\"']?"  # api_key: "
    r"((?=[^\s\"'`]{0,255}\d)(?=[^\s\"'`]{0,255}[A-Za-z])[^\s\"'`,;<>{}()\[\]]{8,256})"  # a1b2c3d4
)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")
_IBAN_LENGTHS = range(15, 35)
_AMEX = re.compile(r"(?<![\w.-])3[47]\d{2}[ -]?\d{6}[ -]?\d{5}(?![\w-])")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")
_PHONE = re.compile(
    r"(?<![\w.+/-])(?<!\d,)(?:"
    r"\+\d(?:[ ()/-]{0,2}\d){7,14}"  # +49 (551) 123-456
    r"|0\d{2,5}[ /-]\d{2,}(?:[ /-]\d{2,})*"  # 0551 123456
    r"|(?:\(\d{3}\) ?|\d{3}[-.])\d{3}[-.]\d{4}"  # (555) 123-4567
    r")(?![\w-]|[.,:/]\d)"
)
_ENCODED = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{16,}={0,2}")
_URL_SAFE = str.maketrans("-_", "+/")
_LOCAL_PART, _DOMAIN = 65, 256
"""Characters that an email address has before its `@`, and from there on."""
_PHONE_DIGITS = range(8, 16)


def found(text: str) -> list[Span]:
    """What a text holds. A run's or a thread's id is nothing of that kind.

    No two overlap, but where a part is base64 of a text: then all of it has a span for each kind that this text holds.
    """
    spans = _found(text)
    taken = bytearray(len(text))
    for one in spans:
        taken[one.start : one.end] = b"1" * (one.end - one.start)
    inside = [
        Span(kind=kind, start=run.start(), end=run.end())
        for run in _ENCODED.finditer(text)
        if not any(taken[run.start() : run.end()])
        for kind in dict.fromkeys(one.kind for one in _found(_decoded(run.group())))
    ]
    return spans + inside


def _decoded(run: str) -> str:
    """The text that base64 holds; empty where it holds none, such as a picture."""
    told = run.rstrip("=").translate(_URL_SAFE)
    try:
        return base64.b64decode(told + "=" * (-len(told) % 4)).decode()
    except ValueError:
        return ""


def _found(text: str) -> list[Span]:
    spans: list[Span] = []
    if len(text) < 6:  # noqa: PLR2004 - the shortest, an email address: a@b.de
        return spans
    looked_at = _ID.sub(lambda one: "_" * len(one.group()), text)
    taken = bytearray(len(text))
    for kind in KINDS:
        for start, end in _DETECTORS[kind](looked_at):
            if not any(taken[start:end]):
                taken[start:end] = b"1" * (end - start)
                spans.append(Span(kind=kind, start=start, end=end))
    return spans


_Found = Iterator[tuple[int, int]]


def _by_langchain(kind: str) -> Callable[[str], _Found]:
    def detect(text: str) -> _Found:
        from langchain.agents.middleware import pii  # noqa: PLC0415 - all agents come along, and take a second

        detectors = {
            "credit_card": pii.detect_credit_card,
            "mac_address": pii.detect_mac_address,
            "ip": pii.detect_ip,
        }
        for one in detectors[kind](text):
            yield one["start"], one["end"]

    return detect


def _emails(text: str) -> _Found:
    """Looked for around each `@`: a long text without one and with no blanks would take long."""
    for one in _AT.finditer(text):
        for address in _EMAIL.finditer(text, max(0, one.start() - _LOCAL_PART), one.start() + _DOMAIN):
            if address.start() <= one.start() < address.end():
                yield address.span()


def _url_credentials(text: str) -> _Found:
    if "://" in text:
        yield from (one.span(1) for one in _URL.finditer(text))


def _secrets(text: str) -> _Found:
    """Where `masked` put stars, and what is named as one: letters and digits behind `password=` and the like."""
    yield from _masked(text)
    if "=" in text or ":" in text:
        yield from (one.span(2) for one in _NAMED.finditer(text) if is_secret_name(one.group(1)))


def _masked(text: str) -> _Found:
    """Blanks inside a secret, such as a key's lines, don't part it."""
    hidden = masked(text)
    if hidden == text:
        return
    changed = [was != now for was, now in zip(text, hidden, strict=True)]
    start = -1
    end = 0
    for at, one in enumerate(changed):
        if not one:
            continue
        if start >= 0 and text[end:at].strip():
            yield start, end
            start = -1
        start, end = (at if start < 0 else start), at + 1
    yield start, end


def _ibans(text: str) -> _Found:
    """Those whose check digits are right; words behind one may look like its groups."""
    for one in _IBAN.finditer(text):
        groups = one.group().split(" ")
        for number in range(len(groups), 0, -1):
            told = " ".join(groups[:number])
            if _is_iban(told.replace(" ", "")):
                yield one.start(), one.start() + len(told)
                break


def _is_iban(told: str) -> bool:
    moved = told[4:] + told[:4]
    return len(told) in _IBAN_LENGTHS and int("".join(str(int(letter, 36)) for letter in moved)) % 97 == 1


def _cards(text: str) -> _Found:
    yield from _by_langchain("credit_card")(text)
    yield from (one.span() for one in _AMEX.finditer(text) if _passes_luhn(one.group()))


def _passes_luhn(told: str) -> bool:
    digits = [int(one) for one in told if one.isdigit()]
    doubled = (sum(divmod(2 * one, 10)) for one in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _addresses(text: str) -> _Found:
    """A machine's own, and none at all, tell of nobody."""
    ipv6 = (one.span() for one in _IPV6.finditer(text) if sum(map(bool, one.group().split(":"))) > 1)
    for start, end in (*_by_langchain("ip")(text), *ipv6):
        try:
            address = ipaddress.ip_address(text[start:end])
        except ValueError:
            continue
        if not address.is_loopback and not address.is_unspecified:
            yield start, end


def _phones(text: str) -> _Found:
    for one in _PHONE.finditer(text):
        if sum(map(str.isdigit, one.group())) in _PHONE_DIGITS:
            yield one.span()


_DETECTORS: Mapping[str, Callable[[str], _Found]] = {
    "url_credentials": _url_credentials,
    "secret": _secrets,
    "email": _emails,
    "iban": _ibans,
    "credit_card": _cards,
    "mac_address": _by_langchain("mac_address"),
    "ip": _addresses,
    "phone": _phones,
}
