"""Drawings of recoveries: well-formed whatever is in them, complete, and within their bounds."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import given

from antiphon.drawing import STYLE, causation, waterfall
from antiphon.drawing.causes import Causes
from antiphon.trace import Trace
from antiphon.trace.parts import StepOutcome
from drawing import from_ledger, of
from flow_story import FlowStory, a_flow, a_rollback
from guarded_story import a_guarded_recovery, a_loop
from svg import Svg, places, titles
from telling import stories
from trace_story import Story, a_chain, a_whole_recovery

STORIES = (a_whole_recovery, a_flow, a_rollback, a_guarded_recovery, a_loop, lambda: a_chain(30))
DRAWINGS = (waterfall, causation)


def sound(text: str) -> Svg:
    """Hold a drawing to what every one promises."""
    svg = Svg(text)
    width, height = svg.size
    assert not svg.names & {"script", "foreignObject", "image", "use"}
    assert not re.search(r"\son\w+=|javascript:|url\(|http(?!://www\.w3\.org/2000/svg)", text)
    assert svg.root.attrib["role"] in {"img", "group"}
    assert svg.root.attrib["aria-label"]
    assert svg.description
    for x, y in svg.points():
        assert -0.5 <= x <= width + 0.5, (x, width)
        assert -0.5 <= y <= height + 0.5, (y, height)
    return svg


@pytest.mark.parametrize("draw", DRAWINGS)
@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("read", [of, from_ledger])
def test_it_is_sound(
    draw: Callable[[Trace], str], story: Callable[[], Story], read: Callable[[Story], Trace]
) -> None:
    """Well-formed, without scripts or anything from elsewhere, nothing beyond its edges."""
    sound(draw(read(story())))


@given(stories())
def test_the_waterfall_of_any_recovery_is_complete(story: Story) -> None:
    """Each event and each step has a row, each attempt and each hold a bar that says so."""
    trace = from_ledger(story)
    svg = sound(waterfall(trace))
    rows = svg.by_id()
    assert "left out" not in svg.description
    for event in trace.events:
        assert event.id in rows
    for step in trace.steps:
        said = titles(rows[step.id])
        for attempt in step.attempts:
            assert f"attempt {attempt.no} on {attempt.consumer}" in said
        assert said.count("held by ") == len(step.holds)


@given(stories())
def test_the_causes_of_any_recovery_are_complete(story: Story) -> None:
    """Each event has a box, and each step, but for the branches that joined another one's."""
    trace = from_ledger(story)
    svg = sound(causation(trace))
    boxes = svg.by_id()
    assert {f"e{event.id}" for event in trace.events} <= boxes.keys()
    branches = {StepOutcome.JOINED, StepOutcome.LATE}
    for step in trace.steps:
        alone = step.outcome not in branches
        assert f"s{step.id}" in boxes or not alone
    assert {f"c{child.id}" for child in trace.children} <= boxes.keys()
    assert ("closing" in boxes) == (trace.closed is not None)


def test_two_deliveries_of_one_name_are_drawn_as_one() -> None:
    """A damaged record may tell of them; the rest of it is drawn."""
    for story in (a_flow(), a_whole_recovery()):
        trace = from_ledger(story)
        twice = replace(trace, steps=tuple(step for step in trace.steps for _ in range(2)))
        assert sound(causation(twice))
        names = [card.id for card in Causes(twice, None).cards]
        assert len(set(names)) == len(names)


def test_what_events_say_is_no_markup() -> None:
    """A subject or an error that looks like markup or like a terminal's language is text."""
    story = Story()
    failed = story.opens("<b>", "</text><script>alert(1)</script>\x1b[31m\x00")
    run = story.after(1).starts("a.<b>&\"'", failed, "<w>")
    story.after(1).dies(run, "</title></svg><script>")
    for draw in DRAWINGS:
        text = draw(from_ledger(story))
        assert "<script" not in text
        assert "\x1b" not in text
        assert "\x00" not in text
        assert "<b> </text><script>" in " ".join(sound(text).words())


def test_bars_lie_where_things_happened() -> None:
    """In order and to scale: each as long as its attempt, the last up to the end of the scale."""
    svg = sound(waterfall(from_ledger(a_chain(4))))
    found = [[x for x, _ in places(bar)] for bar in svg.looks("working")[:3]]
    lengths = [max(xs) - min(xs) for xs in found]
    assert max(lengths) - min(lengths) < 0.3
    starts = [min(xs) for xs in found]
    apart = [second - first for first, second in pairwise(starts)]
    assert apart == pytest.approx([lengths[0] * 1.1] * 2, abs=0.3)


@pytest.mark.parametrize("draw", DRAWINGS)
def test_the_critical_path_is_marked_without_colour(draw: Callable[[Trace], str]) -> None:
    """By a star behind the names of its steps, in every drawing, and by outlines."""
    trace = from_ledger(a_whole_recovery())
    svg = sound(draw(trace))
    starred = [words for words in svg.words() if words.endswith(" ★")]
    assert len(starred) == len(trace.critical_path.steps)


