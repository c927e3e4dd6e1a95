"""Long stretches in which nothing happened are cut out of the picture, and it says so."""

from __future__ import annotations

from datetime import timedelta

from antiphon.trace import Trace
from antiphon.trace.cuts import cuts
from drawing import drawn, from_ledger
from flow_story import FlowStory
from trace_story import Story, a_whole_recovery


def waited_for_people() -> Story:
    """Three hours for an approval, and twenty seconds of work."""
    story = FlowStory()
    failed = story.opens("service.failed", "orders")
    story.asks("orders-api.restart", failed)
    run = story.starts("orders-db.restore", failed, "db")
    story.after(10).completes(run)
    story.after(3 * 3600 - 10).agrees("orders-api.restart", failed, "ana", "go on")
    run = story.starts("orders-api.restart", failed, "api")
    story.after(10).completes(run)
    return story


def test_a_long_wait_leaves_room_for_the_work() -> None:
    """Bars show the work, a mark stands for the wait, and the legend says how long it was."""
    lines = drawn(from_ledger(waited_for_people()))
    begin = next(number for number, line in enumerate(lines) if "outcome" in line)
    assert sum(line.count("█") for line in lines[begin : lines.index("", begin)]) >= 24
    assert lines[begin].count("≈") == 1
    assert "≈ nothing happened for 2h 59m: left out (--full-scale)" in " ".join(lines)


def test_true_scale_can_be_had() -> None:
    """Then the work is a speck, and nothing is marked."""
    lines = drawn(from_ledger(waited_for_people()), full_scale=True)
    assert "≈" not in "".join(lines)
    assert sum(line.count("█") for line in lines) == 1 + 1 + 1  # two steps, and the legend


def test_a_terminal_without_unicode_has_a_mark_as_well() -> None:
    """A stroke, in the axis and in the legend."""
    lines = drawn(from_ledger(waited_for_people()), encoding="ascii")
    assert "/ nothing happened for 2h 59m: left out (--full-scale)" in " ".join(lines)


def test_an_event_that_nobody_answers_is_not_cut_out() -> None:
    """What comes in the midst of a long wait is told: the wait is cut before and behind it."""
    story = FlowStory()
    failed = story.opens("service.failed", "orders")
    run = story.starts("orders-db.restore", failed, "db")
    story.after(10).completes(run)
    later = story.puts_off(run, "database.checked", "orders", due_in=3600)
    event = story.after(3600).publishes(later, "orders-db.restore")
    story.completes(story.after(7200).starts("orders-api.restart", event, "api"))
    trace = from_ledger(story)
    found = cuts(trace, trace.opened, story.now)
    assert [cut.length for cut in found] == [timedelta(hours=1), timedelta(hours=2)]


def test_a_step_that_still_runs_is_not_cut() -> None:
    """However long it has: it is at work."""
    story = Story()
    failed = story.opens("service.failed", "orders")
    run = story.starts("orders-db.restore", failed, "db")
    (restored,) = story.after(10).completes(run, ("database.restored", "orders"))
    story.starts("orders-cache.warm", restored, "cache")
    trace = Trace.from_ledger(story.entries(), now=story.after(3 * 3600).now)
    assert cuts(trace, trace.opened, story.now) == ()


def test_what_can_be_seen_is_not_cut() -> None:
    """A recovery whose waits leave room for its work is drawn as long as it was."""
    assert "≈" not in "".join(drawn(from_ledger(a_whole_recovery())))


def test_a_recovery_in_which_nobody_worked_is_left_as_it_is() -> None:
    """There is nothing to make room for."""
    story = FlowStory()
    failed = story.opens("service.failed", "orders")
    story.asks("orders-api.restart", failed)
    story.after(3600).agrees("orders-api.restart", failed, "ana", "go on")
    assert "≈" not in "".join(drawn(from_ledger(story)))


def test_no_line_is_wider_than_the_terminal() -> None:
    """Also where the axis is cut."""
    for width in (40, 60, 80, 120):
        assert all(
            len(line) <= width for line in drawn(from_ledger(waited_for_people()), width=width)
        )
