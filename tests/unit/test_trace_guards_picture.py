"""What guards decided, in the picture of a recovery."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.cells import cell_len

from antiphon.trace import Trace
from drawing import drawn, from_ledger, of
from guarded_story import (
    BREAKER,
    BUDGET,
    PAUSE,
    RELAPSE,
    STORM,
    GuardedStory,
    a_guarded_recovery,
    a_loop,
)

GUARDED = """\
Recovery 01934f00-0000-7000-8000-000000000001: PARTIAL
service.failed about orders-api, opened 2026-11-22 12:00:00 UTC
total 10.0 s, 2 steps add up to 2.0 s
critical path 10.0 s, 9.0 s of it waiting: orders-api.restart
these steps waited without needing to: orders-api.restart 1.0 s (no worker took
it up); -1.0 s without that
2 further failures joined it
a relapse: the-one-before did not hold (relapse 1 of 3)
escalated to tier 2 by budget at 12:15:10: restart:orders-api: 3 attempts of 3
allowed; the budget is spent
acknowledged by ada at 12:16:10: disk is full
left behind: pager.page took effect, and this did not: orders-api.restart:
suppressed by budget: restart:orders-api: 3 attempts of 3 allowed; the budget is
spent
! orders-api.restart: suppressed by budget: restart:orders-api: 3 attempts of 3
allowed; the budget is spent

                       outcome    try on     took 0                       10.0 s
service.failed orders-api                         ◆
├─orders-api.restart * held                 2.0 s ··········
│ - by rate (handler:orders-api.restart, 30 of 30)
│                      retry      1   w1    1.0 s          ▒▒▒
│ ! TimeoutError: no answer
│                      held                 5.0 s             ··················
│ - by breaker (payments-api, 6 of 5)
│                      suppressed                                              ○
│ - by budget (restart:orders-api, 3 of 3), free again at 12:09:50
│ - restart:orders-api: 3 attempts of 3 allowed; the budget is spent
└─pager.page           done       1   w2    1.0 s ···············███

* critical path, █ working, ▒ in vain, · waiting, ◆ published, ○ not run

Workers
  w1 api-host
  w2 pager-1
"""

HALTED = """\
halted by visits (orders-api.restart:orders-api, 4 of 3): service.failed
orders-api > orders-api.restart > service.failed orders-api > orders-api.restart
> service.failed orders-api > orders-api.restart > service.failed orders-api >
orders-api.restart
escalated to tier 1 by visits at 12:00:07: more than 3 times
not acknowledged; to do so: antiphon ack 01934f00-0000-7000-8000-000000000001
left behind: orders-api.restart took effect, and this did not:
orders-api.restart: suppressed by visits: more than 3 times
! orders-api.restart: suppressed by visits: more than 3 times
"""

HELD = """\
escalated to tier 1 by relapse at 12:00:06: did not hold
not acknowledged; to do so: antiphon ack 01934f00-0000-7000-8000-000000000001

                       outcome    try on     took 0                        6.0 s
service.failed orders-api                         ◆
├─orders-api.restart   held                 6.0 s ······························
│ - held by pause (subject:orders-api): antiphon resume --subject orders-api
├─orders-db.restore    held                 6.0 s ······························
│ - held by storm: antiphon resume --storm
└─web.reopen           held                 1.0 s ······························
  - held by breaker (payments-api, 6 of 5) until 12:00:09

* critical path, █ working, ▒ in vain, · waiting, ◆ published, ○ not run

Outstanding
  orders-api.restart has had service.failed for 6.0 s, held by pause
  (subject:orders-api): antiphon resume --subject orders-api
  orders-db.restore has had service.failed for 6.0 s, held by storm: antiphon
  resume --storm
  web.reopen has had service.failed for 6.0 s, held by breaker (payments-api, 6
  of 5) until 12:00:09
