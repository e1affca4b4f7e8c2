"""Copies a thread with its whole history."""

from __future__ import annotations

from langchain_core.utils.uuid import uuid7

from motet.errors import MotetError, ThreadBusy
from motet.memory.ports import Thread
from motet.server.services import Services


async def copied(services: Services, source_id: str) -> Thread:
    """A new thread with another's metadata, checkpoints and questions; its runs stay with their own.

    The checkpoints are copied first, so that no thread is seen without them. Record and checkpoints
    are of one moment: a source that moves on meanwhile is refused, and its copy goes.

    Raises:
        NotFound: there is no such thread.
        ThreadBusy: a run works on it, or did meanwhile.
    """
    before = await services.threads.get(source_id)
    if before.status == "busy":
        raise ThreadBusy(source_id)
    target_id = str(uuid7())
    await services.checkpoints.acopy_thread(source_id, target_id)
    await services.thread_index.add(target_id)
    try:
        copy = await services.threads.copy(source_id, target_id)
    except MotetError:
        await services.checkpoints.adelete_thread(target_id)
        raise
    if (await services.threads.get(source_id)).updated_at != before.updated_at:
        await services.threads.delete(target_id)
        raise ThreadBusy(source_id)
    services.attending.nudge(target_id)
    return copy
