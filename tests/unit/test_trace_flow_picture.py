"""Delays, joins in time, approvals, children and undo, in the picture of a recovery."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.cells import cell_len

from antiphon.trace import Trace
from drawing import drawn, from_ledger, of
from flow_story import REOPEN, RESTORE, FlowStory, a_flow, a_rollback

FLOW = """\
Recovery 01934f00-0000-7000-8000-000000000001: COMPLETED
service.failed about orders-db, opened 2026-11-22 12:00:00 UTC
total 9.1 s, 8 steps add up to 3.5 s
critical path 9.1 s, 7.6 s of it waiting: orders-db.restore > pager.page
these steps waited without needing to: orders-db.restore 1.0 s (no worker took
it up); -1.0 s without that
left behind: orders-api.restart, orders-db.check, orders-db.restore, pager.page
took effect, and this did not: web.reopen: 1 of 2 branches arrived
! web.reopen: 1 of 2 branches arrived

                                 outcome    try on     took 0              9.1 s
service.failed orders-db                                    ◆
└─orders-db.restore *            done       1   w1    1.0 s ··███
  → database.restored orders-db                                 ◆
  ├─web.reopen                   joined                         ○
  │ - 1 of 2 branches arrived, the others may until 12:00:06
  │ → join.timed_out orders-db                                           ◆
  │ - the join web.reopen gave up with 1 of 2 branches; missing: cache.warmed@*
  │ └─pager.page                 done       1   w3     0 ms              █
  ├─orders-api.restart           done       1   w2    1.0 s     ███
  │ - database.restored@* was enough; the others do not begin any more
  │ → service.restarted orders-api                                ◆
  │ └─web.reopen                 late                             ········○
  │   - the join had given up waiting
  └─orders-cache.warm            outrun                         ○
    - orders-api.restart has what it needs
  → database.checked orders-db                                  ···········◆
  - put off at 12:00:02 until 12:00:07
  └─orders-db.check              done       1   w1    1.0 s                ·███
  → child service.failed orders… completed            6.6 s     ···············
  - antiphon trace event-00010
  → child.closed orders-api                                                   ◆
  - its child event-00010: completed
  └─pager.page *                 done       1   w3   500 ms                   ██

* critical path, █ working, ▒ in vain, · waiting, ◆ published, ○ not run

Workers
  w1 db-host
  w2 api-host
  w3 pager-1
"""

ROLLBACK = """\
Recovery 01934f00-0000-7000-8000-000000000001: CANCELLED
service.failed about orders-db, opened 2026-11-22 12:00:00 UTC
total 12.0 s, 5 steps add up to 5.0 s
critical path 12.0 s, 8.0 s of it waiting: orders-db.restore > orders-db.check >
undo orders-api.restart > undo orders-db.restore
these steps waited without needing to: orders-db.check 3.0 s (no worker took it
up), orders-db.restore 1.0 s (no worker took it up), undo orders-api.restart 1.0
s (no worker took it up), 1 more 1.0 s; -6.0 s without that
cancelled by ana at 12:00:08: maintenance
deadline 12:00:06 passed with 1 outstanding: orders-db.check on
database.restored
rolled back: 2 of 2 steps undone
! orders-db.check: suppressed by cancel: cancelled by ana: maintenance

                                outcome    try on     took 0              12.0 s
service.failed orders-db                                   ◆
└─orders-db.restore *           done       1   w1    1.0 s ·███
  → database.restored orders-db                               ◆
  ├─orders-api.restart          done       1   w2    1.0 s    ··██
  │ ← undo orders-api.restart * done       1   w2    1.0 s                ███
  └─orders-db.check *           retry      1   w1    1.0 s    ·····▒▒▒
    ! TimeoutError: no answer
                                suppressed                           ····○
    - by cancel
    - cancelled by ana: maintenance
  ← undo orders-db.restore *    done       1   w1    1.0 s                    ██

* critical path, █ working, ▒ in vain, · waiting, ◆ published, ○ not run

Workers
  w1 db-host
  w2 api-host
"""

GOES_ON = """\
  → database.checked orders-db   put off              2.0 s       ··············
  - put off until 12:01:01
  → child service.failed orders… open                 2.0 s       ··············
  - antiphon trace event-00008

* critical path, █ working, ▒ in vain, · waiting, ◆ published, ○ not run

