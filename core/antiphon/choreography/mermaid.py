"""The choreography as a Mermaid flowchart, which many sites draw from Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from antiphon.choreography.choreography import Choreography
from antiphon.choreography.sketch import Node, Sketch

_SHAPES = {
    "failure": ('(["', '"])'),
    "completion": ('("', '")'),
    "lifecycle": ('(["', '"])'),
    "handler": ('["', '"]'),
    "join": ('{{"', '"}}'),
    "approval": ('[/"', '"/]'),
    "undo": ('>"', '"]'),
}
_ARROWS = {"sure": "-->", "unsure": "-.->", "failure": "==>", "back": "-.->"}
_COLOURS = {
    "failure": "stroke:#c0392b",
    "lifecycle": "stroke:#7f8c8d",
    "handler": "stroke-width:2px",
}
_PLAIN = frozenset(" .,-_/:()")


def mermaid(choreography: Choreography) -> str:
    """Write a flowchart.

    A dotted line depends on the subject or takes a step back, which it says; a thick one is what
    follows when a step is given up.
    """
    return "\n".join(_lines(Sketch.of(choreography)))


def _lines(sketch: Sketch) -> Iterator[str]:
    yield "flowchart LR"
    for node in sketch.nodes:
        before, after = _SHAPES[node.look]
        yield f"  {node.id}{before}{_label(node)}{after}"
    for line in sketch.lines:
        label = f'|"{_escape(line.label)}"|' if line.label else ""
        yield f"  {line.start} {_ARROWS[line.look]}{label} {line.end}"
    for look, style in _COLOURS.items():
        if alike := [node.id for node in sketch.nodes if node.look == look]:
            yield f"  classDef {look} {style}"
            yield f"  class {','.join(alike)} {look}"


def _label(node: Node) -> str:
    return "<br/>".join(map(_escape, node.label))


def _escape(text: str) -> str:
    """Write what Mermaid or HTML would read as markup by its number."""
    return "".join(c if c.isalnum() or c in _PLAIN else f"#{ord(c)};" for c in text)
