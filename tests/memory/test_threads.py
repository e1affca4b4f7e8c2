"""Threads: recorded once, read back whole."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from tests.memory.life import Life, question
from tests.memory.savers import put_of_run
from tests.memory.savers import thread as config_of

from motet.errors import AlreadyExists, InvalidInput, NotFound, StaleClaim, ThreadBusy
from motet.memory.ports import Ending
from motet.memory.redis.checkpoints import RedisCheckpointer

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


async def test_a_copy_has_what_its_source_has_but_its_runs(life: Life) -> None:
    """Metadata, graph, configuration, questions and error are copied; the copy's question is answered by itself."""
    source = (await life.threads.create(str(uuid4()), METADATA, if_exists="raise")).thread_id
    await life.submit(source, payload={"config": {"configurable": {"k": 1}}})
    await life.interrupt(await life.claim(), "one")
    copied = await life.threads.copy(source, str(uuid4()))

    original = await life.threads.get(source)
    for field in ("metadata", "configurable", "status", "interrupts", "error"):
        assert getattr(copied, field) == getattr(original, field)
    assert list(await life.runs.of_thread(copied.thread_id, limit=10)) == []
    await life.submit(copied.thread_id, answers=["one"])
    assert await life.waiting(source) == ["one"]


async def test_a_copy_of_a_failed_thread_tells_its_error(life: Life) -> None:
    """Status `error` never stands alone."""
    source = await life.thread()
    await life.submit(source)
    error = {"error": "E", "message": "m"}
    await life.runs.finish((await life.claim()).claim, Ending(status="error", error=error))

    copied = await life.threads.copy(source, str(uuid4()))
    assert (copied.status, copied.error) == ("error", error)


async def test_what_cannot_be_copied_is_refused(life: Life) -> None:
    """No source, a source that works, a target that exists: nothing comes of it."""
    source, target = await life.thread(), await life.thread()
    with pytest.raises(NotFound):
        await life.threads.copy(str(uuid4()), str(uuid4()))
    with pytest.raises(AlreadyExists):
        await life.threads.copy(source, target)
    await life.submit(source)
    with pytest.raises(ThreadBusy):
        await life.threads.copy(source, str(uuid4()))


async def test_a_deleted_thread_shuts_out_its_worker(life: Life) -> None:
    """Nothing of the thread is left but an epoch that expires, and no write of the run brings a key of it back."""
    thread_id = await life.thread()
    await life.submit(thread_id)
    await life.submit(thread_id)
    claimed = await life.claim()
    saver = RedisCheckpointer(life.redis, life.keys).for_claim(claimed.claim)
    await put_of_run(saver, config_of(thread_id), claimed.claim.run_id, log=["x"])
    await life.runs.append(claimed.claim, [("values", b"1")])
    await life.threads.delete(thread_id)

    for write in (
        life.runs.beat(claimed.claim),
        life.runs.append(claimed.claim, [("values", b"2")]),
        life.runs.finish(claimed.claim, Ending(status="success")),
        life.runs.release(claimed.claim),
        life.runs.lose(claimed.claim, "it died"),
        put_of_run(saver, config_of(thread_id), claimed.claim.run_id, log=["y"]),
    ):
        with pytest.raises(StaleClaim):
            await write
    left = [bytes(name).decode() async for name in life.redis.scan_iter(match=f"{life.keys.prefix}:*{thread_id}*")]
    assert left == [life.keys.epoch(thread_id)]
    assert await life.redis.ttl(left[0]) > 0
    with pytest.raises(NotFound):
        await life.threads.delete(thread_id)


async def test_a_deleted_threads_runs_are_forgotten_by_workers_and_sweepers(life: Life) -> None:
    """Hints to runs that went with their thread start nothing, and two sweeps drop them."""
    thread_id = await life.thread()
    await life.submit(thread_id)
    await life.threads.delete(thread_id)

    assert await life.nothing_to_claim()
    for _ in range(2):
        assert list(await life.runs.sweep()) == []
    assert await life.runs.depth() == (0, 0)


async def test_a_thread_made_again_knows_nothing_of_the_first(life: Life) -> None:
    """A worker of the deleted thread stays shut out when its id is used again."""
    thread_id = await life.thread()
    await life.submit(thread_id)
    old = await life.claim()
    await life.threads.delete(thread_id)
    await life.threads.create(thread_id, {}, if_exists="raise")
    run = await life.submit(thread_id)
    new = await life.claim()

    with pytest.raises(StaleClaim):
        await life.succeed(old)
    await life.succeed(new)
    assert list(await life.runs.of_thread(thread_id, limit=10)) == [await life.runs.get(thread_id, run.request.run_id)]


async def test_who_holds_a_thread_says_what_waits(life: Life) -> None:
    """Settled with questions the thread waits; settled with none, what is queued goes on."""
    thread_id = await life.thread()
    await life.threads.settle(await life.threads.hold(thread_id), [question("one")])
    thread = await life.threads.get(thread_id)
    assert (thread.status, thread.interrupts) == ("interrupted", (question("one"),))

    await life.submit(thread_id, answers=["one"])
    queued = await life.submit(thread_id)
    await life.interrupt(await life.claim(), "two")
    await life.threads.settle(await life.threads.hold(thread_id), [])
    assert (await life.claim()).request == queued.request


async def test_of_two_holders_the_second_writes(life: Life) -> None:
    """The first is shut out, and nobody settles twice."""
    thread_id = await life.thread()
    first, second = await life.threads.hold(thread_id), await life.threads.hold(thread_id)
    with pytest.raises(StaleClaim):
        await life.threads.settle(first, [question("one")])

    await life.threads.settle(second, [])
    with pytest.raises(StaleClaim):
        await life.threads.settle(second, [question("one")])
    assert (await life.threads.get(thread_id)).status == "idle"


async def test_a_run_that_is_claimed_ends_a_hold(life: Life) -> None:
    """Accepted meanwhile, a run waits for what its holder finds; claimed meanwhile, it shuts the holder out."""
    thread_id = await life.thread()
    held = await life.threads.hold(thread_id)
    await life.submit(thread_id)
    await life.threads.settle(held, [question("one")])
    assert await life.nothing_to_claim()

    await life.threads.settle(await life.threads.hold(thread_id), [])
    held = await life.threads.hold(other := await life.thread())
    await life.submit(other)
    for _ in range(2):
        await life.claim()
    with pytest.raises(StaleClaim):
        await life.threads.settle(held, [question("one")])
    with pytest.raises(ThreadBusy):
        await life.threads.hold(other)


async def test_an_answer_that_is_accepted_ends_a_hold(life: Life) -> None:
    """Whoever writes by hand doesn't bring back the question that was answered meanwhile."""
    thread_id = await life.ask("one")
    held = await life.threads.hold(thread_id)
    await life.submit(thread_id, answers=["one"])

    with pytest.raises(StaleClaim):
        await life.threads.settle(held, [question("one")])
    await life.succeed(await life.claim())
    assert (await life.threads.get(thread_id)).status == "idle"
