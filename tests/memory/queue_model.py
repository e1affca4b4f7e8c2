"""What `RunLifecycle` and `Threads` promise, as plain Python: one process, no Redis, no time.

It is the specification that `test_queue_machine` holds the real queue against. A lease has either run out or
it hasn't; an epoch is the number of whoever may write to a thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NoReturn

from motet.errors import (
    AlreadyExists,
    InvalidInput,
    NotFound,
    NoWaitingInterrupt,
    RunActive,
    RunOver,
    StaleClaim,
    ThreadBusy,
    ThreadWaits,
)
from motet.memory.ports import END, CancelAction, Multitask, RunStatus, TerminalStatus, ThreadStatus

ATTEMPTS = 3
"""How often a run may lose its worker."""

Mode = Literal["", "lost", "interrupt", "rollback"]
"""Why a run ended: by itself, for want of workers, or because somebody wanted it so."""


@dataclass(kw_only=True, eq=False)
class ModelRun:
    """A run that was accepted."""

    run_id: str
    thread_id: str
    answered: list[str]
    """Questions that it took off its thread."""
    after: ModelRun | None = None
    """Who asked them."""
    status: RunStatus = "pending"
    attempt: int = 0
    lost: int = 0
    cancel: CancelAction | None = None
    lapsed: bool = False
    """Its worker's lease ran out."""
    events: list[str] = field(default_factory=list[str])
    """Names."""

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.status not in {"pending", "running"}


@dataclass(kw_only=True, eq=False)
class ModelThread:
    """A thread that exists."""

    thread_id: str
    temporary: bool = False
    status: ThreadStatus = "idle"
    failed: bool = False
    """Its last run failed."""
    waiting: list[str] = field(default_factory=list[str])
    """Questions. While a run works, those that wait for its end."""
    queue: list[ModelRun] = field(default_factory=list[ModelRun])
    """Runs that haven't ended, the next or the one worked on first."""
    active: ModelRun | None = None
    """What is worked on or may start."""
    writer: int = 0
    """Who may write; 0 for nobody."""
    runs: list[ModelRun] = field(default_factory=list[ModelRun])
    """In the order of acceptance."""
    asked: ModelRun | None = None
    """The run that asked what waits."""
    saved: set[str] = field(default_factory=set[str])
    """Runs that left checkpoints."""


@dataclass(frozen=True, kw_only=True)
class ModelClaim:
    """The right to write, until another is given out for the thread."""

    number: int
    thread_id: str
    run: ModelRun | None
    """None for one who holds the thread itself."""
    attempt: int = 0
    lost: int = 0


