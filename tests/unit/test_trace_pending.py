"""What an open recovery waits for that is no delivery, in words and with what to do."""

from __future__ import annotations

import pytest

from antiphon.trace import Outstanding, Trace
from antiphon.trace.pending import brief, split
from flow_story import REOPEN, RESTORE, FlowStory
from trace_story import Fact, Run


def restored() -> tuple[FlowStory, Run, Fact]:
    story = FlowStory()
    run = story.starts(RESTORE, story.opens("service.failed", "orders-db"), "db-host")
    (fact,) = story.after(1).completes(run, ("database.restored", "orders-db"))
    return story, run, fact


def owed(story: FlowStory, name: str) -> Outstanding:
    [found] = Trace.from_ledger(story.entries(), (name,), now=story.now).outstanding
    assert found.id == name
    return found


def test_an_event_that_was_put_off_says_when_it_comes() -> None:
    """Whoever put it off is named."""
    story, run, _ = restored()
    later = story.puts_off(run, "database.checked", "orders-db", due_in=60)
    found = owed(story.after(1), f"later|{later.id}|database.checked")
    assert found.words == (
        "database.checked about orders-db, which orders-db.restore put off, waits until 12:01:01; "
        "then it is published"
    )
    assert (found.type, found.entry, found.group) == ("later", later.id, "")
    assert owed(story.after(90), found.id).words == (
        "database.checked about orders-db, which orders-db.restore put off, has waited beyond "
        "12:01:01 for a worker to see it (antiphon doctor); then it is published"
    )


def test_a_join_says_how_far_it_is_and_when_it_gives_up() -> None:
    """The first branch tells until when, the last how many."""
    story, _, fact = restored()
    story.joins(REOPEN, fact, 1, 3, due_in=60)
    story.after(1).joins(REOPEN, fact, 2, 3)
    found = owed(story, f"join|{REOPEN}|{REOPEN}")
    assert found.words == (
        "the join web.reopen has 2 of 3 branches and waits until 12:01:01; then it gives up"
    )
    assert found.group == REOPEN


def test_a_rollback_says_how_much_is_left() -> None:
    """One step after the other, so one name stands for all."""
    story, _, _ = restored()
    story.undoes("failed", 2)
    assert owed(story, "undo|2|").words == (
        "rolling back: 2 steps are still to be undone, one after the other"
    )
    assert owed(story, "undo|1|").words == (
        "rolling back: 1 step is still to be undone, one after the other"
    )


def test_an_undo_that_is_under_way_is_told_from_work() -> None:
    """What it takes back is named, and how it stands."""
    story, run, _ = restored()
    story.undoes("failed", 1)
    order = story.after(1).orders_undo(run)
    name = f"inbox|{order.entry}|{RESTORE}"
    assert owed(story.after(2), name).words == (
        "orders-db.restore is to undo what it did on service.failed, for 2.0 s: not begun"
    )
    story.starts(RESTORE, order, "db-host-2")
    assert owed(story.after(3), name).words.endswith(": attempt 1 running on db-host-2 for 3.0 s")


def test_a_child_has_a_trace_of_its_own() -> None:
    """Its id, what it is about, and the command."""
    story, run, _ = restored()
    child = story.starts_child(run, "service.failed", "orders-api")
    assert owed(story.after(5), f"child|{child}|service.failed").words == (
        f"its child {child} (service.failed about orders-api) is not over, for 5.0 s: "
        f"antiphon trace {child}"
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("later|e|a.b", "a.b was put off, until it is time to publish it"),
        ("join|a.b|a.b", "the join a.b waits for branches, and gives up when its time is over"),
        ("child|c|d|a.b", "its child c|d (a.b) is not over: antiphon trace 'c|d'"),
    ],
)
def test_what_the_ledger_does_not_tell_is_left_out(name: str, words: str) -> None:
    """The name alone says as much as it can."""
    assert owed(FlowStory(), name).words == words


def test_a_name_is_split_at_its_first_and_its_last_bar() -> None:
    """Whoever chooses a correlation id may put bars in it."""
    assert split("child|a|b|c.d") == ("child", "a|b", "c.d")
    assert split("undo|2|") == ("undo", "2", "")
    assert split("x") == ("x", "", "")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("service.failed|1-1|db.restore", "db.restore on service.failed"),
        ("service.failed|1-1|?", "service.failed, which nobody answers"),
        ("inbox|1-1|db.restore", "db.restore on a dead letter"),
        ("later|e|db.checked", "db.checked, put off"),
        ("join|a.b|a.b", "the join a.b"),
        ("undo|2|", "the rollback"),
        ("child|c|a.b", "the child c"),
    ],
)
def test_a_list_of_what_is_outstanding_is_short(name: str, words: str) -> None:
    """The head of a picture has room for a few words each."""
    assert brief(name) == words


def test_logs_tell_what_has_begun_and_is_not_over() -> None:
    """What was put off and which child is open is known from their lines."""
    story, run, _ = restored()
    later = story.puts_off(run, "database.checked", "orders-db", due_in=60)
    child = story.starts_child(run, "service.failed", "orders-api")
    trace = Trace.from_logs(story.lines, story.correlation_id, now=story.now)
    names = {f"later|{later.id}|database.checked", f"child|{child}|service.failed"}
    assert {found.id for found in trace.outstanding} == names
    published = story.after(60).publishes(later, RESTORE)
    story.hears_of(child, run, "completed")
    story.starts("orders-db.check", published, "db-host")
    trace = Trace.from_logs(story.lines, story.correlation_id, now=story.now)
    assert [found.group for found in trace.outstanding] == ["orders-db.check"]
