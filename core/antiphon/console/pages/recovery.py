"""One recovery: how it stands, why, what it waits for, what happened, and what can be done."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from urllib.parse import quote, urlencode

from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from antiphon import drawing
from antiphon.broker.cancelling import Cancelling
from antiphon.broker.deadletters import DeadLetters
from antiphon.broker.reading import RedisReading
from antiphon.console.loglines import lines_about
from antiphon.console.visit import Deed, Visit, acting, reading
from antiphon.deadletter import DeadLetter
from antiphon.guards.scope import Scope
from antiphon.ledger import Entry, Kind
from antiphon.records import Record
from antiphon.summary import Summary
from antiphon.trace import Approval, Outstanding, StepOutcome, Trace
from antiphon.trace.axis import Axis
from antiphon.trace.explain import Explanation, explain
from antiphon.trace.glyphs import UNICODE
from antiphon.trace.headlines import headlines, openings
from antiphon.trace.rows import Row, rows
from antiphon.trace.tree import branches

_LEDGER_ROWS = 200
_STEP_ROWS = 500
_MOST_LETTERS = 20
_LARGE = 1000
"""Rows of a ledger from which on a page is made beside the others, not before them."""

_HELD_BY_PEOPLE = frozenset({"pause", "storm"})


@dataclass(frozen=True, slots=True)
class Owed:
    """One thing a recovery waits for, and what can be done about it here."""

    it: Outstanding
    approval: Approval | None
    """The request that people may answer."""

    pause: Scope | None
    """The pause that may be ended."""

    @property
    def words(self) -> str:
        """What it is, without the command for what a button does here."""
        words = self.it.words
        return words.partition(": antiphon ")[0] if self.approval or self.pause else words


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the page of a recovery shows."""

    trace: Trace
    explanation: Explanation
    headlines: tuple[str, ...]
    owed: tuple[Owed, ...]
    waterfall: str
    causation: str
    steps: tuple[Row, ...]
    more_steps: int
    """Rows of the table of steps that are left out."""

    ledger: tuple[Entry, ...]
    """The newest rows, in order."""

    rows: int
    """How many rows the ledger has."""

    @classmethod
    def of(cls, record: Record) -> Shown:
        """Work out all there is to show of a record."""
        trace = _trace(record)
        axis = Axis(trace.opened, trace.closed or trace.as_of, 1, UNICODE)
        table = rows(trace, branches(trace, UNICODE), axis)
        steps = tuple(islice(table, _STEP_ROWS))
        return cls(
            trace=trace,
            explanation=explain(trace),
            headlines=(*openings(trace), *headlines(trace)),
            owed=tuple(_owed(trace)),
            waterfall=drawing.waterfall(trace, styled=False),
            causation=drawing.causation(trace, styled=False, link=address),
            steps=steps,
            more_steps=sum(1 for _ in table),
            ledger=record.ledger[-_LEDGER_ROWS:],
            rows=len(record.ledger),
        )


def address(correlation_id: str) -> str:
    """The address of a recovery's page."""
    return f"/recovery?id={quote(correlation_id, safe='')}"


async def shown(visit: Visit) -> Response:
    """Show one recovery."""
    record = await _record(visit)
    if len(record.ledger) > _LARGE:
        found = await asyncio.to_thread(Shown.of, record)
    else:
        found = Shown.of(record)
    return visit.page(
        "recovery.html",
        it=found,
        summary=record.summary,
        letters=await _letters(visit, record),
        address=address,
    )


async def ledger(visit: Visit) -> Response:
    """Show a page of the ledger of a recovery, from the row on that the address says."""
    summary = await _summary(visit)
    reader = RedisReading(visit.errand.client, visit.errand.keys)
    found = await reader.ledger_page(
        summary.correlation_id, start=visit.place("from"), limit=_LEDGER_ROWS
    )

    def at(entry_id: str) -> str:
        query = {"id": summary.correlation_id, "from": entry_id}
        return f"/recovery/ledger?{urlencode(query)}" if entry_id else ""

    return visit.page(
        "ledger.html",
        summary=summary,
        address=address,
        ledger=found.entries,
        rows=found.rows,
        previous=at(found.previous),
        following=at(found.following),
    )