Outstanding
  its child event-00008 (service.failed about orders-api) is not over, for 2.0
  s: antiphon trace event-00008
  database.checked about orders-db, which orders-db.restore put off, waits until
  12:01:01; then it is published
"""

TWO_TIERS = """\
└─orders-db.restore * held                2m 00s ·······························
  - asked for approval a1: ana and ben
  - at 12:01:00 nobody of tier 1 answered, so tier 2 was asked
  - at 12:01:30 approved by ana (1 of 2): go on
  - at 12:02:00 approved by ben (2 of 2): me too
                      done       1   w1    1.0 s                               █
"""


def lines_from(lines: list[str], first: str) -> list[str]:
    return lines[next(n for n, line in enumerate(lines) if line.startswith(first)) :]


def test_what_follows_from_a_step_stands_below_it() -> None:
    """Events that were put off, joins that gave up, children: each where it comes from."""
    assert drawn(from_ledger(a_flow())) == FLOW.splitlines()


def test_an_undo_stands_below_the_step_it_takes_back() -> None:
    """The head says who cancelled, what was late, and how much was undone."""
    assert drawn(from_ledger(a_rollback())) == ROLLBACK.splitlines()


def test_log_lines_draw_the_same_rollback() -> None:
    """But for the delay of the lines, which may cost a column."""
    lines = drawn(of(a_rollback()))
    assert lines[: lines.index("")] == ROLLBACK.splitlines()[: lines.index("")]
    assert sum("← undo " in line for line in lines) == 2


def test_a_terminal_without_unicode_shows_undo_too() -> None:
    """With a mark it can write."""
    lines = drawn(from_ledger(a_rollback()), encoding="ascii")
    assert sum("< undo " in line for line in lines) == 2


def test_what_is_yet_to_come_is_drawn_as_waiting() -> None:
    """An event that was put off, and a child, each with what to look at."""
    story = FlowStory()
    run = story.starts(RESTORE, story.opens("service.failed", "orders-db"), "db-host")
    story.after(1).completes(run)
    later = story.puts_off(run, "database.checked", "orders-db", due_in=60)
    child = story.starts_child(run, "service.failed", "orders-api")
    owed = (f"later|{later.id}|database.checked", f"child|{child}|service.failed")
    trace = Trace.from_ledger(story.entries(), owed, now=story.after(2).now)
    lines = lines_from(drawn(trace), "  → database.checked")
    assert lines[: lines.index("Workers") - 1] == GOES_ON.splitlines()


@pytest.mark.parametrize("trace_of", [from_ledger, of])
def test_what_was_put_off_goes_with_a_cancelled_recovery(
    trace_of: Callable[[FlowStory], Trace],
) -> None:
    """It is drawn up to where it was given up."""
    story = FlowStory()
    run = story.starts(RESTORE, story.opens("service.failed", "orders-db"), "db-host")
    story.after(1).completes(run)
    story.puts_off(run, "database.checked", "orders-db", due_in=3600)
    story.after(2).is_cancelled("ana", "maintenance")
    story.after(2).closes(run, "cancelled", done=1)
    lines = lines_from(drawn(trace_of(story)), "  → database.checked")
    assert lines[0].split()[1:6] == ["database.checked", "orders-db", "dropped", "2.0", "s"]
    assert lines[1] == "  - put off until 13:00:01"


def test_an_approval_is_told_with_its_answers() -> None:
    """Below the time it took: whom it asked, who answered, when and why."""
    story = FlowStory()
    failed = story.opens("service.failed", "orders-db")
    story.asks(RESTORE, failed, ("ana", "ben"), quorum=2, due_in=60)
    story.after(60).is_not_answered(RESTORE, failed, "next tier")
    story.asks(RESTORE, failed, ("ana", "ben"), quorum=2, due_in=60, tier=2)
    story.after(30).agrees(RESTORE, failed, "ana", "go on", votes=1, quorum=2)
    story.after(30).agrees(RESTORE, failed, "ben", "me too", votes=2, quorum=2)
    run = story.starts(RESTORE, failed, "db-host")
    story.after(1).completes(run)
    lines = lines_from(drawn(from_ledger(story), full_scale=True), "└─orders-db.restore")
    assert lines[:6] == TWO_TIERS.splitlines()


def test_the_head_says_whose_child_it_is() -> None:
    """With the command that shows the other one."""
    story = FlowStory()
    story.opens("service.failed", "orders-db")
    trace = from_ledger(story)
    born = replace(trace, summary=replace(trace.summary, parent="the-parent"))
    assert "a child of the-parent: antiphon trace the-parent" in drawn(born)


def test_the_head_counts_down_to_a_deadline() -> None:
    """Until it has passed, or the recovery is over."""
    story = FlowStory()
    run = story.starts(RESTORE, story.opens("service.failed", "orders-db"), "db-host")
    trace = from_ledger(story)
    deadline = story.after(60).now

    def head(now: FlowStory) -> list[str]:
        known = replace(trace.summary, deadline=deadline)
        found = Trace.from_ledger(now.entries(), summary=known, now=now.now)
        return [line for line in drawn(found) if line.startswith("deadline")]

    story.after(-18)
    assert head(story) == ["deadline 12:01:00, in 18.0 s"]
    assert head(story.after(19)) == ["deadline 12:01:00 passed"]
    story.completes(run)
    story.closes(run, "completed", done=1)
    trace = replace(trace, summary=from_ledger(story).summary)
    assert head(story) == ["deadline 12:01:00 passed"]


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({"undoing": "failed", "undos": 2, "undone": 1}, "rolling back: 1 of 3 steps undone"),
        ({"undone": 1, "notundone": 1}, "rolled back: 1 of 2 steps undone, 1 could not be"),
        ({"cancelled": "ana: maintenance"}, "cancelled by ana: maintenance"),
        ({"cancelled": "ana"}, "cancelled by ana"),
    ],
)
def test_the_summary_tells_what_a_trimmed_ledger_does_not(
    known: dict[str, object], words: str
) -> None:
    """The head says as much as is known."""
    story = FlowStory()
    story.opens("service.failed", "orders-db")
    summary = replace(from_ledger(story).summary, **known)  # type: ignore[arg-type]
    assert words in drawn(Trace.from_ledger(story.entries(), summary=summary, now=story.now))


def test_the_head_says_what_is_left_behind() -> None:
    """A recovery that ended in the middle leaves something half done."""
    left = "orders-db.restore took effect, and this did not: what should have followed"
    trace = from_ledger(a_rollback())
    known = replace(trace, summary=replace(trace.summary, left=left))
    assert f"left behind: {left}" in " ".join(drawn(known))


def test_what_lost_its_place_is_drawn_all_the_same() -> None:
    """A trimmed ledger may know an undo, a child or a delay without the step behind it."""
    story = FlowStory()
    run = story.starts(RESTORE, story.opens("service.failed", "orders-db"), "db-host")
    story.completes(run)
    begun = len(story.rows)
    story.puts_off(run, "database.checked", "orders-db", due_in=60)
    story.starts_child(run, "service.failed", "orders-api")
    story.orders_undo(run)
    lines = drawn(Trace.from_ledger(story.entries()[begun:], now=story.now))
    for start in ("database.checked orders-db", "child service.failed", "undo orders-db.restore"):
        assert any(line.startswith(start) for line in lines)


def test_a_join_that_gave_up_is_told_even_when_nobody_heard() -> None:
    """Then no event is drawn, and the head says it."""
    story = FlowStory()
    failed = story.opens("service.failed", "orders-db")
    story.joins(REOPEN, failed, 1, 2, due_in=1)
    story.gives_up(REOPEN, failed, 1, 2, "cache.warmed@*")
    assert "the join web.reopen gave up; missing: cache.warmed@*" in drawn(of(story))


def test_what_people_wrote_cannot_command_the_terminal() -> None:
    """Names and reasons from outside are shown, not obeyed."""
    story = FlowStory()
    failed = story.opens("service.failed", "orders-db")
    story.asks(RESTORE, failed, ("a\x1b[2Jna",))
    story.agrees(RESTORE, failed, "a\u202ena", "\x1b[31m")
    story.is_cancelled("a\x1bna", "\x07")
    story.stalls("later|x|\x1b[2J")
    text = "\n".join(drawn(of(story)))
    assert "\x1b" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize("tell", [a_flow, a_rollback])
def test_no_line_about_the_flow_is_longer_than_the_terminal(
    tell: Callable[[], FlowStory], width: int
) -> None:
    """The label gives way, the columns stay where they are."""
    lines = drawn(of(tell()), width=width)
    assert max(map(cell_len, lines)) <= width
    assert all(line == line.rstrip() for line in lines)
