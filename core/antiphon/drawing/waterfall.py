"""The waterfall: every part of a recovery in a row of its own, and when it happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from antiphon.drawing.bars import MOST_BARS, Bar, bars, left_out, needless
from antiphon.drawing.choice import Choice, telling
from antiphon.drawing.legend import legend
from antiphon.drawing.marks import ROW, closed, draw_bar, guides, scale
from antiphon.drawing.svg import (
    CELL,
    SMALL_CELL,
    cells,
    counted,
    drawing,
    element,
    fit,
    text,
    title,
)
from antiphon.drawing.timeline import Timeline
from antiphon.trace.cuts import cuts
from antiphon.trace.flow import Child, Scheduled
from antiphon.trace.glyphs import UNICODE
from antiphon.trace.headlines import part_open
from antiphon.trace.model import Trace
from antiphon.trace.notes import Notes
from antiphon.trace.parts import Step, TracedEvent
from antiphon.trace.rows import name, workers
from antiphon.trace.slack import idle
from antiphon.trace.tree import Branch, Node, branches
from antiphon.trace.words import clock, plain, spell

WIDTH = 980.0
_MARGIN = 12.0
_LABEL = 300.0
_CELLS = 150.0
_BEGIN = _MARGIN + _LABEL + 12
_END = WIDTH - _MARGIN - _CELLS
_HEAD = 84.0
_NOTE = 15.0
_MOST_NOTES = 5
_MOST_STEPS = 250
_MOST_EXAMINED = 2000
"""Steps of a recovery in which needless waits are looked for."""

_STAR = "★"
_OUTCOMES = {"completed": "done"}


@dataclass(frozen=True, slots=True)
class _Row:
    branch: Branch
    bars: tuple[Bar, ...]
    notes: tuple[str, ...]
    critical: bool

    @property
    def node(self) -> Node:
        return self.branch.node

    @property
    def height(self) -> float:
        return ROW + _NOTE * len(self.notes)


def waterfall(trace: Trace, *, styled: bool = True, full_scale: bool = False) -> str:
    """Draw what happened when, as SVG.

    Of a recovery with more than 250 steps it draws those that tell most, and says how many it
    leaves out. Long times in which nothing happened are cut short, which is marked.

    Args:
        trace: The recovery.
        styled: Whether to put the stylesheet in; a page may have `STYLE` in its head instead.
        full_scale: Whether to cut no time short.
    """
    chosen = telling(trace, most_steps=_MOST_STEPS, most_others=_MOST_STEPS)
    rows = _rows(trace, chosen)
    line = _timeline(trace, full_scale=full_scale)
    missing = _missing(chosen, rows)
    height = _HEAD + sum(row.height for row in rows) + (ROW if missing else 0)
    name_ = f"Waterfall of recovery {trace.correlation_id}"
    said = [f"{trace.root_type} about {trace.subject}, {trace.verdict or trace.status}"]
    took = f"{spell(trace.duration)}{part_open(trace)}"
    said += [f"{counted(len(trace.steps), 'step')} in {took}", missing]
    others = [("closed", "closed")] if trace.closed_between else []
    others += [("break", "time cut short")] if line.cuts else []
    feet = list(legend(_MARGIN, height + 22, WIDTH - _MARGIN, others))
    total = height + 22 + 18 * len(feet)
    return drawing(
        name_,
        "; ".join(filter(None, said)),
        (WIDTH, total),
        [
            *_header(trace),
            *closed(trace.closed_between, line, _HEAD - 12, height),
            *scale(line, _HEAD - 34, height),
            *_draw(rows, line, trace),
            *([text(missing, _MARGIN, height - 8, "dim small")] if missing else []),
            *feet,
        ],
        look="timed",
        styled=styled,
    )


def _rows(trace: Trace, chosen: Choice) -> list[_Row]:
    critical = {step.id for step in trace.critical_path.steps}
    events = {event.id: event.time for event in trace.events}
    notes = Notes(trace, workers(trace))
    tree = list(branches(trace, UNICODE))
    drawn = chosen.steps | chosen.others
    kept = [branch for branch in tree if branch.node.id in drawn]
    waits: dict[str, list[Bar]] = {}
    for each in idle(trace) if len(trace.steps) <= _MOST_EXAMINED else ():
        waits.setdefault(each.step.id, []).append(needless(each))
    return [
        _Row(
            branch,
            (
                *bars(branch.node, trace, _ready(branch.node, events)),
                *waits.get(branch.node.id, [])[:MOST_BARS],
            ),
            tuple(_notes(branch.node, notes)),
            branch.node.id in critical,
        )
        for branch in kept
    ]


def _ready(node: Node, events: Mapping[str, datetime]) -> datetime | None:
    if isinstance(node, Step) and not node.replay_of:
        return events.get(node.event_id)
    return None


def _timeline(trace: Trace, *, full_scale: bool) -> Timeline:
    ends = [a.end for step in trace.steps for a in step.attempts if a.end]
    ended = max([trace.closed or trace.as_of, *ends])
    cut = () if full_scale else cuts(trace, trace.opened, ended)
    return Timeline.of(trace.opened, ended, cut, _BEGIN, _END)


def _missing(chosen: Choice, rows: Sequence[_Row]) -> str:
    turns = sum(left_out(row.node) for row in rows if isinstance(row.node, Step))
    said = [*chosen.left_out, *([counted(turns, "bar")] if turns else [])]
    return f"left out: {', '.join(said)} that tell less" if said else ""


def _header(trace: Trace) -> Iterator[str]:
    verdict = (trace.verdict or trace.status).upper()
    most = int((WIDTH - 2 * _MARGIN) / CELL)
    heading = f"{verdict}  {trace.root_type} about {trace.subject}"
    yield text(fit(heading, int(most * 12 / 14)), _MARGIN, 22, "title")
    path = trace.critical_path
    took = f"{spell(trace.duration)} in all{part_open(trace)}"
    said = f"opened {trace.opened:%Y-%m-%d %H:%M:%S} UTC, {took}"
    if path.steps:
        said += f"; critical path {spell(path.duration)}, {spell(path.waiting)} of it waiting"
    yield text(fit(said, most), _MARGIN, 40, "dim")


def _draw(rows: Sequence[_Row], line: Timeline, trace: Trace) -> Iterator[str]:
    y = _HEAD
    for row in rows:
        yield element("g", *_row(row, y, line, trace), data_id=plain(row.node.id))
        y += row.height


def _row(row: _Row, y: float, line: Timeline, trace: Trace) -> Iterator[str]:
    node, x = row.node, _MARGIN + len(row.branch.guide) * CELL
    star = f" {_STAR}" if row.critical else ""
    label = name(node)
    room = int((_MARGIN + _LABEL - x) / CELL)
    yield title(label)
    yield from guides(row.branch, _MARGIN, y, row.height)
    look = "strong" if isinstance(node, TracedEvent) else ""
    yield text(fit(label, room - cells(star)) + star, x, y + 16, look)
    for bar in row.bars:
        yield draw_bar(bar, line, y, critical=row.critical)
    if isinstance(node, TracedEvent):
        place, middle = line.x(node.time), y + ROW / 2
        corners = f"M{place:.1f} {middle - 6:.1f}l6 6l-6 6l-6 -6z"
        at = f"{node.type} about {node.subject} at {clock(node.time, trace.as_of)} UTC"
        yield element("path", title(at), class_="event", d=corners)
    if words := _cells(node, trace):
        yield text(words, WIDTH - _MARGIN, y + 16, "dim", "end")
    below = x + 2 * CELL
    for number, note in enumerate(row.notes):
        fitted = fit(note, int((WIDTH - _MARGIN - below) / SMALL_CELL))
        yield text(fitted, below, y + ROW + 10 + number * _NOTE, "dim small halo")


def _cells(node: Node, trace: Trace) -> str:
    match node:
        case Child():
            return f"{node.verdict or 'open'} {spell((node.closed or trace.as_of) - node.at):>7}"
        case Scheduled():
            return "put off" if trace.closed is None else "dropped"
        case TracedEvent():
            return ""
    outcome = _OUTCOMES.get(node.outcome, str(node.outcome))
    tries = f" {len(node.attempts)}x" if len(node.attempts) > 1 else ""
    took = spell(node.lasted(trace.as_of)) if node.attempts else ""
    return f"{outcome}{tries} {took:>7}"


def _notes(node: Node, notes: Notes) -> Iterator[str]:
    """Say what explains a row, the same thing once, and no more than there is room for."""
    said = Counter(_all_notes(node, notes))
    several = [f"{note} ({times}x)" if times > 1 else note for note, times in said.items()]
    yield from several[:_MOST_NOTES]
    if len(several) > _MOST_NOTES:
        yield f"… and {len(several) - _MOST_NOTES} more"


def _all_notes(node: Node, notes: Notes) -> Iterator[str]:
    match node:
        case Step():
            for attempt in node.attempts:
                yield from notes.attempt(attempt)
            for hold in node.holds:
                yield from (_held(note) for note in notes.hold(hold))
            yield from notes.step(node)
        case TracedEvent():
            yield from notes.event(node)
        case Scheduled():
            yield from notes.later(node)


def _held(note: str) -> str:
    return f"- held {note[2:]}" if note.startswith("- by ") else note