async def logs(visit: Visit) -> Response:
    """Show what the log files that the console was given say of a recovery."""
    summary = await _summary(visit)
    correlation_id = summary.correlation_id
    async with visit.desk.reading_logs:  # one at a time: it is the processor's work
        found = await asyncio.to_thread(lines_about, correlation_id, visit.desk.logs)
    return visit.page(
        "logs.html",
        summary=summary,
        address=address,
        files=[str(path) for path in visit.desk.logs],
        found=found,
    )


async def cancel(deed: Deed) -> str:
    """Cancel a recovery."""
    cancelled = await Cancelling(deed.errand).cancel(
        deed.needed("recovery", "which recovery it is"),
        by=deed.by,
        reason=deed.needed("reason", "why, for whoever wonders"),
    )
    words = cancelled.said(deed.by)
    return words if words.endswith(".") else f"{words}."


async def _record(visit: Visit) -> Record:
    correlation_id = visit.asked("id")
    reader = RedisReading(visit.errand.client, visit.errand.keys)
    record = await reader.record(correlation_id) if correlation_id else None
    if record is None:
        raise _unknown(visit, correlation_id)
    if not record.summary.begun:
        why = record.summary.cancelled
        raise HTTPException(
            404, f"The recovery {correlation_id!r} was cancelled before it began, by {why!r}."
        )
    return record


async def _summary(visit: Visit) -> Summary:
    correlation_id = visit.asked("id")
    reader = RedisReading(visit.errand.client, visit.errand.keys)
    summary = await reader.summary(correlation_id) if correlation_id else None
    if summary is None:
        raise _unknown(visit, correlation_id)
    return summary


def _unknown(visit: Visit, correlation_id: str) -> HTTPException:
    return HTTPException(
        404,
        f"No recovery {correlation_id!r} is recorded in the cell {visit.errand.keys.cell!r}, "
        "or no longer.",
    )


def _trace(record: Record) -> Trace:
    return Trace.from_ledger(record.ledger, record.outstanding, record.summary, now=record.read_at)


def _owed(trace: Trace) -> Iterator[Owed]:
    held = {step.id: step for step in trace.steps if step.outcome == StepOutcome.HELD}
    asked = {it.id: it for it in trace.approvals if it.state == "waiting"}
    for it in trace.outstanding:
        step = held.get(it.id)
        guard = step.holds[-1].guard if step is not None and step.holds else None
        approval = asked.get(guard.name) if guard and guard.kind == "approval" else None
        pause = Scope(guard.name) if guard and guard.kind in _HELD_BY_PEOPLE else None
        yield Owed(it, approval, pause)


async def _letters(visit: Visit, record: Record) -> Sequence[DeadLetter]:
    """Find the dead letters of a recovery that are still there."""
    again = {row.text("dead") for row in record.ledger if row.kind == Kind.REPLAYED}
    died = [row.text("dead") for row in record.ledger if row.kind == Kind.DIED]
    wanted = [name for name in dict.fromkeys(died) if name and name not in again]
    letters = DeadLetters(visit.errand)
    found = [await letters.find(name) for name in wanted[-_MOST_LETTERS:]]
    return [letter for letter in found if letter is not None]


async def _find(visit: Visit) -> Response:
    """Lead from a correlation id that somebody typed to its page."""
    return RedirectResponse(address(visit.asked("q")), 303)


ROUTES = [
    Route("/recovery", reading(shown)),
    Route("/recovery/ledger", reading(ledger)),
    Route("/recovery/logs", reading(logs)),
    Route("/recovery/find", reading(_find)),
    Route("/recovery/cancel", acting(cancel, back="/recoveries"), methods=["POST"]),
]
