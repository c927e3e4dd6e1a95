"""Does every handler that is waited for do its work?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from antiphon.census import GroupCensus
from antiphon.doctor.facts import Facts
from antiphon.doctor.finding import Finding, Grade
from antiphon.trace.words import spell

_GONE_AFTER = timedelta(hours=1)
"""Longer than a deployment takes: a handler away for so long is not on its way back."""


def examine(facts: Facts) -> Iterator[Finding]:
    """Look at every group."""
    if not facts.census.groups:
        yield Finding(
            Grade.WARNING,
            "handlers",
            "none is registered: nothing reacts to a failure",
            "run a service: antiphon run MODULE:SERVICE",
        )
    for group in facts.census.groups:
        found = list(_flaws(group))
        if found:
            yield from found
        else:
            yield Finding(Grade.OK, group.name, _standing(group, facts.census.taken))


def _flaws(group: GroupCensus) -> Iterator[Finding]:
    if group.stuck and group.live:
        yield Finding(
            Grade.PROBLEM,
            group.name,
            f"{_counted(group.stuck)} should be under way and nobody touches them, though a "
            "worker runs",
            "look at its log; it may have no room, or hang",
        )
    if not group.live:
        yield from _deserted(group)
    if group.missing:
        yield Finding(
            Grade.WARNING,
            group.name,
            f"the server has lost the group on {', '.join(group.missing)}",
            "" if group.live else "run a worker: it makes the group again, and skips what is done",
        )
    if group.stale:
        yield Finding(
            Grade.WARNING,
            group.name,
            f"it is still a group on {', '.join(group.stale)}, to which its handler does not "
            "react any more, and keeps what is there from being trimmed",
            f"stop its workers, antiphon groups retire {group.name}, and start them again",
        )


def _deserted(group: GroupCensus) -> Iterator[Finding]:
    away = f"for {spell(group.away)}" if group.away is not None else "yet"
    retire = f"if its handler was renamed or removed: antiphon groups retire {group.name}"
    if not group.idle:
        waits = [f"{group.pending} pending"] if group.pending else []
        waits += [f"{'some' if group.lag is None else group.lag} unread"] if group.lag != 0 else []
        yield Finding(
            Grade.PROBLEM,
            group.name,
            f"{' and '.join(waits)}, and no worker has run it {away}",
            f"run {group.service}; {retire}",
        )
    elif group.away is None or group.away > _GONE_AFTER:
        yield Finding(
            Grade.WARNING,
            group.name,
            f"no worker has run it {away}, so that a failure would wait for it",
            retire,
        )


def _standing(group: GroupCensus, now: datetime) -> str:
    parts = [f"{'some' if group.lag is None else group.lag} unread, {group.pending} pending"]
    if group.oldest_pending is not None:
        parts.append(f"the oldest for {spell(now - group.oldest_pending)}")
    if group.waiting:
        parts.append(f"{group.waiting} waiting for their instant")
    if not group.live and group.away is not None:
        parts.append(f"no worker for {spell(group.away)}")
    return ", ".join(parts)


def _counted(count: int) -> str:
    return "1 delivery" if count == 1 else f"{count} deliveries"
