"""The map of a choreography: sound, complete, and laid out so that nothing lies on anything."""

from __future__ import annotations

import random
from itertools import combinations
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon import Joined, Service, n_of
from antiphon.choreography import Choreography
from antiphon.choreography.sketch import Sketch
from antiphon.drawing import choreography
from antiphon.drawing.graph import Box, Layout, Link
from antiphon.drawing.layers import lay_out
from antiphon_events import CacheLost, DatabaseFailed, DatabaseRestored, RecoveryHalted
from examples import event_driven, hybrid, sequential, state_machine
from svg import Svg, places, tag_of

EXAMPLES = (event_driven, hybrid, sequential, state_machine)


def of(module: object) -> Choreography:
    return Choreography.of(*(one for one in vars(module).values() if isinstance(one, Service)))


@pytest.mark.parametrize("module", EXAMPLES)
def test_each_handler_and_event_is_there(module: object) -> None:
    """Each node of the sketch has a box, each service a lane with its name, and all fit."""
    found = of(module)
    svg = Svg(choreography(found))
    assert {node.id for node in Sketch.of(found).nodes} == svg.by_id().keys()
    assert set(found.services) <= set(svg.words())
    width, height = svg.size
    assert all(-1 <= x <= width + 1 and -1 <= y <= height + 1 for x, y in svg.points())
    assert svg.root.attrib["role"] == "img"
    assert "script" not in svg.names


@pytest.mark.parametrize("module", EXAMPLES)
def test_boxes_do_not_overlap(module: object) -> None:
    """Nor do they leave the lane of their service."""
    svg = Svg(choreography(of(module)))
    boxes = [_edges(group) for group in svg.by_id().values()]
    for one, other in combinations(boxes, 2):
        apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert apart, (one, other)
    lanes = [float(lane.attrib["x"]) for lane in svg.looks("lane")]
    ends = [float(lane.attrib["x"]) + float(lane.attrib["width"]) for lane in svg.looks("lane")]
    for left, _, right, _ in boxes:
        assert any(a <= left and right <= b for a, b in zip(lanes, ends, strict=True))


def _edges(group: ET.Element) -> tuple[float, float, float, float]:
    shapes = [shape for shape in group if tag_of(shape) in {"rect", "path"}]
    xs, ys = zip(*(point for shape in shapes for point in places(shape)), strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def test_names_are_no_markup() -> None:
    """Subjects come from code, and may hold anything."""
    service = Service("db")

    @service.on(DatabaseFailed.about('<script>"&'))
    async def restore(failed: DatabaseFailed) -> DatabaseRestored:
        raise AssertionError

    svg = Svg(choreography(Choreography.of(service)))
    assert 'about <script>"&' in svg.words()


def test_nothing_is_a_map_too() -> None:
    """Of no services, and of a join whose branches nobody publishes."""
    assert Svg(choreography(Choreography((), ()))).words()
    service = Service("web")

    @service.on(n_of(2, DatabaseRestored, CacheLost, RecoveryHalted))
    async def reopen(joined: Joined) -> None: ...

    assert "2 of 3" in Svg(choreography(Choreography.of(service))).words()


GRAPHS = st.tuples(st.integers(1, 40), st.integers(0, 90), st.integers(1, 4), st.integers())


@given(GRAPHS)
def test_any_graph_is_laid_out(shape: tuple[int, int, int, int]) -> None:
    """With rings, loops, links to nowhere and lanes: boxes apart, within the size, links joined."""
    count, links, lanes, seed = shape
    chance = random.Random(seed)
    boxes = [
        Box(
            id=f"b{number}",
            width=chance.randint(20, 200),
            height=chance.choice((20, 50)),
            lane=chance.randrange(lanes),
        )
        for number in range(count)
    ]
    ids = [*(box.id for box in boxes), "nowhere"]
    given_links = [Link(chance.choice(ids), chance.choice(ids)) for _ in range(links)]
    layout = lay_out(boxes, given_links, widest=5, between=30)
    _apart(boxes, layout)
    sizes = {box.id: box for box in boxes}
    for link, route in zip(given_links, layout.routes, strict=True):
        if link.start == link.end or "nowhere" in {link.start, link.end}:
            assert route == ()
            continue
        for id_, point in ((link.start, route[0]), (link.end, route[-1])):
            x, y = layout.places[id_]
            assert abs(point[0] - x) <= sizes[id_].width / 2
            assert point[1] in {y, y + sizes[id_].height}


def _apart(boxes: list[Box], layout: Layout) -> None:
    edges = []
    for box in boxes:
        x, y = layout.places[box.id]
        left, right = layout.lanes[box.lane]
        assert left - 0.01 <= x - box.width / 2
        assert x + box.width / 2 <= right + 0.01
        assert 0 <= y <= y + box.height <= layout.height + 0.01
        edges.append((x - box.width / 2, y, x + box.width / 2, y + box.height))
    assert layout.lanes[-1][1] <= layout.width + 0.01
    for a, b in combinations(edges, 2):
        assert a[2] <= b[0] + 0.01 or b[2] <= a[0] + 0.01 or a[3] <= b[1] or b[3] <= a[1]
