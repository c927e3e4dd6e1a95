"""Restart the operating-system process of a service, and wait until it answers.

**Reacts to** whatever calls for the restart: a failure of the service, or a completion it waits
for, such as ``DatabaseRestored``.
**Emits** ``ServiceRestarted`` with the new pid and the URL that answered.
**Idempotent because** the pidfile names the event that started the process and its fencing token:
a process already started for this event, or by a newer attempt, is not started again.
**Gives up by** a permanent error when the command cannot be run; a process that ends or does not
get ready in time is retried as the handler's retry policy says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from enum import Enum
from typing import Any

from antiphon import Recovery, TransientError
from antiphon_events import Event, ServiceRestarted
from antiphon_handlers.process import ManagedProcess, ProcessRecord
from antiphon_handlers.readiness import wait_until_ready


class Decision(Enum):
    """What to do about a process that should be restarted for an event."""

    START = "start"
    """Stop what runs, if anything, and start it."""
    KEEP = "keep"
    """It was started for this event, or later: only see that it is ready."""
    STEP_BACK = "step back"
    """A newer attempt started it and it ended since: what happens next is not ours to say."""


def decide(*, event_id: str, token: int, record: ProcessRecord | None, alive: bool) -> Decision:
    """Decide from the pidfile and the process table."""
    if record is None:
        return Decision.START
    if record.token > token:
        return Decision.KEEP if alive else Decision.STEP_BACK
    return Decision.KEEP if alive and record.event_id == event_id else Decision.START


def restart_process(
    process: ManagedProcess, *, subject: str | None = None, name: str = "restart"
) -> Callable[[Event, Recovery], Coroutine[Any, Any, ServiceRestarted]]:
    """Return a handler that restarts ``process``.

    Args:
        process: how to run it.
        subject: the service it is; the event's subject when not given.
        name: the handler's name, and so the end of its consumer group's; two handlers of one
            service need two names.
    """

    async def restart(event: Event, recovery: Recovery) -> ServiceRestarted:
        record = await asyncio.to_thread(
            _replace, process, event_id=recovery.event_id, token=recovery.token
        )
        url = await wait_until_ready(process, record)
        return ServiceRestarted(subject=subject or event.subject, pid=record.pid, url=url)

    restart.__name__ = name
    return restart


def _replace(process: ManagedProcess, *, event_id: str, token: int) -> ProcessRecord:
    with process.locked() as lock:
        record = process.record()
        alive = record is not None and record.alive()
        decision = decide(event_id=event_id, token=token, record=record, alive=alive)
        if decision is Decision.KEEP and record is not None:
            return record
        if decision is Decision.STEP_BACK:
            raise TransientError(
                f"{process.command[0]!r} was started by a newer attempt than token {token}, "
                f"and ended: {process.last_words()}"
            )
        process.stop()
        return process.start(lock, event_id=event_id, token=token)
