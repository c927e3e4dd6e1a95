"""What log lines do not tell is named, and what they imply is followed."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from antiphon.trace import StepOutcome, Trace
from flow_story import ASKED, RESTORE, FlowStory
from guarded_story import RATE, Limit
from trace_story import Fact, Run

WHAT = f"{RESTORE} on service.failed about orders-db"


def failing() -> tuple[FlowStory, Fact]:
    story = FlowStory()
    return story, story.opens("service.failed", "orders-db")


def from_logs(story: FlowStory) -> Trace:
    return Trace.from_logs(story.lines, story.correlation_id, now=story.now)


def with_more(story: FlowStory, event: str, **more: Any) -> FlowStory:
    """Let the line of this event say more."""
    parsed = [orjson.loads(line) for line in story.lines]
    said = [line | more if line["event"] == event else line for line in parsed]
    story.lines[:] = map(orjson.dumps, said)
    return story


def over(story: FlowStory, fact: Fact, verdict: str = "completed") -> FlowStory:
    story.closes(Run(RESTORE, fact, "w", 1, story.now_ms), verdict, done=1)
    return story


@pytest.mark.parametrize("verb", ["approved", "denied"])
def test_an_answer_that_no_line_tells_is_named_as_it_was(verb: str) -> None:
    """A step that ran was approved, and one that was kept from running denied."""
    story, failed = failing()
    story.asks(RESTORE, failed)
    story.after(9)
    if verb == "approved":
        story.completes(story.starts(RESTORE, failed, "w"))
    else:
        story.suppresses(RESTORE, failed, Limit("approval", ASKED), "denied")
    assert from_logs(over(story, failed)).missing == (
        f"who {verb} {ASKED}: the log of the command was not given",
    )


def test_a_delivery_that_somebody_else_had_settled_is_named() -> None:
    """Unless lines tell what became of it."""
    story, failed = failing()
    story._delivery_line("delivery.not_ours", Run(RESTORE, failed, "w", 0, 0))
    [*_, gap] = from_logs(over(story, failed)).missing
    assert gap == f"what became of {WHAT}: it was settled, and no line says how"
    story.completes(story.starts(RESTORE, failed, "w"))
    assert from_logs(story).missing == ()


def test_a_single_attempt_that_is_missing_is_named() -> None:
    """Attempts are counted, and the second was not the first."""
    story, failed = failing()
    story.completes(story.starts(RESTORE, failed, "w", attempt=2))
    assert from_logs(over(story, failed)).missing == (f"1 of 2 attempts of {WHAT}",)


def test_a_loss_that_ended_a_recovery_ends_it_once() -> None:
    """Where a line tells the end, the loss tells it no second time."""
    story, failed = failing()
    story._line(
        "delivery.lost",
        "",
        group=RESTORE,
        outstanding=f"service.failed|{failed.entry}|{RESTORE}",
        verdict="failed",
    )
    trace = from_logs(over(story.after(1), failed, "failed"))
    assert [step.outcome for step in trace.steps] == [StepOutcome.LOST]
    assert (trace.verdict, trace.summary.closes) == ("failed", 1)


def held(*, told_late: float | None) -> Trace:
    """A step that a rate held for a minute; its line may come late by its worker's clock."""
    story, failed = failing()
    since = story.now_ms
    if told_late is not None:
        story.after(told_late).holds(RESTORE, failed, RATE)
    story.now_ms = since
    run = story.after(60).starts(RESTORE, failed, "w")
    with_more(
        story,
        "delivery.started",
        held_by=RATE.guard,
        held_name=RATE.name,
        held_since_ms=since,
    )
    story.completes(run)
    return from_logs(over(story, failed))


@pytest.mark.parametrize("told_late", [0, 30])
def test_a_hold_that_is_told_is_not_inferred_once_more(told_late: float) -> None:
    """Also where the clock of the line that told it is wrong."""
    trace = held(told_late=told_late)
    assert len(trace.steps[0].holds) == 1
    assert trace.missing == ()


def test_a_hold_that_only_its_end_tells_is_inferred() -> None:
    """Since when is known from there, and what the guard had counted is not."""
    trace = held(told_late=None)
    [hold] = trace.steps[0].holds
    assert (hold.guard.kind, hold.since) == ("rate", FlowStory().now)
    assert trace.missing == (f"what rate had counted when it began to hold {WHAT}",)


def test_the_next_tier_is_known_from_the_first_line() -> None:
    """It names who is asked later; that they are follows from nobody's answer."""
    story, failed = failing()
    story.asks(RESTORE, failed, due_in=60)
    with_more(story, "approval.requested", then=[["eve"], ["cleo"]])
    asked = []
    for tier in (1, 2):
        story.after(60).is_not_answered(RESTORE, failed, "next tier", tier=tier)
        [approval] = from_logs(story).approvals
        asked.append((approval.tier, approval.who))
    assert asked == [(2, ("ana", "ben", "eve")), (3, ("ana", "ben", "eve", "cleo"))]
