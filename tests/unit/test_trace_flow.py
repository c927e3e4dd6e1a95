"""Delays, joins in time, children, deadlines, cancelling and undo, in the trace of a recovery."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import orjson
import pytest

from antiphon.instants import iso
from antiphon.ledger import Entry
from antiphon.trace import StepOutcome, Trace
from antiphon.trace.flow import KINDS
from flow_story import CHECK, REOPEN, RESTART, RESTORE, FlowStory, a_flow, a_rollback
from trace_story import Fact, Run

SECOND = timedelta(seconds=1)
Tell = Callable[[], FlowStory]


def failing() -> tuple[FlowStory, Fact]:
    story = FlowStory()
    return story, story.opens("service.failed", "orders-db")


def restored() -> tuple[FlowStory, Run, Fact]:
    story, failed = failing()
    run = story.after(1).starts(RESTORE, failed, "db-host")
    (fact,) = story.after(1).completes(run, ("database.restored", "orders-db"))
    return story, run, fact


def from_ledger(story: FlowStory, owed: Sequence[str] = ()) -> Trace:
    return Trace.from_ledger(story.entries(), owed, now=story.now)


def from_logs(story: FlowStory) -> Trace:
    return Trace.from_logs(story.lines, story.correlation_id, now=story.now)


SOURCES = [from_ledger, from_logs]


def facts(trace: Trace) -> dict[str, Any]:
    """What both sources must agree on: all but instants of log lines, and what no line tells."""
    found = trace.to_dict()
    return {
        "summary": pick(found, "verdict", "done", "dead", "cancelled", "undone", "reasons"),
        "steps": {
            step["id"]: [
                pick(step, "outcome", "note", "due", "undo_of", "published"),
                step["won"] and pick(step["won"], "branch", "losers"),
            ]
            for step in found["steps"]
        },
        "scheduled": [pick(it, "id", "type", "by", "cause", "due") for it in found["scheduled"]],
        "timeouts": [pick(it, "group", "missing", "event") for it in found["timeouts"]],
        "children": [pick(it, "id", "type", "by", "cause", "verdict") for it in found["children"]],
        "stalled": found["stall"] and found["stall"]["outstanding"],
        "cancelled": found["cancellation"] and pick(found["cancellation"], "by", "reason"),
        "path": found["critical_path"]["steps"],
    }


def pick(found: dict[str, Any], *names: str) -> list[Any]:
    return [found[name] for name in names]


@pytest.mark.parametrize("tell", [a_flow, a_rollback])
def test_logs_tell_of_the_flow_what_the_ledger_tells(tell: Tell) -> None:
    """What was put off, gave up, won, was started, cancelled and undone is read off the lines."""
    story = tell()
    logs = Trace.from_logs(story.lines, story.correlation_id)
    assert facts(logs) == facts(Trace.from_ledger(story.entries()))
    assert logs.missing == ()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("tell", [a_flow, a_rollback])
def test_lines_about_the_flow_may_come_in_any_order(tell: Tell, seed: int) -> None:
    """The files of several services, one after another, are as good as one file."""
    story = tell()
    random.Random(seed).shuffle(story.lines)
    assert facts(from_logs(story)) == facts(from_ledger(story))


@pytest.mark.parametrize("trace_of", SOURCES)
def test_an_event_that_is_put_off_is_no_event_yet(trace_of: Callable[[FlowStory], Trace]) -> None:
    """It is known with its instant, and becomes an event of its step when it is published."""
    story, run, _ = restored()
    later = story.puts_off(run, "database.checked", "orders-db", due_in=60)
    trace = trace_of(story)
    assert [(s.id, s.by, s.due) for s in trace.scheduled] == [
        (later.id, RESTORE, story.now + 60 * SECOND)
    ]
    assert later.id not in [event.id for event in trace.events]
    published = story.after(61).publishes(later, RESTORE)
    story.after(1).starts(CHECK, published, "db-host")
    trace = trace_of(story)
    [event] = [event for event in trace.events if event.id == later.id]
    assert (event.by, event.cause, event.entry) == (RESTORE, run.fact.id, published.entry)
    assert later.id in trace.steps[0].published
    assert [step.id for step in trace.critical_path.steps] == [step.id for step in trace.steps]


@pytest.mark.parametrize("trace_of", SOURCES)
def test_a_join_that_gave_up_names_what_it_lacked(trace_of: Callable[[FlowStory], Trace]) -> None:
    """The branch says until when it waited; what comes afterwards is late, and ends there."""
    story, _, fact = restored()
    story.joins(REOPEN, fact, 1, 2, due_in=60)
    until = story.now + 60 * SECOND
    told = story.after(60).gives_up(REOPEN, fact, 1, 2, "cache.warmed@*", "service.restarted@web")
    warmed = story.after(1).opens("cache.warmed", "orders-cache")
    story.after(1).comes_late(REOPEN, warmed)
    story.after(1).completes(story.starts("pager.page", told, "pager-1"))
    trace = trace_of(story)
    [timeout] = trace.timeouts
    assert (timeout.group, timeout.event_id) == (REOPEN, told.id)
    assert timeout.missing == ("cache.warmed@*", "service.restarted@web")
    joined, late = [step for step in trace.steps if step.group == REOPEN]
    assert (joined.outcome, joined.due) == (StepOutcome.JOINED, until)
    assert (late.outcome, late.outcome.is_final, late.note) == (
        StepOutcome.LATE,
        True,
        "the join had given up waiting",
    )
    assert not any("join.timed_out" in gap for gap in trace.missing)


@pytest.mark.parametrize("trace_of", SOURCES)
def test_a_join_that_was_won_says_by_what(trace_of: Callable[[FlowStory], Trace]) -> None:
    """A step that would only have brought the others is outrun, and nobody is to blame."""
    story, _, fact = restored()
    story.wins(REOPEN, fact, "database.restored@*", "cancel")
    run = story.starts(REOPEN, fact, "web-host")
    story.outruns(RESTART, fact, REOPEN)
    story.after(1).completes(run)
    trace = trace_of(story)
    reopen, restart = [step for step in trace.steps if step.event_id == fact.id]
    assert reopen.won is not None
    assert str(reopen.won) == ("database.restored@* was enough; the others do not begin any more")
    assert (restart.outcome, restart.note) == (StepOutcome.OUTRUN, f"{REOPEN} has what it needs")
    assert trace.summary.reasons == ()


@pytest.mark.parametrize(
    ("branch", "losers", "words"),
    [
        ("a.b@*", "ignore", "a.b@* was enough; the others are ignored"),
        ("a.b@*", "", "a.b@* was enough"),
        ("", "db.check", "not all branches were needed; not needed any more: db.check"),
    ],
)
def test_what_becomes_of_losers_is_said(branch: str, losers: str, words: str) -> None:
    """As far as the row tells."""
    story, _, fact = restored()
    story.wins(REOPEN, fact, branch, losers)
    story.starts(REOPEN, fact, "web-host")
    assert str(from_ledger(story).steps[-1].won) == words


@pytest.mark.parametrize("trace_of", SOURCES)
def test_children_are_known_by_id_and_verdict(trace_of: Callable[[FlowStory], Trace]) -> None:
    """The step that started one is named; the event that tells of its end follows from it."""
    story, run, _ = restored()
    child = story.starts_child(run, "service.failed", "orders-api")
    [known] = trace_of(story).children
    assert (known.id, known.type, known.subject) == (child, "service.failed", "orders-api")
    assert (known.by, known.cause, known.closed, known.verdict) == (RESTORE, run.fact.id, None, "")
    assert child not in [event.id for event in trace_of(story).events]
    told = story.after(60).hears_of(child, run, "partial")
    story.after(1).completes(story.starts("pager.page", told, "pager-1"))
    trace = trace_of(story)
    [known] = trace.children
    assert (known.verdict, known.closed is None) == ("partial", False)
    assert known.event_id == told.id
    assert told.id in trace.steps[0].published
    assert not any(child in gap for gap in trace.missing)


def test_a_child_knows_its_parent_and_who_asked() -> None:
    """Both stand in the row that opened it."""
    story, _ = failing()
    opened = story.entries()[0]
    known = {**opened.fields, "parent": "the-parent", "source": "carl"}
    born = Entry(opened.at, opened.id, opened.kind, known)
    trace = Trace.from_ledger([born, *story.entries()[1:]])
    assert (trace.summary.parent, trace.summary.source) == ("the-parent", "carl")
    found = pick(trace.to_dict(), "parent", "requester", "source")
    assert found == ["the-parent", "carl", "ledger"]


@pytest.mark.parametrize("trace_of", SOURCES)
def test_who_cancelled_and_what_was_outstanding(trace_of: Callable[[FlowStory], Trace]) -> None:
    """A deadline that passed names what it found; a person is named with the reason."""
    story, failed = failing()
    owed = f"service.failed|{failed.entry}|{RESTORE}"
    story.after(60).stalls(owed, f"join|{REOPEN}|{REOPEN}")
    story.after(1).is_cancelled("ana", "maintenance")
    trace = trace_of(story)
    assert trace.stall is not None
    assert trace.stall.outstanding == (owed, f"join|{REOPEN}|{REOPEN}")
    assert trace.stall.deadline == story.now - 2 * SECOND
    assert trace.summary.stalled is not None
    assert trace.cancellation is not None
    assert (trace.cancellation.by, trace.cancellation.reason) == ("ana", "maintenance")
    assert trace.summary.cancelled == "ana: maintenance"


@pytest.mark.parametrize("trace_of", SOURCES)
def test_an_undo_is_a_step_of_its_own(trace_of: Callable[[FlowStory], Trace]) -> None:
    """It says what it undoes, is no work done, and is owed until it ends."""
    story, run, _ = restored()
    story.is_cancelled("ana", "")
    story.undoes("cancelled", 1)
    order = story.after(1).orders_undo(run)
    trace = trace_of(story)
    [undo] = [step for step in trace.steps if step.undo_of]
    assert (undo.group, undo.undo_of, undo.outcome) == (RESTORE, run.fact.id, StepOutcome.OWED)
    assert order.id not in [event.id for event in trace.events]
    assert (trace.summary.undos, trace.summary.undone) == (1, 0)
    again = story.after(1).starts(RESTORE, order, "db-host-2")
    (dropped,) = story.after(2).completes(again, ("database.dropped", "orders-db"))
    story.closes(again, "cancelled", done=1)
    trace = trace_of(story)
    [undo] = [step for step in trace.steps if step.undo_of]
    assert (undo.id, undo.outcome) == (f"inbox|{order.entry}|{RESTORE}", StepOutcome.COMPLETED)
    assert undo.published == (dropped.id,)
    summary = trace.summary
    assert (summary.done, summary.undone, summary.undos, summary.dead) == (1, 1, 0, 0)
    assert [step.id for step in trace.critical_path.steps] == [step.id for step in trace.steps]
    assert trace.missing == ()


def test_an_undo_that_died_is_counted_as_what_it_is() -> None:
    """The step stays done, and no delivery of the recovery is dead."""
    story, run, _ = restored()
    story.undoes("failed", 1)
    order = story.orders_undo(run)
    story.after(1).dies(story.starts(RESTORE, order, "db-host"), "PermanentError: no way back")
    summary = from_ledger(story).summary
    assert (summary.done, summary.dead, summary.undone, summary.notundone) == (1, 0, 0, 1)
    assert summary.undoing == "failed"


def test_an_undo_had_to_wait_for_whatever_ended_last() -> None:
    """That may be another step than the one it takes back."""
    story, run, fact = restored()
    other = story.starts(RESTART, fact, "api-host")
    story.after(5).completes(other)
    story.undoes("failed", 1)
    order = story.after(1).orders_undo(run)
    undo = story.starts(RESTORE, order, "db-host")
    story.after(1).completes(undo)
    path = from_ledger(story).critical_path.steps
    assert [step.group for step in path] == [RESTORE, RESTART, RESTORE]


def test_undos_that_take_no_time_do_not_go_on_for_ever() -> None:
    """Each waits for the one before, and none for itself."""
    story, run, fact = restored()
    other = story.starts(RESTART, fact, "api-host")
    story.completes(other)
    story.undoes("failed", 2)
    for done in (other, run):
        order = story.orders_undo(done)
        story.completes(story.starts(done.group, order, "db-host"))
    path = from_ledger(story).critical_path.steps
    assert len({step.id for step in path}) == len(path)


@pytest.mark.parametrize("trace_of", SOURCES)
def test_a_death_that_a_failure_answers_is_a_branch(trace_of: Callable[[FlowStory], Trace]) -> None:
    """It is drawn as dead, and the recovery has no dead delivery for it."""
    story, failed = failing()
    run = story.after(1).starts(RESTORE, failed, "db-host")
    story.after(1).dies_with(run, "PermanentError: no backup", ("database.failed", "orders-db"))
    trace = trace_of(story)
    assert trace.steps[0].outcome == StepOutcome.DIED
    assert [event.by for event in trace.events] == ["", RESTORE]
    assert (trace.summary.dead, trace.summary.reasons) == (0, ())


def test_the_flow_as_json_has_stable_keys() -> None:
    """Programs read these names; instants are ISO, durations milliseconds."""
    story = a_flow()
    found = from_ledger(story).to_dict()
    began = story.entries()[0].at
    [scheduled] = found["scheduled"]
    assert scheduled.keys() == {"id", "type", "subject", "cause", "by", "at", "due", "dropped"}
    assert (scheduled["at"], scheduled["due"]) == (iso(began + 2 * SECOND), iso(began + 7 * SECOND))
    [timeout] = found["timeouts"]
    assert timeout.keys() == {"group", "at", "have", "need", "missing", "event"}
    [child] = found["children"]
    assert child.keys() == {
        "id", "type", "subject", "by", "cause", "at", "closed", "verdict", "event",
    }  # fmt: skip
    [won] = [step["won"] for step in found["steps"] if step["won"]]
    assert won.keys() == {"at", "branch", "losers"}
    found = from_ledger(a_rollback()).to_dict()
    assert found["stall"].keys() == {"at", "deadline", "outstanding"}
    assert found["cancellation"].keys() == {"at", "by", "reason"}
    assert found["rollback"].keys() == {"at", "verdict", "steps"}
    assert orjson.loads(orjson.dumps(found)) == found


@pytest.mark.parametrize("kind", [*sorted(KINDS), "late", "outrun", "undo"])
def test_rows_that_lack_what_they_should_hold_do_no_harm(kind: str) -> None:
    """A row somebody damaged costs what it says, not the trace."""
    story, failed = failing()
    delivery = {"group": RESTORE, "event": failed.id, "entry": failed.entry}
    for fields in ({}, delivery):
        damaged = Entry(story.now, f"{story.now_ms}-0", kind, fields)
        Trace.from_ledger([*story.entries(), damaged], ("a", "|", "later|", "undo|x|")).to_dict()


def test_a_line_about_the_flow_that_lacks_what_it_needs_is_counted() -> None:
    """It tells nothing, and that is said."""
    story, _ = failing()
    for event in ("event.scheduled", "approval.granted", "recovery.cancelled", "child.closed"):
        story._line(event, "")
    assert from_logs(story).missing[1] == (
        "what 4 of its lines say: they are cut off or lack a field"
    )
