"""The trace of a recovery, from log lines alone."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest

from antiphon.trace import AttemptOutcome, StepOutcome, Trace
from antiphon.trace.slack import lost
from trace_story import Fact, Story, a_whole_recovery


def picture(trace: Trace) -> dict[str, Any]:
    """Return what both sources must agree on."""
    return {
        "verdict": (trace.status, trace.verdict, trace.root_type, trace.subject),
        "events": {e.id: (e.type, e.subject, e.cause, e.by, e.time, e.entry) for e in trace.events},
        "steps": {
            s.id: (
                s.group,
                s.event_id,
                s.event_type,
                s.subject,
                s.outcome,
                s.published,
                s.of,
                s.replay_of,
                s.due,
                s.progress and (s.progress.fraction, s.progress.message),
                [
                    (a.no, a.consumer, a.outcome, a.duration, a.error, a.taken_over_from, a.due)
                    for a in s.attempts
                ],
            )
            for s in trace.steps
        },
        "path": [s.id for s in trace.critical_path.steps],
        "outstanding": [o.id for o in trace.outstanding],
    }


def both(story: Story, lines: list[bytes] | None = None) -> tuple[Trace, Trace]:
    found = Trace.from_logs(story.lines if lines is None else lines, story.correlation_id)
    return Trace.from_ledger(story.entries(), [o.id for o in found.outstanding]), found


def test_logs_tell_what_the_ledger_tells() -> None:
    """Events, causes, steps, attempts and outcomes are the same from either source."""
    ledger, logs = both(a_whole_recovery())
    assert picture(logs) == picture(ledger)
    assert logs.missing == ()
    assert {s.outcome for s in logs.steps} == {
        StepOutcome.COMPLETED,
        StepOutcome.DIED,
        StepOutcome.SKIPPED,
        StepOutcome.DUPLICATE,
    }


@pytest.mark.parametrize("seed", range(5))
def test_lines_may_come_in_any_order(seed: int) -> None:
    """The files of several services, one after another, are as good as one file."""
    story = a_whole_recovery()
    shuffled = list(story.lines)
    random.Random(seed).shuffle(shuffled)
    ledger, logs = both(story, shuffled)
    assert picture(logs) == picture(ledger)


@pytest.mark.parametrize("ahead_ms", [-4000, -50, 50, 4000])
def test_clocks_that_disagree_do_not_change_what_happened(ahead_ms: int) -> None:
    """A take-over by a machine whose clock is wrong is still a take-over."""
    ledger, logs = both(a_whole_recovery(clock_ahead_ms={"db-host-2": ahead_ms}))
    assert picture(logs)["steps"] == picture(ledger)["steps"]
    assert picture(logs)["events"] == picture(ledger)["events"]


def test_an_open_recovery_is_traced_while_it_goes_on() -> None:
    """What has begun and not ended is outstanding; the missing verdict is named."""
    story = Story()
    failed = story.opens("service.failed", "orders-db")
    run = story.after(1).starts("orders-db.restore", failed, "db-host")
    story.retries(run, "TransientError: later", due_in=30)
    ledger, logs = both(story)
    assert picture(logs) == picture(ledger)
    assert [o.id for o in logs.outstanding] == [f"service.failed|{failed.entry}|orders-db.restore"]
    assert logs.missing == (
        (
            "the verdict: no recovery.closed line, so it is open or that line was not given, and "
            "what seems to run may be over; deliveries that no worker has begun are known to the "
            "ledger alone"
        ),
    )


def test_a_replay_is_known_by_its_entry() -> None:
    """The same event in another entry is the dead letter, delivered again; it reopens."""
    story = Story()
    failed = story.opens("service.failed", "orders-db")
    run = story.starts("orders-db.restore", failed, "db-host")
    dead = story.after(1).dies(run, "PermanentError: no backup")
    story.closes(run, "failed", done=0, dead=1)
    again = story.starts("orders-db.restore", story.after(60).replays(run, dead), "db-host")
    ledger, logs = both(story)
    assert picture(logs) == picture(ledger)
    assert logs.status == "open"
    story.after(1).completes(again, ("database.restored", "orders-db"))
    story.closes(again, "completed", done=1)
    ledger, logs = both(story)
    assert picture(logs) == picture(ledger)
    assert (logs.verdict, logs.summary.closes, logs.summary.reasons) == ("completed", 2, ())


def test_a_bare_xadd_leaves_no_line_of_its_own_and_is_found_by_its_deliveries() -> None:
    """The event is there with its time and entry; that nobody says who wrote it is said."""
    story = Story()
    failed = story.opens("service.failed", "orders-db", logged=False)
    run = story.after(3).starts("orders-db.restore", failed, "db-host")
    story.after(1).completes(run)
    story.closes(run, "completed", done=1)
    ledger, logs = both(story)
    assert picture(logs) == picture(ledger)
    assert logs.missing == (
        (
            "who published service.failed about orders-db: a program that logs nothing of it, "
            "or one whose log was not given"
        ),
    )


def test_those_who_hear_of_the_closing_do_not_reopen_it() -> None:
    """News of a closed recovery is read from the line of its delivery."""
    story = Story()
    run = story.starts("orders-db.restore", story.opens("service.failed", "orders-db"), "db-host")
    story.after(1).completes(run)
    story.closes(run, "completed", done=1)
    entry = f"{story.now_ms}-99"
    news = Fact(f"{story.correlation_id}:1", "recovery.completed", "orders-db", entry)
    story.after(1).starts("pager.tell", news, "pager-1")
    ledger, logs = both(story)
    assert picture(logs) == picture(ledger)
    assert (logs.status, logs.missing) == ("closed", ())


def test_lines_of_others_are_passed_over() -> None:
    """Other recoveries, other programs, blank lines and binary do not disturb."""
    story = a_whole_recovery()
    other = a_whole_recovery(correlation_id="another-recovery")
    noise = [
        b"",
        b"\n",
        b"\xff\xfe\x00",
        f"INFO handling {story.correlation_id} now".encode(),
        b'{"event": "delivery.started", "correlation_id": 5}',
        orjson.dumps({"event": "my.own", "correlation_id": story.correlation_id}),
        orjson.dumps([story.correlation_id]),
        *other.lines,
    ]
    ledger, logs = both(story, [*noise, *story.lines, *noise])
    assert picture(logs) == picture(ledger)
    assert logs.missing == ()


def test_lines_may_carry_a_prefix_be_text_and_come_twice() -> None:
    """What `docker compose logs` prints is as good as the file."""
    story = a_whole_recovery()
    prefixed = [f"orders-db-1  | {line.decode()}\n" for line in story.lines]
    found = Trace.from_logs([*prefixed, *story.lines], story.correlation_id)
    assert picture(found) == picture(Trace.from_ledger(story.entries()))
    assert found.missing == ()


@pytest.mark.parametrize("correlation_id", ["störung-7", 'a "quoted" one', "back\\slash"])
def test_any_correlation_id_is_found(correlation_id: str) -> None:
    """However its characters are escaped in JSON."""
    story = a_whole_recovery(correlation_id=correlation_id)
    as_ascii = [json.dumps(orjson.loads(line)) for line in story.lines]
    for lines in (story.lines, as_ascii):
        assert picture(Trace.from_logs(lines, correlation_id)) == picture(both(story)[0])


def test_a_line_that_was_cut_off_is_counted() -> None:
    """A log that was rotated in the middle of a line loses that line and says so."""
    story = a_whole_recovery()
    cut = next(line for line in story.lines if b"delivery.progress" in line)
    lines = [line if line != cut else cut[:-20] for line in story.lines]
    lines.append(orjson.dumps({"correlation_id": story.correlation_id, "event": "delivery.died"}))
    assert Trace.from_logs(lines, story.correlation_id).missing == (
        "what 2 of its lines say: they are cut off or lack a field",
    )


def without(story: Story, consumer: str) -> Trace:
    lines = [line for line in story.lines if orjson.loads(line).get("consumer") != consumer]
    return Trace.from_logs(lines, story.correlation_id)


def test_a_log_that_was_not_given_leaves_a_named_gap() -> None:
    """The events its handler published are known by their deliveries; who did it is not."""
    trace = without(a_whole_recovery(), "cache-host")
    assert trace.missing == (
        (
            "which handler of database.restored about orders-db published "
            "cache.warmed about orders-cache: its log was not given"
        ),
    )
    assert "cache.warmed" in {event.type for event in trace.events}
    assert "web.reopen" in {step.group for step in trace.steps}


def test_the_log_of_a_worker_that_was_taken_over_from_is_missed() -> None:
    """Attempts are counted, so those of nobody's log are known to have been."""
    trace = without(a_whole_recovery(), "db-host-1")
    restore = next(step for step in trace.steps if step.group == "orders-db.restore")
    assert [(a.no, a.taken_over_from) for a in restore.attempts] == [(3, "db-host-1")]
    assert trace.missing == (
        "2 of 3 attempts of orders-db.restore on service.failed about orders-db",
    )


