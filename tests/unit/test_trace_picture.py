"""The picture of a trace: tree and waterfall, in 80 columns."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from antiphon.trace import Trace
from antiphon.trace.picture import Picture
from drawing import drawn, from_ledger, of
from trace_story import Story, a_chain, a_whole_recovery


def going_on() -> Story:
    story = Story()
    failed = story.opens("service.failed", "orders-db")
    restore = story.after(2).starts("orders-db.restore", failed, "db-host-1")
    page = story.starts("pager.page", failed, "pager-1")
    story.after(1).retries(page, "TransientError: busy", due_in=5)
    story.waits("web.reopen", failed, "database.failed|1-1|web.reopen", due_in=1)
    story.after(2).progresses(restore, 0.25, "copying rows")
    return story


PARTIAL = """\
Recovery 01934f00-0000-7000-8000-000000000001: PARTIAL
service.failed about orders-db, opened 2026-11-22 12:00:00 UTC
total 18.8 s, 7 steps add up to 17.9 s
critical path 17.8 s, 2.4 s of it waiting: orders-db.restore > orders-cache.warm
> web.reopen
these steps waited without needing to: orders-db.restore 5.2 s (its worker fell
silent, and the lease had to run out), orders-cache.warm 100 ms (no worker took
it up), web.reopen 100 ms (no worker took it up); -5.4 s without that
left behind: orders-api.restart, orders-cache.warm, orders-db.restore,
web.reopen took effect, and this did not: pager.page: died after 1 attempts
! pager.page: died after 1 attempts

                         outcome    try on     took 0                     18.8 s
service.failed orders-db                            ◆
├─orders-db.restore *    retry      1   w1    2.0 s ▒▒▒▒
│ ! ConnectionError: backup store refused
│                        taken over 2   w1    5.0 s    ···▒▒▒▒▒▒▒▒
│                        done       3   w2    4.0 s              ███████
│ - taken over from w1, which fell silent
│ → database.restored orders-db                                        ◆
│ ├─orders-cache.warm *  done       1   w4    4.0 s                    ███████
│ │ → cache.warmed orders-cache                                              ◆
│ │ └─web.reopen *       done       1   w6   400 ms                          ██
│ │   → service.restarted web                                                 ◆
│ └─orders-api.restart   done       1   w5    1.5 s                    ████
│   → service.restarted orders-api                                        ◆
│   └─web.reopen         duplicate                                        ·····○
│     - cache.warmed|1795348817300-21|web.reopen had done it
├─pager.page             dead       1   w3    1.0 s ▒▒
│ ! PermanentError: no such phone number
└─audit.note             skipped                    ○

* critical path, █ working, ▒ in vain, · waiting, ◆ published, ○ not run

Workers
  w1 db-host-1
  w2 db-host-2
  w3 pager-1
  w4 cache-host
  w5 api-host
  w6 web-host
"""

OPEN = """\
Recovery 01934f00-0000-7000-8000-000000000001: OPEN
service.failed about orders-db, opened 2026-11-22 12:00:00 UTC
open for 5.0 s, 3 steps add up to 4.0 s
critical path 5.0 s, 2.0 s of it waiting: orders-db.restore
these steps waited without needing to: orders-db.restore 2.0 s (no worker took
it up); -2.0 s without that

                      outcome    try on     took 0                         5.0 s
service.failed orders-db                         ◆
├─orders-db.restore * running    1   w1    3.0 s ············██████████████████▶
│ - 25% copying rows
├─pager.page          retry      1   w2    1.0 s ············▒▒▒▒▒▒▒············
│ ! TransientError: busy
└─web.reopen          waiting                    ·······························
  - database.failed|1-1|web.reopen holds its idempotency key

* critical path, █ working, ▒ in vain, · waiting, ◆ published, ○ not run

Outstanding
  orders-db.restore has had service.failed for 5.0 s, attempt 1 running on
  db-host-1 for 3.0 s, 25% copying rows
  pager.page has had service.failed for 5.0 s, attempt 2 due in 3.0 s
  web.reopen has had service.failed for 5.0 s, database.failed|1-1|web.reopen
  holds its idempotency key, next look was due 1.0 s ago

Not known
  the verdict: no recovery.closed line, so it is open or that line was not
  given, and what seems to run may be over; deliveries that no worker has begun
  are known to the ledger alone

Workers
  w1 db-host-1
  w2 pager-1
"""

ASCII = """\
                      outcome    try on     took 0                         5.0 s
