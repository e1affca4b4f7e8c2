"""Signed one-time links, by which somebody without a key says one thing about one run.

A link carries all that it is for: tenant, thread, run, key, until when, and a name of its own, by which is remembered
that it was used. The signature is by the tenant's own secret, which is kept in Redis beside the feedback itself: so
links hold in every replica and after every restart without another setting, and whoever can read that secret could
write the feedback without it.
"""

from __future__ import annotations

import hmac
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

import orjson

from motet.errors import InvalidInput, LinkNotSigned, LinkUnusable
from motet.memory.feedback import Once
from motet.memory.ports import RunRequest
from motet.server.services import Services

_ABOUT = b"motet feedback link 1\0"
"""Stands before what is signed: the secret signs nothing else in this form."""
BaseUrl = Callable[[], str] | None
"""Says where the server is reached, with a slash at the end; None where nobody knows."""

_LONGEST = 1_000
_DAY_S = 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What a link is for."""

    thread_id: str
    run_id: str
    key: str
    expires_at: int
    """Seconds since 1970."""
    nonce: str
    """A UUID."""

    @property
    def once(self) -> Once:
        """The right that it gives."""
        return Once(nonce=self.nonce, expires_at=self.expires_at)


def signed(secret: bytes, tenant: str, link: Link) -> str:
    """The token of `link`: letters, digits, `_`, `-` and a dot."""
    told = orjson.dumps([tenant, link.thread_id, link.run_id, link.key, link.expires_at, link.nonce])
    return f"{_text(told)}.{_text(_signature(secret, told))}"


def opened(secret: bytes, tenant: str, token: str) -> Link:
    """What `token` is for, if it was made here and its time isn't over; compared in constant time.

    Raises:
        LinkNotSigned: it wasn't made here, or not for this tenant.
        LinkUnusable: its time is over.
    """
    first, _, second = token.partition(".")
    try:
        if len(token) > _LONGEST:
            raise LinkNotSigned
        told, signature = _bytes(first), _bytes(second)
    except ValueError:
        raise LinkNotSigned from None
    # Several texts may mean the same bytes: the one that was made is the one that counts.
    if not hmac.compare_digest(signature, _signature(secret, told)) or token != f"{_text(told)}.{_text(signature)}":
        raise LinkNotSigned
    for_tenant, thread_id, run_id, key, expires_at, nonce = orjson.loads(told)
    if for_tenant != tenant:
        raise LinkNotSigned
    if expires_at <= time.time():
        raise LinkUnusable("has expired")
    return Link(thread_id=thread_id, run_id=run_id, key=key, expires_at=expires_at, nonce=nonce)


async def made(services: Services, base_url: str, link: Link) -> str:
    """The address of `link`, below `base_url`, which ends in a slash."""
    token = signed(await services.feedbacks.secret(), services.settings.tenant, link)
    return f"{base_url}feedback/tokens/{token}"


async def with_links(services: Services, request: RunRequest, keys: Sequence[str], base_url: BaseUrl) -> RunRequest:
    """`request` with a link for each of `keys` in its payload, to be told first in its stream; as it is without any.

    They hold as long as a run's trajectory is kept. `base_url` says where the server is reached.

    Raises:
        InvalidInput: there are keys, and nothing says where the server is reached.
    """
    if not keys:
        return request
    if base_url is None:
        raise InvalidInput("feedback_keys", keys, "none in a command: create the run by POST /threads/{id}/runs")
    expires_at = int(time.time() + services.settings.trajectory_days * _DAY_S)
    links: Mapping[str, str] = {
        key: await made(
            services,
            base_url(),
            Link(
                thread_id=request.thread_id,
                run_id=request.run_id,
                key=key,
                expires_at=expires_at,
                nonce=str(uuid4()),
            ),
        )
        for key in keys
    }
    return replace(request, payload={**request.payload, "feedback": links})


def new_link(*, thread_id: str, run_id: str, key: str, expires_at: float, nonce: UUID | None = None) -> Link:
    """A link that nobody has used; `nonce` names it."""
    return Link(thread_id=thread_id, run_id=run_id, key=key, expires_at=int(expires_at), nonce=str(nonce or uuid4()))


def _signature(secret: bytes, told: bytes) -> bytes:
    return hmac.digest(secret, _ABOUT + told, "sha256")


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