def test_the_log_of_the_worker_that_took_over_is_missed() -> None:
    """An attempt nobody ended, in a recovery that is over, is not said to be running."""
    trace = without(a_whole_recovery(), "db-host-2")
    assert (
        "how attempt 2 of orders-db.restore on service.failed about orders-db on db-host-1 ended"
        in trace.missing
    )


def test_a_start_that_was_not_logged_is_reckoned() -> None:
    """From the end and the duration; and it is said to be."""
    story = a_whole_recovery()
    lines = [
        line
        for line in story.lines
        if not (b"delivery.started" in line and b"orders-cache.warm" in line)
    ]
    ledger, logs = both(story, lines)
    assert picture(logs) == picture(ledger)
    assert logs.missing == (
        (
            "when attempt 1 of orders-cache.warm on database.restored about orders-db "
            "on cache-host began: reckoned from its end and its duration"
        ),
    )


def test_an_attempt_whose_end_no_line_tells_is_over_when_the_next_begins() -> None:
    """Without a line that says it was taken over, how it ended is unknown."""
    story = Story()
    failed = story.opens("service.failed", "orders-db")
    story.starts("orders-db.restore", failed, "db-host-1")
    run = story.after(5).starts("orders-db.restore", failed, "db-host-2", attempt=2)
    story.after(1).completes(run)
    story.closes(run, "completed", done=1)
    trace = Trace.from_logs(story.lines, story.correlation_id)
    assert [a.outcome for a in trace.steps[0].attempts] == [
        AttemptOutcome.UNKNOWN,
        AttemptOutcome.COMPLETED,
    ]
    assert trace.missing == (
        "how attempt 1 of orders-db.restore on service.failed about orders-db on db-host-1 ended",
    )


