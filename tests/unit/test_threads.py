"""Threads for handlers that are not async: results, errors, limits, and no waiting at the end."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from antiphon.threads import Threads
from support import until

_HANG = """
import asyncio, threading
from antiphon.threads import Threads

async def main():
    begun = threading.Event()
    hanging = asyncio.create_task(
        Threads(1, "hanging").run(lambda: (begun.set(), threading.Event().wait()))
    )
    while not begun.is_set():
        await asyncio.sleep(0)
    hanging.cancel()

asyncio.run(main())
"""


async def test_a_call_answers_as_if_made_here() -> None:
    """Results and errors come back from another thread; StopIteration does not get stuck there."""
    threads = Threads(2, "named")
    name = await threads.run(lambda: threading.current_thread().name)
    assert name == "named"
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 // 0)
    with pytest.raises(RuntimeError, match="StopIteration"):
        await threads.run(lambda: next(iter(())))


async def test_no_more_run_than_may() -> None:
    """A call beyond the limit waits for a place; a cancelled one keeps its own to the end."""
    threads, may_end = Threads(1, "one"), threading.Event()
    begun = [threading.Event(), threading.Event()]

    def call(number: int) -> int:
        begun[number].set()
        may_end.wait(30)
        return number

    first = asyncio.create_task(threads.run(lambda: call(0)))
    await until(begun[0].is_set)
    first.cancel()
    second = asyncio.create_task(threads.run(lambda: call(1)))
    with pytest.raises(asyncio.CancelledError):
        await first
    assert not begun[1].is_set()
    may_end.set()
    assert await second == 1


def test_a_process_does_not_wait_for_them() -> None:
    """An interpreter that is through ends, though a thread hangs."""
    ended = subprocess.run([sys.executable, "-c", _HANG], timeout=60, check=False)
    assert ended.returncode == 0
