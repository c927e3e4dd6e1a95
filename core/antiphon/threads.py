"""Threads for handlers that are not async.

The interpreter waits for the threads of a `ThreadPoolExecutor` before it exits, so a handler that
hangs would keep a worker alive that was told to stop. Nobody waits for these.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


class Threads:
    """Runs each call in a thread of its own, so many at a time."""

    def __init__(self, most: int, name: str) -> None:
        self._free = asyncio.Semaphore(most)
        self._name = name

    async def run(self, call: Callable[[], T]) -> T:
        """Return what the call returns, or raise what it raises.

        Cancelling does not stop the thread, it stops the waiting: the thread keeps its place until
        it ends, and what it returns then is lost.
        """
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[tuple[list[T], BaseException | None]] = loop.create_future()

        def work() -> None:
            results: list[T] = []
            failure: BaseException | None = None
            try:
                results.append(call())
            except BaseException as error:  # noqa: BLE001 - it is raised again, where it is awaited
                failure = error
            with suppress(RuntimeError):  # the loop is closed, and nobody waits any more
                loop.call_soon_threadsafe(end, results, failure)

        def end(results: list[T], failure: BaseException | None) -> None:
            self._free.release()
            if not ended.cancelled():
                ended.set_result((results, failure))

        await self._free.acquire()
        try:
            threading.Thread(target=work, name=self._name, daemon=True).start()
        except RuntimeError:  # the system has no thread left for us
            self._free.release()
            raise
        results, failure = await ended
        if failure is not None:
            raise failure
        return results[0]
