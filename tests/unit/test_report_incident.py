"""A report on a recovery: what it says, of stories whose every instant is known."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from antiphon.audit import Audit, AuditRow
from antiphon.instants import instant
from antiphon.report import passages, waits
from antiphon.report.deeds import deeds
from antiphon.report.document import Bullets
from antiphon.report.incident import Incident, incident_report
from antiphon.report.markdown import markdown
from antiphon.report.timeline import Moment, abridged, timeline
from antiphon.trace import Trace
from antiphon.trace.slack import idle
from drawing import from_ledger, of
from flow_story import FlowStory, a_flow, a_rollback
from guarded_story import PAUSE, GuardedStory, a_guarded_recovery, a_loop
from reporting import as_html, as_markdown
from trace_story import BEGINNING_MS, Story, a_chain, a_whole_recovery

WHOLE = """\
| time (UTC) | what |
| --- | --- |
| 12:00:00.000 | service.failed about orders-db was published |
| 12:00:00.200 | orders-db.restore began |
| 12:00:00.200 | pager.page began |
| 12:00:00.200 | audit.note did not run: its condition said no |
| 12:00:01.200 | pager.page failed for good after 1.0 s: PermanentError: no such phone number |
| 12:00:02.200 | orders-db.restore failed after 2.0 s: ConnectionError: backup store refused; \
to be tried again at 12:00:04 |
| 12:00:04.200 | orders-db.restore began attempt 2 |
| 12:00:09.200 | orders-db.restore was taken over from db-host-1, which fell silent |
| 12:00:09.200 | orders-db.restore began attempt 3, which a silent worker had held |
| 12:00:11.200 | orders-db.restore said: 50% copying rows |
| 12:00:13.200 | orders-db.restore completed after 4.0 s |
| 12:00:13.200 | database.restored about orders-db was published by orders-db.restore |
| 12:00:13.300 | orders-cache.warm began |
| 12:00:13.300 | orders-api.restart began |
| 12:00:14.800 | orders-api.restart completed after 1.5 s |
| 12:00:14.800 | service.restarted about orders-api was published by orders-api.restart |
| 12:00:17.300 | orders-cache.warm completed after 4.0 s |
| 12:00:17.300 | cache.warmed about orders-cache was published by orders-cache.warm |
| 12:00:17.400 | web.reopen began |
| 12:00:17.800 | web.reopen completed after 400 ms |
| 12:00:17.800 | service.restarted about web was published by web.reopen |
| 12:00:18.800 | web.reopen did not run: another delivery had done it |
| 12:00:18.800 | the recovery was closed as partial |
"""

ATTEMPTS = """\
3 of 7 attempts did not complete:

