"""A trace: one recovery as a whole, from its ledger or from log lines alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal, Self

from antiphon.instants import EPOCH, iso
from antiphon.ledger import Entry
from antiphon.summary import Summary
from antiphon.trace import document, flow_document, gaps, slack, waiting
from antiphon.trace.approvals import Approval
from antiphon.trace.conclusion import conclude
from antiphon.trace.decisions import Acknowledgement, Discard, Escalation, Halt, Relapse
from antiphon.trace.flow import (
    Cancellation,
    Child,
    JoinTimeout,
    Rollback,
    Scheduled,
    Stall,
)
from antiphon.trace.history import History
from antiphon.trace.logs import LogRows
from antiphon.trace.parts import CriticalPath, Outstanding, Step, TracedEvent
from antiphon.trace.path import critical_path
from antiphon.trace.periods import Period, Stretch, closed_between, periods, reopened

Source = Literal["ledger", "logs"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Trace:
    """What happened in one recovery, what still runs, and what it waits for."""

    source: Source
    summary: Summary
    """The recovery in short: correlation id, status, verdict, counts."""

    opened: datetime
    """When its first event entered a stream, which may be before Antiphon saw it."""

    as_of: datetime
    """The instant up to which things that still go on are counted."""

    periods: tuple[Period, ...]
    """When it was open: once, unless it was closed and opened again."""

    events: tuple[TracedEvent, ...]
    """In the order they entered their streams."""

    steps: tuple[Step, ...]
    """In the order they began."""

    outstanding: tuple[Outstanding, ...]
    """What it still waits for, the longest owed first; empty when closed."""

    critical_path: CriticalPath
    relapse: Relapse | None
    """The recovery whose success did not hold; None unless this one is a relapse."""

    halt: Halt | None
    """Which limit stopped it; None unless it was halted."""

    escalations: tuple[Escalation, ...]
    """What people were told, the earliest first."""

    acknowledgement: Acknowledgement | None
    """Who knows of it; None when nobody has said so since people were told."""

    acknowledgements: tuple[Acknowledgement, ...]
    """Everybody who said so, the earliest first; each for what people had been told before."""

    discards: tuple[Discard, ...]
    """Dead letters of it that were thrown away, the earliest first."""

    scheduled: tuple[Scheduled, ...]
    """Events that were put off, published since or not."""

    timeouts: tuple[JoinTimeout, ...]
    """Joins that gave up waiting."""

    approvals: tuple[Approval, ...]
    """What people were asked to agree to, the earliest first."""

    children: tuple[Child, ...]
    """The recoveries it started, the earliest first."""

    stall: Stall | None
    """What it waited for when its deadline passed; None unless that was seen."""

    cancellation: Cancellation | None
    """Who ended it; None unless a person did."""

    rollback: Rollback | None
    """Since when its steps are undone, and how many; None unless they are."""

    missing: tuple[str, ...]
    """What the source could not tell."""

    @classmethod
    def from_ledger(
        cls,
        entries: Iterable[Entry],
        outstanding: Iterable[str] = (),
        summary: Summary | None = None,
        *,
        now: datetime | None = None,
    ) -> Self:
        """Build the trace of a recovery from its ledger.

        Args:
            entries: Every row, in order.
            outstanding: What the recovery still waits for, as Redis keeps it: `type|entry|group`,
                or a name that begins with another word.
            summary: The recovery's summary; worked out from the rows, which do not tell the
                correlation id, unless given.
            now: Up to when to count what still goes on; the time of the latest row unless given.
        """
        return cls.from_history(History.of(entries), outstanding, summary, now=now)

    @classmethod
    def from_history(
        cls,
        history: History,
        outstanding: Iterable[str] = (),
        summary: Summary | None = None,
        *,
        now: datetime | None = None,
    ) -> Self:
        """Build it as `from_ledger` does, from rows that have been gathered already.

        Whoever follows a recovery adds new rows to its history and need not read the others again.
        """
        steps = history.steps()
        return cls._of(
            "ledger",
            history,
            steps,
            summary or conclude(history, steps, ""),
            owed=outstanding,
            now=now,
            missing=gaps.in_ledger(history),
        )

    @classmethod
    def from_logs(
        cls,
        lines: Iterable[str | bytes],
        correlation_id: str,
        *,
        now: datetime | None = None,
    ) -> Self:
        """Build the trace of a recovery from log lines alone.

        Lines of other recoveries and of other programs are passed over.
        Work that has begun and not ended counts as outstanding; work nobody has begun leaves no
        line. When no line names the recovery, the trace holds no events.

        Args:
            lines: Lines of any number of services, in any order.
            correlation_id: Which recovery.
            now: Up to when to count what still goes on; the time of the latest line unless given.
        """
        logs = LogRows.of(lines, correlation_id)
        history = History.of(logs.rows)
        steps = history.steps()
        summary = conclude(history, steps, correlation_id)
        return cls._of(
            "logs",
            history,
            steps,
            summary,
            owed=() if summary.closed else waiting.unfinished(history, steps),
            now=now,
            missing=gaps.in_logs(logs, history, steps, summary),
        )

    @classmethod
    def _of(
        cls,
        source: Source,
        history: History,
        steps: Sequence[Step],
        summary: Summary,
        *,
        owed: Iterable[str],
        now: datetime | None,
        missing: Iterable[str],
    ) -> Self:
        events = tuple(sorted(history.events.values(), key=lambda event: event.time))
        as_of = now or history.latest or EPOCH
        began = [event.time for event in events[:1]] + ([summary.opened] if summary.opened else [])
        opened = min(began, default=as_of)
        spans = periods(history.turns, history.flow.stalls, opened)
        return cls(
            source=source,
            summary=summary,
            opened=opened,
            as_of=as_of,
            periods=spans,
            events=events,
            steps=tuple(steps),
            outstanding=waiting.outstanding(owed, history, steps, as_of),
            critical_path=critical_path(events, steps, as_of, reopened(spans)),
            relapse=history.relapse,
            halt=history.halt,
            escalations=tuple(history.escalations),
            acknowledgement=history.acknowledgement,
            acknowledgements=tuple(history.acknowledgements),
            discards=tuple(history.discards),
            scheduled=tuple(history.flow.scheduled.values()),
            timeouts=tuple(history.flow.timeouts),
            approvals=tuple(_approvals(history, steps)),
            children=tuple(history.flow.children.values()),
            stall=history.flow.stall,
            cancellation=history.flow.cancellation,
            rollback=history.flow.rollback,
            missing=tuple(missing),
        )

    def __repr__(self) -> str:
        """Name it, no more: asyncio writes down what a task returns, however long that takes."""
        about = f"{self.verdict or self.status}, {len(self.steps)} steps"
        return f"<Trace of {self.correlation_id!r}: {about}>"

    @property
    def correlation_id(self) -> str:
        """What everything in this recovery shares."""
        return self.summary.correlation_id

    @property
    def subject(self) -> str:
        """What the event that opened it is about."""
        return self.summary.subject

    @property
    def root_type(self) -> str:
        """The type of the event that opened it."""
        return self.summary.type

    @property
    def status(self) -> str:
        """`open` or `closed`."""
        return self.summary.status

    @property
    def verdict(self) -> str | None:
        """How it was closed; None while open, or when nothing tells."""
        return self.summary.verdict

    @property
    def closed(self) -> datetime | None:
        """When it was closed the last time; None while open."""
        return self.summary.closed

    @property
    def duration(self) -> timedelta:
        """How long it took from the first opening to the last closing, or has been going on."""
        return max((self.closed or self.as_of) - self.opened, timedelta())

    @property
    def closed_between(self) -> tuple[Stretch, ...]:
        """When it was closed before it was opened again, the earliest first."""
        return closed_between(self.periods)

    @property
    def open_for(self) -> timedelta:
        """How much of its duration it was open; in the rest nothing was owed, and nobody waited."""
        shut = sum((until - since for since, until in self.closed_between), timedelta())
        return max(self.duration - shut, timedelta())

    def over(self, since: datetime) -> datetime | None:
        """When the period was closed in which something began; None while that goes on."""
        ends = (it.closed for it in self.periods if it.closed and it.closed >= since)
        return min(ends, default=self.closed)

    @property
    def sum_of_steps(self) -> timedelta:
        """How long it would have taken one step after another, without any wait."""
        return sum((step.lasted(self.as_of) for step in self.steps), timedelta())

    def to_dict(self) -> dict[str, Any]:
        """Return the trace for JSON: stable keys, ISO instants, durations in milliseconds."""
        idle = slack.idle(self)
        return {
            **self.summary.to_dict(),
            "source": self.source,
            "opened": iso(self.opened),
            "as_of": iso(self.as_of),
            "duration_ms": document.milliseconds(self.duration),
            "open_ms": document.milliseconds(self.open_for),
            "periods": [period.to_dict() for period in self.periods],
            "sum_of_steps_ms": document.milliseconds(self.sum_of_steps),
            "critical_path": document.path(self.critical_path),
            "idle": [document.idle(it) for it in idle],
            "lost_ms": document.milliseconds(slack.lost(self, idle)),
            "parallel": [document.parallel(it) for it in slack.parallel(self)],
            "relapse": document.relapse(self.relapse),
            "halt": document.halt(self.halt),
            "escalations": [document.escalation(told) for told in self.escalations],
            "acknowledgement": document.acknowledgement(self.acknowledgement),
            "acknowledgements": [document.acknowledgement(it) for it in self.acknowledgements],
            "discards": [document.discard(it) for it in self.discards],
            "scheduled": [flow_document.scheduled(it) for it in self.scheduled],
            "timeouts": [flow_document.timeout(it) for it in self.timeouts],
            "approvals": [flow_document.approval(it) for it in self.approvals],
            "children": [flow_document.child(it) for it in self.children],
            "stall": flow_document.stall(self.stall),
            "cancellation": flow_document.cancellation(self.cancellation),
            "rollback": flow_document.rollback(self.rollback),
            "events": [document.event(event) for event in self.events],
            "steps": [document.step(step, self.as_of) for step in self.steps],
            "outstanding": [document.owed(owed) for owed in self.outstanding],
            "missing": list(self.missing),
        }


def _approvals(history: History, steps: Sequence[Step]) -> Iterator[Approval]:
    """Tell those nobody need give any more: the delivery ended for another reason."""
    if not history.flow.approvals:
        return
    ended = {(step.group, step.event_id) for step in steps if step.outcome.is_final}
    for asked in history.flow.approvals.values():
        requester = asked.requester or (history.root.text("source") if history.root else "")
        dropped = (asked.group, asked.event_id) in ended
        yield replace(asked, requester=requester, dropped=dropped)
