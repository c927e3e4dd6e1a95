"""A recovery told twice: as the ledger keeps it, and as the log lines of its workers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Self

import orjson

from antiphon.instants import EPOCH, instant
from antiphon.ledger import Entry

BEGINNING_MS = int((datetime(2026, 11, 22, 12, 0, tzinfo=UTC) - EPOCH).total_seconds() * 1000)
_LOG_DELAY_MS = 2
"""A line is written a little after Redis has answered."""


@dataclass(frozen=True)
class Fact:
    """An event and the entry that holds it."""

    id: str
    type: str
    subject: str
    entry: str
    cause: str = ""

    @property
    def delivery_fields(self) -> dict[str, str]:
        return {"event": self.id, "entry": self.entry}


@dataclass(frozen=True)
class Run:
    """One attempt of one handler on one event."""

    group: str
    fact: Fact
    consumer: str
    attempt: int
    began_ms: int


@dataclass
class Story:
    """Tells a recovery as it happens; `now_ms` is Redis's clock."""

    correlation_id: str = "01934f00-0000-7000-8000-000000000001"
    now_ms: int = BEGINNING_MS
    rows: list[tuple[bytes, dict[bytes, bytes]]] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    clock_ahead_ms: Mapping[str, int] = field(default_factory=dict)
    """By consumer: how wrong the clock is that dates its log lines."""

    _count: int = 0

    @property
    def now(self) -> datetime:
        return instant(self.now_ms)

    @property
    def text(self) -> str:
        """The log as one file."""
        return b"".join(line + b"\n" for line in self.lines).decode()

    def entries(self) -> list[Entry]:
        return [Entry.from_row(entry_id, row) for entry_id, row in self.rows]

    def after(self, seconds: float) -> Self:
        self.now_ms += round(seconds * 1000)
        return self

    def opens(self, event_type: str, subject: str, *, logged: bool = True) -> Fact:
        """Publish from outside: by a program that logs it, or with a bare XADD."""
        fact = self._fact(event_type, subject)
        self._row("opened", event=fact.id, type=fact.type, subject=fact.subject)
        self._announce("published" if logged else "adopted", fact, by="")
        if logged:
            self._line(
                "event.published",
                "",
                event_id=fact.id,
                event_type=fact.type,
                subject=fact.subject,
                causation_id=None,
            )
        return fact

    def starts(
        self,
        group: str,
        fact: Fact,
        consumer: str,
        *,
        attempt: int = 1,
        taken_over_from: str = "",
    ) -> Run:
        run = Run(group, fact, consumer, attempt, self.now_ms)
        self._row(
            "started",
            group=group,
            **fact.delivery_fields,
            type=fact.type,
            subject=fact.subject,
            attempt=attempt,
            consumer=consumer,
            token=self._count,
            **{"from": taken_over_from},
        )
        known = {"taken_over_from": taken_over_from} if taken_over_from else {}
        self._delivery_line("delivery.started", run, token=self._count, **known)
        return run

    def progresses(self, run: Run, fraction: float, message: str) -> None:
        self._tell("progress", run, fraction=fraction, message=message)
        self._delivery_line("delivery.progress", run, fraction=fraction, message=message)

    def completes(self, run: Run, *published: tuple[str, str]) -> list[Fact]:
        facts = [self._fact(*what, cause=run.fact.id) for what in published]
        self._tell("completed", run)
        for fact in facts:
            self._announce("published", fact, by=run.group)
        listed = [
            {"id": f.id, "type": f.type, "subject": f.subject, "entry": f.entry} for f in facts
        ]
        self._delivery_line(
            "delivery.completed", run, duration_ms=self._spent(run), published=listed
        )
        return facts

    def retries(self, run: Run, error: str, *, due_in: float) -> None:
        due = self.now_ms + round(due_in * 1000)
        self._tell("retried", run, error=error, due=due)
        self._delivery_line(
            "delivery.retried", run, duration_ms=self._spent(run), error=error, due_ms=due
        )

    def releases(self, run: Run) -> None:
        self._tell("released", run, error="", due=self.now_ms)
        self._delivery_line("delivery.released", run, duration_ms=self._spent(run))

    def dies(self, run: Run, error: str) -> str:
        dead = self._entry()
        self._tell("died", run, error=error, dead=dead)
        self._delivery_line(
            "delivery.died", run, duration_ms=self._spent(run), error=error, dead_entry=dead
        )
        return dead

    def replays(
        self, run: Run, dead: str, *, by: str = "", reason: str = "", closed: bool = True
    ) -> Fact:
        """Deliver a dead letter again: the same event, as an entry of the group's inbox.

        Args:
            run: The delivery that died.
            dead: Its dead letter.
            by: Who does it; the log of that command is there when somebody is named.
            reason: Why.
            closed: Whether the recovery was closed.
        """
        again = replace(run.fact, entry=self._entry())
        if closed:
            self.reopens(run.fact)
        who = {"by": by, "reason": reason}
        self._row("replayed", group=run.group, **again.delivery_fields, dead=dead, **who)
        if by:
            told = Run(run.group, again, "", 0, 0)
            self._delivery_line("letter.replayed", told, dead_entry=dead, **who)
        return again

    def discards(self, run: Run, dead: str, by: str, reason: str) -> None:
        """Somebody throws a dead letter away."""
        about = {"group": run.group, "by": by, "reason": reason}
        self._row("discarded", **about, event=run.fact.id, dead=dead)
        self._line("letter.discarded", "", **about, event_id=run.fact.id, dead_entry=dead)

    def reopens(self, fact: Fact) -> None:
        """Open it again for an event; no line says so."""
        self._row("reopened", event=fact.id, type=fact.type)

    def skips(self, group: str, fact: Fact) -> None:
        self._row("skipped", group=group, **fact.delivery_fields)
        self._delivery_line("delivery.skipped", Run(group, fact, "", 0, 0))

    def finds_duplicate(self, group: str, fact: Fact, of: str) -> None:
        self._row("duplicate", group=group, **fact.delivery_fields, of=of)
        self._delivery_line("delivery.duplicate", Run(group, fact, "", 0, 0), of=of)

    def waits(self, group: str, fact: Fact, of: str, *, due_in: float) -> None:
        due = self.now_ms + round(due_in * 1000)
        self._row("waiting", group=group, **fact.delivery_fields, of=of, due=due)
        self._delivery_line("delivery.waiting", Run(group, fact, "", 0, 0), of=of, due_ms=due)

    def closes(self, run: Run, verdict: str, *, done: int, dead: int = 0) -> None:
        self._row("closed", verdict=verdict, done=done, dead=dead, unanswered=0)
        self._delivery_line("recovery.closed", run, verdict=verdict)

    def _fact(self, event_type: str, subject: str, *, cause: str = "") -> Fact:
        entry = self._entry()
        return Fact(f"event-{self._count:05}", event_type, subject, entry, cause)

    def _announce(self, kind: str, fact: Fact, *, by: str) -> None:
        self._row(
            kind,
            **fact.delivery_fields,
            type=fact.type,
            subject=fact.subject,
            cause=fact.cause,
            by=by,
            to="",
        )

    def _tell(self, kind: str, run: Run, **more: object) -> None:
        self._row(
            kind,
            group=run.group,
            **run.fact.delivery_fields,
            attempt=run.attempt,
            consumer=run.consumer,
            ms=self._spent(run),
            **more,
        )

    def _spent(self, run: Run) -> int:
        return self.now_ms - run.began_ms

    def _entry(self) -> str:
        self._count += 1
        return f"{self.now_ms}-{self._count}"

    def _row(self, kind: str, **fields: object) -> None:
        row = {name.encode(): str(value).encode() for name, value in fields.items()}
        self.rows.append((self._entry().encode(), {b"kind": kind.encode(), **row}))

    def _delivery_line(self, event: str, run: Run, **more: object) -> None:
        service, _, handler = run.group.rpartition(".")
        delivery = {
            "causation_id": run.fact.cause or None,
            "event_id": run.fact.id,
            "event_type": run.fact.type,
            "subject": run.fact.subject,
            "service": service,
            "handler": handler,
            "group": run.group,
            "consumer": run.consumer,
            "entry_id": run.fact.entry,
            "attempt": run.attempt or None,
        }
        # What a call says itself goes before what is bound.
        self._line(event, run.consumer, **{**delivery, **more})

    def _line(self, event: str, by: str, /, **fields: Any) -> None:
        at = instant(self.now_ms + _LOG_DELAY_MS + self.clock_ahead_ms.get(by, 0))
        line = {
            "correlation_id": self.correlation_id,
            **fields,
            "event": event,
            "level": "info",
            "timestamp": at.isoformat().replace("+00:00", "Z"),
        }
        self.lines.append(orjson.dumps(line))


