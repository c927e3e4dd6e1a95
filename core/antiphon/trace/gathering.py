"""The rows of one delivery, gathered; `Gathering.step` draws the conclusion.

Rows may come in any order: those of log files are sorted by the clocks of several machines.
So each row finds its attempt by number and consumer, and only the conclusion looks at the order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import zip_longest

from antiphon.instants import EPOCH
from antiphon.ledger import Entry, Kind
from antiphon.trace.decisions import Guard, Hold, Suppression
from antiphon.trace.flow import Win
from antiphon.trace.parts import (
    INBOX,
    Attempt,
    AttemptOutcome,
    KeyWait,
    Progress,
    Step,
    StepOutcome,
    TracedEvent,
)

_ENDS: Mapping[str, AttemptOutcome] = {
    Kind.COMPLETED: AttemptOutcome.COMPLETED,
    Kind.RETRIED: AttemptOutcome.RETRIED,
    Kind.RELEASED: AttemptOutcome.RELEASED,
}

_SETTLEMENTS = {
    Kind.SKIPPED: StepOutcome.SKIPPED,
    Kind.DUPLICATE: StepOutcome.DUPLICATE,
    Kind.JOINED: StepOutcome.JOINED,
    Kind.LOST: StepOutcome.LOST,
    Kind.SUPPRESSED: StepOutcome.SUPPRESSED,
    Kind.LATE: StepOutcome.LATE,
    Kind.OUTRUN: StepOutcome.OUTRUN,
}

_WAITS = {Kind.WAITING: StepOutcome.WAITING, Kind.HELD: StepOutcome.HELD}

_TIMED = frozenset({*_WAITS, Kind.JOINED})
"""Rows whose `due` says when the delivery, or the join it serves, is looked at again."""

_STANDINGS = {
    AttemptOutcome.COMPLETED: StepOutcome.COMPLETED,
    AttemptOutcome.RETRIED: StepOutcome.RETRYING,
    AttemptOutcome.RELEASED: StepOutcome.RELEASED,
    AttemptOutcome.DIED: StepOutcome.DIED,
}

_YIELDED = frozenset(
    {
        AttemptOutcome.RELEASED,
        AttemptOutcome.HELD,
        AttemptOutcome.TAKEN_OVER,
        AttemptOutcome.UNKNOWN,
    }
)


@dataclass(slots=True)
class _Try:
    """One attempt while its rows are being gathered."""

    no: int
    consumer: str
    start: datetime
    begun: bool = False
    """Whether its start was seen, or only reckoned from its end."""

    end: datetime | None = None
    duration: timedelta | None = None
    outcome: AttemptOutcome | None = None
    error: str | None = None
    due: datetime | None = None
    claimed_from: str | None = None
    refused: datetime | None = None

    def attempt(self) -> Attempt:
        return Attempt(
            no=self.no,
            consumer=self.consumer,
            start=self.start,
            reckoned=not self.begun,
            end=self.end,
            duration=self.duration,
            outcome=self.outcome or AttemptOutcome.RUNNING,
            error=self.error,
            taken_over_from=self.claimed_from,
            due=self.due,
            refused=self.refused,
        )


@dataclass(slots=True)
class Gathering:
    """The rows of one delivery, sorted into attempts."""

    group: str
    event_id: str
    entry: str
    first_seen: datetime
    replay_of: str = ""
    undo_of: str = ""
    _tries: list[_Try] = field(default_factory=list)
    _settlement: Entry | None = None
    _wait: Entry | None = None
    _held: list[Entry] = field(default_factory=list)
    _keyed: list[Entry] = field(default_factory=list)
    _refused: list[Entry] = field(default_factory=list)
    _progress: Entry | None = None
    _dead: str = ""

    def add(self, row: Entry) -> None:
        """Take in one row."""
        if ended := _ENDS.get(row.kind):
            self._end(row, ended)
            return
        match row.kind:
            case Kind.STARTED:
                self._start(row)
            case Kind.DIED:
                self._dead = row.text("dead")
                self._end(row, AttemptOutcome.DIED)
            case Kind.DUPLICATE if row.text("of").endswith(f"|{self.entry}|{self.group}"):
                pass  # a lost group was made again and read what it had settled itself
            case Kind.WAITING:
                self._wait = row
                self._keyed.append(row)
            case Kind.HELD:
                self._wait = row
                self._held.append(row)
                if row.text("attempt"):  # it ran until it met the guard
                    self._end(row, AttemptOutcome.HELD)
            case Kind.PROGRESS:
                self._progress = row
            case _ if row.kind in _SETTLEMENTS:
                self._settlement = row

    def refuse(self, row: Entry) -> None:
        """Take in a row that tells that somebody came too late."""
        self._refused.append(row)

    @property
    def completed(self) -> bool:
        """Whether an attempt completed; only then its events were published."""
        return any(attempt.outcome == AttemptOutcome.COMPLETED for attempt in self._tries)

    def step(self, event: TracedEvent, published: tuple[str, ...], won: Win | None = None) -> Step:
        """Conclude what the delivery is, as far as its rows tell."""
        self._order_tries()
        self._settle_refusals()
        attempts = tuple(t.attempt() for t in self._tries)
        outcome, end, about = self._standing(attempts)
        wait_due = about and about.kind in _TIMED and about.instant("due")
        delivered_again = self.replay_of or self.undo_of
        retry_due = attempts[-1].due if attempts and not outcome.is_final else None
        return Step(
            group=self.group,
            event_id=self.event_id,
            event_type=event.type,
            subject=event.subject,
            entry=self.entry,
            label=INBOX if delivered_again or self.entry != event.entry else event.type,
            outcome=outcome,
            attempts=attempts,
            holds=tuple(self._holds(outcome)),
            key_waits=tuple(self._key_waits(outcome)),
            suppression=(
                Suppression.of(about) if about and outcome == StepOutcome.SUPPRESSED else None
            ),
            start=attempts[0].start if attempts else self.first_seen,
            end=end if outcome.is_final else None,
            progress=_progress(self._progress),
            published=published,
            of=about.text("of") if about else "",
            due=wait_due or retry_due,
            note=_note(about) if about else "",
            replay_of=self.replay_of,
            dead=self._dead if outcome == StepOutcome.DIED else "",
            undo_of=self.undo_of,
            won=won,
        )

    def _start(self, row: Entry) -> None:
        no, consumer = row.whole("attempt") or 1, row.text("consumer")
        for attempt in self._tries:
            if (attempt.no, attempt.consumer, attempt.begun) == (no, consumer, False):
                break
        else:
            attempt = _Try(no, consumer, row.at)
            self._tries.append(attempt)
        attempt.start, attempt.begun = row.at, True
        attempt.claimed_from = row.text("from") or None

    def _end(self, row: Entry, outcome: AttemptOutcome) -> None:
        attempt = self._open_try(row)
        attempt.end, attempt.duration, attempt.outcome = row.at, row.length("ms"), outcome
        attempt.error = row.text("error") or None
        attempt.due = row.instant("due")

    def _open_try(self, row: Entry) -> _Try:
        no, consumer = row.whole("attempt") or 1, row.text("consumer")
        for attempt in reversed(self._tries):
            if (attempt.no, attempt.consumer, attempt.outcome) == (no, consumer, None):
                return attempt
        spent = max(row.length("ms") or timedelta(), timedelta())
        attempt = _Try(no, consumer, row.at - min(spent, row.at - EPOCH))
        self._tries.append(attempt)
        return attempt

    def _settle_refusals(self) -> None:
        """Tell the attempts whose outcome came too late: the first time counts."""
        for row in self._refused:
            no, consumer = row.whole("attempt"), row.text("consumer")
            for attempt in reversed(self._tries):
                if attempt.consumer == consumer and no in (None, attempt.no):
                    attempt.refused = min(attempt.refused or row.at, row.at)
                    break

    def _order_tries(self) -> None:
        """Put the attempts in order, and settle those that a later one shows to be over."""
        if len(self._tries) == 1 and self._settlement is None and not self._held:
            return
        self._tries.sort(key=lambda t: (t.no, t.outcome not in _YIELDED, t.start))
        followers = [(t.start, t.claimed_from) for t in self._tries[1:]]
        if self._settlement is not None:
            followers.append((self._settlement.at, None))
        elif self._tries and self._held and self._held[-1].at > self._tries[-1].start:
            # Only a worker that took the delivery over can be told to wait while it seems to run.
            followers.append((self._held[-1].at, self._tries[-1].consumer))
        for attempt, (at, claimed_from) in zip(self._tries, followers, strict=False):
            if attempt.outcome is None:
                taken = claimed_from == attempt.consumer
                attempt.outcome = AttemptOutcome.TAKEN_OVER if taken else AttemptOutcome.UNKNOWN
                held = (row.at for row in self._held if attempt.start < row.at <= at)
                attempt.end = min(held, default=at)

    def _holds(self, outcome: StepOutcome) -> Iterator[Hold]:
        """Tell when each hold ended: with whatever the delivery came to next."""
        if not self._held:
            return
        starts = [attempt.start for attempt in self._tries]
        ends = [*starts, *(row.at for row in (self._settlement, self._wait) if row is not None)]
        for row, following in zip_longest(self._held, self._held[1:]):
            later = [at for at in ends if at > row.at] + ([following.at] if following else [])
            going_on = following is None and outcome == StepOutcome.HELD
            yield Hold(
                guard=Guard.of(row),
                since=row.at,
                due=row.instant("due"),
                # Clocks may disagree: what is over ended at once when nothing seems to follow.
                until=None if going_on else min(later, default=row.at),
            )

    def _key_waits(self, outcome: StepOutcome) -> Iterator[KeyWait]:
        """Tell when each wait for the key ended: with whatever the delivery came to next."""
        if not self._keyed:
            return
        others = [attempt.start for attempt in self._tries] + [row.at for row in self._held]
        keyed: list[Entry] = []
        for row in self._keyed:  # a log tells of every look
            last = keyed[-1] if keyed else None
            changed = last is None or last.text("of") != row.text("of")
            if changed or any(last.at < at <= row.at for at in others if last):
                keyed.append(row)
        ends = others + [row.at for row in keyed]
        ends += [self._settlement.at] if self._settlement is not None else []
        for position, row in enumerate(keyed, 1):
            going_on = position == len(keyed) and outcome == StepOutcome.WAITING
            over = min((at for at in ends if at > row.at), default=row.at)
            yield KeyWait(of=row.text("of"), since=row.at, until=None if going_on else over)

    def _standing(
        self, attempts: tuple[Attempt, ...]
    ) -> tuple[StepOutcome, datetime | None, Entry | None]:
        """Return the outcome, when it was reached, and the row that tells more about it."""
        if self._settlement is not None:
            row = self._settlement
            return _SETTLEMENTS[Kind(row.kind)], row.at, row
        last = attempts[-1] if attempts else None
        if self._wait is not None and (last is None or _yields_to(self._wait, last)):
            return _WAITS[Kind(self._wait.kind)], None, self._wait
        if last is None:
            return StepOutcome.OWED if self.undo_of else StepOutcome.RUNNING, None, None
        return _STANDINGS.get(last.outcome, StepOutcome.RUNNING), last.end, None


def _yields_to(wait: Entry, last: Attempt) -> bool:
    """Whether a delivery waits since its last attempt; one that runs or is over does not."""
    again = last.outcome in {
        AttemptOutcome.RETRIED,
        AttemptOutcome.RELEASED,
        AttemptOutcome.HELD,
        AttemptOutcome.TAKEN_OVER,
    }
    return again and last.end is not None and wait.at >= last.end


def _progress(row: Entry | None) -> Progress | None:
    fraction = row.number("fraction") if row else None
    if row is None or fraction is None:
        return None
    return Progress(at=row.at, fraction=fraction, message=row.text("message"))


def _note(row: Entry) -> str:
    if row.kind == Kind.JOINED:
        return f"{row.text('have')} of {row.text('need')} branches arrived"
    if row.kind == Kind.LATE:
        return "the join had given up waiting"
    if row.kind == Kind.OUTRUN:
        return f"{row.text('by')} has what it needs" if row.text("by") else ""
    return row.text("why" if row.kind == Kind.SUPPRESSED else "error")
