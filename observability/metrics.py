"""What is counted and timed about the queue, its workers and the streams: a method for each occurrence."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from motet.observability import names

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0)
"""Upper bounds of the histograms' buckets; those that OpenTelemetry takes by itself are meant for milliseconds."""
_DEPTH_HOLDS_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Depth:
    ready: int
    unfinished: int
    seen_at: float


class QueueMetrics:
    """The instruments of one process; every method may be called from any thread.

    Without a meter provider a call costs well under a microsecond. No label is ever a run's or a
    thread's id: graphs, outcomes and actions are few.
    """

    def __init__(self, meter: Meter, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._depth: _Depth | None = None

        def seconds(name: str, description: str) -> Callable[[float, dict[str, str] | None], None]:
            made = meter.create_histogram(name, "s", description, explicit_bucket_boundaries_advisory=_SECONDS)
            return made.record

        self._wait = seconds(names.QUEUE_WAIT_TIME, "From the moment a run could start to the moment a worker had it")
        self._duration = seconds(names.RUN_DURATION, "A worker's time for a run, in the attempt that ended it")
        self._lag = seconds(names.LOOP_LAG, "How late the event loop was for what was due")
        self._lost = meter.create_counter(names.LEASE_LOST, "{lease}", "Runs taken from workers that fell silent")
        self._retries = meter.create_counter(
            names.RUN_RETRIES, "{attempt}", "Attempts at runs whose earlier attempt lost its worker"
        )
        self._refused = meter.create_counter(
            names.WRITE_REFUSED, "{write}", "Writes refused because the run belongs to another worker by now"
        )
        self._cancels = meter.create_counter(names.RUN_CANCELS, "{run}", "Runs that a client had cancelled")
        self._streams = meter.create_up_down_counter(names.STREAM_OPEN, "{stream}", "Event streams open to clients")
        meter.create_observable_gauge(
            names.QUEUE_DEPTH, [self._ready], "{run}", "Runs that could start now and wait for a worker"
        )
        meter.create_observable_gauge(
            names.RUN_UNFINISHED, [self._unfinished], "{run}", "Runs that were accepted and haven't ended"
        )

    def waited(self, seconds: float, graph_id: str) -> None:
        """A worker claimed a run that had been ready for `seconds`."""
        self._wait(seconds, {names.GRAPH_ID: graph_id})

    def ended(self, graph_id: str, outcome: names.Outcome, seconds: float) -> None:
        """A run ended, after `seconds` of the attempt that ended it. Not for one that was given back or lost."""
        self._duration(seconds, {names.GRAPH_ID: graph_id, names.OUTCOME: outcome})

    def lease_lost(self) -> None:
        """A run was taken from its worker: the lease ran out, or the worker was seen to be dead."""
        self._lost.add(1)

    def retried(self) -> None:
        """A worker claimed a run that another one lost."""
        self._retries.add(1)

    def refused(self) -> None:
        """A write of this process was refused: its claim is no longer the run's."""
        self._refused.add(1)

    def cancelled(self, action: Literal["interrupt", "rollback"]) -> None:
        """A client's wish to cancel a run was recorded."""
        self._cancels.add(1, {names.CANCEL_ACTION: action})

    def stream_opened(self) -> None:
        """A client began to read a run's events."""
        self._streams.add(1)

    def stream_closed(self) -> None:
        """That client left, or the run's events ended. Exactly once for each `stream_opened`."""
        self._streams.add(-1)

    def loop_lag(self, seconds: float) -> None:
        """What was due on the event loop ran `seconds` late."""
        self._lag(seconds, None)

    def depth(self, *, ready: int, unfinished: int) -> None:
        """What the sweeper saw just now, of the whole tenant: each process that sweeps tells the same numbers.

        They are told for five minutes; after that nobody knows, and the two gauges are absent.
        """
        self._depth = _Depth(ready=ready, unfinished=unfinished, seen_at=self._clock())

    def _ready(self, _options: CallbackOptions) -> Iterable[Observation]:
        return [Observation(seen.ready) for seen in self._known()]

    def _unfinished(self, _options: CallbackOptions) -> Iterable[Observation]:
        return [Observation(seen.unfinished) for seen in self._known()]

    def _known(self) -> Iterable[_Depth]:
        seen = self._depth
        return () if seen is None or self._clock() - seen.seen_at > _DEPTH_HOLDS_S else (seen,)
