"""What tests share: waiting for a condition, the one place where a test may sleep."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast, overload

T = TypeVar("T")

_FIRST_PAUSE_SECONDS = 0.001
_LONGEST_PAUSE_SECONDS = 0.05


@overload
async def until(predicate: Callable[[], Awaitable[T]], timeout: float = ...) -> T: ...  # noqa: ASYNC109
@overload
async def until(predicate: Callable[[], T], timeout: float = ...) -> T: ...  # noqa: ASYNC109
async def until(
    predicate: Callable[[], T | Awaitable[T]],
    timeout: float = 10,  # noqa: ASYNC109  a failed wait must show the last value seen
) -> T:
    """Ask again and again, at growing pauses, and return the first truthy answer.

    Args:
        predicate: A function or a coroutine function without arguments. What it raises is raised.
        timeout: In seconds. An answer that is still pending then is cancelled.

    Raises:
        AssertionError: Every answer was falsy; names the predicate and the last answer.
    """
    deadline = time.monotonic() + timeout
    pause = _FIRST_PAUSE_SECONDS
    answer: object = "none: it never answered"
    try:
        async with asyncio.timeout(timeout):
            while True:
                asked = predicate()
                answer = await asked if inspect.isawaitable(asked) else asked
                if answer:
                    return cast("T", answer)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
    except TimeoutError:
        if time.monotonic() < deadline:
            raise  # the predicate's own
    name = getattr(predicate, "__qualname__", repr(predicate))
    raise AssertionError(f"{name} was not true within {timeout:g} s; its last answer: {answer!r}")
