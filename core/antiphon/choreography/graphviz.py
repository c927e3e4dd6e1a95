"""The choreography in the language of Graphviz: ``… --format graphviz | dot -Tsvg``."""

from __future__ import annotations

from collections.abc import Iterator

from antiphon.choreography.choreography import Choreography
from antiphon.choreography.sketch import Sketch

_LOOKS = {
    "failure": "shape=ellipse, color=firebrick",
    "completion": "shape=ellipse",
    "lifecycle": "shape=ellipse, color=gray",
    "handler": "shape=box, penwidth=2",
    "join": "shape=hexagon",
    "approval": "shape=parallelogram",
    "undo": "shape=note",
}
_LINES = {
    "sure": (),
    "unsure": ("style=dotted",),
    "failure": ("style=bold", "color=firebrick"),
    "back": ("style=dashed", "constraint=false"),
}


def graphviz(choreography: Choreography) -> str:
    """Write a directed graph.

    A dotted line depends on the subject, a bold red one is what follows when a step is given up,
    and a dashed one takes a step back.
    """
    return "\n".join(_lines(Sketch.of(choreography)))


def _lines(sketch: Sketch) -> Iterator[str]:
    yield "digraph choreography {"
    yield "  rankdir=LR;"
    for node in sketch.nodes:
        label = r"\n".join(map(_escape, node.label))
        yield f'  {node.id} [label="{label}", {_LOOKS[node.look]}];'
    for line in sketch.lines:
        labels = [f'label="{_escape(line.label)}"'] if line.label else []
        looks = ", ".join([*_LINES[line.look], *labels])
        yield f"  {line.start} -> {line.end}{f' [{looks}]' if looks else ''};"
    yield "}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
