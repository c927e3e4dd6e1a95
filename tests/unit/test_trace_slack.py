"""What waited without needing to: never what had a reason to, and nothing twice."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta

import pytest

from antiphon.trace import Trace
from antiphon.trace.news import STEP_FAILED
from antiphon.trace.slack import NEGLIGIBLE, idle, lost, parallel
from antiphon_events import StepFailed
from drawing import from_ledger
from flow_story import FlowStory
from guarded_story import BREAKER, PAUSE, GuardedStory
from trace_story import Fact, Story, a_chain, a_whole_recovery

SECOND = timedelta(seconds=1)
NONE = timedelta()
RESTART = "orders-api.restart"

Told = list[tuple[str, float, str]]


def told(trace: Trace) -> Told:
    return [(it.step.group, it.length.total_seconds(), it.why) for it in idle(trace)]


def taken_up_late(story: GuardedStory, failed: Fact) -> None:
    story.completes(story.after(3).starts(RESTART, failed, "api-1"))


def taken_up_at_once(story: GuardedStory, failed: Fact) -> None:
    story.completes(story.after(0.01).starts(RESTART, failed, "api-1"))


def retried_in_time(story: GuardedStory, failed: Fact) -> None:
    story.retries(story.starts(RESTART, failed, "api-1"), "no", due_in=60)
    story.completes(story.after(60).starts(RESTART, failed, "api-1", attempt=2))


def retried_late(story: GuardedStory, failed: Fact) -> None:
    story.retries(story.starts(RESTART, failed, "api-1"), "no", due_in=60)
    story.completes(story.after(64).starts(RESTART, failed, "api-1", attempt=2))


def handed_back(story: GuardedStory, failed: Fact) -> None:
    story.releases(story.after(0).starts(RESTART, failed, "api-1"))
    story.completes(story.after(7).starts(RESTART, failed, "api-2"))


def taken_over(story: GuardedStory, failed: Fact) -> None:
    story.starts(RESTART, failed, "api-1")
    story.after(30)
    story.completes(story.starts(RESTART, failed, "api-2", attempt=2, taken_over_from="api-1"))


def taken_over_after_a_sign_of_life(story: GuardedStory, failed: Fact) -> None:
    story.progresses(story.starts(RESTART, failed, "api-1"), 0.1, "begun")
    story.after(10).progresses(story.starts(RESTART, failed, "api-1"), 0.5, "half")
    story.after(30)
    story.completes(story.starts(RESTART, failed, "api-2", attempt=2, taken_over_from="api-1"))


def held_for_long(story: GuardedStory, failed: Fact) -> None:
    story.holds(RESTART, failed, PAUSE)
    story.completes(story.after(3600).starts(RESTART, failed, "api-1"))


def held_beyond_its_instant(story: GuardedStory, failed: Fact) -> None:
    story.holds(RESTART, failed, BREAKER, due_in=5)
    story.completes(story.after(50).starts(RESTART, failed, "api-1"))


def waited_for_a_key(story: GuardedStory, failed: Fact) -> None:
    story.waits(RESTART, failed, "x|1-1|y", due_in=1)
    story.completes(story.after(9).starts(RESTART, failed, "api-1"))


def skipped_late(story: GuardedStory, failed: Fact) -> None:
    story.after(9).skips(RESTART, failed)


NO_ONE = "no worker took it up"
SILENT = "its worker fell silent, and the lease had to run out"


@pytest.mark.parametrize(
    ("happens", "expected"),
    [
        (taken_up_late, [(RESTART, 3.0, NO_ONE)]),
        (taken_up_at_once, []),
        (retried_in_time, []),
        (retried_late, [(RESTART, 4.0, "no worker took it up again when it was due")]),
        (handed_back, [(RESTART, 7.0, "its worker was stopped, and no other took it up")]),
        (taken_over, [(RESTART, 30.0, SILENT)]),
        (held_for_long, []),
        (held_beyond_its_instant, []),
        (waited_for_a_key, []),
        (skipped_late, []),
    ],
    ids=lambda it: getattr(it, "__name__", ""),
)
def test_what_is_left_when_every_reason_is_taken_away(
    happens: Callable[[GuardedStory, Fact], None], expected: Told
) -> None:
    """Guards, backoff and keys are reasons; nobody being there, or falling silent, is none."""
    story = GuardedStory()
    happens(story, story.opens("service.failed", "orders-api"))
    trace = from_ledger(story)
    assert told(trace) == expected
    assert lost(trace) == sum((timedelta(seconds=length) for _, length, _ in expected), NONE)


@pytest.mark.parametrize("answered", [2, 60])
def test_people_may_take_their_time_but_not_workers(answered: int) -> None:
    """The wait for an approval is needed until it is given, and not a moment longer."""
    story = FlowStory()
    failed = story.opens("service.failed", "orders-db")
    story.asks(RESTART, failed, ("ana",))
    story.after(answered).agrees(RESTART, failed, "ana", "go on")
    story.completes(story.after(5).starts(RESTART, failed, "api-1"))
    assert told(from_ledger(story)) == [
        (RESTART, 5.0, "no worker took it up when people had agreed")
    ]


def test_silence_that_means_to_proceed_lets_go_of_a_step() -> None:
    """It is free to run when their time is over; from then on workers are late, and not people."""
    story = FlowStory()
    failed = story.opens("service.failed", "orders-db")
    story.asks(RESTART, failed, ("ana",), otherwise="proceed", due_in=60)
    story.after(60).is_not_answered(RESTART, failed, "proceed")
    story.completes(story.after(5).starts(RESTART, failed, "api-1"))
    assert told(from_ledger(story)) == [
        (RESTART, 5.0, "no worker took it up when people had agreed")
    ]


def test_a_worker_that_is_busy_is_told_from_one_that_is_not_there() -> None:
    """Only when it was at other steps of this recovery throughout: of others nothing is known."""
    story = Story()
    failed = story.opens("service.failed", "orders-api")
    first = story.starts("orders-api.one", failed, "api-1")
    story.after(8).completes(first)
    story.completes(story.starts("orders-api.two", failed, "api-1"))
    assert told(from_ledger(story)) == [
        ("orders-api.two", 8.0, "its worker was at work on other steps")
    ]


def test_a_worker_that_fell_silent_was_not_busy() -> None:
    """What waited for it waited for nobody, although its lease had not run out."""
    story = Story()
    failed = story.opens("service.failed", "orders-api")
    story.starts("orders-api.one", failed, "api-1")
    run = story.after(20).starts("orders-api.two", failed, "api-1")
    story.completes(run)
    story.after(10)
    run = story.starts("orders-api.one", failed, "api-2", attempt=2, taken_over_from="api-1")
    story.completes(run)
    assert told(from_ledger(story)) == [
        ("orders-api.two", 20.0, NO_ONE),
        ("orders-api.one", 30.0, SILENT),
    ]


def test_an_open_recovery_waits_up_to_now() -> None:
    """What is due and nobody takes up, or was handed back, goes on waiting."""
    story = Story()
    failed = story.opens("service.failed", "orders-api")
    story.retries(story.starts(RESTART, failed, "api-1"), "no", due_in=2)
    story.releases(story.starts("web.reopen", failed, "web-1"))
    trace = Trace.from_ledger(story.entries(), now=story.after(10).now)
    assert {(group, length) for group, length, _ in told(trace)} == {
        (RESTART, 8.0),
        ("web.reopen", 10.0),
    }


def test_a_join_waits_for_its_last_branch_and_no_longer() -> None:
    """The branch that came first is no reason to blame the join; a late look at the last is."""
    story = Story()
    failed = story.opens("service.failed", "orders")
    db, cache = (story.starts(group, failed, "w") for group in ("db.restore", "cache.warm"))
    (restored,) = story.after(1).completes(db, ("database.restored", "orders"))
    joined(story, "web.reopen", restored)
    (warmed,) = story.after(20).completes(cache, ("cache.warmed", "orders"))
    story.completes(story.after(2).starts("web.reopen", warmed, "w"))
    trace = from_ledger(story)
    assert told(trace) == [("web.reopen", 2.0, NO_ONE)]
    assert lost(trace) == 2 * SECOND


def test_another_path_that_takes_the_lead_limits_the_cost() -> None:
    """Ten seconds were waited, and yet the recovery would be over four seconds sooner."""
    story = Story()
    failed = story.opens("service.failed", "orders")
    other = story.starts("cache.warm", failed, "w1")
    late = story.after(10).starts("db.restore", failed, "w2")
    story.after(0).completes(other)
    story.after(4).completes(late)
    assert lost(from_ledger(story)) == 4 * SECOND


def test_a_timer_that_is_late_is_told_once() -> None:
    """However many answered the event, and the time until it was due is not counted."""
    story = FlowStory()
    failed = story.opens("service.failed", "orders")
    run = story.starts("db.restore", failed, "w")
    later = story.puts_off(run, "look.due", "orders", due_in=60)
    story.completes(run)
    event = story.after(65).publishes(later, "db.restore")
    for group in ("db.look", "cache.look"):
        story.completes(story.starts(group, event, "w"))
    trace = from_ledger(story)
    assert [(length, why) for _, length, why in told(trace)] == [
        (5.0, "no worker published its event when that was due")
    ]
    assert lost(trace) == 5 * SECOND


def test_news_of_the_closing_makes_nothing_wait() -> None:
    """Whoever hears of the end does so after it."""
    story = Story()
    failed = story.opens("service.failed", "orders")
    run = story.starts("db.restore", failed, "w")
    story.completes(run)
    story.closes(run, "completed", done=1)
    news = Fact("the-recovery:1", "recovery.completed", "orders", f"{story.now_ms}-9")
    story.completes(story.after(50).starts("pager.tell", news, "w"))
    assert told(from_ledger(story)) == []


def test_neighbours_about_different_things_could_perhaps_go_side_by_side() -> None:
    """It is said with an if, and with no more than the shorter of the two."""
    story = Story()
    failed = story.opens("service.failed", "orders-db")
    run = story.starts("db.restore", failed, "w")
    (restored,) = story.after(10).completes(run, ("database.restored", "orders-db"))
    run = story.starts("cache.warm", restored, "w")
    (warmed,) = story.after(4).completes(run, ("cache.warmed", "orders-cache"))
    story.after(3).completes(story.starts("cache.check", warmed, "w"), ("cache.ok", "orders-cache"))
    [pair] = parallel(from_ledger(story))
    assert str(pair) == (
        "if cache.warm does not need what db.restore did, side by side saves up to 7.0 s"
    )


def test_what_is_joined_is_not_to_go_side_by_side() -> None:
    """A join needs what its branches did: that is what it is for."""
    found = parallel(from_ledger(a_whole_recovery()))
    assert {(p.first.group, p.second.group) for p in found} == {
        ("orders-db.restore", "orders-cache.warm"),
        ("orders-cache.warm", "web.reopen"),
    }
    story = Story()
    failed = story.opens("service.failed", "orders")
    run = story.starts("db.restore", failed, "w")
    restored, warmed = story.after(5).completes(
        run, ("database.restored", "db"), ("cache.warmed", "cache")
    )
    joined(story, "web.reopen", restored)
    run = story.starts("web.reopen", warmed, "w")
    story.after(5).completes(run, ("service.restarted", "web"))
    assert parallel(from_ledger(story)) == ()


def test_what_is_put_off_is_not_to_go_side_by_side() -> None:
    """Whoever puts an event off wants later what answers it."""
    story = FlowStory()
    failed = story.opens("service.failed", "orders-db")
    run = story.starts("db.restore", failed, "w")
    story.after(10).completes(run)
    later = story.puts_off(run, "look.due", "orders-db", due_in=1)
    run = story.starts("cache.look", story.after(1).publishes(later, "db.restore"), "w")
    story.after(5).completes(run, ("cache.ok", "orders-cache"))
    trace = from_ledger(story)
    assert len(trace.critical_path.steps) == 2
    assert parallel(trace) == ()


def joined(story: Story, group: str, fact: Fact) -> None:
    story._row("joined", group=group, **fact.delivery_fields, have=1, need=2)


def random_story(seed: int) -> Story:
    """Anything a worker may do, in any order that workers may do it."""
    chance, story = random.Random(seed), FlowStory()
    facts = [story.opens("service.failed", "s0")]
    waiting = [(facts[0], f"g{n}.h", 1) for n in range(chance.randint(1, 3))]
    for _ in range(chance.randint(1, 25)):
        if not waiting:
            break
        fact, group, attempt = waiting.pop(chance.randrange(len(waiting)))
        story.after(chance.choice((0, 0.01, 0.3, 5)))
        match chance.choice(("do", "do", "retry", "release", "silent", "hold", "die", "key")):
            case "hold":
                story.holds(group, fact, BREAKER, due_in=chance.random() * 9)
                waiting.append((fact, group, attempt))
                continue
            case "key":
                story.waits(group, fact, "x|1-1|y", due_in=1)
                waiting.append((fact, group, attempt))
                continue
            case what:
                run = story.starts(group, fact, f"w{chance.randint(1, 3)}", attempt=attempt)
        story.after(chance.choice((0, 0.1, 4)))
        match what:
            case "do":
                count = chance.randint(0, 2)
                published = story.completes(
                    run, *(("step.taken", f"s{chance.randint(0, 2)}") for _ in range(count))
                )
                waiting += [(f, f"g{chance.randint(0, 3)}.h", 1) for f in published]
            case "retry":
                story.retries(run, "no", due_in=chance.random() * 5)
                waiting.append((fact, group, attempt + 1))
            case "release":
                story.releases(run)
                waiting.append((fact, group, attempt))
            case "silent":
                again = story.starts(
                    group, fact, "w9", attempt=attempt + 1, taken_over_from=run.consumer
                )
                story.after(1).completes(again)
            case _:
                story.dies(run, "no")
    return story


@pytest.mark.parametrize("seed", range(150))
def test_the_numbers_hold_together_whatever_happened(seed: int) -> None:
    """Nothing is negative or counted twice, and no more is lost than the path is long."""
    story = random_story(seed)
    now = story.after(random.Random(seed).random() * 20).now
    trace = Trace.from_ledger(story.entries(), now=now)
    found = idle(trace)
    assert all(it.length >= NEGLIGIBLE for it in found)
    assert all(trace.opened <= it.since < it.until <= trace.as_of for it in found)
    reasons = [
        (step.id, hold.since, hold.until or trace.as_of)
        for step in trace.steps
        for hold in step.holds
    ]
    for one in found:
        same = [it for it in found if it.step.id == one.step.id and it is not one]
        assert all(it.until <= one.since or it.since >= one.until for it in same)
        for step, since, until in reasons:
            assert step != one.step.id or until <= one.since or since >= one.until
    spent = lost(trace, found)
    assert NONE <= spent <= trace.critical_path.duration
    assert spent <= sum((it.length for it in found), NONE)
    assert all(NEGLIGIBLE <= it.saves <= trace.critical_path.duration for it in parallel(trace))


def test_a_long_chain_is_no_burden() -> None:
    """Ten thousand steps are looked through without recursion."""
    assert lost(from_ledger(a_chain(2_000))) == NONE


def test_the_name_of_an_unanswered_death_is_that_of_its_event() -> None:
    """It is written down so that a trace need not load the events."""
    assert StepFailed.type == STEP_FAILED
