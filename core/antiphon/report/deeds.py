"""Deeds: what people did about a recovery, as far as its record and the cell's audit tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from antiphon.audit import Audit, AuditRow
from antiphon.instants import entry_instant
from antiphon.trace import Step, Trace

Act = Literal[
    "approve",
    "deny",
    "acknowledge",
    "cancel",
    "replay",
    "drop",
    "pause",
    "resume",
    "reset a guard",
]

PAUSING = frozenset({"pause", "storm"})
"""The guards that people end, by the names holds give them."""

_NOT_PEOPLE = frozenset({"relapse guard", "storm brake"})
_SWITCHES: dict[str, Act] = {"pause": "pause", "resume": "resume", "reset": "reset a guard"}
"""By the word the audit has for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One thing that a person did."""

    at: datetime
    act: Act
    by: str
    """Who; empty when nothing tells."""

    about: str
    """A group, the scope of a pause, or a guard; empty when it was the recovery as a whole."""

    reason: str


def deeds(trace: Trace, audit: Audit | None) -> tuple[Deed, ...]:
    """Find what people did about a recovery, the earliest first.

    Args:
        trace: The recovery.
        audit: What people did to the cell; None when that is not at hand, as with log lines. It
            alone tells who paused and resumed what the recovery waited for, and who delivered a
            dead letter again while it was open.
    """
    found = [*_answers(trace), *_replays(trace, audit)]
    if it := trace.cancellation:
        found.append(Deed(at=it.at, act="cancel", by=it.by, about="", reason=it.reason))
    found.extend(
        Deed(at=it.at, act="acknowledge", by=it.by, about="", reason=it.why)
        for it in trace.acknowledgements
    )
    found.extend(
        Deed(at=it.at, act="drop", by=it.by, about=it.group, reason=it.reason)
        for it in trace.discards
    )
    if audit is not None:
        found.extend(_switches(trace, audit.rows))
    return tuple(sorted(found, key=lambda deed: deed.at))


def replayed_at(step: Step) -> datetime:
    """Return when a step was delivered again: its entry in the inbox was written then."""
    return entry_instant(step.entry) or step.start


def _answers(trace: Trace) -> Iterator[Deed]:
    for it in trace.approvals:
        for vote in it.votes:
            yield Deed(at=vote.at, act="approve", by=vote.by, about=it.group, reason=vote.reason)
        if no := it.denial:
            yield Deed(at=no.at, act="deny", by=no.by, about=it.group, reason=no.reason)


def _replays(trace: Trace, audit: Audit | None) -> Iterator[Deed]:
    rows = audit.rows if audit else ()
    known = {row.what: row for row in rows if row.action == "replay"}
    told = {it.reopening.dead: it.reopening for it in trace.periods if it.reopening}
    for step in trace.steps:
        if step.replay_of:
            row = known.get(step.replay_of) or told.get(step.replay_of)
            yield Deed(
                at=replayed_at(step),
                act="replay",
                by=row.by if row else "",
                about=step.group,
                reason=row.reason if row else "",
            )


def _switches(trace: Trace, rows: Iterable[AuditRow]) -> Iterator[Deed]:
    """Find who paused, resumed and reset what held the recovery back."""
    held = dict[tuple[str, str], datetime]()
    for hold in sorted((h for s in trace.steps for h in s.holds), key=lambda it: it.since):
        held.setdefault((hold.guard.kind, hold.guard.name), hold.since)
    given_up = {(it.guard.kind, it.guard.name) for step in trace.steps if (it := step.suppression)}
    scopes = {name or kind: since for (kind, name), since in held.items() if kind in PAUSING}
    guards = {f"{kind}|{name}" for kind, name in {*held, *given_up}}
    ended = trace.closed or trace.as_of
    pauses: dict[str, AuditRow] = {}
    for row in rows:
        if row.at > ended:
            break
        if row.action == "pause" and row.what in scopes and row.at <= scopes[row.what]:
            pauses[row.what] = row  # the one that held first is the last before
            continue
        about = row.what in scopes if row.action in {"pause", "resume"} else row.what in guards
        if row.action in _SWITCHES and about and row.at >= trace.opened:
            yield from _switched(row)
    for row in pauses.values():
        yield from _switched(row)


def _switched(row: AuditRow) -> Iterator[Deed]:
    if row.by not in _NOT_PEOPLE:
        act = _SWITCHES[row.action]
        yield Deed(at=row.at, act=act, by=row.by, about=row.what, reason=row.reason)