def test_a_long_wait_is_cut_short() -> None:
    """Two days of waiting leave the work its room, and the break says how long it was."""
    story = Story()
    failed = story.opens("service.failed", "orders-db")
    run = story.after(0.1).starts("orders-db.restore", failed, "db-host")
    story.after(1).retries(run, "ConnectionError", due_in=172_800)
    run = story.after(172_800).starts("orders-db.restore", failed, "db-host", attempt=2)
    story.after(2).completes(run)
    trace = from_ledger(story)
    cut = sound(waterfall(trace))
    assert "‖ 2d 00h" in cut.words()
    assert len(cut.looks("broken")) == 1
    full = sound(waterfall(trace, full_scale=True))
    assert not full.looks("broken")
    assert "‖ 2d 00h" not in full.words()


def test_what_goes_on_has_an_open_end() -> None:
    """A running attempt ends in a point at the edge, and the title says that it runs."""
    story = Story()
    failed = story.opens("service.failed", "orders-db")
    story.after(1).starts("orders-db.restore", failed, "db-host")
    story.after(5).skips("pager.page", failed)
    svg = sound(waterfall(from_ledger(story)))
    assert any("running, 5.0 s" in titles(bar) for bar in svg.looks("bar"))
    assert svg.root.find(".//*[@class='title']").text.startswith("OPEN")  # type: ignore[union-attr]


@pytest.mark.parametrize("draw", DRAWINGS)
def test_a_very_long_recovery_is_drawn_in_part(draw: Callable[[Trace], str]) -> None:
    """Of thousands of steps it draws those that tell most, counts the others, and is quick."""
    story = Story()
    ahead = [story.opens("service.failed", "orders-db")]
    for number in range(3_000):
        run = story.after(0.01).starts("orders-db.restore", ahead.pop(0), "db-host")
        story.after(0.1)
        if number == 1_500:
            story.dies(run, "PermanentError: boom")
        else:
            what = [("database.restored", f"db-{number}")] * (2 if number < 1_600 else 0)
            ahead += story.completes(run, *what)
    trace = from_ledger(story)
    began = time.perf_counter()
    svg = sound(draw(trace))
    assert time.perf_counter() - began < 10, "far beyond what it takes"
    steps = [id_ for id_ in svg.by_id() if "|orders-db.restore" in id_]
    assert 100 <= len(steps) <= 250
    assert f"{len(trace.steps) - len(steps)} steps" in svg.description
    assert any("PermanentError: boom" in words for words in svg.words())
    assert len(svg.text) < 1_000_000


@pytest.mark.parametrize("draw", DRAWINGS)
def test_a_step_that_publishes_very_much_is_drawn_in_part(draw: Callable[[Trace], str]) -> None:
    """Events that nobody answered, and children, are counted beyond a few hundred."""
    story = FlowStory()
    failed = story.opens("service.failed", "orders-db")
    run = story.after(1).starts("orders-db.restore", failed, "db-host")
    story.after(1).completes(run, *[("cache.warmed", f"cache-{n}") for n in range(900)])
    for number in range(50):
        story.puts_off(run, "cache.warmed", f"later-{number}", due_in=60)
        story.starts_child(run, "service.failed", f"child-{number}")
    svg = sound(draw(from_ledger(story)))
    drawn = len([id_ for id_ in svg.by_id() if id_ != "closing"])
    counts = [
        int(n)
        for n in re.findall(
            r"(\d+) (?:events|postponements|further)", svg.description.partition("left out")[2]
        )
    ]
    assert drawn <= 253
    assert drawn + sum(counts) == 1 + 1 + 900 + 100


def test_the_branches_of_a_join_lead_to_what_they_made_run() -> None:
    """The step that fired has an arrow from each branch, and the branches have no box."""
    story = FlowStory()
    failed = story.opens("service.failed", "orders-db")
    run = story.after(1).starts("orders-db.restore", failed, "db-host")
    first, second = story.after(1).completes(
        run, ("database.restored", "orders-db"), ("cache.warmed", "orders-cache")
    )
    story.after(1).joins("web.reopen", first, 1, 2)
    last = story.after(1).starts("web.reopen", second, "web-host")
    story.after(1).completes(last)
    svg = sound(causation(from_ledger(story)))
    boxes = [id_ for id_ in svg.by_id() if id_.endswith("|web.reopen")]
    assert len(boxes) == 1
    assert svg.words().count("branch") == 1


def test_children_are_links() -> None:
    """To whatever address the caller gives; without one they are none."""
    trace = from_ledger(a_flow())
    linked = sound(causation(trace, link=lambda id_: f"/recoveries/{quote(id_)}"))
    (child,) = trace.children
    assert linked.by_id()[f"c{child.id}"].attrib["href"] == f"/recoveries/{child.id}"
    assert linked.root.attrib["role"] == "group"
    assert "a" not in sound(causation(trace)).names


@pytest.mark.parametrize("draw", DRAWINGS)
def test_the_stylesheet_is_left_out_on_request(draw: Callable[..., str]) -> None:
    """For a page that has it in its head; a file of its own needs it."""
    trace = from_ledger(a_whole_recovery())
    assert "prefers-color-scheme: dark" in STYLE
    assert "prefers-color-scheme: dark" in draw(trace)
    assert "<style" not in draw(trace, styled=False)
    assert "style=" not in draw(trace)
