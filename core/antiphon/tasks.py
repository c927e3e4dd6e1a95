"""Tasks that go on until they are cancelled."""

from __future__ import annotations

import asyncio


def called_off() -> bool:
    """Whether the current task was cancelled, also when that is lost on what it has called.

    The Redis client loses a cancellation that meets it while it connects. A task that only repeats
    what failed would go on for ever then, and with it the program that waits for it to end.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
