"""Code that raises SystemExit or KeyboardInterrupt ends what it was called for, not the process.

asyncio takes these two out of whatever task raised them and out of the loop itself: `sys.exit()` in a graph's node
would end the server with all its other runs. No `except` around the stream helps, since a node runs in a task of its
own. So every task is made of a coroutine in which the two become an ordinary error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from types import CoroutineType
from typing import Any, cast

from typing_extensions import override

from motet.errors import GraphExited


@contextmanager
def contained() -> Generator[None]:
    """What the block raises to end the process leaves it as GraphExited."""
    try:
        yield
    except (SystemExit, KeyboardInterrupt) as error:
        raise GraphExited(error) from error


def contain_tasks() -> None:
    """Have the running loop contain every task made from now on.

    The process ends by its signal handlers, and by what its main task raises: that one is older.
    """
    asyncio.get_running_loop().set_task_factory(_task)


def _task(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any] | Generator[Any, None, Any], **options: Any
) -> asyncio.Task[Any]:
    is_coroutine = type(coroutine) is CoroutineType or isinstance(coroutine, Coroutine)  # the latter costs far more
    made = _Contained(cast("Coroutine[Any, Any, Any]", coroutine)) if is_coroutine else coroutine
    return asyncio.Task(made, loop=loop, **options)


class _Contained(Coroutine[Any, Any, Any]):
    """A coroutine whose two ways to end the process are one error.

    A class, because a coroutine around it would leave it never awaited where a task is cancelled before its first step.
    """

    __slots__ = ("_inner",)

    def __init__(self, inner: Coroutine[Any, Any, Any]) -> None:
        self._inner = inner

    @override
    def send(self, value: Any) -> Any:
        try:
            return self._inner.send(value)
        except (SystemExit, KeyboardInterrupt) as error:
            raise GraphExited(error) from error

    @override
    def throw(self, *thrown: Any) -> Any:
        try:
            return self._inner.throw(*thrown)
        except (SystemExit, KeyboardInterrupt) as error:
            raise GraphExited(error) from error

    @override
    def close(self) -> None:
        self._inner.close()

    @override
    def __await__(self) -> Generator[Any, Any, Any]:
        return self._inner.__await__()

    def __getattr__(self, name: str) -> Any:
        """Names, frames and state, which AnyIO and whoever shows a task look at."""
        return getattr(self._inner, name)
