"""A recovery that was closed and opened again: each period is told, and the time between."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from antiphon.drawing import waterfall
from antiphon.report.deeds import deeds
from antiphon.report.incident import Incident, incident_report
from antiphon.report.markdown import markdown
from antiphon.report.timeline import timeline
from antiphon.report.waits import on_the_path
from antiphon.trace import Trace
from antiphon.trace.explain import explain
from antiphon.trace.periods import Period
from antiphon.trace.slack import idle, lost
from drawing import drawn, from_ledger
from flow_story import FlowStory
from trace_story import Fact

RESTORE = "orders-db.restore"


def reopened(*, by: str = "", settled: bool = True) -> tuple[FlowStory, str]:
    """Tell of 5 s that ended in a death, an hour of nothing, and 3 s that were better."""
    story = FlowStory()
    failed = story.opens("service.failed", "orders-db")
    run = story.after(1).starts(RESTORE, failed, "db-host")
    owed = f"service.failed|{failed.entry}|{RESTORE}"
    story.after(3).stalls(owed)
    dead = story.after(1).dies(run, "PermanentError: no backup")
    story.closes(run, "failed", done=0, dead=1)
    again = story.after(3600).replays(run, dead, by=by, reason="it is back" if by else "")
    second = story.after(1).starts(RESTORE, again, "db-host")
    if settled:
        story.after(2).completes(second, ("database.restored", "orders-db"))
        story.closes(second, "completed", done=1)
    return story, dead


def test_the_clock_may_tick_while_a_letter_is_delivered_again() -> None:
    """The rows of one script need not share their millisecond."""
    story, dead = reopened(by="ana")
    rows = story.entries()
    place = next(at for at, row in enumerate(rows) if row.kind == "replayed")
    rows[place] = replace(rows[place], at=rows[place].at + timedelta(milliseconds=1))
    told = Trace.from_ledger(rows).periods[1].reopening
    assert told is not None
    assert (told.dead, told.by) == (dead, "ana")


def from_logs(story: FlowStory, *without: bytes) -> Trace:
    lines = [line for line in story.lines if not any(word in line for word in without)]
    return Trace.from_logs(lines, story.correlation_id)


def both(story: FlowStory) -> list[Trace]:
    return [from_ledger(story), from_logs(story)]


@pytest.mark.parametrize("source", [0, 1], ids=["ledger", "logs"])
def test_every_period_is_kept(source: int) -> None:
    """When it was opened and closed, as what, what opened it again, and who."""
    story, dead = reopened(by="ana")
    trace = both(story)[source]
    first, second = trace.periods
    opened = trace.opened
    assert (first.opened, first.verdict, first.reopening) == (opened, "failed", None)
    assert second.opened == opened + timedelta(seconds=3605)
    assert (second.closed, second.verdict) == (trace.closed, "completed")
    assert second.reopening is not None
    assert (second.reopening.dead, second.reopening.group) == (dead, RESTORE)
    assert (second.reopening.by, second.reopening.reason) == ("ana", "it is back")
    assert first.stall is not None
    assert trace.stall is second.stall is None
    told = trace.to_dict()
    assert (told["duration_ms"] - told["open_ms"]) // 1000 == (3600, 3599)[source]
    assert told["periods"][1]["reopening"] == {
        "event": second.reopening.event_id,
        "event_type": "service.failed",
        "dead_letter": dead,
        "group": RESTORE,
        "by": "ana",
        "reason": "it is back",
    }


def test_the_time_between_is_nobodys_wait() -> None:
    """The critical path goes through both periods, and leaves out when nothing was owed."""
    trace = from_ledger(reopened()[0])
    path = trace.critical_path
    assert trace.duration == timedelta(seconds=3608)
    assert trace.open_for == path.duration == timedelta(seconds=8)
    assert [step.outcome for step in path.steps] == ["died", "completed"]
    assert path.working == timedelta(seconds=6)
    assert lost(trace) == sum((it.length for it in idle(trace)), timedelta())
    assert lost(trace) == timedelta(seconds=2)
    split = on_the_path(trace, idle(trace))
    assert sum(split.values(), timedelta()) == path.duration


def test_a_new_event_opens_it_again() -> None:
    """From outside, or as an answer to the news of the closing: the event is named."""
    story = FlowStory()
    run = story.starts(RESTORE, story.opens("service.failed", "orders-db"), "db-host")
    story.after(1).completes(run)
    story.closes(run, "completed", done=1)
    news = Fact(f"{story.correlation_id}:1", "recovery.completed", "x", f"{story.now_ms}-99")
    told = story.after(1).starts("pager.tell", news, "pager")
    story.after(1).reopens(Fact("event-00006", "cache.lost", "orders-cache", ""))
    [asked] = story.completes(told, ("cache.lost", "orders-cache"))
    warm = story.after(1).starts("cache.warm", asked, "cache-host")
    story.after(1).completes(warm)
    story.closes(warm, "completed", done=3)
    for trace in both(story):
        second = trace.periods[1]
        assert second.opened == asked_at(asked)
        assert trace.open_for < timedelta(seconds=3.1)
    assert from_logs(story).periods[1].reopening is not None
    assert str(from_logs(story).periods[1].reopening) == "by cache.lost"
    assert [step.group for step in trace.critical_path.steps] == [RESTORE, "cache.warm"]


def asked_at(fact: Fact) -> object:
    from antiphon.instants import entry_instant  # noqa: PLC0415

    return entry_instant(fact.entry)


def test_logs_without_the_line_of_the_command_know_the_dead_letter() -> None:
    """Who delivered it again is known to the log of the command alone."""
    story, dead = reopened(by="ana")
    trace = from_logs(story, b"letter.replayed")
    found = trace.periods[1].reopening
    assert found is not None
    assert (found.dead, found.group, found.by) == (dead, RESTORE, "")
    assert trace.periods[1].opened == from_ledger(story).periods[1].opened
    assert trace.verdict == "completed"


def test_logs_without_anything_of_what_opened_it_say_so() -> None:
    """Two closings tell that it was opened again, and not when."""
    story, _ = reopened()
    again = story.lines[-1].partition(b'"entry_id":"')[2].partition(b'"')[0]
    kept = [ln for ln in story.lines if b'"event":"recovery' in ln or again not in ln]
    trace = Trace.from_logs(kept, story.correlation_id)
    assert [it.verdict for it in trace.periods] == ["failed", "completed"]
    assert trace.periods[1].opened is None
    assert trace.open_for == trace.duration
    assert any("opened again" in what for what in trace.missing)


def test_what_goes_on_has_opened_it_again() -> None:
    """A replay that has begun, or that a line tells of, is enough; it is open."""
    story, _ = reopened(settled=False)
    for trace in both(story):
        assert trace.status == "open"
        assert [it.verdict for it in trace.periods] == ["failed", None]
        assert trace.stall is None
    assert from_logs(story, b"letter.replayed").status == "open"


def test_one_that_was_open_all_along_has_one_period() -> None:
    """A replay before the closing opens nothing."""
    story = FlowStory()
    failed = story.opens("service.failed", "orders-db")
    run = story.starts(RESTORE, failed, "db-host")
    dead = story.after(1).dies(run, "no")
    letter = story.after(1).replays(run, dead, closed=False)
    again = story.starts(RESTORE, letter, "db-host")
    story.after(1).completes(again)
    story.closes(again, "completed", done=1)
    for trace in both(story):
        assert len(trace.periods) == 1
        assert trace.open_for == trace.duration
        assert "of it open" not in "\n".join(drawn(trace))


def test_the_picture_and_the_explanation_tell_the_course() -> None:
    """Closed as what and when, opened again by what, and for how long it was open."""
    story, dead = reopened(by="ana")
    trace = from_ledger(story)
    lines = " ".join(drawn(trace))
    assert "total 1h 00m, 8.0 s of it open, 2 steps" in lines
    assert "closed as failed at 12:00:05" in lines
    replay = f"by the replay of dead letter {dead} of {RESTORE}, by ana: it is back"
    assert f"reopened at 13:00:05 {replay}; closed as completed at 13:00:08" in lines
    assert "passed with 1 outstanding" in lines
    said = str(explain(trace))
    assert "At 12:00:05 it was closed as failed." in said
    assert f"At 13:00:05 it was reopened {replay}." in said
    assert "It was open for 8.0 s; for 1h 00m it was closed, and none waited." in said
    svg = waterfall(trace)
    assert 'class="closed"' in svg
    assert "closed for 1h 00m: nothing was owed, and nobody waited" in svg
    assert "critical path 8.0 s, 2.0 s of it waiting" in lines


def test_the_report_tells_every_closing() -> None:
    """In the timeline, in order, with who it was; and the total with how much of it counts."""
    story, dead = reopened(by="ana")
    trace = from_ledger(story)
    replay = f"the replay of dead letter {dead} of {RESTORE}, by ana: it is back"
    said = [it.words for it in timeline(trace, deeds(trace, None))]
    course = [words for words in said if words.startswith(("the recovery was", "ana"))]
    assert course == [
        "the recovery was closed as failed",
        f"ana delivered a dead letter again to {RESTORE}: it is back",
        f"the recovery was reopened by {replay}",
        "the recovery was closed as completed",
    ]
    assert any(words.startswith("the deadline passed; outstanding") for words in said)
    text = markdown(incident_report([Incident(trace, None)], trace.as_of))
    assert "1h 00m, from its first event to its closing; open for 8.0 s of that" in text
    assert "2 times; it was reopened in between, before as failed 2026-11-22 12:00:05" in text


def test_a_period_of_which_little_is_known_is_told_as_it_is() -> None:
    """Null, never left out."""
    known = Period(opened=None, closed=None, verdict=None, reopening=None, stall=None)
    assert set(known.to_dict().values()) == {None}
