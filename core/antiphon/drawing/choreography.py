"""The map of a choreography: handlers and events in lanes, one for each service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from antiphon.choreography.choreography import Choreography
from antiphon.choreography.sketch import Node, Sketch
from antiphon.drawing.boxes import Arrow, Card, Painter
from antiphon.drawing.layers import lay_out
from antiphon.drawing.ranks import ranks, without_rings
from antiphon.drawing.svg import CELL, counted, drawing, element, fit, paragraph, text

_WIDEST = 4
_BETWEEN = 46.0
_MARGIN = 16.0
_HEAD = 64.0
_FOOT = 34.0
_LEAST_WIDTH = 560.0
_OUTSIDE = "outside"
_SHAPES = {
    "failure": "round",
    "completion": "round",
    "lifecycle": "round",
    "join": "hexagon",
    "approval": "slant",
    "undo": "note",
}
_LOOKS = {"failure": "bad", "handler": "live", "approval": "warn", "undo": "undo"}
_WORDS = {"failure": "failure", "lifecycle": "from Antiphon"}
_LEGEND = (
    "square: handler; round: event; hexagon: join; slanted: approval; "
    "dotted: depends on the subject; thick: a step was given up"
)


def choreography(found: Choreography, *, styled: bool = True) -> str:
    """Draw what services do together, as SVG.

    Args:
        found: Their handlers and goals.
        styled: Whether to put the stylesheet in; a page may have `STYLE` in its head instead.
    """
    sketch = _from_the_top(Sketch.of(found))
    lanes = _lanes(found, sketch)
    used = _in_order(sketch, lanes)
    cards = [_card(node, used.index(lanes[node.id])) for node in sketch.nodes]
    arrows = [
        Arrow(start=line.start, end=line.end, look=line.look, label=line.label)
        for line in sketch.lines
    ]
    layout = lay_out(
        [card.box() for card in cards],
        [arrow.link for arrow in arrows],
        widest=_WIDEST * max(len(used), 1),
        between=_BETWEEN,
    )
    width = max(layout.width + 2 * _MARGIN, _LEAST_WIDTH)
    bottom = _HEAD + layout.height + _FOOT
    legend = paragraph(_LEGEND, _MARGIN, bottom - 10, width - 2 * _MARGIN)
    painter = Painter(layout, _MARGIN, _HEAD)
    joins = sum(part.needed is not None for part in found.parts)
    counts = (
        (len(found.services), "service"),
        (len(found.parts), "handler"),
        (joins, "join"),
        (len(found.facts), "event"),
    )
    said = ", ".join(counted(number, noun) for number, noun in counts)
    most = int((width - 2 * _MARGIN) / CELL)
    return drawing(
        "Choreography of " + (", ".join(found.services) or "no service"),
        f"{said}. {_LEGEND}",
        (width, bottom + 14 * (len(legend) - 1)),
        [
            *_bands(used, layout.lanes, bottom),
            *painter.arrows(arrows),
            *painter.cards(cards),
            text(fit(said, most), _MARGIN, 22, "dim"),
            *legend,
        ],
        look="graph map",
        styled=styled,
    )


def _from_the_top(sketch: Sketch) -> Sketch:
    """Put first what recoveries begin with: failures, before all those that handlers publish."""
    led_to = {line.end for line in sketch.lines}
    first = {node.id: (node.look != "failure", node.id in led_to) for node in sketch.nodes}
    return replace(sketch, nodes=tuple(sorted(sketch.nodes, key=lambda node: first[node.id])))


def _bands(
    names: Sequence[str], lanes: Sequence[tuple[float, float]], height: float
) -> Iterator[str]:
    """Draw what is behind the lanes, and their names."""
    for name, (left, right) in zip(names, lanes, strict=True):
        yield element(
            "rect",
            class_="lane",
            x=_MARGIN + left + 2,
            y=34,
            width=right - left - 4,
            height=height - 34 - _FOOT + 10,
            rx=6,
        )
        most = int((right - left - 8) / CELL)
        yield text(fit(name, most), _MARGIN + (left + right) / 2, 52, "strong dim", "middle")


def _lanes(found: Choreography, sketch: Sketch) -> dict[str, str]:
    """Say in whose lane each node stands: an event with the service that publishes it first."""
    events = {f"e{number}": fact for number, fact in enumerate(found.facts)}
    lanes = {}
    for node in sketch.nodes:
        if fact := events.get(node.id):
            publishers = found.publishers(fact.type)
            lanes[node.id] = publishers[0].service if publishers else _OUTSIDE
        else:
            lanes[node.id] = found.parts[int(node.id[1:])].service
    return lanes


def _in_order(sketch: Sketch, lanes: Mapping[str, str]) -> list[str]:
    """Put lanes side by side in the order in which events come to them."""
    ids = [node.id for node in sketch.nodes]
    pairs = without_rings(ids, [(line.start, line.end) for line in sketch.lines])
    depth = ranks(ids, pairs, len(ids))
    first: dict[str, int] = {}
    for id_ in ids:
        first[lanes[id_]] = min(depth[id_], first.get(lanes[id_], depth[id_]))
    return sorted(first, key=lambda lane: (lane != _OUTSIDE, first[lane]))


def _card(node: Node, lane: int) -> Card:
    word = [_WORDS[node.look]] if node.look in _WORDS else []
    return Card(
        id=node.id,
        lines=(node.label[0], *word, *node.label[1:]),
        look=_LOOKS.get(node.look, ""),
        shape=_SHAPES.get(node.look, "box"),
        lane=lane,
    )
