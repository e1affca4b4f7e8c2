"""Answers what a trial's run asks: with the example's answers in order, as a client would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from motet.graphs.answers import answers as answers_in
from motet.memory.ports import Run, RunRequest, WaitingInterrupt
from motet.server.deciding import decided, resuming
from motet.server.evaluation.bench import Bench
from motet.server.evaluation.case import Case


async def answered(bench: Bench, case: Case, number: int, left: Sequence[Any]) -> Run | None:
    """Have the run accepted, its trial's `number`-th, that gives the next answers; each question takes one of `left`.

    None where nothing waits, or more does than there are answers for. Four round trips.

    Raises:
        InvalidInput: an answer doesn't fit its question.
        Conflict: somebody else decides, too.
    """
    waiting = (await bench.threads.get(case.thread_id)).interrupts
    if not waiting or len(waiting) > len(left):
        return None
    known = await bench.approvals.recorded(case.thread_id, waiting)
    given = {one.interrupt_id: answer for one, answer in zip(known, left, strict=False)}
    return await bench.create(_request(case, number, known, given))


def _request(case: Case, number: int, known: Sequence[WaitingInterrupt], given: Mapping[str, Any]) -> RunRequest:
    native = answers_in(case.thread_id, given, known)
    by_id = {one.interrupt_id: one for one in native}
    records = [decided(one, by_id[one.interrupt_id], case.who) for one in known]
    asked = [one.asked for one in known if one.asked is not None]
    return replace(resuming(asked[0], native, records), run_id=case.run_id(number), metadata=case.metadata)