def test_an_entry_that_was_lost_ends_its_delivery_and_may_end_the_recovery() -> None:
    """The line of whoever found the loss names the delivery and the verdict."""
    story = Story()
    failed = story.opens("service.failed", "orders-db")
    story.starts("orders-db.restore", failed, "db-host")
    line = {
        "event": "delivery.lost",
        "correlation_id": story.correlation_id,
        "group": "orders-db.restore",
        "outstanding": f"service.failed|{failed.entry}|orders-db.restore",
        "verdict": "failed",
        "timestamp": story.after(60).now.isoformat(),
    }
    trace = Trace.from_logs([*story.lines, orjson.dumps(line)], story.correlation_id)
    assert [step.outcome for step in trace.steps] == [StepOutcome.LOST]
    assert (trace.verdict, trace.closed) == ("failed", story.now)


@pytest.mark.parametrize("seconds", [30, -30])
def test_clocks_that_differ_are_named(seconds: float) -> None:
    """Work before its event, or after the closing: no wait is made of it that nobody had."""
    story = Story()
    failed = story.opens("service.failed", "orders-db")
    run = story.after(0.1).starts("orders-db.restore", failed, "db-host")
    story.after(0.3).completes(run)
    story.closes(run, "completed", done=1)
    lines = []
    for text in story.lines:
        line = orjson.loads(text)
        if line["event"] in {"delivery.started", "delivery.completed"}:
            at = datetime.fromisoformat(line["timestamp"]) + timedelta(seconds=seconds)
            line["timestamp"] = at.isoformat()
        lines.append(orjson.dumps(line))
    trace = Trace.from_logs(lines, story.correlation_id)
    assert "how long things took across machines: their clocks differ by " in trace.missing[0]
    assert lost(trace) <= trace.duration


def test_no_line_at_all_is_an_empty_trace_that_says_so() -> None:
    """An unknown id is not an error here: whoever asks decides."""
    trace = Trace.from_logs(a_whole_recovery().lines, "unheard-of")
    assert (trace.events, trace.steps, trace.outstanding) == ((), (), ())
    assert trace.missing == ("everything: no line names the recovery unheard-of",)
