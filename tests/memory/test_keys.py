"""Names of keys: as the design tells them, and never another tenant's."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from motet.errors import InvalidConfig
from motet.memory.redis.keys import Keys

TABLES = Path(__file__).parents[2] / "docs" / "design" / "0004-redis-keys.md"
PARTS = {
    "documents": ("files", "texts", "wanted"),
    "cached": ("entries", "expiries"),
}
"""Of names that take a part: which parts there are."""
NO_KEYS = {
    "thread_id",
    "checkpoints_of_all",
    "queues_of_all",
    "approvals_of_threads",
    "journals_of_all",
    "thread_of",
}
"""Methods that name no key."""


def made() -> set[str]:
    """Every key that `Keys` can name, its arguments standing for themselves as the tables write them."""
    keys = Keys(tenant="tenant")
    found: set[str] = set()
    for name, function in vars(Keys).items():
        if not inspect.isfunction(function) or name.startswith("_") or name in NO_KEYS:
            continue
        method = getattr(keys, name)
        told = list(inspect.signature(method).parameters)
        for part in PARTS.get(name, ("",)):
            arguments = [part if one == "part" else f"{{{one.removesuffix('_id')}}}" for one in told]
            named = method(*arguments)
            found |= {_as_written(one) for one in ([named] if isinstance(named, str) else named)}
    return found


def _as_written(key: str) -> str:
    for short, long in {
        "T": "motet:{tenant:{thread}}",
        "C": "motet:{tenant:corpus:{corpus}}",
        "motet:{tenant:run}": "motet:{tenant:{run}}",
    }.items():
        key = re.sub(f"^{re.escape(long)}", short, key)
    return key


def test_the_tables_of_the_design_name_each_key_there_is() -> None:
    """What the document says stands in Redis is what the code can put there, no more and no less."""
    written = set(re.findall(r"^\| `([^`]+:[^`]+)` \|", TABLES.read_text(encoding="utf-8"), flags=re.MULTILINE))

    assert made() == written


def test_keys_of_two_tenants_differ_whatever_the_threads_are_called() -> None:
    """A thread's id can't be chosen so that its keys are another tenant's."""
    for tenant in ("a:b", "a}b", "", "a b", "x" * 65):
        with pytest.raises(InvalidConfig, match="tenant"):
            Keys(tenant=tenant)
    assert not set(Keys("a").checkpoints("b:c")) & set(Keys("a-b").checkpoints("c"))
