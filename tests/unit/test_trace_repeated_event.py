"""An event that a foreign program wrote twice once seemed to have come after its own effects."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from antiphon.trace import Trace
from trace_story import Story


def test_an_event_counts_from_its_first_entry() -> None:
    """The second entry of the same event is a duplicate, and changes neither times nor path."""
    story = Story()
    fact = story.opens("service.failed", "orders-db")
    run = story.after(1).starts("orders-db.restore", fact, "w1")
    story.after(2).completes(run)
    repeated = replace(fact, entry=f"{story.after(5).now_ms}-0")
    story._announce("adopted", repeated, by="")
    story.finds_duplicate(run.group, repeated, f"service.failed|{fact.entry}|{run.group}")
    trace = Trace.from_ledger(story.entries(), now=story.now)
    (event,) = trace.events
    assert (event.entry, event.time) == (fact.entry, trace.opened)
    assert trace.critical_path.duration == timedelta(seconds=3)