| began | step | attempt | outcome | after | error |
| --- | --- | --: | --- | --: | --- |
| 12:00:00 | orders-db.restore | 1 | retried | 2.0 s | `ConnectionError: backup store refused` |
| 12:00:04 | orders-db.restore | 2 | taken over | 5.0 s |  |
| 12:00:00 | pager.page | 1 | died | 1.0 s | `PermanentError: no such phone number` |
"""

TOLD = """\
- Told at 12:00:10, up to tier 2, acknowledged by ada at 12:16:10, 16m 00s later: disk is full.
"""


def section(report: str, title: str) -> str:
    """The part of a report below a heading."""
    return report.partition(f"## {title}\n\n")[2].partition("\n## ")[0]


def test_a_timeline_tells_everything_once() -> None:
    """Events, attempts with their errors, what did not run, and the end; in the order of time."""
    assert section(as_markdown(a_whole_recovery()), "What happened") == WHOLE


def test_attempts_that_failed_are_listed_with_their_errors() -> None:
    """Retries, deaths and workers that fell silent."""
    assert section(as_markdown(a_whole_recovery()), "Attempts and errors") == ATTEMPTS


def test_who_acknowledged_what_people_were_told_and_after_how_long() -> None:
    """The time counts from when they were told first, over all tiers."""
    told = section(as_markdown(a_guarded_recovery()), "Whom it told")
    assert told.endswith(TOLD), told


def test_acknowledged_before_people_were_told_again() -> None:
    """Each time people were told has its own acknowledgement, or none."""
    story = GuardedStory()
    story.opens("service.failed", "orders-api")
    story.after(1).escalates(PAUSE, "first")
    story.after(60).is_acknowledged("ana")
    story.after(60).escalates(PAUSE, "second")
    trace = from_ledger(story)
    assert [it.by for it in trace.acknowledgements] == ["ana"]
    assert trace.acknowledgement is None
    told = section(as_markdown(story), "Whom it told")
    assert (
        "- Told at 12:00:01, up to tier 1, acknowledged by ana at 12:01:01, 60.0 s later." in told
    )
    assert "- Told at 12:02:01, up to tier 1: nobody has acknowledged it." in told


def test_what_guards_decided_is_listed() -> None:
    """Holds, suppressions, halts and relapses, each with its guard and how it stood."""
    guarded = section(as_markdown(a_guarded_recovery()), "What guards decided")
    for words in (
        "| held | orders-api.restart | rate (handler:orders-api.restart, 30 of 30) |",
        "| suppressed | orders-api.restart | budget (restart:orders-api, 3 of 3) |",
        "| relapse |  | relapse 1 of 3 | the-one-before had not held |",
    ):
        assert words in guarded
    assert "| halted | orders-api.restart | visits" in section(
        as_markdown(a_loop()), "What guards decided"
    )


def test_what_a_person_did_is_marked() -> None:
    """A cancellation stands in the timeline, in a list of its own, and in the summary."""
    report = as_markdown(a_rollback())
    assert "| **by hand:** ana cancelled the recovery: maintenance |" in report
    assert "| by hand | 1 act: 1x cancel |" in report
    assert '<tr class="hand">' in as_html(a_rollback())


def test_children_are_named() -> None:
    """A recovery that it started is named with what it came to."""
    assert "completed after" in section(as_markdown(a_flow()), "Children and parent")


def test_the_audit_tells_who_paused_and_resumed() -> None:
    """The pause that held it, the latest before; not those of other scopes, nor what came later."""
    story = GuardedStory()
    failed = story.opens("service.failed", "orders-api")
    story.after(10).holds("orders-api.restart", failed, PAUSE)
    run = story.after(60).starts("orders-api.restart", failed, "api-host")
    story.after(1).completes(run)
    story.closes(run, "completed", done=1)

    def row(seconds: float, action: str, what: str, by: str) -> AuditRow:
        at = instant(BEGINNING_MS + round(seconds * 1000))
        return AuditRow(at=at, action=action, what=what, by=by, reason="why")

    scope = "subject:orders-api"
    audit = Audit(
        whole=True,
        rows=(
            row(-900, "pause", scope, "cleo"),
            row(-800, "resume", scope, "cleo"),
            row(-60, "pause", scope, "ana"),
            row(20, "pause", "subject:other", "cleo"),
            row(69, "resume", scope, "ben"),
            row(900, "pause", scope, "cleo"),
        ),
    )
    found = deeds(from_ledger(story), audit)
    assert [(it.by, it.act, it.about) for it in found] == [
        ("ana", "pause", scope),
        ("ben", "resume", scope),
    ]
    assert deeds(from_ledger(story), None) == ()
    assert f"Who paused {scope}" in as_markdown(story), "an open question without the audit"


def test_every_pause_of_one_scope_is_told() -> None:
    """Paused, resumed and paused again: the one that held the first step counts as well."""
    story = GuardedStory()
    failed = story.opens("service.failed", "orders-api")
    story.after(10).holds("orders-api.restart", failed, PAUSE)
    run = story.after(50).starts("orders-api.restart", failed, "api-host")
    story.after(1).completes(run)
    story.after(9).holds("orders-api.warm", failed, PAUSE)
    run = story.after(20).starts("orders-api.warm", failed, "api-host")
    story.after(1).completes(run)
    story.closes(run, "completed", done=2)

    def row(seconds: float, action: str, by: str) -> AuditRow:
        at = instant(BEGINNING_MS + round(seconds * 1000))
        return AuditRow(at=at, action=action, what="subject:orders-api", by=by, reason="why")

    rows = (
        row(-60, "pause", "ana"),
        row(59, "resume", "ben"),
        row(65, "pause", "cleo"),
        row(89, "resume", "ben"),
    )
    found = deeds(from_ledger(story), Audit(rows=rows, whole=True))
    assert [(it.by, it.act) for it in found] == [
        ("ana", "pause"),
        ("ben", "resume"),
        ("cleo", "pause"),
        ("ben", "resume"),
    ]


def test_a_pause_of_the_relapse_guard_is_no_deed() -> None:
    """What paused by itself was no person; who resumed it was."""
    story = GuardedStory()
    failed = story.opens("service.failed", "orders-api")
    story.after(10).holds("orders-api.restart", failed, PAUSE)
    at = instant(BEGINNING_MS)
    paused = AuditRow(at=at, action="pause", what=PAUSE.name, by="relapse guard", reason="")
    resumed = replace(paused, at=at + timedelta(seconds=9), action="resume", by="ana")
    found = deeds(from_ledger(story), Audit(rows=(paused, resumed), whole=True))
    assert [(it.by, it.act) for it in found] == [("ana", "resume")]


@pytest.mark.parametrize(
    "story", [a_whole_recovery, a_guarded_recovery, a_flow, a_rollback, a_loop]
)
def test_where_the_time_went_adds_up(story: Any) -> None:
    """The parts of the critical path are the whole of it, to the millisecond."""
    trace = from_ledger(story())
    parts = waits.on_the_path(trace, idle(trace))
    assert sum(parts.values(), timedelta()) == trace.critical_path.duration
    assert all(length > timedelta() for length in parts.values())


def test_time_is_told_by_kind() -> None:
    """Work, backoff, and what was needless, each by its own name."""
    trace = from_ledger(a_whole_recovery())
    parts = waits.on_the_path(trace, idle(trace))
    assert parts[waits.BACKOFF] == timedelta(seconds=2)
    assert parts[waits.NEEDLESS] > timedelta(seconds=3), "a worker fell silent"


def test_an_attempt_that_took_no_time_was_backed_off_from_as_well() -> None:
    """Also a handler that fails at once waits until it is tried again."""
    story = Story()
    failed = story.opens("service.failed", "orders-api")
    story.retries(story.starts("orders-api.restart", failed, "host-1"), "OSError: no", due_in=2)
    run = story.after(2).starts("orders-api.restart", failed, "host-1", attempt=2)
    story.after(1).completes(run)
    story.closes(run, "completed", done=1)
    trace = from_ledger(story)
    parts = waits.on_the_path(trace, idle(trace))
    assert parts[waits.BACKOFF] == timedelta(seconds=2)


@pytest.mark.parametrize("story", [a_whole_recovery, a_guarded_recovery, a_flow])
def test_logs_make_the_same_report(story: Any) -> None:
    """What happened is the same from log lines alone, to the second, and the foot says so."""
    told = story()
    report = markdown(incident_report([Incident(of(told), None)], told.now))
    assert "from log lines alone" in report
    assert "by the clocks of the machines that wrote the lines" in report
    assert "without a hand" not in report, "log lines do not tell who paused"

    def coarse(text: str) -> set[tuple[str, ...]]:
        lines = (line.split(" | ", 1) for line in section(text, "What happened").splitlines())
        return {line[1:] and (line[1],) for line in map(tuple, lines) if "began" not in line[-1]}

    mine, its = coarse(as_markdown(told)), coarse(report)
    assert len(mine - its) <= len(mine) // 4, mine - its


def test_several_recoveries_make_one_report() -> None:
    """A table of all comes first, then each with headings of its own."""
    report = as_markdown(a_whole_recovery(), a_rollback())
    assert report.startswith("# 2 incidents\n\n## In short\n")
    assert report.count("\n## service.failed about orders-db, 2026-11-22 12:00\n") == 2
    assert report.count("\n### What happened\n") == 2


def test_an_open_recovery_asks_how_it_ends() -> None:
    """What is not known is said, never guessed."""
    story = Story()
    failed = story.opens("service.failed", "orders-db")
    story.after(1).starts("orders-db.restore", failed, "db-host")
    report = as_markdown(story)
    assert "How it ends: it is open." in section(report, "Not known")
    assert "| verdict | still open |" in report


def test_a_large_recovery_is_abridged() -> None:
    """The ordinary course goes first, from its end; trouble, people and the two ends stay."""
    trace = from_ledger(a_chain(2000))
    report = markdown(incident_report([Incident(trace, None)], trace.as_of))
    assert "moments are left out, from the end: first ordinary ones" in report
    assert len(report) < 200_000
    odd = Moment(trace.opened, "somebody did something", by_hand=True)
    moments = [Moment(trace.opened, "a", plain=True)] * 50 + [odd] * 10
    kept, left_out = abridged(moments, 20)
    assert (len(kept), left_out, kept.count(odd)) == (20, 40, 10)


def many_deaths(number: int) -> Story:
    """One event leads to many, and the handler of each gives up."""
    story = Story()
    failed = story.opens("service.failed", "orders-db")
    run = story.after(1).starts("orders-db.restore", failed, "db-host")
    for fact in story.after(1).completes(run, *[("cache.warmed", "orders-cache")] * number):
        story.dies(story.after(0.01).starts("pager.page", fact, "pager"), "PermanentError: no")
    return story


def test_a_report_of_much_trouble_is_short_as_well() -> None:
    """Thousands of dead letters: what is no ordinary moment goes next, what people did last."""
    trace = from_ledger(many_deaths(3000))
    report = markdown(incident_report([Incident(trace, None)], trace.as_of))
    assert len(report.splitlines()) < 1000
    trouble = Moment(trace.opened, "something failed")
    deed = Moment(trace.opened, "somebody did something", by_hand=True)
    kept, left_out = abridged([trouble, *[deed, trouble] * 30, trouble], 40)
    assert (len(kept), left_out, kept.count(deed)) == (40, 22, 30)


def test_what_thousands_of_deaths_leave_is_found_at_once() -> None:
    """In a time that grows with their number, not with its square."""
    trace, tried = from_ledger(many_deaths(4000)), time.process_time()
    [found] = passages.leaves(trace)
    assert isinstance(found, Bullets)
    assert time.process_time() - tried < 0.5


def test_nothing_is_left_out_of_a_usual_one() -> None:
    """Every moment of a recovery of usual size is there."""
    trace: Trace = from_ledger(a_whole_recovery())
    moments = timeline(trace, ())
    assert abridged(moments, 400) == (moments, 0)


def test_throwing_a_dead_letter_away_is_a_deed() -> None:
    """It is told with its reason, and the letter is not said to be left."""
    story = Story()
    run = story.starts("db.restore", story.opens("service.failed", "db"), "db-host")
    dead = story.dies(run, "no backup")
    story.closes(run, "failed", done=0, dead=1)
    story.after(60).discards(run, dead, "ana", "rebuilt")
    [deed] = deeds(from_ledger(story), None)
    assert (deed.act, deed.by, deed.about, deed.reason) == ("drop", "ana", "db.restore", "rebuilt")
    report = as_markdown(story)
    assert "ana threw away a dead letter of db.restore: rebuilt" in report
    assert "what died in db.restore; its dead letter was thrown away by ana: rebuilt" in report
    assert "antiphon dead list" not in report


def test_a_replay_is_a_deed() -> None:
    """Who delivered a dead letter again is in the audit; without it somebody did."""
    story = FlowStory()
    failed = story.opens("service.failed", "orders-db")
    run = story.after(1).starts("orders-db.restore", failed, "db-host")
    dead = story.after(1).dies(run, "PermanentError: no")
    again = story.after(60).replays(run, dead)
    second = story.after(1).starts("orders-db.restore", again, "db-host")
    story.after(1).completes(second)
    story.closes(second, "completed", done=1)
    trace = from_ledger(story)
    [unknown] = deeds(trace, None)
    assert (unknown.act, unknown.by) == ("replay", "")
    row = AuditRow(at=unknown.at, action="replay", what=dead, by="ben", reason="fixed")
    [known] = deeds(trace, Audit(rows=(row,), whole=True))
    assert (known.by, known.reason, known.about) == ("ben", "fixed", "orders-db.restore")