"""


def held_up() -> GuardedStory:
    story = GuardedStory()
    failed = story.opens("service.failed", "orders-api")
    story.holds("orders-api.restart", failed, PAUSE)
    story.holds("orders-db.restore", failed, STORM)
    story.after(5).holds("web.reopen", failed, BREAKER, due_in=4)
    story.after(1).escalates(RELAPSE, "did not hold")
    return story


def summed_up(story: GuardedStory, **known: object) -> Trace:
    """Build it from a trimmed ledger and the summary Redis keeps."""
    summary = replace(from_ledger(story).summary, **known)  # type: ignore[arg-type]
    return Trace.from_ledger(story.entries()[:2], summary=summary, now=story.now)


def test_holds_and_attempts_are_one_history() -> None:
    """A step shows in order when it was held, ran, and was kept from running again."""
    assert drawn(from_ledger(a_guarded_recovery())) == GUARDED.splitlines()


def test_log_lines_draw_the_same_head() -> None:
    """Who joined, relapsed, escalated and acknowledged is read off the lines alone."""
    for tell in (a_guarded_recovery, a_loop):
        story = tell()
        ledger, logs = drawn(from_ledger(story)), drawn(of(story))
        assert logs[: logs.index("")] == ledger[: ledger.index("")]


def test_what_is_held_says_until_when_and_by_whom_it_is_let_go() -> None:
    """A guard that opens by itself has an instant; one that does not has a command."""
    lines = drawn(of(held_up()))
    assert lines[3 : lines.index("Not known") - 1] == HELD.splitlines()


def test_a_halted_recovery_shows_its_loop_once() -> None:
    """In the head, with arrows that the terminal can write, and not again in every reason."""
    lines = drawn(from_ledger(a_loop()), encoding="ascii")
    assert lines[0].endswith(": HALTED")
    assert lines[7:16] == HALTED.splitlines()


def test_an_attempt_that_met_a_guard_is_drawn_as_what_it_was() -> None:
    """First the run that stopped there, then how long it was held, then the next run."""
    story = GuardedStory()
    failed = story.opens("service.failed", "orders-api")
    run = story.after(1).starts("orders-api.restart", failed, "api-host")
    story.after(2).meets(run, BREAKER, "CircuitOpen: payments-api", due_in=5)
    run = story.after(6).starts("orders-api.restart", failed, "api-host")
    story.after(1).completes(run)
    assert drawn(from_ledger(story))[8:14] == [
        "service.failed orders-api                         ◆",
        "└─orders-api.restart * held       1   w1    2.0 s ···▒▒▒▒▒▒",
        "  ! CircuitOpen: payments-api",
        "                       held                 6.0 s          ···················",
        "  - by breaker (payments-api, 6 of 5)",
        "                       done       1   w1    1.0 s                            ███",
    ]


def test_causes_of_an_escalation_are_told_each_once() -> None:
    """Of one cause, the highest tier; of several, all."""
    story = GuardedStory()
    story.opens("service.failed", "orders-api")
    story.escalates(BUDGET, "spent")
    story.escalates(BUDGET, "spent", tier=2)
    story.escalates(BREAKER, "its circuit is open")
    lines = drawn(from_ledger(story))
    assert [line for line in lines if line.startswith("escalated")] == [
        "escalated to tier 2 by budget at 12:00:00: spent",
        "escalated to tier 1 by breaker at 12:00:00: its circuit is open",
    ]


def test_one_failure_that_joined_is_one() -> None:
    """Grammar counts as well."""
    story = GuardedStory()
    story.is_joined_by(story.opens("service.failed", "orders-api"), count=1)
    assert "1 further failure joined it" in drawn(from_ledger(story))


@pytest.mark.parametrize("acked_by", ["", "ada"])
def test_the_summary_tells_what_a_trimmed_ledger_does_not(acked_by: str) -> None:
    """The head says as much as is known."""
    story = a_guarded_recovery()
    known: dict[str, object] = {} if acked_by else {"acked": None, "acked_by": ""}
    lines = drawn(summed_up(story, halted="more than 16 hops: a → b", **known))
    assert lines[3:7] == [
        "2 further failures joined it",
        "a relapse: the-one-before did not hold",
        "halted: more than 16 hops: a → b",
        "escalated to tier 2 at 12:15:10",
    ]
    assert lines[7] == (
        "acknowledged by ada at 12:16:10"
        if acked_by
        else f"not acknowledged; to do so: antiphon ack {story.correlation_id}"
    )


def test_what_people_wrote_cannot_command_the_terminal() -> None:
    """Names, reasons and scopes from outside are shown, not obeyed."""
    story = GuardedStory()
    failed = story.opens("service.failed", "orders-api")
    story.holds("a.b", failed, replace(PAUSE, name="subject:x\x1b[2J"))
    story.escalates(BUDGET, "\x1b]0;title\x07")
    story.is_acknowledged("a\u202eda", "\x1b[31m")
    text = "\n".join(drawn(of(story)))
    assert "\x1b" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize("tell", [a_guarded_recovery, a_loop, held_up])
def test_no_line_about_a_guard_is_longer_than_the_terminal(
    tell: Callable[[], GuardedStory], width: int
) -> None:
    """The label gives way, the columns stay where they are."""
    lines = drawn(of(tell()), width=width)
    assert max(map(cell_len, lines)) <= width
    assert all(line == line.rstrip() for line in lines)
