"""Forgets an experiment with all that was made for it."""

from __future__ import annotations

from contextlib import suppress

from motet.errors import NotFound
from motet.memory.asking import Who
from motet.observability.evaluation.experiment import Plan, trial_key
from motet.server.evaluation.case import thread_of
from motet.server.operating import Operating


async def delete(here: Operating, plan: Plan) -> None:
    """Forget the threads of its trials, then itself: cut off in the middle, it can be deleted again.

    Raises:
        NotFound: it is gone.
    """
    who = Who(actor="motet eval delete", verified_as="motet")
    for target in plan.targets if plan.mode == "live" else ():
        for example_id in plan.example_ids:
            for repeat in range(plan.repeats):
                key = trial_key(target.name, example_id, repeat)
                with suppress(NotFound):
                    await here.threads.delete(thread_of(plan.experiment_id, key), who=who)
    await here.experiments.delete(plan.experiment_id)
