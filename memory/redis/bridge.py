"""From synchronous callers to the event loop that owns a client.

LangGraph's savers, stores and caches have synchronous methods beside the asynchronous ones. A client's
connections belong to the loop that opened them, so a synchronous call hands its coroutine to that loop
and waits. There is one implementation, the asynchronous one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, suppress
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from anyio.from_thread import start_blocking_portal

T = TypeVar("T")


class Bridge:
    """Runs coroutines on the loop that owns a client, from whichever thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """`loop`: the client's; None where it was made outside of any."""
        self._loop = loop

    @classmethod
    def here(cls) -> Self:
        """A bridge to the running loop; to none outside of one."""
        with suppress(RuntimeError):
            return cls(asyncio.get_running_loop())
        return cls(None)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What `coroutine` returns or raises, run on the client's loop while this thread waits.

        Raises:
            RuntimeError: this thread runs the loop, so waiting would block it for ever, or no loop is known.
        """
        problem = self._problem()
        if problem:
            coroutine.close()
            raise RuntimeError(problem)
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def each(self, items: AsyncIterator[T]) -> Iterator[T]:
        """The items of an asynchronous iterator, each awaited when it is asked for. Raises as `run` does."""

        async def following() -> tuple[T] | None:
            async for item in items:
                return (item,)
            return None

        while (found := self.run(following())) is not None:
            yield found[0]

    def _problem(self) -> str:
        if self._loop is None:
            return "no event loop owns this client: make it inside a coroutine, or by `with ….from_url(url)`"
        with suppress(RuntimeError):
            if asyncio.get_running_loop() is self._loop:
                return "a synchronous call would block the event loop it waits for: await the method named a… instead"
        if self._loop.is_closed():
            return "the event loop that owns this client has ended"
        return ""


class Opening(Generic[T]):
    """Something that is opened by `async with` on the running loop, or by `with` on a loop in a thread of its own.

    Use it once.
    """

    def __init__(self, opened: Callable[[], AbstractAsyncContextManager[T]]) -> None:
        self._opened = opened
        self._asynchronous: AbstractAsyncContextManager[T] | None = None
        self._synchronous = ExitStack()

    async def __aenter__(self) -> T:
        self._asynchronous = self._opened()
        return await self._asynchronous.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._asynchronous is not None, "it was opened"
        await self._asynchronous.__aexit__(kind, error, trace)

    def __enter__(self) -> T:
        with ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal())
            opened = stack.enter_context(portal.wrap_async_context_manager(self._opened()))
            self._synchronous = stack.pop_all()
            return opened

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._synchronous.__exit__(kind, error, trace)
