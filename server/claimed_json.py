"""A claimed run on its way from one process to another of the same version."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from motet.memory.ports import Claim, Claimed, RunRequest
from motet.memory.redis.approval_records import decided_of


def claimed_to_json(claimed: Claimed) -> bytes:
    """In one line; halves of surrogate pairs and integers of any size pass."""
    return json.dumps(asdict(claimed)).encode()


def claimed_from_json(told: bytes) -> Claimed:
    """What `claimed_to_json` was given."""
    fields = json.loads(told)
    request: dict[str, Any] = fields["request"]
    request |= {"decided": tuple(decided_of(one) for one in request["decided"])}
    fields |= {"claim": Claim(**fields["claim"]), "request": RunRequest(**request)}
    return Claimed(**fields)
