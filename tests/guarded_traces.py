"""Traces of stories with guards, from either source, in which one step reacts to one failure."""

from __future__ import annotations

from antiphon.trace import Step, Trace
from guarded_story import GuardedStory
from trace_story import Fact

GROUP = "orders-api.restart"


def failing() -> tuple[GuardedStory, Fact]:
    story = GuardedStory()
    return story, story.opens("service.failed", "orders-api")


def from_ledger(story: GuardedStory, owed: tuple[str, ...] = ()) -> Trace:
    return Trace.from_ledger(story.entries(), owed, now=story.now)


def from_logs(story: GuardedStory) -> Trace:
    return Trace.from_logs(story.lines, story.correlation_id, now=story.now)


SOURCES = [from_ledger, from_logs]


def only(trace: Trace) -> Step:
    [step] = trace.steps
    return step
