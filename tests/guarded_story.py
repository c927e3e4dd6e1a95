"""A recovery in which guards decide, told twice: as rows of the ledger and as log lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trace_story import Fact, Run, Story


@dataclass(frozen=True)
class Limit:
    """A guard, what it is about, and how it stands."""

    guard: str
    name: str
    limit: int = 0
    value: int = 0

    @property
    def fields(self) -> dict[str, Any]:
        return {"guard": self.guard, "name": self.name, "limit": self.limit, "value": self.value}


RATE = Limit("rate", "handler:orders-api.restart", 30, 30)
PAUSE = Limit("pause", "subject:orders-api")
STORM = Limit("storm", "storm")
BREAKER = Limit("breaker", "payments-api", 5, 6)
BUDGET = Limit("budget", "restart:orders-api", 3, 3)
STALENESS = Limit("staleness", "service.failed:orders-api", 3_600_000, 5_400_000)
VISITS = Limit("visits", "orders-api.restart:orders-api", 3, 4)
RELAPSE = Limit("relapse", "service.failed:orders-api", 3, 3)


class GuardedStory(Story):
    """Tells what guards do as well."""

    def holds(self, group: str, fact: Fact, by: Limit, *, due_in: float = 60) -> None:
        due = self.now_ms + round(due_in * 1000)
        self._row("held", group=group, **fact.delivery_fields, **by.fields, due=due)
        self._delivery_line("delivery.held", Run(group, fact, "", 0, 0), **by.fields, due_ms=due)

    def meets(self, run: Run, by: Limit, error: str, *, due_in: float) -> None:
        """A guard within a step says not now: the attempt ends there, and does not count."""
        due = self.now_ms + round(due_in * 1000)
        self._tell("held", run, **by.fields, error=error, due=due)
        self._delivery_line(
            "delivery.held",
            run,
            duration_ms=self._spent(run),
            **by.fields,
            error=error,
            due_ms=due,
        )

    def suppresses(
        self,
        group: str,
        fact: Fact,
        by: Limit,
        why: str,
        *,
        opens_in: float | None = None,
        attempts: int | None = None,
    ) -> None:
        """Give a delivery up, of which so many attempts had begun."""
        opens = None if opens_in is None else self.now_ms + round(opens_in * 1000)
        row = {**fact.delivery_fields, **by.fields, "opens": opens or "", "why": why}
        self._row("suppressed", group=group, **row)
        run = Run(group, fact, "", 0, 0)
        self._delivery_line(
            "delivery.suppressed", run, **by.fields, opens_ms=opens, reason=why, attempts=attempts
        )

    def halts(self, group: str, fact: Fact, by: Limit, path: str) -> None:
        """Stop the recovery at one delivery, which ends with it, and tell people."""
        self._row("halted", group=group, **fact.delivery_fields, **by.fields, path=path)
        run = Run(group, fact, "", 0, 0)
        self._delivery_line("recovery.halted", run, **by.fields, path=path)
        why = f"more than {by.limit} times: {path}"
        self.suppresses(group, fact, by, why)
        self.escalates(by, why, about=run)

    def escalates(self, by: Limit, why: str, *, tier: int = 1, about: Run | None = None) -> None:
        self._row("escalated", event=f"e{tier}", **by.fields, why=why, tier=tier)
        told = {"guard": by.guard, "name": by.name, "reason": why, "tier": tier}
        if about is None:
            self._line("recovery.escalated", "", **told)
        else:
            self._delivery_line("recovery.escalated", about, **told)

    def is_acknowledged(self, by: str, why: str = "", *, again: bool = False) -> None:
        """Somebody says that they know; again when that had been written down before."""
        if not again:
            self._row("acknowledged", by=by, why=why)
        repeated = {"repeated": True} if again else {}
        self._line("escalation.acknowledged", "", by=by, reason=why, **repeated)

    def is_joined_by(self, fact: Fact, *, count: int) -> None:
        """A further failure of the same type and subject."""
        self._row(
            "coalesced",
            event=f"further-{count}",
            type=fact.type,
            subject=fact.subject,
            entry="",
            count=count,
            source="probe",
        )
        self._line(
            "event.coalesced",
            "",
            event_id=f"further-{count}",
            event_type=fact.type,
            subject=fact.subject,
            count=count,
        )

    def relapses(self, of: str, *, value: int, limit: int = 3) -> None:
        self._row("relapsed", of=of, value=value, limit=limit, within=3_600_000)
        self._line("recovery.relapsed", "", of=of, value=value, limit=limit)


def a_guarded_recovery() -> GuardedStory:
    """Held by a rate, run in vain, held by a breaker, suppressed by a budget, acknowledged."""
    s = GuardedStory()
    failed = s.opens("service.failed", "orders-api")
    s.relapses("the-one-before", value=1)
    s.after(1).holds("orders-api.restart", failed, RATE, due_in=2)
    s.is_joined_by(failed, count=1)
    s.is_joined_by(failed, count=2)
    run = s.after(2).starts("orders-api.restart", failed, "api-host")
    s.after(1).retries(run, "TimeoutError: no answer", due_in=1)
    s.after(1).holds("orders-api.restart", failed, BREAKER, due_in=5)
    page = s.starts("pager.page", failed, "pager-1")
    s.after(1).completes(page)
    why = "restart:orders-api: 3 attempts of 3 allowed; the budget is spent"
    s.after(4).suppresses("orders-api.restart", failed, BUDGET, why, opens_in=580)
    s.escalates(BUDGET, why, about=run)
    s.closes(run, "partial", done=1)
    s.after(900).escalates(BUDGET, why, tier=2)
    s.after(60).is_acknowledged("ada", "disk is full")
    return s


def a_loop() -> GuardedStory:
    """A restart that fails its own subject again, until it is halted."""
    s = GuardedStory()
    path: list[str] = []
    fact = s.opens("service.failed", "orders-api")
    for _ in range(3):
        path += [f"{fact.type} {fact.subject}", "orders-api.restart"]
        run = s.after(1).starts("orders-api.restart", fact, "api-host")
        (fact,) = s.after(1).completes(run, ("service.failed", "orders-api"))
    path += [f"{fact.type} {fact.subject}", "orders-api.restart"]
    s.after(1).halts("orders-api.restart", fact, VISITS, " → ".join(path))
    s.closes(run, "halted", done=3)
    return s
