"""The trace of a recovery, from its ledger."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from antiphon.ledger import Entry
from antiphon.summary import Summary
from antiphon.trace import AttemptOutcome, StepOutcome, Trace
from trace_story import BEGINNING_MS, Fact, Run, Story, a_chain, a_whole_recovery, begun

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("happens", "expected"),
    [
        (lambda _story, _run: None, StepOutcome.RUNNING),
        (lambda story, run: story.completes(run), StepOutcome.COMPLETED),
        (lambda story, run: story.retries(run, "late", due_in=1), StepOutcome.RETRYING),
        (lambda story, run: story.releases(run), StepOutcome.RELEASED),
        (lambda story, run: story.dies(run, "no"), StepOutcome.DIED),
    ],
)
def test_a_delivery_is_what_its_last_attempt_ended_as(
    happens: Callable[[Story, Run], object], expected: StepOutcome
) -> None:
    """Only what ends a delivery gives its step an end."""
    story, _, run = begun()
    happens(story.after(2), run)
    [step] = Trace.from_ledger(story.entries()).steps
    assert step.outcome == expected
    assert (step.end is not None) == expected.is_final


@pytest.mark.parametrize(
    ("happens", "expected"),
    [
        (lambda story, fact: story.skips("web.reopen", fact), StepOutcome.SKIPPED),
        (lambda story, fact: story.finds_duplicate("web.reopen", fact, "x"), StepOutcome.DUPLICATE),
        (lambda story, fact: story.waits("web.reopen", fact, "x", due_in=1), StepOutcome.WAITING),
    ],
)
def test_a_delivery_may_end_or_wait_without_an_attempt(
    happens: Callable[[Story, Fact], None], expected: StepOutcome
) -> None:
    """What no handler ran for is a step all the same, with no attempts."""
    story = Story()
    happens(story, story.opens("service.failed", "web"))
    [step] = Trace.from_ledger(story.entries()).steps
    assert (step.outcome, step.attempts) == (expected, ())


def test_every_attempt_is_kept_with_its_worker_and_its_end() -> None:
    """A retry and a take-over are attempts of one step, each with what ended it."""
    restore = Trace.from_ledger(a_whole_recovery().entries()).steps[0]
    assert [(a.no, a.consumer, a.outcome, a.duration, a.error) for a in restore.attempts] == [
        (
            1,
            "db-host-1",
            AttemptOutcome.RETRIED,
            2 * SECOND,
            "ConnectionError: backup store refused",
        ),
        (2, "db-host-1", AttemptOutcome.TAKEN_OVER, None, None),
        (3, "db-host-2", AttemptOutcome.COMPLETED, 4 * SECOND, None),
    ]
    assert restore.attempts[1].end == restore.attempts[2].start
    assert restore.attempts[2].taken_over_from == "db-host-1"
    assert restore.progress is not None
    assert (restore.progress.fraction, restore.progress.message) == (0.5, "copying rows")


@pytest.mark.parametrize("second", ["api-host", "another-host"])
def test_an_attempt_that_was_handed_back_is_taken_up_under_its_number(second: str) -> None:
    """A stopping worker spends no attempt, even when it comes back under the same name."""
    story, failed, run = begun()
    story.after(1).releases(run)
    story.after(1).completes(story.after(1).starts(run.group, failed, second))
    [step] = Trace.from_ledger(story.entries()).steps
    assert step.outcome == StepOutcome.COMPLETED
    assert [(a.no, a.consumer, a.outcome) for a in step.attempts] == [
        (1, "api-host", AttemptOutcome.RELEASED),
        (1, second, AttemptOutcome.COMPLETED),
    ]


def test_a_delivery_that_is_read_again_is_no_duplicate_of_itself() -> None:
    """A group that was lost and made again reads its settled entries once more."""
    story, failed, run = begun()
    story.after(1).completes(run)
    story.finds_duplicate(run.group, failed, f"service.failed|{failed.entry}|{run.group}")
    [step] = Trace.from_ledger(story.entries()).steps
    assert (step.outcome, step.of) == (StepOutcome.COMPLETED, "")


def test_causes_link_events_and_steps() -> None:
    """An event knows who published it and because of what; a step knows what it published."""
    trace = Trace.from_ledger(a_whole_recovery().entries())
    restored = next(event for event in trace.events if event.type == "database.restored")
    assert (restored.by, restored.cause) == ("orders-db.restore", trace.events[0].id)
    assert trace.steps[0].published == (restored.id,)


def test_the_critical_path_is_the_chain_that_ended_last() -> None:
    """It leaves out what went on beside it, and tells work from waiting."""
    path = Trace.from_ledger(a_whole_recovery().entries()).critical_path
    groups = [step.group for step in path.steps]
    assert groups == ["orders-db.restore", "orders-cache.warm", "web.reopen"]
    assert path.duration == timedelta(seconds=17.8)
    assert path.working == timedelta(seconds=2 + 5 + 4 + 4 + 0.4)
    assert path.waiting == timedelta(seconds=2.4)


def test_those_who_hear_of_the_closing_did_not_make_the_recovery_longer() -> None:
    """A handler of recovery.completed is a step, but on no critical path."""
    story, _, run = begun()
    story.after(1).completes(run)
    story.closes(run, "completed", done=1)
    news = Fact("the-recovery:1", "recovery.completed", "orders-api", f"{story.now_ms}-9")
    story.after(5).completes(story.starts("pager.tell", news, "pager-1"))
    trace = Trace.from_ledger(story.entries())
    assert [step.group for step in trace.steps] == ["orders-api.restart", "pager.tell"]
    assert [step.group for step in trace.critical_path.steps] == ["orders-api.restart"]
    assert trace.duration == 2 * SECOND


def test_the_total_is_told_beside_the_sum_of_the_steps() -> None:
    """What ran side by side counts twice in the sum and once in the total."""
    trace = Trace.from_ledger(a_whole_recovery().entries())
    assert trace.duration == timedelta(seconds=18.8)
    assert trace.sum_of_steps == timedelta(seconds=2 + 5 + 4 + 1 + 1.5 + 4 + 0.4)


@pytest.mark.parametrize(
    ("happens", "words"),
    [
        (
            lambda _story, _run: None,
            "attempt 1 running on api-host for 2.0 s",
        ),
        (
            lambda story, run: story.progresses(run, 0.4, "stopping"),
            "attempt 1 running on api-host for 2.0 s, 40% stopping",
        ),
        (
            lambda story, run: story.retries(run, "late", due_in=6),
            "attempt 2 due in 4.0 s",
        ),
        (
            lambda story, run: story.retries(run, "late", due_in=1),
            "attempt 2 was due 1.0 s ago",
        ),
        (
            lambda story, run: story.releases(run),
            "handed back by a stopping worker, for another to begin",
        ),
        (
            lambda story, run: (
                story.releases(run),
                story.waits(run.group, run.fact, "a|1-1|b", due_in=4),
            ),
            "a|1-1|b holds its idempotency key, next look due in 2.0 s",
        ),
    ],
)
def test_what_is_outstanding_is_said_in_words(
    happens: Callable[[Story, Run], object], words: str
) -> None:
    """Who has it, since when, and what it waits for."""
    story, failed, run = begun()
    happens(story, run)
    owed = f"service.failed|{failed.entry}|orders-api.restart"
    [outstanding] = Trace.from_ledger(story.entries(), [owed], now=story.after(2).now).outstanding
    assert outstanding.words == f"orders-api.restart has had service.failed for 3.0 s, {words}"
    assert outstanding.id == owed


def test_what_nobody_has_begun_is_outstanding_too() -> None:
    """Nobody subscribed and not begun yet are told apart."""
    story = Story()
    failed = story.opens("service.failed", "orders-db")
    owed = [f"service.failed|{failed.entry}|{group}" for group in ("orders-db.restore", "?")]
    trace = Trace.from_ledger(story.entries(), owed, now=story.after(12.3).now)
    assert {o.words for o in trace.outstanding} == {
        "orders-db.restore has not begun service.failed about orders-db, for 12.3 s",
        "no handler is subscribed to service.failed about orders-db",
    }


def test_a_dead_letter_that_was_delivered_again_is_a_step_of_its_own() -> None:
    """It names the dead letter it came from, before it begins and after."""
    story, _, run = begun()
    dead = story.dies(run, "PermanentError: no")
    story.closes(run, "failed", done=0, dead=1)
    again = story.replays(run, dead)
    owed = f"inbox|{again.entry}|{run.group}"
    [outstanding] = Trace.from_ledger(story.entries(), [owed]).outstanding
    assert outstanding.words == (
        "orders-api.restart has not begun service.failed about orders-api, "
        "which was delivered again from the dead letters"
    )
    second = story.after(1).starts(run.group, again, "api-host")
    story.completes(second, ("service.restarted", "orders-api"))
    died, completed = Trace.from_ledger(story.entries()).steps
    assert (died.replay_of, died.published) == ("", ())
    assert (completed.replay_of, completed.id) == (dead, owed)
    assert completed.outcome == StepOutcome.COMPLETED
    assert len(completed.published) == 1


def lost(story: Story, label: str, entry: str, group: str) -> Entry:
    fields = {"group": group, "type": label, "entry": entry, "error": "trimmed or deleted"}
    return Entry(story.now, f"{story.now_ms}-0", "lost", fields)


def test_a_lost_entry_ends_its_delivery() -> None:
    """The attempt that was never heard of again is not said to be running."""
    story, failed, run = begun()
    row = lost(story.after(9), "service.failed", failed.entry, run.group)
    [step] = Trace.from_ledger([*story.entries(), row]).steps
    assert (step.outcome, step.note) == (StepOutcome.LOST, "trimmed or deleted")
    assert step.attempts[0].outcome == AttemptOutcome.UNKNOWN


def test_an_entry_may_be_lost_before_anybody_began_it() -> None:
    """It is a step without attempts, of the event its entry held."""
    story = Story()
    failed = story.opens("service.failed", "orders-api")
    row = lost(story, "service.failed", failed.entry, "orders-api.restart")
    [step] = Trace.from_ledger([*story.entries(), row]).steps
    assert (step.event_id, step.outcome, step.attempts) == (failed.id, StepOutcome.LOST, ())


def test_a_failure_nobody_came_to_hear_is_no_step() -> None:
    """Nobody is not a handler."""
    story = Story()
    failed = story.opens("service.failed", "orders-api")
    row = lost(story, "service.failed", failed.entry, "?")
    assert Trace.from_ledger([*story.entries(), row]).steps == ()


def test_a_recovery_begins_when_its_entry_was_written_not_when_it_was_seen() -> None:
    """A bare XADD that waited for a worker has waited in the trace as well."""
    story = Story()
    story.opens("service.failed", "orders-db", logged=False)
    seen_late = [replace(e, at=e.at + 60 * SECOND) for e in story.entries()]
    trace = Trace.from_ledger(seen_late)
    assert trace.opened == story.now
    assert trace.duration == 60 * SECOND


def test_the_summary_redis_keeps_is_believed() -> None:
    """Status, verdict and reasons are those of the record."""
    summary = Summary.from_hash(
        "the-recovery",
        {
            b"status": b"closed",
            b"verdict": b"partial",
            b"type": b"service.failed",
            b"subject": b"orders-api",
            b"opened": str(BEGINNING_MS).encode(),
            b"closed": str(BEGINNING_MS + 5000).encode(),
            b"closes": b"2",
            b"!a": b"pager.page: died after 1 attempts",
        },
    )
    trace = Trace.from_ledger(begun()[0].entries(), summary=summary)
    assert (trace.correlation_id, trace.status, trace.verdict) == (
        "the-recovery",
        "closed",
        "partial",
    )
    assert (trace.root_type, trace.subject) == ("service.failed", "orders-api")
    assert trace.duration == 5 * SECOND
    assert trace.summary.reasons == ("pager.page: died after 1 attempts",)


def test_without_a_summary_the_rows_say_as_much() -> None:
    """The ledger alone is enough for verdict, times and reasons."""
    trace = Trace.from_ledger(a_whole_recovery().entries())
    assert (trace.status, trace.verdict) == ("closed", "partial")
    assert (trace.root_type, trace.subject) == ("service.failed", "orders-db")
    assert trace.closed == trace.opened + timedelta(seconds=18.8)
    assert trace.summary.reasons == ("pager.page: died after 1 attempts",)
    assert trace.missing == ()


def test_ten_thousand_events_are_traced_in_a_moment() -> None:
    """Time grows with the length of the ledger, not with its square."""
    story = a_chain(10_000)
    began = time.process_time()
    trace = Trace.from_ledger(story.entries())
    from_logs = Trace.from_logs(story.lines, story.correlation_id)
    spent = time.process_time() - began
    assert (len(trace.events), len(from_logs.events)) == (10_000, 10_000)
    assert len(trace.critical_path.steps) == 9_999
    # Generous for a busy machine; what is quadratic takes minutes.
    assert spent < 10
