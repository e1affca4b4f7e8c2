"""What a process remembers is bounded."""

from __future__ import annotations

import tracemalloc

from motet.memory.redis.lately import Lately


def test_the_least_recently_used_is_forgotten_first() -> None:
    """All of its values at once; what was asked for stays."""
    lately: Lately[str, int] = Lately(4)
    lately.add("a", [1, 2])
    lately.add("b", [3, 4])
    assert lately.of("a") == {1, 2}
    lately.add("c", [5])
    assert (lately.of("a"), lately.of("b"), lately.of("c")) == ({1, 2}, set(), {5})


def test_a_key_without_values_takes_no_memory() -> None:
    """A thread of which there is nothing to remember leaves nothing, nor does one of which all was discarded."""
    lately: Lately[str, int] = Lately(10)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(1000):
            lately.add(str(number), [])
            lately.add(f"once {number}", [1])
            lately.discard(f"once {number}", 1)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 20_000
