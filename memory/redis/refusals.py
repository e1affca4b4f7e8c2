"""What Redis says when it can't or won't work, in words that say what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

_ADVICE = {
    "READONLY": "it is a replica, which takes no writes; give the address of its primary",
    "LOADING": "it still reads its data after a start; it will answer when it is done",
    "MISCONF": "it can't write its data to its disk and so takes no writes; make room or repair the disk, "
    "its log says more",
    "OOM": "its memory is full; raise its maxmemory or delete data",
    "WRONGPASS": "user or password is wrong; check the ones in the URL",
    "NOAUTH": "it wants a password; write redis://:password@host, redis://user:password@host "
    "or unix:///path?password=password",
    "NOPERM": "its user may not do this; allow it with ACL SETUSER",
    "CLUSTERDOWN": "its cluster doesn't serve every slot; see CLUSTER INFO and CLUSTER NODES on a node",
    "MASTERDOWN": "it is a replica that lost its primary; give the address of a primary, or repair the link",
    "NOREPLICAS": "too few replicas follow it (min-replicas-to-write); start them",
    "ASK": "a slot moves to another node just now; try again",
    "TRYAGAIN": "a slot moves to another node just now; try again",
    "MOVED": "it is a node of a cluster and its user may not ask so; allow +info or +cluster|info",
}
"""From the code of an error reply that means "not here, not now" to what is to be done."""

_IN_PIPELINE = re.compile(r"caused error: \W*(\w+)")

_NO_NODES = ("Redis Cluster cannot be connected", "All slots are not covered", "Slot ")
"""How the cluster client's own errors begin when nobody serves what is asked for."""


def refusal(error: RedisError | RedisClusterException) -> str | None:
    """Why the server can't be worked with, and what to do; None if `error` is about the command itself."""
    for one in chain(error):
        code = _code(one)
        if code in _ADVICE:
            said = str(one) if str(one).startswith(code) else f"{code} {one}"
            return f"{_ADVICE[code]} (it said: {said})"
    if isinstance(error, RedisConnectionError | RedisTimeoutError):
        return str(error)
    if isinstance(error, RedisClusterException) and str(error).startswith(_NO_NODES):
        if "mode is not enabled" in str(error):  # what the library makes of any refusal
            return "its user may not ask for the cluster's nodes; allow +cluster|slots and +command"
        return str(error)
    return None


def chain(error: BaseException) -> Iterator[BaseException]:
    """`error` and what it was raised from: while connecting, the library wraps what the server said."""
    while True:
        yield error
        if error.__cause__ is None:
            return
        error = error.__cause__


def _code(error: BaseException) -> str:
    told = getattr(error, "status_code", None)
    if told:
        return str(told)
    if not isinstance(error, ResponseError):
        return ""
    within = _IN_PIPELINE.search(str(error))
    return within[1] if within else str(error).partition(" ")[0]