def begun() -> tuple[Story, Fact, Run]:
    """A recovery one second old, whose only step has just begun."""
    story = Story()
    failed = story.opens("service.failed", "orders-api")
    return story, failed, story.after(1).starts("orders-api.restart", failed, "api-host")


def a_whole_recovery(**options: Any) -> Story:
    """The shop loses its database: a retry, a take-over, a wait, a duplicate, a death."""
    s = Story(**options)
    failed = s.opens("service.failed", "orders-db")
    restore = s.after(0.2).starts("orders-db.restore", failed, "db-host-1")
    page = s.starts("pager.page", failed, "pager-1")
    s.skips("audit.note", failed)
    s.after(1.0).dies(page, "PermanentError: no such phone number")
    s.after(1.0).retries(restore, "ConnectionError: backup store refused", due_in=2.0)
    s.after(2.0).starts("orders-db.restore", failed, "db-host-1", attempt=2)
    restore = s.after(5.0).starts(
        "orders-db.restore", failed, "db-host-2", attempt=3, taken_over_from="db-host-1"
    )
    s.after(2.0).progresses(restore, 0.5, "copying rows")
    (restored,) = s.after(2.0).completes(restore, ("database.restored", "orders-db"))
    warm = s.after(0.1).starts("orders-cache.warm", restored, "cache-host")
    restart = s.starts("orders-api.restart", restored, "api-host")
    (restarted,) = s.after(1.5).completes(restart, ("service.restarted", "orders-api"))
    (warmed,) = s.after(2.5).completes(warm, ("cache.warmed", "orders-cache"))
    s.waits("web.reopen", restarted, "cache.warmed|1-1|web.reopen", due_in=1.0)
    reopen = s.after(0.1).starts("web.reopen", warmed, "web-host")
    s.after(0.4).completes(reopen, ("service.restarted", "web"))
    s.after(1.0).finds_duplicate("web.reopen", restarted, f"cache.warmed|{warmed.entry}|web.reopen")
    s.closes(reopen, "partial", done=4, dead=1)
    return s


def a_chain(length: int) -> Story:
    """One step after another."""
    s = Story()
    fact = s.opens("service.failed", "orders-db")
    for _ in range(length - 1):
        run = s.after(0.01).starts("orders-db.restore", fact, "db-host-1")
        (fact,) = s.after(0.1).completes(run, ("database.restored", "orders-db"))
    return s
