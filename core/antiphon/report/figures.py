"""The figures of a report: a recovery in time, and what caused what, each with its text."""

from __future__ import annotations

import io
from collections.abc import Iterator

from rich.console import Console

from antiphon.advised import command
from antiphon.report.document import Code, Figure, Paragraph
from antiphon.trace import Trace
from antiphon.trace.picture import Picture

_MOST_DRAWN, _MOST_STEPS = 400, 1000
"""Beyond so many steps nobody sees anything in a drawing, and beyond so many in the text."""

_WIDTH, _MOST_LINES = 100, 300


def figures(trace: Trace) -> Iterator[Figure | Paragraph]:
    """Draw a recovery."""
    from antiphon.drawing import causation, waterfall  # noqa: PLC0415  only HTML needs them

    if len(trace.steps) > _MOST_STEPS:
        shows = Code(command("trace", trace.correlation_id))
        yield Paragraph((f"{len(trace.steps)} steps are too many for a picture here: ", shows))
        return
    drawn = len(trace.steps) <= _MOST_DRAWN
    text = _text(trace)
    yield Figure("In the course of time", waterfall(trace) if drawn else "", text)
    if drawn and trace.events:
        yield Figure("What caused what", causation(trace), "")


def _text(trace: Trace) -> str:
    file = io.StringIO()
    Console(file=file, width=_WIDTH, color_system=None, force_terminal=False).print(Picture(trace))
    lines = [line.rstrip() for line in file.getvalue().splitlines()]
    if len(lines) > _MOST_LINES:
        more = len(lines) - _MOST_LINES
        lines = [*lines[:_MOST_LINES], f"… and {more} lines more: antiphon trace shows them"]
    return "\n".join(lines)