service.failed orders-db                         o
|-orders-db.restore * running    1   w1    3.0 s ............##################>
| - 25% copying rows
|-pager.page          retry      1   w2    1.0 s ............xxxxxxx............
| ! TransientError: busy
`-web.reopen          waiting                    ...............................
  - database.failed|1-1|web.reopen holds its idempotency key
"""


def test_tree_and_waterfall_are_one_picture() -> None:
    """Who did what, how often, where, for how long and when: at 80 columns, without colour."""
    assert drawn(from_ledger(a_whole_recovery())) == PARTIAL.splitlines()


def test_an_open_recovery_says_what_it_waits_for() -> None:
    """Running, waiting for an attempt and waiting for a key are told apart, and what is missing."""
    assert drawn(of(going_on())) == OPEN.splitlines()


def test_a_terminal_without_unicode_is_enough() -> None:
    """The same picture in plain ASCII."""
    lines = drawn(of(going_on()), encoding="ascii")
    assert lines[7:15] == ASCII.splitlines()


def test_colour_adds_nothing_that_is_not_written() -> None:
    """The text is the same with colours and without."""
    file = io.StringIO()
    console = Console(file=file, width=80, force_terminal=True, color_system="truecolor")
    console.print(Picture(of(going_on())))
    assert "\x1b[" in file.getvalue()
    plain = re.sub(r"\x1b\[[0-9;]*m", "", file.getvalue())
    assert [line.rstrip() for line in plain.splitlines()] == OPEN.splitlines()


@pytest.mark.parametrize("width", [60, 80, 120, 300])
@pytest.mark.parametrize("story", [a_whole_recovery, going_on, lambda: a_chain(100)])
def test_no_line_is_longer_than_the_terminal(story: Callable[[], Story], width: int) -> None:
    """However deep the tree and long the names, the columns stay where they are."""
    lines = drawn(of(story()), width=width)
    assert max(map(cell_len, lines)) <= width
    assert all(line == line.rstrip() for line in lines)


def test_a_wide_terminal_has_a_finer_axis() -> None:
    """Room that names do not need goes to the waterfall."""
    narrow, wide = (
        next(line for line in drawn(of(going_on()), width=width) if "restore *" in line)
        for width in (80, 160)
    )
    assert wide.count("█") > 2 * narrow.count("█")


def test_names_and_errors_from_outside_cannot_command_the_terminal() -> None:
    """Escape sequences, newlines and text that runs backwards are shown, not obeyed."""
    story = Story()
    failed = story.opens("service.failed", "orders\x1b[2J-db")
    run = story.starts("orders-db.restore", failed, "db-host")
    story.dies(run, "ValueError: first line\nsecond\x1b]0;title\x07 \u202eback [red]x[/red]")
    text = "\n".join(drawn(of(story)))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "! ValueError: first line second\ufffd]0;title\ufffd \ufffdback [red]x[/red]" in text


def test_names_of_any_script_keep_the_columns_straight() -> None:
    """Wide characters take the two columns they need."""
    story = Story()
    run = story.starts("データベース.復旧", story.opens("service.failed", "データベース"), "host")
    story.after(1).completes(run)
    head, event, step = drawn(of(story))[5:8]
    column = cell_len(head.partition("0")[0])
    assert cell_len(event.partition("◆")[0]) == column
    assert cell_len(step.partition("█")[0]) == column


def test_a_ring_of_causes_is_drawn_once() -> None:
    """Every event and every step has its line, and only one."""
    story = Story()
    failed = story.opens("service.failed", "orders-db")
    run = story.starts("orders-db.restore", failed, "db-host")
    story.completes(run)
    ring = [replace(e, fields={**e.fields, "cause": failed.id}) for e in story.entries()]
    lines = drawn(Trace.from_ledger(ring))
    assert sum(line.startswith("service.failed orders-db") for line in lines) == 1
    assert sum("restore *" in line for line in lines) == 1


def test_a_recovery_that_was_reopened_says_so() -> None:
    """Once over is not over for good when a dead letter is delivered again."""
    story = Story()
    run = story.starts("orders-db.restore", story.opens("service.failed", "orders-db"), "db-host")
    dead = story.after(1).dies(run, "PermanentError: no backup")
    story.closes(run, "failed", done=0, dead=1)
    again = story.starts("orders-db.restore", story.after(9).replays(run, dead), "db-host")
    story.after(1).completes(again)
    story.closes(again, "completed", done=1)
    lines = drawn(from_ledger(story))
    assert lines[0].endswith(": COMPLETED")
    assert lines[1].endswith(", reopened 1x")
    assert f"  - delivered again, from dead letter {dead}" in lines


def test_an_event_that_follows_another_without_a_handler_hangs_below_it() -> None:
    """A program may publish in the name of a cause it did not handle."""
    story = Story()
    failed = story.opens("service.failed", "orders-db")
    story.opens("service.degraded", "orders-api")
    rows = [
        replace(e, fields={**e.fields, "cause": failed.id})
        if e.text("type") == "service.degraded"
        else e
        for e in story.entries()
    ]
    assert any(line.startswith("└─service.degraded") for line in drawn(Trace.from_ledger(rows)))
