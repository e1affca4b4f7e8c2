"""A checkpointer that tells a recorder what a graph reads and saves, and has the record written before the commit."""

from __future__ import annotations

import copy
import types
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Generator, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
)
from typing_extensions import override

from motet.calls.chain import current_chain
from motet.observability.trajectory.record import Recorder, TrajectorySink
from motet.observability.trajectory.state_found import Histories, without_values

R = TypeVar("R")


@types.coroutine
def _meanwhile(saving: Coroutine[Any, Any, R], note: Callable[[], None]) -> Generator[Any, Any, R]:
    """Save, and note while the store is waited for; nothing that could change the state runs in between."""
    try:
        waits = saving.send(None)
    except StopIteration as ended:
        return ended.value
    finally:
        note()
    while True:
        try:
            try:
                told = yield waits
            except BaseException as error:  # noqa: BLE001 - a cancellation, say: all of it is passed on
                waits = saving.throw(error)
            else:
                waits = saving.send(told)
        except StopIteration as ended:
            return ended.value


class RecordingSaver(BaseCheckpointSaver[Any]):
    """`inner`, seen by `recorder`.

    What a task wrote and what a superstep came to are committed only after the records of the calls behind them were
    handed to `sink`: who finds a task done after a crash finds out what it did. Where no call was made since, that
    costs nothing. Without a sink it is the caller who writes.
    """

    def __init__(self, inner: BaseCheckpointSaver[Any], recorder: Recorder, sink: TrajectorySink | None = None) -> None:
        self.serde = inner.serde  # LangGraph's own `__init__` would do just this, and look for its methods before
        self.inner = inner
        self._recorder = recorder
        self._sink = sink
        self._read = set[str]()
        """Namespaces that were read: only what a graph finds when it begins is its past."""
        self._histories = dict[tuple[str, str], Histories]()
        """What was read beside a checkpoint, by its namespace and id."""

    @property
    @override
    def config_specs(self) -> list[Any]:
        return self.inner.config_specs

    @override
    def with_allowlist(self, extra_allowlist: Collection[tuple[str, ...]]) -> BaseCheckpointSaver[Any]:
        """The same with more classes, in the record as in the checkpoints."""
        self._recorder.contents.allow(extra_allowlist)
        inner = self.inner.with_allowlist(extra_allowlist)
        if inner is self.inner:
            return self
        clone = copy.copy(self)
        clone.inner, clone.serde = inner, inner.serde
        return clone

    @override
    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        found = await self.inner.aget_tuple(config)
        if self._is_first(config) and found is not None:
            channels = without_values(found)
            asked = self.inner.aget_delta_channel_history(config=found.config, channels=channels) if channels else None
            self._note_read(found, {} if asked is None else await asked)
        return found

    @override
    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        found = self.inner.get_tuple(config)
        if self._is_first(config) and found is not None:
            channels = without_values(found)
            asked = self.inner.get_delta_channel_history(config=found.config, channels=channels) if channels else None
            self._note_read(found, asked or {})
        return found

    @override
    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        def note() -> None:
            self._note_saved(config, checkpoint, metadata, new_versions)

        if self._sink is not None and self._recorder.calls_waiting:
            note()
            await self._recorder.flush(self._sink)
            return await self.inner.aput(config, checkpoint, metadata, new_versions)
        return await _meanwhile(self.inner.aput(config, checkpoint, metadata, new_versions), note)

    @override
    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        self._note_saved(config, checkpoint, metadata, new_versions)
        return self.inner.put(config, checkpoint, metadata, new_versions)

    @override
    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        await self._write_calls()
        await self.inner.aput_writes(config, writes, task_id, task_path)

    @override
    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        self.inner.put_writes(config, writes, task_id, task_path)

    @override
    def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        return self.inner.alist(config, filter=filter, before=before, limit=limit)

    @override
    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        return self.inner.list(config, filter=filter, before=before, limit=limit)

    @override
    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        known = self._known(config, channels)
        return known or await self.inner.aget_delta_channel_history(config=config, channels=channels)

    @override
    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        return self._known(config, channels) or self.inner.get_delta_channel_history(config=config, channels=channels)

    @override
    def get_next_version(self, current: Any, channel: None) -> Any:
        return self.inner.get_next_version(current, channel)

    @override
    async def adelete_thread(self, thread_id: str) -> None:
        await self.inner.adelete_thread(thread_id)

    @override
    def delete_thread(self, thread_id: str) -> None:
        self.inner.delete_thread(thread_id)

    @override
    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        await self.inner.adelete_for_runs(run_ids)

    @override
    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        self.inner.delete_for_runs(run_ids)

    @override
    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        await self.inner.acopy_thread(source_thread_id, target_thread_id)

    @override
    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        self.inner.copy_thread(source_thread_id, target_thread_id)

    @override
    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        await self.inner.aprune(thread_ids, strategy=strategy)

    @override
    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        self.inner.prune(thread_ids, strategy=strategy)

    async def _write_calls(self) -> None:
        if self._sink is not None and self._recorder.calls_waiting:
            await self._recorder.flush(self._sink)

    def _is_first(self, config: RunnableConfig) -> bool:
        """Whether a graph reads what it begins with; afterwards not any more."""
        namespace = str(config.get("configurable", {}).get("checkpoint_ns", ""))
        # Others look at the graph's state by the same saver, before it runs and after.
        if namespace in self._read or self._recorder not in (current_chain() or ()):
            return False
        self._read.add(namespace)
        return True

    def _note_read(self, found: CheckpointTuple, histories: Histories) -> None:
        namespace = str(found.config.get("configurable", {}).get("checkpoint_ns", ""))
        self._recorder.state_read(namespace, found, histories)
        if histories:
            # LangGraph asks for them next.
            self._histories[namespace, found.checkpoint["id"]] = histories

    def _known(self, config: RunnableConfig, channels: Sequence[str]) -> Histories:
        """Once what was read a moment ago, if it is all that is asked for."""
        asked = config.get("configurable", {})
        at = (str(asked.get("checkpoint_ns", "")), str(asked.get("checkpoint_id", "")))
        known = self._histories.pop(at, {})
        return {one: known[one] for one in channels} if known.keys() >= set(channels) else {}

    def _note_saved(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> None:
        configurable = config.get("configurable", {})
        values = checkpoint["channel_values"]
        self._recorder.state_saved(
            str(configurable.get("checkpoint_ns", "")),
            checkpoint_id=checkpoint["id"],
            parent_id=configurable.get("checkpoint_id"),
            metadata=metadata,
            values={channel: values[channel] for channel in new_versions if channel in values},
        )
