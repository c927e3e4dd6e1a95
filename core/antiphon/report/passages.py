"""What a report tells of a recovery beyond its course: decisions, attempts, people, remains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from antiphon.advised import command
from antiphon.report.digest import episodes
from antiphon.report.document import Block, Bullets, Code, Line, Paragraph, Row
from antiphon.report.prose import MOST_ROWS, count, table
from antiphon.trace import AttemptOutcome, Step, StepOutcome, Trace
from antiphon.trace import approvals as asking
from antiphon.trace.words import clock, spell


def guards(trace: Trace) -> Iterator[Block]:
    """Tell what guards decided."""
    rows = list[tuple[datetime, Row]]()
    for step in trace.steps:
        for hold in step.holds:
            if hold.guard.kind == asking.GUARD:
                continue
            long = spell(hold.lasted(trace.as_of)) + ("" if hold.until else " so far")
            cells = (_at(hold.since, trace), "held", step.group, str(hold.guard), f"for {long}")
            rows.append((hold.since, Row(cells)))
        if no := step.suppression:
            cells = (_at(no.at, trace), "suppressed", step.group, str(no.guard), no.why)
            rows.append((no.at, Row(cells)))
    if halt := trace.halt:
        cells = (
            _at(halt.at, trace),
            "halted",
            halt.group,
            str(halt.guard),
            f"the way: {halt.path}",
        )
        rows.append((halt.at, Row(cells)))
    if again := trace.relapse:
        said = f"relapse {again.value} of {again.limit}" if again.value and again.limit else ""
        cells = (_at(again.at, trace), "relapse", "", said, f"{again.of} had not held")
        rows.append((again.at, Row(cells)))
    if rows:
        rows.sort(key=lambda row: row[0])
        yield from table(("time", "decision", "step", "guard", "how"), [row for _, row in rows])


def telling(trace: Trace) -> Iterator[Block]:
    """Tell whom it told, and who acknowledged that."""
    if not trace.escalations:
        return
    rows = [
        Row((_at(one.at, trace), f"tier {one.tier}", str(one.guard), one.why))
        for one in trace.escalations
    ]
    yield from table(("time", "tier", "guard", "why"), rows)
    known = {one.at: one for one in trace.acknowledgements}
    said = list[Line]()
    for episode in episodes(trace.escalations, trace.acknowledgements):
        told_at = f"Told at {_at(episode.told, trace)}, up to tier {episode.tier}"
        if episode.acked is None:
            said.append(f"{told_at}: nobody has acknowledged it.")
        else:
            took, by = spell(episode.acked - episode.told), known[episode.acked]
            why = f": {by.why}" if by.why else ""
            said.append(
                f"{told_at}, acknowledged by {by.by} at {_at(episode.acked, trace)}, {took} "
                f"later{why}."
            )
    yield Bullets(said)


def attempts(trace: Trace) -> Iterator[Block]:
    """Tell which attempts did not complete."""
    rows = [
        Row(
            (
                _at(attempt.start, trace),
                step.group,
                str(attempt.no),
                str(attempt.outcome).replace("_", " "),
                spell(attempt.lasted(trace.as_of)),
                Code(attempt.error) if attempt.error else "",
            )
        )
        for step in trace.steps
        for attempt in step.attempts
        if attempt.error or attempt.outcome in _IN_VAIN
    ]
    number = sum(len(step.attempts) for step in trace.steps)
    if not rows:
        yield Paragraph(f"{count(number, 'attempt')}, and none of them failed.")
        return
    yield Paragraph(f"{len(rows)} of {count(number, 'attempt')} did not complete:")
    columns = ("began", "step", "attempt", "outcome", "after", "error")
    yield from table(columns, rows, frozenset({2, 4}))


_IN_VAIN = frozenset(
    {AttemptOutcome.RETRIED, AttemptOutcome.DIED, AttemptOutcome.TAKEN_OVER, AttemptOutcome.UNKNOWN}
)


def family(trace: Trace) -> Iterator[Block]:
    """Name the recovery that started it, and those it started."""
    items: list[Line] = []
    if parent := trace.summary.parent:
        items.append(("It was started by ", Code(parent), "; ", Code(command("report", parent))))
    for child in trace.children[:MOST_ROWS]:
        end = (
            f", {child.verdict} after {spell(child.closed - child.at)}"
            if child.closed
            else (", not over")
        )
        about = f" ({child.type} about {child.subject})" if child.type else ""
        items.append(("It started ", Code(child.id), f"{about}{end}"))
    if items:
        yield Bullets(items)


def leaves(trace: Trace) -> Iterator[Block]:
    """Tell what is left when it is over, or owed while it is open."""
    summary, items = trace.summary, list[Line]()
    items += [f"{reason}" for reason in summary.reasons[:MOST_ROWS]]
    if summary.left:
        items.append(f"half done: {summary.left}")
    if summary.undone or summary.notundone:
        items.append(
            f"{count(summary.undone, 'step')} undone, {summary.notundone} could not be undone"
        )
    items += _letters(trace)
    items += [f"waits: {owed.words}" for owed in trace.outstanding[:MOST_ROWS]]
    if items:
        yield Bullets(items[:MOST_ROWS])
    elif trace.closed:
        yield Paragraph("Nothing that its record knows of.")


def _letters(trace: Trace) -> Iterator[Line]:
    """Name what died for the last time, whether its letter is still there or not."""
    again, discards = _again(trace.steps), {it.dead: it for it in trace.discards}
    unless = ", unless somebody dropped it" if trace.source == "logs" else ""
    for step in trace.steps:
        if step.outcome != StepOutcome.DIED or again.get(_work(step), step.start) > step.start:
            continue
        if step.dead and (thrown := discards.get(step.dead)):
            yield f"what died in {step.group}; its dead letter was {thrown}"
        else:
            yield (f"a dead letter of {step.group}{unless}: ", Code("antiphon dead list"))


def _again(steps: Iterable[Step]) -> dict[tuple[str, str], datetime]:
    """Tell when what had died was delivered again the last time."""
    found = dict[tuple[str, str], datetime]()
    for step in steps:
        if step.replay_of:
            found[_work(step)] = max(step.start, found.get(_work(step), step.start))
    return found


def _work(step: Step) -> tuple[str, str]:
    return step.group, step.event_id


def _at(moment: datetime, trace: Trace) -> str:
    """Write the time of day, with the date unless it is the day on which the recovery opened."""
    return clock(moment, trace.opened)
