"""Tell people that a recovery needs them, or their approval.

**Reacts to** ``RecoveryEscalated`` and ``ApprovalRequested``, about whichever subjects it is
registered for.
**Emits** nothing.
**Idempotent because** a channel that took an escalation is not told of it again by this process,
however often the delivery is tried; another process cannot know, and tells it twice rather than
not at all. Each notice holds the escalation's event id, by which a second one is recognised.
**Gives up by** a transient error that names the channels which failed: the delivery is tried again
for those alone, as the handler's retry policy says, and is a dead letter in the end.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from antiphon import ConfigurationError, Recovery, TransientError
from antiphon.duration import duration, format_duration
from antiphon.threads import Threads
from antiphon_events import ApprovalRequested, RecoveryEscalated
from antiphon_handlers.channels import Channel, Console, NotTold
from antiphon_handlers.notice import Notice

Needed = RecoveryEscalated | ApprovalRequested

_AT_ONCE = 4
"""Notices on their way through one channel: one that hangs holds up no other channel."""

_REMEMBERED = 1000
"""Escalations of which it is known who was told."""


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """One channel in its place."""

    channel: Channel
    place: int
    """In its tier, counted from 1."""

    threads: Threads


def decide(
    tier: int, tiers: Sequence[Sequence[Way]], told: AbstractSet[Way]
) -> tuple[Sequence[Way], Sequence[Way]]:
    """Decide whom to tell on a tier, counted from 1: all its channels, and those still to tell.

    Above the last tier it is the last one's.
    """
    ways = tiers[min(max(tier, 1), len(tiers)) - 1]
    return ways, [way for way in ways if way not in told]


def notify(
    *tiers: Sequence[Channel], timeout: str | timedelta = "30s", name: str = "notify"
) -> Callable[[Needed, Recovery], Coroutine[Any, Any, None]]:
    """Return a handler that tells people of an escalation, or of a request for their approval.

    Args:
        *tiers: the channels of tier 1, of tier 2, and so on; the last ones for every tier above.
            Standard error alone unless given.
        timeout: how long a channel may take. Its work is not stopped then, only not waited for.
        name: the handler's name, and so the end of its consumer group's; two handlers of one
            service need two names.

    Raises:
        ConfigurationError: a tier has no channels, or the timeout is not a duration.
    """
    ways = [_ways(number, tier) for number, tier in enumerate(tiers or [[Console()]], 1)]
    patience = _patience(timeout)
    remembered = OrderedDict[str, set[Way]]()

    async def tell_people(event: Needed, recovery: Recovery) -> None:
        told = remembered.setdefault(recovery.event_id, set())
        if len(remembered) > _REMEMBERED:
            remembered.popitem(last=False)
        notice = Notice.of(event, recovery)
        everybody, left = decide(event.tier, ways, told)
        answers = await asyncio.gather(*(_tell(way, notice, told, patience) for way in left))
        if failures := [answer for answer in answers if answer]:
            raise TransientError(
                f"tier {event.tier}: {len(failures)} of {len(everybody)} channels failed: "
                + "; ".join(failures)
            )

    tell_people.__name__ = name
    return tell_people


async def _tell(way: Way, notice: Notice, told: set[Way], patience: timedelta) -> str:
    """Tell one channel; returns what went wrong, or nothing."""

    def tell() -> None:
        way.channel.tell(notice)
        told.add(way)  # in the thread: one that succeeds too late is not told again

    try:
        async with asyncio.timeout(patience.total_seconds()):
            await way.threads.run(tell)
    except TimeoutError:
        problem = f"no answer within {format_duration(patience)}"
    except NotTold as error:
        problem = str(error)
    except Exception as error:  # noqa: BLE001  its text may hold an address, its name cannot
        problem = type(error).__name__
    else:
        return ""
    return f"{way.channel.name} (channel {way.place}): {problem}"


def _ways(number: int, tier: Sequence[Channel]) -> list[Way]:
    if not isinstance(tier, Sequence) or isinstance(tier, str):
        raise ConfigurationError(f"tier {number} is no list of channels")
    if not tier:
        raise ConfigurationError(f"tier {number} has no channels: nobody would be told")
    return [
        Way(channel, place, Threads(_AT_ONCE, f"antiphon.notify.{channel.name}"))
        for place, channel in enumerate(tier, 1)
    ]


def _patience(timeout: str | timedelta) -> timedelta:
    try:
        return duration(timeout)
    except ValueError as error:
        raise ConfigurationError(f"timeout: {error}") from error
