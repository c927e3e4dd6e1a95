"""The graph of causation: which event made which step run, and what that led to."""

from __future__ import annotations

from collections.abc import Callable

from antiphon.drawing.boxes import Painter
from antiphon.drawing.causes import Causes
from antiphon.drawing.layers import lay_out
from antiphon.drawing.svg import CELL, counted, drawing, fit, paragraph, text
from antiphon.trace.model import Trace
from antiphon.trace.words import spell

_WIDEST = 6
_BETWEEN = 34.0
_MARGIN = 16.0
_HEAD = 52.0
_FOOT = 34.0
_LEAST_WIDTH = 480.0
_LEGEND = "square: step; round: event; ★ critical path; slanted: another recovery"


def causation(
    trace: Trace, *, styled: bool = True, link: Callable[[str], str] | None = None
) -> str:
    """Draw what caused what in a recovery, from its first event to its closing, as SVG.

    Of one with more than 120 steps it draws those that tell most, and says how many it leaves out.

    Args:
        trace: The recovery.
        styled: Whether to put the stylesheet in; a page may have `STYLE` in its head instead.
        link: Gives the address of another recovery's page, by correlation id; without it children
            are no links.
    """
    causes = Causes(trace, link)
    cards, arrows = causes.cards, causes.arrows
    layout = lay_out(
        [card.box() for card in cards],
        [arrow.link for arrow in arrows],
        widest=_WIDEST,
        between=_BETWEEN,
    )
    width = max(layout.width + 2 * _MARGIN, _LEAST_WIDTH)
    bottom = _HEAD + layout.height + _FOOT
    legend = paragraph(_LEGEND, _MARGIN, bottom - 10, width - 2 * _MARGIN)
    painter = Painter(layout, (width - layout.width) / 2, _HEAD)
    most = int((width - 2 * _MARGIN) / CELL)
    verdict = (trace.verdict or trace.status).upper()
    counts = f"{counted(len(trace.events), 'event')}, {counted(len(trace.steps), 'step')}"
    said = [f"{counts}, {spell(trace.duration)}"]
    said += [causes.missing] if causes.missing else []
    heading = f"{verdict}  {trace.root_type} about {trace.subject}"
    return drawing(
        f"Causes in recovery {trace.correlation_id}",
        f"{heading}; {'; '.join(said)}. {_LEGEND}",
        (width, bottom + 14 * (len(legend) - 1)),
        [
            text(fit(heading, int(most * 12 / 14)), _MARGIN, 20, "title"),
            text(fit("; ".join(said), most), _MARGIN, 38, "dim"),
            *painter.arrows(arrows),
            *painter.cards(cards),
            *legend,
        ],
        look="graph",
        styled=styled,
        linked=any(card.href for card in cards),
    )
