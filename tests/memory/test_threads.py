"""Threads: recorded once, read back whole."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from tests.memory.life import Life, question

from motet.errors import AlreadyExists, InvalidInput, NotFound

METADATA = {"owner": "é", "list": [], "big": 2**62 + 1}


async def test_a_thread_is_read_back_as_created(life: Life) -> None:
    """A new thread is idle, keeps its metadata, and carries the time of its making."""
    thread_id = str(uuid4())
    created = await life.threads.create(thread_id, METADATA, if_exists="raise")

    assert created == await life.threads.get(thread_id)
    assert (created.status, created.metadata, created.interrupts, created.error) == ("idle", METADATA, (), None)
    assert datetime.now(UTC) - datetime.fromisoformat(created.created_at) < timedelta(seconds=10)
    assert created.updated_at == created.created_at


async def test_a_taken_id_is_refused_or_returned(life: Life) -> None:
    """Creating a thread twice changes nothing: it raises, or returns the first."""
    first = await life.threads.create(str(uuid4()), METADATA, if_exists="raise")

    with pytest.raises(AlreadyExists):
        await life.threads.create(first.thread_id, {}, if_exists="raise")
    assert await life.threads.create(first.thread_id, {}, if_exists="do_nothing") == first


async def test_an_unknown_thread_is_not_found(life: Life) -> None:
    """A thread that was never created, or is another tenant's, doesn't exist."""
    with pytest.raises(NotFound):
        await life.threads.get(str(uuid4()))


async def test_metadata_that_json_cannot_hold_is_refused(life: Life) -> None:
    """Half a surrogate pair is the caller's mistake, and no thread comes of it."""
    thread_id = str(uuid4())
    with pytest.raises(InvalidInput, match="metadata"):
        await life.threads.create(thread_id, {"text": "\ud800"}, if_exists="raise")
    with pytest.raises(NotFound):
        await life.threads.get(thread_id)


async def test_a_waiting_thread_tells_what_was_asked(life: Life) -> None:
    """Interrupts come back as they were reported, values included, and the thread never expires."""
    thread_id = await life.ask("one", "two")

    thread = await life.threads.get(thread_id)
    assert thread.status == "interrupted"
    assert thread.interrupts == (question("one"), question("two"))
    assert await life.redis.ttl(life.keys.thread(thread_id)) == -1