class Queue:
    """Threads and runs of one tenant; every method happens whole, or raises and changes nothing."""

    def __init__(self) -> None:
        self.threads: dict[str, ModelThread] = {}
        self.runs: dict[str, ModelRun] = {}
        """Those that can be read."""
        self.streams: dict[str, ModelRun] = {}
        """Those whose events can be read: a run that was rolled back leaves them."""
        self._claims = 0

    # Threads

    def make(self, thread_id: str) -> None:
        """Record a thread."""
        if thread_id in self.threads:
            raise AlreadyExists("thread", thread_id)
        self.threads[thread_id] = ModelThread(thread_id=thread_id)

    def copy(self, source_id: str, target_id: str) -> None:
        """Record a thread like another."""
        source = self.thread(source_id)
        if source.active:
            raise ThreadBusy(source_id)
        self.make(target_id)
        target = self.threads[target_id]
        target.status, target.failed, target.waiting = source.status, source.failed, [*source.waiting]

    def delete_thread(self, thread_id: str) -> None:
        """Forget a thread and its runs."""
        for run in self.thread(thread_id).runs:
            self.runs.pop(run.run_id, None)
            self.streams.pop(run.run_id, None)
        del self.threads[thread_id]

    def hold(self, thread_id: str) -> ModelClaim:
        """Write to a thread on which nothing is worked."""
        thread = self.thread(thread_id)
        if thread.active:
            raise ThreadBusy(thread_id)
        return ModelClaim(number=self._admit(thread), thread_id=thread_id, run=None)

    def settle(self, held: ModelClaim, waiting: Sequence[str]) -> None:
        """What waits on a thread that was written to."""
        thread = self._written(held)
        thread.writer, thread.waiting, thread.failed = 0, [*waiting], False
        self._go_on(thread, otherwise="idle")

    # Runs

    def create(
        self,
        run_id: str,
        thread_id: str,
        *,
        multitask: Multitask = "enqueue",
        answers: Sequence[str] | None = None,
        behind: bool = False,
        temporary: bool = False,
        new_thread: bool = False,
        worker: bool = False,
    ) -> ModelClaim | None:
        """Accept a run; the claim of the worker who offers to start it at once, if it may start."""
        if run_id in self.runs:
            return None
        if thread_id not in self.threads and not new_thread:
            raise NotFound("thread", thread_id)
        thread = self.threads.get(thread_id) or ModelThread(thread_id=thread_id, temporary=temporary)
        answered = self._answered(thread, answers, behind=behind)
        if answers is None and thread.active and multitask == "reject":
            raise ThreadBusy(thread_id)

        self.threads[thread_id] = thread
        run = ModelRun(run_id=run_id, thread_id=thread_id, answered=answered)
        run.after = thread.asked if answered else None
        self.runs[run_id] = self.streams[run_id] = run
        thread.runs.append(run)
        others = [*thread.queue]
        answers_before = [at for at, other in enumerate(others, start=1) if other.answered]
        thread.queue.insert(max(answers_before, default=0) if answered else len(others), run)
        if answered:
            if not thread.active:
                # Whoever writes by hand mustn't bring back what is being answered.
                thread.writer = 0
            thread.waiting = [one for one in thread.waiting if one not in answered]
        if multitask in ("interrupt", "rollback") and thread.active and not answered:
            self._clear(others, multitask)
        if thread.active is None and (answered or not thread.waiting):
            thread.active = thread.queue[0]
        thread.status = "busy" if thread.active else "interrupted"
        return self.claim(run_id) if worker and thread.active is run else None

    def claimable(self) -> list[str]:
        """Runs that may start."""
        active = [thread.active for thread in self.threads.values()]
        return sorted(run.run_id for run in active if run and run.status == "pending")

    def claim(self, run_id: str) -> ModelClaim:
        """Start a run that may start."""
        run = self.runs[run_id]
        thread = self.threads[run.thread_id]
        assert thread.active is run
        assert run.status == "pending"
        before = thread.runs[: thread.runs.index(run)]
        assert run.answered or all(other.is_over or other.answered for other in before), "out of order"
        run.status, run.attempt, run.lapsed = "running", run.attempt + 1, False
        number = self._admit(thread)
        return ModelClaim(number=number, thread_id=run.thread_id, run=run, attempt=run.attempt, lost=run.lost)

    def beat(self, claim: ModelClaim) -> CancelAction | None:
        """Extend the lease."""
        run = self._worked(claim)
        run.lapsed = False
        return run.cancel

    def append(self, claim: ModelClaim, names: Sequence[str]) -> None:
        """Add events."""
        self._worked(claim).events += names

    def save(self, claim: ModelClaim) -> None:
        """Put a checkpoint."""
        run = self._worked(claim)
        self.threads[run.thread_id].saved.add(run.run_id)

    def finish(
        self,
        claim: ModelClaim,
        status: TerminalStatus,
        asks: Sequence[str] = (),
        *,
        cancelled: CancelAction | None = None,
        events: Sequence[str] = (),
    ) -> None:
        """End a run. One that was to be rolled back is, however it ends; one that was to stop asks nothing more."""
        run = self._worked(claim)
        run.events += events
        if run.cancel == "rollback" or (run.cancel and not cancelled):
            cancelled = run.cancel
        self._end(run, "interrupted" if cancelled else status, cancelled or "", asks=asks)

    def release(self, claim: ModelClaim) -> None:
        """Give a run back."""
        run = self._worked(claim)
        if run.cancel:
            self._end(run, "interrupted", run.cancel)
        else:
            self._give_back(run)

    def lose(self, claim: ModelClaim) -> None:
        """Take a run from a worker that died."""
        self._take(self._worked(claim))

    def lapse(self, thread_id: str, run_id: str) -> None:
        """Let a running run's lease run out."""
        self._run(thread_id, run_id).lapsed = True

    def sweep(self) -> list[str]:
        """Take runs from silent workers; those that another may claim."""
        silent = [run for run in self.runs.values() if run.status == "running" and run.lapsed]
        for run in silent:
            self._take(run)
        return sorted(run.run_id for run in silent if run.status == "pending")

    def cancel(self, thread_id: str, run_id: str, action: CancelAction) -> bool:
        """Have a run end; whether it has."""
        run = self._run(thread_id, run_id)
        if run.status == "running" and not run.lapsed:
            run.cancel = "rollback" if run.cancel == "rollback" else action
            return False
        again = run.is_over
        if again:
            thread = self.threads.get(thread_id)
            asks = run.status == "interrupted" and thread and not thread.active and thread.waiting
            if not thread or not asks or thread.asked is not run:
                raise RunOver(run_id, run.status)
            thread.waiting = []
        self._end(run, "interrupted", "rollback" if run.cancel == "rollback" else action, again=again)
        return True

    def delete(self, thread_id: str, run_id: str) -> None:
        """Forget an ended run."""
        run = self._run(thread_id, run_id)
        if not run.is_over:
            raise RunActive(run_id)
        del self.runs[run_id], self.streams[run_id]
        if thread_id in self.threads:
            self.threads[thread_id].runs = [one for one in self.threads[thread_id].runs if one is not run]

    # What must hold at any time

    def check(self) -> None:
        """Fail unless threads and runs fit together."""
        for thread in self.threads.values():
            unended = [run for run in thread.runs if not run.is_over]
            assert set(thread.queue) == set(unended), "exactly the runs that haven't ended are queued"
            assert len(thread.queue) == len(unended), "each once"
            assert [run for run in unended if run.status == "running"] in ([], [thread.active]), "one at a time"
            assert thread.active in (None, *thread.queue[:1]), "the first is worked on"
            assert thread.active or thread.waiting or not thread.queue, "only a question holds up the queue"
            if thread.active:
                assert thread.status == "busy"
            elif thread.waiting:
                assert thread.status == "interrupted"
            else:
                assert thread.status in {"idle", "error", "interrupted"}
            assert thread.failed or thread.status != "error"
            assert len(set(thread.waiting)) == len(thread.waiting), "a question waits once"
        for run in self.streams.values():
            ended = run.is_over or run.run_id not in self.runs
            assert run.events.count(END) == ended, "an end, and one only"
            assert END not in run.events[:-1], "nothing comes after the end"

    # Inside

    def thread(self, thread_id: str) -> ModelThread:
        """The thread. Raises NotFound."""
        if thread_id not in self.threads:
            raise NotFound("thread", thread_id)
        return self.threads[thread_id]

    def _run(self, thread_id: str, run_id: str) -> ModelRun:
        run = self.runs.get(run_id)
        if run is None or run.thread_id != thread_id:
            raise NotFound("run", run_id)
        return run

    def may_write(self, claim: ModelClaim) -> bool:
        """Whether nobody came after the claim."""
        thread = self.threads.get(claim.thread_id)
        return thread is not None and thread.writer == claim.number

    def _written(self, claim: ModelClaim) -> ModelThread:
        if not self.may_write(claim):
            raise StaleClaim(claim.run.run_id if claim.run else "", epoch=claim.number)
        return self.threads[claim.thread_id]

    def _worked(self, claim: ModelClaim) -> ModelRun:
        self._written(claim)
        assert claim.run is not None
        return claim.run

    def _admit(self, thread: ModelThread) -> int:
        self._claims += 1
        thread.writer = self._claims
        return thread.writer

    @staticmethod
    def _answered(thread: ModelThread, answers: Sequence[str] | None, *, behind: bool) -> list[str]:
        """What an input takes off the thread; refuses what doesn't fit what waits."""
        waiting = thread.waiting
        if answers is None:
            if waiting and not thread.active and not behind:
                raise ThreadWaits(thread.thread_id, waiting)
            return []
        if not answers and len(waiting) > 1:
            raise InvalidInput("command.resume", "an answer without an id", "which")
        answered = [one for one in waiting if not answers or one in answers]
        if not answered or not set(answers) <= set(answered):
            _nothing_waits(thread, answers, waiting)
        return answered

    def _clear(self, others: Sequence[ModelRun], action: CancelAction) -> None:
        for other in reversed(others):
            if other.status == "running":
                other.cancel = "rollback" if other.cancel == "rollback" else action
            else:
                self._end(other, "interrupted", action)

    def _take(self, run: ModelRun) -> None:
        run.lost += 1
        if run.cancel:
            self._end(run, "interrupted", run.cancel)
        elif run.lost >= ATTEMPTS:
            self._end(run, "error", "lost")
        else:
            self._give_back(run)

    def _give_back(self, run: ModelRun) -> None:
        run.status = "pending"
        self.threads[run.thread_id].writer = 0

    def _end(
        self, run: ModelRun, status: TerminalStatus, mode: Mode, *, asks: Sequence[str] = (), again: bool = False
    ) -> None:
        """End a run, or withdraw the questions of one that ended (`again`)."""
        thread = self.threads[run.thread_id]
        never_answered = mode == "rollback" or (mode and not again and run.run_id not in thread.saved)
        failed = status in {"error", "timeout"}
        run.status = status
        if not again:
            run.events.append(END)
            thread.queue.remove(run)
        if mode == "rollback":
            del self.runs[run.run_id]
            thread.runs.remove(run)
            thread.saved.discard(run.run_id)
        if thread.temporary and not thread.queue:
            del self.threads[thread.thread_id]
            return
        if not again and thread.active is not run:
            # One that was queued leaves alone what is worked on; what it was to answer waits again.
            thread.waiting = _each_once([*run.answered, *thread.waiting])
            return
        if mode == "rollback":
            thread.asked = run.after
        elif not mode and not failed:
            thread.asked = run
        if not mode and not failed:
            taken = {question for other in thread.queue for question in other.answered}
            thread.waiting = [one for one in asks if one not in taken]
        elif never_answered:
            thread.waiting = _each_once([*run.answered, *thread.waiting])
        thread.writer, thread.active, thread.failed = 0, None, failed
        stopped = status == "interrupted" and not mode
        self._go_on(thread, otherwise="error" if failed else "interrupted" if stopped else "idle")

    @staticmethod
    def _go_on(thread: ModelThread, *, otherwise: ThreadStatus) -> None:
        """Release the next run; while a question waits, only one that answers another."""
        first = thread.queue[0] if thread.queue else None
        thread.active = first if first and (first.answered or not thread.waiting) else None
        thread.status = "busy" if thread.active else "interrupted" if thread.waiting else otherwise


def _each_once(questions: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(questions))


def _nothing_waits(thread: ModelThread, answers: Sequence[str], waiting: Sequence[str]) -> NoReturn:
    raise NoWaitingInterrupt(thread.thread_id, answers, waiting)
