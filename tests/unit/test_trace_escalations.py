"""Halts, relapses and what people were told, in a trace: the same from ledger and log lines."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from antiphon.trace import Trace
from guarded_story import BUDGET, RATE, RELAPSE, VISITS, GuardedStory, a_loop
from guarded_traces import GROUP, SOURCES, failing, from_ledger, only
from trace_story import Fact


@pytest.mark.parametrize("trace_of", SOURCES)
def test_a_halt_shows_the_loop(trace_of: Callable[[GuardedStory], Trace]) -> None:
    """The limit, the delivery that was one too many, and the path of causes that led to it."""
    story = a_loop()
    trace = trace_of(story)
    assert trace.halt is not None
    assert (trace.halt.guard.kind, trace.halt.guard.count) == ("visits", "4 of 3")
    assert trace.halt.path.startswith("service.failed orders-api → orders-api.restart → ")
    assert trace.halt.path.count("orders-api.restart") == VISITS.value
    assert trace.halt.event_id == trace.steps[-1].event_id
    assert trace.summary.halted == f"more than 3 times: {trace.halt.path}"
    assert [step.outcome for step in trace.steps] == ["completed"] * 3 + ["suppressed"]
    assert (trace.verdict, trace.summary.done, trace.summary.suppressed) == ("halted", 3, 1)


@pytest.mark.parametrize("trace_of", SOURCES)
def test_failures_that_joined_are_counted(trace_of: Callable[[GuardedStory], Trace]) -> None:
    """The count is in the row: not every failure has one. They are no events of the recovery."""
    story, failed = failing()
    for count in (1, 2, 64, 128):
        story.after(1).is_joined_by(failed, count=count)
    trace = trace_of(story)
    assert trace.summary.coalesced == 128
    assert [event.id for event in trace.events] == [failed.id]


@pytest.mark.parametrize("trace_of", SOURCES)
def test_a_relapse_names_the_recovery_that_did_not_hold(
    trace_of: Callable[[GuardedStory], Trace],
) -> None:
    """With how often that has happened, and how often it may."""
    story, _ = failing()
    story.relapses("the-one-before", value=2)
    trace = trace_of(story)
    assert trace.relapse is not None
    assert (trace.relapse.of, trace.relapse.value, trace.relapse.limit) == ("the-one-before", 2, 3)
    assert trace.summary.relapse_of == "the-one-before"


@pytest.mark.parametrize("trace_of", SOURCES)
def test_an_escalation_stands_until_somebody_acknowledges_it(
    trace_of: Callable[[GuardedStory], Trace],
) -> None:
    """It goes up a tier; who knows of it is told, until people are told of something new."""
    story, _ = failing()
    story.escalates(RELAPSE, "did not hold")
    story.after(900).escalates(RELAPSE, "did not hold", tier=2)
    trace = trace_of(story)
    assert [(e.guard.kind, e.tier, e.why) for e in trace.escalations] == [
        ("relapse", 1, "did not hold"),
        ("relapse", 2, "did not hold"),
    ]
    assert (trace.acknowledgement, trace.summary.tier, trace.summary.acked_by) == (None, 2, "")
    story.after(1).is_acknowledged("ada", "on it")
    trace = trace_of(story)
    assert trace.acknowledgement is not None
    assert (trace.acknowledgement.by, trace.acknowledgement.why) == ("ada", "on it")
    assert trace.summary.acked is not None
    story.after(1).escalates(BUDGET, "the budget is spent")
    trace = trace_of(story)
    assert (trace.acknowledgement, trace.summary.tier) == (None, 1)


@pytest.mark.parametrize("trace_of", SOURCES)
def test_telling_people_is_no_part_of_the_recovery(
    trace_of: Callable[[GuardedStory], Trace],
) -> None:
    """Whoever answers recovery.escalated is a step, but neither work done nor work owed."""
    story, failed = failing()
    story.suppresses(GROUP, failed, BUDGET, "spent")
    story.escalates(BUDGET, "spent")
    news = Fact("e1", "recovery.escalated", "orders-api", f"{story.now_ms}-9")
    story.after(1).completes(story.starts("pager.page", news, "pager-1"))
    story.starts("pager.write", news, "pager-1")
    trace = trace_of(story)
    assert [(s.group, s.event_type) for s in trace.steps[1:]] == [
        ("pager.page", "recovery.escalated"),
        ("pager.write", "recovery.escalated"),
    ]
    assert (trace.summary.done, trace.outstanding, trace.critical_path.steps) == (0, (), ())
    assert not any("published recovery.escalated" in gap for gap in trace.missing)


def test_news_that_is_held_is_known_by_its_escalation() -> None:
    """A row of a hold names no type; the row that told people does."""
    story, _ = failing()
    story.escalates(BUDGET, "spent")
    news = Fact("e1", "recovery.escalated", "orders-api", f"{story.now_ms}-9")
    story.holds("pager.page", news, RATE)
    step = only(from_ledger(story))
    assert (step.event_type, step.subject) == ("recovery.escalated", "orders-api")


def test_an_acknowledgement_whose_answer_was_lost_is_known_by_its_repetition() -> None:
    """The line of the command that repeats it will do; beside the first it says nothing new."""
    story = GuardedStory()
    story.opens("service.failed", "orders-api")
    story.escalates(BUDGET, "spent")
    story.after(1).is_acknowledged("ben", "mine")
    story.is_acknowledged("ben", "mine", again=True)
    ledger = Trace.from_ledger(story.entries()).acknowledgements
    for lines in (story.lines, [*story.lines[:-2], story.lines[-1]]):
        told = Trace.from_logs(lines, story.correlation_id).acknowledgements
        assert [(it.by, it.why) for it in told] == [(it.by, it.why) for it in ledger]
