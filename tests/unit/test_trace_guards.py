"""What guards decided about deliveries, in a trace: the same from its ledger and from log lines."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest

from antiphon.instants import iso
from antiphon.ledger import Entry
from antiphon.trace import AttemptOutcome, Hold, Step, StepOutcome, Trace
from guarded_story import (
    BREAKER,
    BUDGET,
    PAUSE,
    RATE,
    STALENESS,
    STORM,
    GuardedStory,
    Limit,
    a_guarded_recovery,
    a_loop,
)
from guarded_traces import GROUP, SOURCES, failing, from_ledger, from_logs, only
from trace_story import Run

SECOND = timedelta(seconds=1)


def facts(trace: Trace) -> dict[str, Any]:
    """What both sources must agree on: all but instants of log lines, and what no line tells."""
    found = trace.to_dict()
    return {
        "summary": {
            name: found[name]
            for name in (
                "status", "verdict", "done", "suppressed", "coalesced", "relapse_of", "halted",
                "tier", "acked_by", "reasons",
            )
        },
        "steps": [
            (
                step["id"],
                step["outcome"],
                step["note"],
                step["due"],
                [(a["no"], a["outcome"]) for a in step["attempts"]],
                [(h["guard"], h["name"], h["limit"], h["value"], h["due"]) for h in step["holds"]],
                [h["until"] is None for h in step["holds"]],
                step["suppression"] and {**step["suppression"], "at": None},
            )
            for step in found["steps"]
        ],
        "relapse": found["relapse"] and [found["relapse"][n] for n in ("of", "value", "limit")],
        "halt": found["halt"] and {**found["halt"], "at": None},
        "escalations": [(e["guard"], e["name"], e["why"], e["tier"]) for e in found["escalations"]],
        "acknowledgement": found["acknowledgement"] and {**found["acknowledgement"], "at": None},
    }  # fmt: skip


@pytest.mark.parametrize("tell", [a_guarded_recovery, a_loop])
def test_logs_tell_of_guards_what_the_ledger_tells(tell: Callable[[], GuardedStory]) -> None:
    """Holds, suppressions, halts, relapses and escalations are the same from either source."""
    story = tell()
    logs = Trace.from_logs(story.lines, story.correlation_id)
    assert facts(logs) == facts(Trace.from_ledger(story.entries()))
    assert logs.missing == ()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("tell", [a_guarded_recovery, a_loop])
def test_lines_about_guards_may_come_in_any_order(
    tell: Callable[[], GuardedStory], seed: int
) -> None:
    """The files of several services, one after another, are as good as one file."""
    story = tell()
    random.Random(seed).shuffle(story.lines)
    assert facts(from_logs(story)) == facts(from_ledger(story))


@pytest.mark.parametrize("trace_of", SOURCES)
@pytest.mark.parametrize(
    ("by", "words"),
    [
        (RATE, "held by rate (handler:orders-api.restart, 30 of 30) until 12:00:08"),
        (BREAKER, "held by breaker (payments-api, 6 of 5) until 12:00:08"),
        (Limit("exclusive", "orders-db", 1, 2), "held by exclusive (orders-db) until 12:00:08"),
        (
            PAUSE,
            "held by pause (subject:orders-api): antiphon resume --subject orders-api",
        ),
        (
            Limit("pause", "service:the shop"),
            "held by pause (service:the shop): antiphon resume --service 'the shop'",
        ),
        (Limit("pause", "*"), "held by pause (*): antiphon resume"),
        (STORM, "held by storm: antiphon resume --storm"),
    ],
)
def test_what_a_guard_holds_is_outstanding(
    trace_of: Callable[..., Trace], by: Limit, words: str
) -> None:
    """The guard is named, and until when it holds or which command lets the delivery go."""
    story, failed = failing()
    story.after(1).holds(GROUP, failed, by, due_in=7)
    story.after(2)
    owed = f"service.failed|{failed.entry}|{GROUP}"
    trace = from_ledger(story, (owed,)) if trace_of is from_ledger else from_logs(story)
    [outstanding] = trace.outstanding
    assert outstanding.words == f"{GROUP} has had service.failed for 3.0 s, {words}"
    [step] = trace.steps
    assert (step.outcome, step.end, step.attempts) == (StepOutcome.HELD, None, ())
    assert step.due is not None


def test_a_hold_that_was_looked_at_again_is_told_from_when_it_began() -> None:
    """Later looks leave no row, so the instant of the first says nothing any more."""
    story, failed = failing()
    story.after(1).holds(GROUP, failed, BREAKER, due_in=5)
    owed = f"service.failed|{failed.entry}|{GROUP}"
    story.after(24 * 3600)
    [outstanding] = from_ledger(story, (owed,)).outstanding
    assert outstanding.words.endswith(
        "held by breaker (payments-api, 6 of 5) since 2026-11-22 12:00:01"
    )


def spans(step: Step) -> list[tuple[str, float | None]]:
    def lasted(hold: Hold) -> float | None:
        return round((hold.until - hold.since) / SECOND, 1) if hold.until else None

    return [(hold.guard.kind, lasted(hold)) for hold in step.holds]


@pytest.mark.parametrize("trace_of", SOURCES)
def test_a_delivery_that_was_held_and_then_ran_keeps_its_holds(
    trace_of: Callable[[GuardedStory], Trace],
) -> None:
    """Each hold ends with what came next: another guard, or an attempt."""
    story, failed = failing()
    story.holds(GROUP, failed, RATE)
    story.after(3).holds(GROUP, failed, BREAKER)
    run = story.after(4).starts(GROUP, failed, "api-host")
    story.after(1).retries(run, "TimeoutError: no answer", due_in=1)
    story.after(1).holds(GROUP, failed, RATE)
    step = only(trace_of(story))
    assert step.outcome == StepOutcome.HELD
    assert spans(step) == [("rate", 3.0), ("breaker", 4.0), ("rate", None)]
    again = story.after(2).starts(GROUP, failed, "api-host", attempt=2)
    story.after(1).completes(again)
    step = only(trace_of(story))
    assert (step.outcome, len(step.attempts)) == (StepOutcome.COMPLETED, 2)
    assert spans(step) == [("rate", 3.0), ("breaker", 4.0), ("rate", 2.0)]
    assert step.due is None


@pytest.mark.parametrize("trace_of", SOURCES)
def test_an_attempt_that_meets_a_guard_ends_there(
    trace_of: Callable[[GuardedStory], Trace],
) -> None:
    """It is an attempt in the history, and its number is given again."""
    story, failed = failing()
    run = story.after(1).starts(GROUP, failed, "api-host")
    story.after(2).meets(run, BREAKER, "CircuitOpen: payments-api", due_in=5)
    step = only(trace_of(story))
    assert (step.outcome, spans(step)) == (StepOutcome.HELD, [("breaker", None)])
    assert [(a.no, a.outcome, a.error) for a in step.attempts] == [
        (1, AttemptOutcome.HELD, "CircuitOpen: payments-api")
    ]
    assert step.attempts[0].duration == 2 * SECOND
    run = story.after(5).starts(GROUP, failed, "api-host")
    story.after(1).completes(run)
    step = only(trace_of(story))
    assert (step.outcome, spans(step)) == (StepOutcome.COMPLETED, [("breaker", 5.0)])
    assert [(a.no, a.outcome) for a in step.attempts] == [
        (1, AttemptOutcome.HELD),
        (1, AttemptOutcome.COMPLETED),
    ]


@pytest.mark.parametrize("trace_of", SOURCES)
def test_a_hold_may_give_way_to_a_key_that_another_delivery_holds(
    trace_of: Callable[[GuardedStory], Trace],
) -> None:
    """The outcome is what it waits for now."""
    story, failed = failing()
    story.holds(GROUP, failed, RATE)
    story.after(2).waits(GROUP, failed, "a|1-1|b", due_in=1)
    step = only(trace_of(story))
    assert (step.outcome, spans(step)) == (StepOutcome.WAITING, [("rate", 2.0)])


@pytest.mark.parametrize("trace_of", SOURCES)
def test_a_worker_that_fell_silent_does_not_run_what_another_is_told_to_hold(
    trace_of: Callable[[GuardedStory], Trace],
) -> None:
    """Whoever took the delivery over met a guard first; the attempt ended there at the latest."""
    story, failed = failing()
    story.starts(GROUP, failed, "api-host-1")
    story.after(60).holds(GROUP, failed, PAUSE)
    step = only(trace_of(story))
    assert step.outcome == StepOutcome.HELD
    assert [(a.outcome, a.end) for a in step.attempts] == [
        (AttemptOutcome.TAKEN_OVER, step.holds[0].since)
    ]
    run = story.after(60).starts(
        GROUP, failed, "api-host-2", attempt=2, taken_over_from="api-host-1"
    )
    story.after(1).completes(run)
    step = only(trace_of(story))
    assert [(a.no, a.outcome) for a in step.attempts] == [
        (1, AttemptOutcome.TAKEN_OVER),
        (2, AttemptOutcome.COMPLETED),
    ]
    assert step.attempts[0].end == step.holds[0].since


@pytest.mark.parametrize("ahead_ms", [-4000, 4000])
def test_clocks_that_disagree_do_not_make_a_hold_go_on(ahead_ms: int) -> None:
    """What ran to its end is not held, whichever line seems to be the later one."""
    story, failed = failing()
    story.clock_ahead_ms = {"api-host": ahead_ms}
    story.holds(GROUP, failed, RATE)
    run = story.after(1).starts(GROUP, failed, "api-host")
    story.after(1).completes(run)
    step = only(from_logs(story))
    assert step.outcome == StepOutcome.COMPLETED
    assert step.holds[0].until is not None


@pytest.mark.parametrize("trace_of", SOURCES)
def test_what_a_guard_suppressed_has_ended_without_running(
    trace_of: Callable[[GuardedStory], Trace],
) -> None:
    """Guard, count, when it frees and why are told; the recovery is not held open."""
    story, failed = failing()
    why = "restart:orders-api: 3 attempts of 3 allowed; the budget is spent"
    story.suppresses(GROUP, failed, BUDGET, why, opens_in=600)
    frees = iso(story.now + 600 * SECOND)
    story.closes(Run(GROUP, failed, "", 0, 0), "failed", done=0)
    trace = trace_of(story)
    step = only(trace)
    assert (step.outcome, step.outcome.is_final, step.note) == ("suppressed", True, why)
    assert step.suppression is not None
    assert str(step.suppression.guard) == "budget (restart:orders-api, 3 of 3)"
    assert iso(step.suppression.opens) == frees
    assert (trace.verdict, trace.summary.suppressed) == ("failed", 1)
    assert trace.summary.reasons == (f"{GROUP}: suppressed by budget: {why}",)
    assert trace.outstanding == ()


def test_an_age_is_counted_as_a_time() -> None:
    """Milliseconds are for programs."""
    story, failed = failing()
    story.suppresses(GROUP, failed, STALENESS, "the failure is too old")
    step = only(from_ledger(story))
    assert step.suppression is not None
    assert step.suppression.opens is None
    assert str(step.suppression.guard) == "staleness (service.failed:orders-api, 1h 30m of 1h 00m)"


def test_an_event_whose_row_is_gone_is_named_by_its_attempt() -> None:
    """A trimmed ledger may begin with a hold, which names no type."""
    story, failed = failing()
    story.holds(GROUP, failed, RATE)
    story.after(1).starts(GROUP, failed, "api-host")
    [step] = Trace.from_ledger(story.entries()[2:]).steps
    assert (step.event_type, step.id) == (
        "service.failed",
        f"service.failed|{failed.entry}|{GROUP}",
    )


def test_decisions_as_json_have_stable_keys() -> None:
    """Programs read these names; instants are ISO, durations milliseconds."""
    found = from_ledger(story := a_guarded_recovery()).to_dict()
    began = story.entries()[0].at
    held, _, suppressed = (
        found["steps"][0]["holds"][0],
        found["steps"][0]["holds"][1],
        found["steps"][0]["suppression"],
    )
    assert held == {
        "guard": "rate",
        "name": "handler:orders-api.restart",
        "limit": 30,
        "value": 30,
        "since": iso(began + SECOND),
        "due": iso(began + 3 * SECOND),
        "until": iso(began + 3 * SECOND),
    }
    why = "restart:orders-api: 3 attempts of 3 allowed; the budget is spent"
    budget = {"guard": "budget", "name": "restart:orders-api", "limit": 3, "value": 3}
    at = began + 10 * SECOND
    assert suppressed == {
        **budget, "at": iso(at), "opens": iso(at + 580 * SECOND), "why": why,
    }  # fmt: skip
    assert found["relapse"] == {
        "of": "the-one-before", "at": iso(began), "value": 1, "limit": 3, "within_ms": 3_600_000,
    }  # fmt: skip
    assert found["escalations"] == [
        {**budget, "at": iso(at), "event": "e1", "why": why, "tier": 1},
        {**budget, "at": iso(at + 900 * SECOND), "event": "e2", "why": why, "tier": 2},
    ]
    assert found["acknowledgement"] == {
        "at": iso(at + 960 * SECOND), "by": "ada", "why": "disk is full",
    }  # fmt: skip
    assert found["coalesced"] == 2
    assert found["halt"] is None
    halt = from_ledger(a_loop()).to_dict()["halt"]
    assert halt.keys() == {"guard", "name", "limit", "value", "at", "group", "event", "path"}
    assert orjson.loads(orjson.dumps(found)) == found


def test_rows_that_lack_what_they_should_hold_do_no_harm() -> None:
    """A row somebody damaged costs what it says, not the trace."""
    story, failed = failing()
    delivery = {"group": GROUP, "event": failed.id, "entry": failed.entry}
    kinds = ("coalesced", "relapsed", "halted", "escalated", "acknowledged", "held", "suppressed")
    for kind in kinds:
        damaged = Entry(story.now, f"{story.now_ms}-0", kind, delivery)
        Trace.from_ledger([*story.entries(), damaged]).to_dict()


def test_a_line_about_a_guard_that_lacks_what_it_needs_is_counted() -> None:
    """It tells nothing, and that is said."""
    story, _ = failing()
    for event in ("recovery.halted", "recovery.escalated", "recovery.relapsed", "delivery.held"):
        story._line(event, "")
    assert from_logs(story).missing[1] == (
        "what 4 of its lines say: they are cut off or lack a field"
    )


@pytest.mark.parametrize(("attempts", "lacking"), [(1, 0), (2, 1), (None, 0)])
def test_an_attempt_that_left_no_line_is_missed_when_its_delivery_is_given_up(
    attempts: int | None, lacking: int
) -> None:
    """A worker that was killed before it wrote a line: whoever gives the step up counts it."""
    story = GuardedStory()
    failed = story.opens("service.failed", "orders-api")
    run = story.after(1).starts("orders-api.restart", failed, "api")
    story.after(1).retries(run, "no", due_in=1)
    story.after(9).suppresses("orders-api.restart", failed, BUDGET, "spent", attempts=attempts)
    story.closes(run, "failed", done=0)
    trace = Trace.from_logs(story.lines, story.correlation_id)
    what = "attempts of orders-api.restart on service.failed about orders-api"
    assert trace.missing == ((f"{lacking} of {attempts} {what}",) if lacking else ())


def test_the_only_attempt_may_have_left_no_line() -> None:
    """Then nothing but the end of its delivery tells of it."""
    story = GuardedStory()
    failed = story.opens("service.failed", "orders-api")
    story.after(9).suppresses("orders-api.restart", failed, BUDGET, "spent", attempts=1)
    trace = Trace.from_logs(story.lines, story.correlation_id)
    what = "1 of 1 attempts of orders-api.restart on service.failed about orders-api"
    assert what in trace.missing
