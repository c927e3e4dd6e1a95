"""A recovery with approvals, delays, joins in time, children and undo: as rows and as log lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from guarded_story import GuardedStory, Limit
from trace_story import Fact, Run

RESTORE, CHECK = "orders-db.restore", "orders-db.check"
RESTART = "orders-api.restart"
REOPEN = "web.reopen"
ASKED = "a1"
"""The id of the one approval of most stories."""


@dataclass
class FlowStory(GuardedStory):
    """Tells what a choreography is made of beside steps."""

    orders: set[str] = field(default_factory=set)
    """The ids of the deliveries that undo a step."""

    def puts_off(self, run: Run, event_type: str, subject: str, *, due_in: float) -> Fact:
        """Tell it right after `completes`; the event has no entry yet."""
        fact = replace(self._fact(event_type, subject, cause=run.fact.id), entry="")
        due = self.now_ms + round(due_in * 1000)
        what = {"type": event_type, "subject": subject}
        self._row("scheduled", event=fact.id, **what, cause=fact.cause, by=run.group, due=due)
        self._delivery_line(
            "event.scheduled",
            run,
            event_id=fact.id,
            event_type=event_type,
            subject=subject,
            causation_id=fact.cause,
            due_ms=due,
        )
        return fact

    def publishes(self, put_off: Fact, by: str) -> Fact:
        """The time has come for an event that was put off."""
        fact = replace(put_off, entry=self._entry())
        self._announce("published", fact, by=by)
        self._line(
            "event.published",
            "",
            event_id=fact.id,
            event_type=fact.type,
            subject=fact.subject,
            causation_id=fact.cause,
        )
        return fact

    def dies_with(self, run: Run, error: str, answer: tuple[str, str]) -> Fact:
        """A step is given up, and its handler says what that means."""
        dead, fact = self._entry(), self._fact(*answer, cause=run.fact.id)
        self._tell("died", run, error=error, dead=dead)
        self._announce("published", fact, by=run.group)
        listed = {"id": fact.id, "type": fact.type, "subject": fact.subject, "entry": fact.entry}
        self._delivery_line(
            "delivery.died",
            run,
            duration_ms=self._spent(run),
            error=error,
            dead_entry=dead,
            published=[listed],
        )
        return fact

    def joins(
        self, group: str, fact: Fact, have: int, need: int, *, due_in: float | None = None
    ) -> None:
        due = {} if due_in is None else {"due": self.now_ms + round(due_in * 1000)}
        self._row("joined", group=group, **fact.delivery_fields, have=have, need=need, **due)
        named = {f"{name}_ms": value for name, value in due.items()}
        run = Run(group, fact, "", 0, 0)
        self._delivery_line("delivery.joined", run, have=have, need=need, **named)

    def gives_up(self, group: str, first: Fact, have: int, need: int, *missing: str) -> Fact:
        """A join whose first branch was this event waits no more."""
        fact = replace(
            self._fact("join.timed_out", "orders-db", cause=first.id),
            id=f"{self.correlation_id}:timeout:{group}",
        )
        lacking = ",".join(missing)
        self._row("timed_out", group=group, have=have, need=need, missing=lacking, event=fact.id)
        self._announce("published", fact, by=group)
        self._line("join.timed_out", "", group=group, missing=list(missing))
        return fact

    def comes_late(self, group: str, fact: Fact) -> None:
        self._row("late", group=group, **fact.delivery_fields)
        self._delivery_line("branch.late", Run(group, fact, "", 0, 0))

    def wins(self, group: str, fact: Fact, branch: str, losers: str) -> None:
        self._row("won", group=group, event=fact.id, branch=branch, losers=losers)
        run = Run(group, fact, "", 0, 0)
        self._delivery_line("join.won", run, branch=branch, losers=losers)

    def outruns(self, group: str, fact: Fact, by: str, *, attempts: int | None = None) -> None:
        self._row("outrun", group=group, **fact.delivery_fields, by=by)
        self._delivery_line("step.outrun", Run(group, fact, "", 0, 0), by=by, attempts=attempts)

    def asks(
        self,
        group: str,
        fact: Fact,
        who: Sequence[str] = ("ana", "ben"),
        *,
        quorum: int = 1,
        due_in: float | None = 600,
        otherwise: str = "escalate",
        tier: int = 1,
        approval: str = ASKED,
        then: Sequence[Sequence[str]] = (),
    ) -> None:
        """Hold a delivery for an answer; a further tier is asked while it is held already."""
        due = None if due_in is None else self.now_ms + round(due_in * 1000)
        told = {"approval": approval, "quorum": quorum, "otherwise": otherwise, "tier": tier}
        self._row(
            "asked",
            group=group,
            **fact.delivery_fields,
            **told,
            who=",".join(who),
            due=due or "",
            requester="carl",
        )
        run = Run(group, fact, "", 0, 0)
        self._delivery_line(
            "approval.requested",
            run,
            **told,
            who=list(who),
            due_ms=due,
            requester="carl",
            then=[list(tier) for tier in then],
        )
        if tier == 1:
            self.holds(group, fact, Limit("approval", approval), due_in=due_in or 60)

    def agrees(
        self, group: str, fact: Fact, by: str, reason: str, *, votes: int = 1, quorum: int = 1
    ) -> None:
        told = {"approval": ASKED, "by": by, "reason": reason}
        row = {"group": group, "event": fact.id, **told}
        self._row("approved", **row, votes=votes, quorum=quorum)
        self._line("approval.granted", "", **told, votes=votes, quorum=quorum)

    def refuses(self, group: str, fact: Fact, by: str, reason: str) -> None:
        told = {"approval": ASKED, "by": by, "reason": reason}
        self._row("denied", group=group, event=fact.id, **told, votes=0, quorum=1)
        self._line("approval.denied", "", **told)
        self.suppresses(group, fact, Limit("approval", ASKED), f"denied by {by}: {reason}")

    def is_not_answered(self, group: str, fact: Fact, otherwise: str, *, tier: int = 1) -> None:
        told = {"approval": ASKED, "otherwise": otherwise, "tier": tier}
        self._row("expired", group=group, event=fact.id, **told)
        self._line("approval.expired", "", **told)

    def stalls(self, *outstanding: str, deadline_ago: float = 1) -> None:
        deadline = self.now_ms - round(deadline_ago * 1000)
        self._row("stalled", deadline=deadline, outstanding=",".join(outstanding))
        self._line("recovery.stalled", "", deadline_ms=deadline, outstanding=list(outstanding))

    def is_cancelled(self, by: str, reason: str) -> None:
        self._row("cancelled", by=by, reason=reason)
        self._line("recovery.cancelled", "", by=by, reason=reason)

    def undoes(self, verdict: str, steps: int) -> None:
        self._row("undoing", verdict=verdict, steps=steps)

    def _delivery_line(self, event: str, run: Run, **more: object) -> None:
        """An undo says so: it delivers no event."""
        undo = {"undo_of": run.fact.cause} if run.fact.id in self.orders else {}
        super()._delivery_line(event, run, **undo, **more)

    def orders_undo(self, run: Run) -> Fact:
        """Deliver the order to undo a step to the inbox of its handler."""
        order = replace(self._fact(run.fact.type, run.fact.subject), cause=run.fact.id)
        self.orders.add(order.id)
        self._row(
            "undo",
            group=run.group,
            **order.delivery_fields,
            of=run.fact.id,
            type=order.type,
            subject=order.subject,
        )
        self._line(
            "recovery.undoing",
            "",
            group=run.group,
            event_id=order.id,
            of=run.fact.id,
            event_type=order.type,
            subject=order.subject,
        )
        return order

    def starts_child(self, run: Run, event_type: str, subject: str) -> str:
        """Tell it right after `completes`."""
        child = self._fact(event_type, subject)
        self._row(
            "child",
            child=child.id,
            type=event_type,
            subject=subject,
            event=child.id,
            entry=child.entry,
            cause=run.fact.id,
            by=run.group,
        )
        self._delivery_line(
            "child.started",
            run,
            child=child.id,
            child_type=event_type,
            child_subject=subject,
            child_entry=child.entry,
        )
        return child.id

    def hears_of(self, child: str, run: Run, verdict: str) -> Fact:
        """Tell that the child is over which this run had started."""
        fact = replace(
            self._fact("child.closed", "orders-api", cause=run.fact.id), id=f"{child}:closed:1"
        )
        self._row("child_closed", child=child, verdict=verdict, event=fact.id)
        self._announce("published", fact, by=run.group)
        self._line("child.closed", "", child=child, verdict=verdict)
        return fact


def a_flow() -> FlowStory:
    """A delay, a child, a join that gives up and one that is won, a late and an outrun step."""
    s = FlowStory()
    failed = s.opens("service.failed", "orders-db")
    run = s.after(1).starts(RESTORE, failed, "db-host")
    (restored,) = s.after(1).completes(run, ("database.restored", "orders-db"))
    later = s.puts_off(run, "database.checked", "orders-db", due_in=5)
    child = s.starts_child(run, "service.failed", "orders-api")
    s.joins(REOPEN, restored, 1, 2, due_in=4)
    s.wins(RESTART, restored, "database.restored@*", "cancel")
    restart = s.starts(RESTART, restored, "api-host")
    s.outruns("orders-cache.warm", restored, RESTART)
    (restarted,) = s.after(1).completes(restart, ("service.restarted", "orders-api"))
    gave_up = s.after(3).gives_up(REOPEN, restored, 1, 2, "cache.warmed@*")
    s.after(0.1).completes(s.starts("pager.page", gave_up, "pager-1"))
    s.after(0.5).comes_late(REOPEN, restarted)
    checked = s.after(0.5).publishes(later, RESTORE)
    check = s.after(0.5).starts(CHECK, checked, "db-host")
    s.after(1).completes(check)
    told = s.hears_of(child, run, "completed")
    page = s.starts("pager.page", told, "pager-1")
    s.after(0.5).completes(page)
    s.closes(page, "completed", done=5)
    return s


def a_rollback() -> FlowStory:
    """Past its deadline, cancelled, and undone step by step, the last first."""
    s = FlowStory()
    failed = s.opens("service.failed", "orders-db")
    run = s.after(1).starts(RESTORE, failed, "db-host")
    (restored,) = s.after(1).completes(run, ("database.restored", "orders-db"))
    restart = s.after(1).starts(RESTART, restored, "api-host")
    s.after(1).completes(restart)
    check = s.after(1).starts(CHECK, restored, "db-host")
    s.after(1).retries(check, "TimeoutError: no answer", due_in=60)
    s.after(1).stalls(f"database.restored|{restored.entry}|{CHECK}")
    s.after(1).is_cancelled("ana", "maintenance")
    s.suppresses(CHECK, restored, Limit("cancel", "recovery"), "cancelled by ana: maintenance")
    s.undoes("cancelled", 2)
    for done in (restart, run):
        order = s.orders_undo(done)
        undo = s.after(1).starts(done.group, order, done.consumer)
        s.after(1).completes(undo)
    s.closes(undo, "cancelled", done=2)
    return s
