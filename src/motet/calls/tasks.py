"""The wrappers around a node: LangGraph runs each task of each graph by one of two functions, or finds it cached."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from motet.calls.chain import NodeCall, current_chain, drive, place_of, through_node


def around_arun_with_retry(original: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
    async def arun_with_retry(task: Any, *args: Any, **kwargs: Any) -> object:
        async def innermost(call: NodeCall) -> object:
            return await original(_counted(call, args), *args, **kwargs)

        chain = current_chain()
        around = through_node(chain, innermost) if chain else None
        return await (around(_node_call(task)) if around else original(task, *args, **kwargs))

    return arun_with_retry


def around_run_with_retry(original: Callable[..., object]) -> Callable[..., object]:
    def run_with_retry(task: Any, *args: Any, **kwargs: Any) -> object:
        async def innermost(call: NodeCall) -> object:
            return original(_counted(call, args), *args, **kwargs)

        chain = current_chain()
        around = through_node(chain, innermost) if chain else None
        return drive(around(_node_call(task, synchronous=True))) if around else original(task, *args, **kwargs)

    return run_with_retry


def around_amatch_cached_writes(original: Callable[[Any], Awaitable[Sequence[Any]]]) -> Callable[..., Any]:
    async def amatch_cached_writes(self: Any) -> Sequence[Any]:
        matched = await original(self)
        chain = current_chain()
        around = through_node(chain, _nothing) if matched and chain else None
        if around:
            for task in matched:
                await around(_node_call(task, cached=True))
        return matched

    return amatch_cached_writes


def around_match_cached_writes(original: Callable[[Any], Sequence[Any]]) -> Callable[..., Any]:
    def match_cached_writes(self: Any) -> Sequence[Any]:
        matched = original(self)
        chain = current_chain()
        around = through_node(chain, _nothing) if matched and chain else None
        if around:
            for task in matched:
                drive(around(_node_call(task, synchronous=True, cached=True)))
        return matched

    return match_cached_writes


def _node_call(task: Any, *, synchronous: bool = False, cached: bool = False) -> NodeCall:
    return NodeCall(
        name=task.name,
        place=place_of(task.config.get("metadata"), node=task.name),
        path=tuple(task.path),
        triggers=tuple(task.triggers),
        task=task,
        synchronous=synchronous,
        cached=cached,
    )


async def _nothing(call: NodeCall) -> object:
    """What is left to do for a task that was found in the cache."""
    del call


def _counted(call: NodeCall, args: Sequence[Any]) -> Any:
    """The task, with its tries counted where a retry policy may have it run again."""
    if not (call.task.retry_policy or (args and args[0])):
        call.tries.append(time.monotonic())
        return call.task
    return replace(call.task, proc=_Tried(call.task.proc, call.tries))


class _Tried:
    """A node's runnable that notes when it is begun; LangGraph's retry loop asks it for these three and no more."""

    def __init__(self, proc: Any, tries: list[float]) -> None:
        self._proc = proc
        self._tries = tries

    def invoke(self, *args: Any, **kwargs: Any) -> Any:
        self._tries.append(time.monotonic())
        return self._proc.invoke(*args, **kwargs)

    def ainvoke(self, *args: Any, **kwargs: Any) -> Any:
        self._tries.append(time.monotonic())
        return self._proc.ainvoke(*args, **kwargs)

    def astream(self, *args: Any, **kwargs: Any) -> Any:
        self._tries.append(time.monotonic())
        return self._proc.astream(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._proc, name)
