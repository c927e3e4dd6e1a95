"""The picture of a trace: tree and waterfall side by side, for a terminal or a file.

Every mark has a word beside it, so nothing is said by colour alone.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.text import Text

from antiphon.trace.axis import Axis
from antiphon.trace.cuts import Cut
from antiphon.trace.glyphs import ASCII, UNICODE, Glyphs
from antiphon.trace.headlines import headlines, openings, part_open, slack
from antiphon.trace.model import Trace
from antiphon.trace.parts import Step, TracedEvent
from antiphon.trace.rows import CRITICAL, Row, name, rows, workers
from antiphon.trace.tree import Branch, branches
from antiphon.trace.words import plain, spell

_HEADINGS = ("outcome", "try", "on", "took")
_CELLS = 10 + 3 + 3 + 7 + 4
"""Columns of the cells, each with a blank before it."""

_NARROWEST_LABEL = 20
_NARROWEST_AXIS = 20
_LONGEST_CHAIN = 8
"""Steps of the critical path that are named; of a longer one, the first and the last half."""

_VERDICT_STYLES = {
    "completed": "bold green",
    "partial": "bold yellow",
    "failed": "bold red",
    "halted": "bold red",
    "cancelled": "bold yellow",
}


@dataclass(frozen=True, slots=True)
class Picture:
    """Draws a trace as wide as the console is; 80 columns are enough."""

    trace: Trace
    full_scale: bool = False
    """Whether to show all time as long as it was, also where nothing happened for long."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw from top to bottom; what is not known is left out, not guessed."""
        glyphs, width = ASCII if options.ascii_only else UNICODE, options.max_width
        trace = self.trace
        named = [f"{short} {consumer}" for consumer, short in workers(trace).items()]
        yield from _header(trace, glyphs, width)
        yield ""
        tree, label = _labelled(trace, glyphs, width)
        columns = max(width - label - _CELLS - 1, 1)
        axis = Axis.of(trace, columns, glyphs, full_scale=self.full_scale)
        head = Row("", "", _HEADINGS, axis.scale(), "dim")
        lines = (
            (row.style, row.guide, _line(row, label, width, glyphs))
            for row in chain([head], rows(trace, tree, axis))
        )
        yield from _segments(lines, console)
        yield ""
        yield _legend(glyphs, width, axis.cuts)
        yield from _section("Outstanding", [owed.words for owed in trace.outstanding], width)
        yield from _section("Not known", trace.missing, width)
        yield from _section("Workers", named, width)


def _header(trace: Trace, glyphs: Glyphs, width: int) -> Iterator[Text]:
    verdict = trace.verdict or trace.status
    title = plain(f"Recovery {trace.correlation_id}").rstrip()
    yield Text.assemble((title, "bold"), ": ", (verdict.upper(), _VERDICT_STYLES.get(verdict, "")))
    reopened = trace.summary.closes - (trace.closed is not None)
    what = f"{trace.root_type} about {trace.subject}, opened {trace.opened:%Y-%m-%d %H:%M:%S} UTC"
    yield _paragraph(what + (f", reopened {reopened}x" if reopened > 0 else ""), width)
    lasted = "total" if trace.closed else "open for"
    yield Text(
        f"{lasted} {spell(trace.duration)}{part_open(trace)}, "
        f"{len(trace.steps)} steps add up to {spell(trace.sum_of_steps)}"
    )
    path = trace.critical_path
    if path.steps:
        yield _paragraph(
            f"critical path {spell(path.duration)}, {spell(path.waiting)} of it waiting: "
            + " > ".join(_chain(path.steps)),
            width,
        )
    for line in chain(openings(trace), slack(trace), headlines(trace)):
        yield _paragraph(_writable(line, glyphs), width)


def _chain(steps: Sequence[Step]) -> Iterator[str]:
    half = _LONGEST_CHAIN // 2
    if len(steps) <= _LONGEST_CHAIN:
        yield from map(name, steps)
        return
    yield from map(name, steps[:half])
    yield f"({len(steps) - 2 * half} more)"
    yield from map(name, steps[-half:])


def _labelled(trace: Trace, glyphs: Glyphs, width: int) -> tuple[list[Branch], int]:
    """Return the tree, and how wide its names may be."""
    tree = list(branches(trace, glyphs))
    names = [
        len(b.guide) + cell_len(name(b.node)) + 2
        for b in tree
        if not isinstance(b.node, TracedEvent)
    ]
    label = min(max(names, default=0), width - _CELLS - _NARROWEST_AXIS - 1)
    return tree, max(label, _NARROWEST_LABEL)


def _segments(lines: Iterable[tuple[str, str, str]], console: Console) -> Iterator[Segment]:
    """Colour lines behind their guides; where there are no colours, many are one segment.

    They are segments because a long recovery has tens of thousands, and `Text` would wrap each.
    """
    if console.color_system is None:
        yield Segment("".join(f"{line}\n" for _, _, line in lines))
        return
    end = Segment.line()
    for style, guide, line in lines:
        yield Segment(line[: len(guide)])
        yield Segment(line[len(guide) :], console.get_style(style) if style else None)
        yield end


def _line(row: Row, label: int, width: int, glyphs: Glyphs) -> str:
    """Fit a row to the width: the label gives way, the columns never do."""
    named = _writable(row.label, glyphs)
    if row.cells is not None:
        outcome, attempt, on, took = row.cells
        left = _fit(row.guide, named, label, glyphs)
        line = f"{left} {outcome:10} {attempt:3} {on:3} {took:>7} {row.bar}".rstrip()
    else:
        left = _fit(row.guide, named, label + _CELLS if row.bar else width, glyphs)
        line = f"{left} {row.bar}".rstrip()
    # Bars are as wide as they are long, and all else has been fitted; but for a narrow terminal.
    return line if label + _CELLS < width else set_cell_size(line, min(cell_len(line), width))


def _writable(text: str, glyphs: Glyphs) -> str:
    """Write the arrows in a path of causes so that every terminal can."""
    return text.replace(UNICODE.publishes, glyphs.publishes)


def _fit(guide: str, text: str, size: int, glyphs: Glyphs) -> str:
    """Fill up or shorten a text, whose guide is as wide as it is long."""
    room = size - len(guide)
    length = len(text) if text.isascii() else cell_len(text)
    if length <= room:
        return guide + text + " " * (room - length)
    return guide + set_cell_size(text, room - 1) + glyphs.ellipsis


def _legend(glyphs: Glyphs, width: int, cut: Sequence[Cut]) -> Text:
    marks = (
        (CRITICAL, "critical path"),
        (glyphs.working, "working"),
        (glyphs.wasted, "in vain"),
        (glyphs.waiting, "waiting"),
        (glyphs.event, "published"),
        (glyphs.settled, "not run"),
    )
    words = [f"{mark} {word}" for mark, word in marks]
    if cut:
        lengths = " and ".join(spell(it.length) for it in cut)
        words.append(f"{glyphs.cut} nothing happened for {lengths}: left out (--full-scale)")
    legend = _paragraph(", ".join(words), width)
    legend.stylize("dim")
    return legend


def _section(title: str, items: Sequence[str], width: int) -> Iterator[Text]:
    if not items:
        return
    yield Text(f"\n{title}", style="bold")
    for item in items:
        yield _paragraph(item, width, indent="  ")


def _paragraph(text: str, width: int, *, indent: str = "") -> Text:
    """Break a text into lines without filling them up: pasted elsewhere, blanks would show."""
    lines = textwrap.wrap(
        plain(text),
        max(width, _NARROWEST_LABEL),
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return Text("\n".join(lines), overflow="fold")
