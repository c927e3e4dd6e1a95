"""A report on one recovery, or on several: what happened, what it cost, what people had to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from antiphon.audit import Audit
from antiphon.report import passages, questions, waits
from antiphon.report.deeds import Deed, deeds
from antiphon.report.document import (
    Block,
    Bullets,
    Code,
    Document,
    Line,
    Paragraph,
    Row,
    Section,
    Table,
    Words,
)
from antiphon.report.figures import figures
from antiphon.report.prose import MOST_ROWS, count, minute, second, table, tally
from antiphon.report.timeline import Moment, abridged, timeline, told
from antiphon.trace import Trace
from antiphon.trace.slack import Idle, Parallel, idle, lost, parallel
from antiphon.trace.words import clock, spell

_MOMENTS = 400
"""The most of a timeline that anybody reads."""

_VERDICTS = {
    "completed": "everything that was owed was done",
    "partial": "a part of it was not done",
    "failed": "nothing of it was done",
    "halted": "it went beyond a limit and was stopped",
    "cancelled": "somebody ended it",
}


@dataclass(frozen=True)
class Incident:
    """A recovery, and what people did about it."""

    trace: Trace
    audit: Audit | None
    """What people did to the cell at the time; None when that is not at hand."""

    @cached_property
    def deeds(self) -> tuple[Deed, ...]:
        """What people did, the earliest first."""
        return deeds(self.trace, self.audit)

    @cached_property
    def idle(self) -> tuple[Idle, ...]:
        """What waited without needing to."""
        return idle(self.trace)

    @cached_property
    def parallel(self) -> tuple[Parallel, ...]:
        """What could have run side by side."""
        return parallel(self.trace)


def incident_report(incidents: Sequence[Incident], now: datetime) -> Document:
    """Write a report on one recovery or several.

    Args:
        incidents: At least one.
        now: The server's time, or that of the latest log line.
    """
    alone = len(incidents) == 1
    if alone:
        trace = incidents[0].trace
        title = f"Incident: {trace.root_type} about {trace.subject}"
        sections = list(_sections(incidents[0], 2))
    else:
        title = f"{len(incidents)} incidents"
        sections = [Section("In short", [_overview(incidents)])]
        for it in incidents:
            trace = it.trace
            head = f"{trace.root_type} about {trace.subject}, {minute(trace.opened)}"
            first, *others = _sections(it, 3)
            sections += [Section(head, first.blocks), *others]
    source = incidents[0].trace.source
    made = f"Made by antiphon report from {_SOURCES[source]}, as of {second(now)} UTC."
    return Document(title, sections, f"{made} All times are UTC, by {_CLOCKS[source]}.")


_SOURCES = {"ledger": "the record itself", "logs": "log lines alone"}
_CLOCKS = {
    "ledger": "the server's clock",
    "logs": "the clocks of the machines that wrote the lines",
}


def _overview(incidents: Iterable[Incident]) -> Table:
    columns = ("opened (UTC)", "what failed", "verdict", "took", "by hand", "recovery")
    rows = [
        Row(
            (
                second(it.trace.opened),
                f"{it.trace.root_type} about {it.trace.subject}",
                it.trace.verdict or it.trace.status,
                spell(it.trace.duration),
                str(len(it.deeds) or "nothing"),
                Code(it.trace.correlation_id),
            )
        )
        for it in incidents
    ]
    return Table(columns, rows, frozenset({3}))


def _sections(it: Incident, level: int) -> Iterator[Section]:
    parts: Sequence[tuple[str, Iterable[Block]]] = (
        ("In short", _summary(it)),
        ("What happened", _timeline(it)),
        ("In pictures", figures(it.trace)),
        ("Where the time went", _time(it)),
        ("What could have run side by side", _parallel(it)),
        ("What guards decided", passages.guards(it.trace)),
        ("Whom it told", passages.telling(it.trace)),
        ("Attempts and errors", passages.attempts(it.trace)),
        ("What people did", _by_hand(it)),
        ("Children and parent", passages.family(it.trace)),
        ("What it leaves", passages.leaves(it.trace)),
        ("Not known", _questions(it)),
    )
    for title, blocks in parts:
        found = list(blocks)
        if found:
            yield Section(title, found, level)


def _summary(it: Incident) -> Iterator[Block]:
    trace, summary = it.trace, it.trace.summary
    verdict = trace.verdict or ("closed" if trace.closed else "still open")
    meaning = f": {_VERDICTS[verdict]}" if verdict in _VERDICTS else ""
    over = trace.closed or trace.as_of
    until = f"closed {second(over)}" if trace.closed else f"open as of {second(over)}"
    path = trace.critical_path
    facts: list[tuple[str, Line]] = [
        ("what failed", f"{trace.root_type} about {trace.subject}"),
        ("verdict", f"{verdict}{meaning}"),
        ("when", f"opened {second(trace.opened)}, {until}"),
        (
            "took",
            f"{spell(trace.duration)}, from its first event to its closing{_part_open(trace)}"
            if trace.closed
            else f"{spell(trace.duration)} so far{_part_open(trace)}",
        ),
        (
            "work",
            (
                f"{count(len(trace.steps), 'step')} of {spell(trace.sum_of_steps)} in all; the "
                f"critical path took {spell(path.duration)}, {spell(path.waiting)} of it waiting"
            ),
        ),
        (
            "by hand",
            ("nothing" if trace.source == "ledger" else "nothing that log lines tell of")
            if not it.deeds
            else f"{count(len(it.deeds), 'act')}: {tally(deed.act for deed in it.deeds)}",
        ),
        ("recovery", Code(trace.correlation_id)),
    ]
    if summary.closes > 1:
        before = [it for it in trace.periods[:-1] if it.closed]
        ends = [f"{it.verdict} {second(it.closed)}" for it in before if it.closed]
        earlier = f", before as {'; '.join(ends)}" if ends else ""
        words = f"{summary.closes} times; it was reopened in between{earlier}"
        facts.insert(3, ("closed", words))
    if summary.coalesced:
        facts.append(("joined", f"{count(summary.coalesced, 'further failure')} of the kind"))
    if of := summary.relapse_of or (trace.relapse.of if trace.relapse else ""):
        facts.append(("relapse", ("of ", Code(of), ", which had not held")))
    if summary.source:
        facts.append(("asked for by", summary.source))
    yield _facts(facts)


def _part_open(trace: Trace) -> str:
    return f"; open for {spell(trace.open_for)} of that" if trace.closed_between else ""


def _timeline(it: Incident) -> Iterator[Block]:
    moments, left_out = abridged(timeline(it.trace, it.deeds), _MOMENTS)
    if left_out:
        yield Paragraph(
            f"{left_out} moments are left out, from the end: first ordinary ones (events, "
            "beginnings and completions), what people did last."
        )
    yield Table(("time (UTC)", "what"), [_moment(moment, it.trace) for moment in moments])


def _moment(it: Moment, trace: Trace) -> Row:
    at = clock(it.at, trace.opened)
    return Row((f"{at}.{it.at.microsecond // 1000:03}", it.words), by_hand=it.by_hand)


def _time(it: Incident) -> Iterator[Block]:
    trace = it.trace
    steps = trace.critical_path.steps
    if not steps:
        return
    names = " > ".join(step.group for step in steps[:MOST_ROWS])
    names += f" > {len(steps) - MOST_ROWS} more" if len(steps) > MOST_ROWS else ""
    yield Paragraph(f"The critical path, the chain of steps that ended last: {names}.")
    split, all_steps = waits.on_the_path(trace, it.idle), waits.in_all_steps(trace, it.idle)
    rows = [
        Row(
            (
                kind,
                spell(split[kind]) if kind in split else "",
                f"{split[kind] / trace.critical_path.duration:.0%}" if kind in split else "",
                spell(all_steps[kind]) if kind in all_steps else "",
            )
        )
        for kind in {**split, **all_steps}
    ]
    columns = ("", "on the critical path", "share", "waiting in all steps")
    yield Table(columns, rows, frozenset({1, 2, 3}))
    if not it.idle:
        yield Paragraph("Nothing waited without needing to.")
        return
    saved = lost(trace, it.idle)
    yield Paragraph(f"Without what waited needlessly it would have been {spell(saved)} shorter:")
    longest = sorted(it.idle, key=lambda each: each.since - each.until)[:MOST_ROWS]
    yield Bullets([f"{each.step.group} for {spell(each.length)}: {each.why}" for each in longest])


def _parallel(it: Incident) -> Iterator[Block]:
    if it.parallel:
        yield Paragraph("Whether a step needs what the one before it did, only its authors know.")
        yield Bullets([f"{pair}." for pair in it.parallel[:MOST_ROWS]])


def _by_hand(it: Incident) -> Iterator[Block]:
    if it.deeds:
        rows = [Row((second(deed.at), told(deed)), by_hand=True) for deed in it.deeds]
        yield from table(("time (UTC)", "what"), rows)
    elif it.trace.source == "logs":
        yield Paragraph("Nothing that its log lines tell of.")
    else:
        yield Paragraph("Nothing: it took its course without a hand.")


def _questions(it: Incident) -> Iterator[Block]:
    found = list(questions.of(it.trace, it.audit, it.deeds))
    if found:
        yield Bullets(found)


def _facts(facts: Iterable[tuple[Words, Line]]) -> Table:
    return Table(("", ""), [Row(fact) for fact in facts])
