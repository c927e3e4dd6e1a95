"""What befalls an attempt of a handler, by name; and how a handler lives through it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from antiphon import Joined, PermanentError, Recovery
from antiphon.errors import Superseded
from antiphon_events import Event
from seeing import spy
from seeing.diary import Diary

LEASE_S = 1.2
"""Short, and yet longer than a busy machine keeps an event loop waiting now and then."""


@dataclass(frozen=True)
class Life:
    """One attempt: who, where, and the diary it is noted in."""

    diary: Diary
    handler: str
    recovery: Recovery

    @property
    def token(self) -> int:
        return self.recovery.token

    def note(self, what: str, **fields: Any) -> None:
        self.diary.note(
            what,
            correlation=self.recovery.correlation_id,
            group=f"clinic.{self.handler}",
            event=self.recovery.event_id,
            attempt=self.recovery.attempt,
            token=self.token,
            undo=self.recovery.undoing is not None,
            **fields,
        )

    def wish(self, what: str) -> None:
        """Ask the injector for what a process cannot do to itself."""
        self.diary.once(f"wish.{what}.{os.getpid()}.{self.token}")


Affliction = Callable[[Life], Awaitable[None]]


async def _flaky(life: Life) -> None:
    raise ConnectionError(f"refused at attempt {life.recovery.attempt}")


async def _broken(life: Life) -> None:
    if life.diary.once(f"broken.{life.handler}.{life.recovery.event_id}"):
        raise PermanentError("no spare part fits")


async def _slow(life: Life) -> None:
    await asyncio.sleep(0.3)
    await life.recovery.progress(0.5, "half-way")
    await asyncio.sleep(0.3)


async def _late(life: Life) -> None:
    await asyncio.sleep(30)


async def _hang(life: Life) -> None:
    time.sleep(1.6 * LEASE_S)  # noqa: ASYNC251 - the handler is one that blocks


async def _superseded(life: Life) -> None:
    raise Superseded("a colleague is at it")


async def _die(life: Life) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def _sleep(life: Life) -> None:
    life.wish("wake")
    os.kill(os.getpid(), signal.SIGSTOP)


async def _crash_server(life: Life) -> None:
    life.wish("server")
    await asyncio.sleep(0.5)


async def _stop_worker(life: Life) -> None:
    # An attempt that is handed back does not count: its like is made again, and must go well once.
    if life.diary.once(f"stopped.{life.handler}.{life.recovery.event_id}"):
        life.wish("term")
        await asyncio.sleep(1.5)


def _blow(what: str) -> Affliction:
    async def strike(life: Life) -> None:
        spy.BLOWS[f"clinic.{life.handler}", life.recovery.event_id] = what

    return strike


AFFLICTIONS: dict[str, Affliction] = {
    "flaky": _flaky,
    "broken": _broken,
    "slow": _slow,
    "late": _late,
    "hang": _hang,
    "superseded": _superseded,
    "die": _die,
    "sleep": _sleep,
    "crash server": _crash_server,
    "stop worker": _stop_worker,
    **{blow: _blow(blow) for blow in ("kill before commit", "kill after commit", "lose reply")},
}


@dataclass(frozen=True)
class Outcome:
    """What a handler brings when it gets that far."""

    events: tuple[Event, ...] = ()
    later: tuple[tuple[Event, str], ...] = ()
    children: tuple[Event, ...] = field(default=())


NOTHING = Outcome()


async def live(life: Life, event: Event | Joined, outcome: Outcome = NOTHING) -> list[Event]:
    """Live through one attempt: note its beginning, suffer the dose, note the end."""
    subject, dose = _dose(event)
    recovery = life.recovery
    life.note("began", subject=subject, cause=recovery.envelope.causation_id, pid=os.getpid())
    try:
        attempts = [] if recovery.undoing else orjson.loads(dose or b"{}").get(life.handler, [])
        if recovery.attempt <= len(attempts):
            life.note("suffers", fault=attempts[recovery.attempt - 1])
            await AFFLICTIONS[attempts[recovery.attempt - 1]](life)
    except asyncio.CancelledError:
        life.note("interrupted")
        raise
    except Exception as error:
        life.note("raised", error=str(error), kind=type(error).__name__)
        raise
    for later, after in outcome.later:
        recovery.publish(later, after=after)
    children = [recovery.start(child) for child in outcome.children]
    life.note(
        "returned",
        events=[(e.type, e.subject) for e in outcome.events],
        later=[(e.type, e.subject) for e, _ in outcome.later],
        children=[
            (child, e.type, e.subject) for child, e in zip(children, outcome.children, strict=True)
        ],
    )
    return list(outcome.events)


def _dose(event: Event | Joined) -> tuple[str, str]:
    one = next(iter(event)) if isinstance(event, Joined) else event
    return one.subject, getattr(one, "dose", "")
