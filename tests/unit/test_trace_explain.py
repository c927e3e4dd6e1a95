"""A recovery in plain sentences: for every verdict, and for everything it may wait for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from antiphon.trace import Trace
from antiphon.trace.explain import Explanation, explain
from drawing import drawn, from_ledger, of
from flow_story import FlowStory, a_flow, a_rollback
from guarded_story import (
    BREAKER,
    BUDGET,
    PAUSE,
    RATE,
    STALENESS,
    STORM,
    Limit,
    a_guarded_recovery,
    a_loop,
)
from trace_story import Fact, a_whole_recovery

ID = "01934f00-0000-7000-8000-000000000001"
RESTART = "orders-api.restart"


def begun() -> tuple[FlowStory, Fact]:
    story = FlowStory()
    return story, story.opens("service.failed", "orders-api")


def explained(story: FlowStory, *owed: str) -> Explanation:
    """Explain an open recovery that waits for these."""
    named = replace(from_ledger(story).summary, correlation_id=ID)
    trace = Trace.from_ledger(story.entries(), owed, named, now=story.after(1).now)
    return explain(trace)


def name(fact: Fact, group: str = RESTART) -> str:
    return f"{fact.type}|{fact.entry}|{group}"


def has(sentences: tuple[str, ...], words: str) -> bool:
    return any(words in sentence for sentence in sentences)


def test_a_partial_recovery_names_what_failed_first_and_what_never_succeeded() -> None:
    """With the errors, the worker that fell silent, and the letter to replay."""
    said = explain(from_ledger(a_whole_recovery()))
    assert said.state == (
        (
            "The recovery of orders-db (service.failed) is partial, after 18.8 s (at 12:00:18): "
            "something was done, and something was not."
        ),
    )
    assert said.cause == (
        "It began with service.failed about orders-db at 12:00:00.",
        (
            "What failed first was pager.page on service.failed about orders-db, at 12:00:01: "
            "PermanentError: no such phone number"
        ),
        (
            "The worker db-host-1 fell silent while it ran orders-db.restore on service.failed "
            "about orders-db."
        ),
        (
            "pager.page on service.failed about orders-db died after 1 attempt: "
            "PermanentError: no such phone number"
        ),
        (
            "Left behind: orders-api.restart, orders-cache.warm, orders-db.restore, web.reopen "
            "took effect, and this did not: pager.page: died after 1 attempts"
        ),
    )
    assert said.waits == ()
    assert said.next == (
        (
            "Repair what killed pager.page on service.failed about orders-db, then: "
            "antiphon dead replay 1795348801200-7"
        ),
    )
    assert has(said.unknown, "why a worker fell silent")


def test_log_lines_explain_as_much() -> None:
    """But for what no line tells, which is said."""
    ledger, logs = explain(from_ledger(a_whole_recovery())), explain(of(a_whole_recovery()))
    assert (logs.state, logs.cause) == (ledger.state, ledger.cause)
    unseen = ", unless its letter was dropped"
    assert has(logs.next, unseen)
    assert tuple(it.replace(unseen, "") for it in logs.next) == ledger.next
    open_one = explain(of(begun()[0]))
    assert has(open_one.unknown, "the verdict")
    assert has(open_one.next, f"which log lines do not tell: antiphon explain {ID}")


@pytest.mark.parametrize(
    ("story", "state", "cause", "advice"),
    [
        (a_flow, "is completed", "It began with", "Nothing is to be done."),
        (a_guarded_recovery, "is partial", "Acknowledged by ada", "antiphon guards reset budget"),
        (a_loop, "is halted", "Halted by visits", f"antiphon trace {ID} --path end"),
        (a_rollback, "is cancelled", "Cancelled by ana", f"antiphon trace {ID}"),
    ],
)
def test_every_verdict_is_explained(
    story: Callable[[], FlowStory], state: str, cause: str, advice: str
) -> None:
    """What it means, what led there, what can be done."""
    said = explain(from_ledger(story()))
    assert has(said.state, state)
    assert has(said.cause, cause)
    assert has(said.next, advice)


def test_a_failed_recovery_of_which_nothing_was_done() -> None:
    """The verdict is explained in words."""
    story, failed = begun()
    run = story.starts(RESTART, failed, "api")
    story.after(1).dies(run, "PermanentError: gone")
    story.closes(run, "failed", done=0, dead=1)
    said = explain(from_ledger(story))
    assert has(said.state, "is failed, after 1.0 s (at 12:00:01): nothing of it was done")


@pytest.mark.parametrize(
    ("guard", "advice"),
    [
        (PAUSE, "antiphon resume --subject orders-api"),
        (STORM, "antiphon resume --storm"),
        (BREAKER, "antiphon guards reset breaker payments-api --reason TEXT"),
        (RATE, "comes by itself"),
    ],
)
def test_every_guard_that_holds_says_who_can_end_that(guard: Limit, advice: str) -> None:
    """A command where a person must act, and none where waiting is enough."""
    story, failed = begun()
    story.holds(RESTART, failed, guard)
    said = explained(story, name(failed))
    assert has(said.next, advice)
    assert has(said.held, f"{RESTART} on service.failed about orders-api is held by {guard.guard}")
    assert has(said.waits, "(since 12:00:00)")


def test_people_who_are_asked_are_named_with_both_commands() -> None:
    """And who asked for the recovery, and may not answer."""
    story, failed = begun()
    story.asks(RESTART, failed, ("ana", "ben"))
    said = explained(story, name(failed))
    [asked] = (sentence for sentence in said.next if "must answer" in sentence)
    assert asked.startswith("ana or ben must answer")
    assert "antiphon approve " in asked
    assert "antiphon deny " in asked


def retrying(story: FlowStory, failed: Fact) -> None:
    story.retries(story.starts(RESTART, failed, "api"), "late", due_in=60)


def retry_overdue(story: FlowStory, failed: Fact) -> None:
    story.retries(story.starts(RESTART, failed, "api"), "late", due_in=1)
    story.after(30)


def released(story: FlowStory, failed: Fact) -> None:
    story.releases(story.starts(RESTART, failed, "api"))


def running(story: FlowStory, failed: Fact) -> None:
    story.progresses(story.starts(RESTART, failed, "api"), 0.5, "copying")


def keyed(story: FlowStory, failed: Fact) -> None:
    story.waits(RESTART, failed, "x|1-1|y", due_in=1)


def unbegun(story: FlowStory, failed: Fact) -> None:
    pass


@pytest.mark.parametrize(
    ("happens", "words", "advice"),
    [
        (retrying, "attempt 2 due in", "comes by itself at 12:01:00"),
        (retry_overdue, "attempt 2 was due", "does a worker of orders-api run?"),
        (released, "handed back", "does a worker of orders-api run?"),
        (running, "50% copying", "is being worked on"),
        (keyed, "holds its idempotency key", "when the other delivery has ended"),
        (unbegun, "has not begun", "antiphon groups retire orders-api.restart"),
    ],
)
def test_every_delivery_that_is_owed_says_what_it_waits_for(
    happens: Callable[[FlowStory, Fact], None], words: str, advice: str
) -> None:
    """Also when the answer is to wait."""
    story, failed = begun()
    happens(story, failed)
    said = explained(story, name(failed))
    assert has(said.waits, words)
    assert has(said.next, advice)
    assert said.next[-1] == f"Follow it: antiphon watch {ID}"


@pytest.mark.parametrize(
    ("owed", "words", "advice"),
    [
        ("later|event-1|look.due", "was put off", "antiphon watch"),
        ("join|web.reopen|web.reopen", "waits for branches", "antiphon watch"),
        ("undo|2|", "2 steps are still to be undone", "Undoing goes on by itself"),
        ("child|the-child|service.failed", "is not over", "antiphon explain the-child"),
        ("service.failed|1-1|?", "no handler is subscribed", "Deploy a handler of service.failed"),
    ],
)
def test_whatever_else_is_owed_is_explained(owed: str, words: str, advice: str) -> None:
    """Instants, joins, rollbacks, children, and events that nobody hears."""
    said = explained(begun()[0], owed)
    assert has(said.waits, words)
    assert has(said.next, advice)


def test_an_open_recovery_that_waits_for_nothing_says_so() -> None:
    """That should not be, so the doctor is to look at it."""
    assert has(explained(begun()[0]).next, "antiphon doctor")


def test_an_escalation_that_nobody_has_acknowledged_comes_first() -> None:
    """Before anything else, the others are to know that somebody has it."""
    story, failed = begun()
    story.suppresses(RESTART, failed, BUDGET, "spent")
    story.escalates(BUDGET, "spent")
    said = explained(story, "undo|1|")
    assert said.next[0].endswith(f"antiphon ack {ID}")
    assert has(said.held, "was kept from running by budget")


def test_a_failure_too_old_to_act_on_is_to_be_published_anew() -> None:
    """If it is still there."""
    story, failed = begun()
    story.suppresses(RESTART, failed, STALENESS, "too old")
    assert has(explained(story).next, "too old to act on")


def test_a_death_that_was_delivered_again_is_not_to_be_replayed() -> None:
    """Only letters that are still there are named."""
    story, failed = begun()
    run = story.starts(RESTART, failed, "api")
    dead = story.dies(run, "no")
    story.closes(run, "failed", done=0, dead=1)
    again = story.replays(run, dead)
    story.completes(story.starts(RESTART, again, "api"))
    said = explain(from_ledger(story))
    assert not has(said.next, "antiphon dead replay")
    assert has(said.cause, "it was delivered again")


def test_who_threw_a_dead_letter_away_is_said() -> None:
    """From the ledger and from log lines; nobody is advised to deliver it again."""
    story, failed = begun()
    run = story.starts(RESTART, failed, "api")
    dead = story.dies(run, "no")
    story.closes(run, "failed", done=0, dead=1)
    story.after(60).discards(run, dead, "ana", "it was rebuilt")
    for trace in (from_ledger(story), of(story)):
        said = explain(trace)
        assert not has(said.next, "antiphon dead replay")
        assert has(said.cause, "; its dead letter was thrown away by ana: it was rebuilt")
        note = f"- dead letter {dead} thrown away by ana: it was rebuilt"
        assert any(note in line for line in drawn(trace, width=120))
        [thrown] = trace.to_dict()["discards"]
        assert thrown == {
            "at": thrown["at"],
            "dead_letter": dead,
            "group": RESTART,
            "event": failed.id,
            "by": "ana",
            "reason": "it was rebuilt",
        }


def test_a_letter_is_thrown_away_by_somebody() -> None:
    """Nobody need be named, and no reason given."""
    story, failed = begun()
    run = story.starts(RESTART, failed, "api")
    story.discards(run, story.dies(run, "no"), "", "")
    assert has(explain(from_ledger(story)).cause, "; its dead letter was thrown away")


def test_what_comes_from_outside_is_made_safe() -> None:
    """An escape sequence in a subject or an error is not obeyed."""
    story = FlowStory()
    failed = story.opens("service.failed", "orders\x1b[2J")
    story.dies(story.starts(RESTART, failed, "api"), "boom\x1b]0;title\x07")
    assert "\x1b" not in str(explain(from_ledger(story)))


def test_a_recovery_of_which_nothing_is_known_is_not_guessed_at() -> None:
    """The beginning and the verdict are said to be missing."""
    said = explain(Trace.from_ledger([]))
    assert has(said.cause, "What began it is not known")
    assert has(said.unknown, "the opening")
    assert has(said.time, "No handler has run")


def test_as_json_every_part_is_a_list_of_sentences() -> None:
    """Programs read these names."""
    document = explain(from_ledger(a_whole_recovery())).to_dict()
    assert list(document) == [
        "correlation_id",
        "state",
        "cause",
        "waits",
        "held",
        "time",
        "next",
        "unknown",
    ]
    assert all(isinstance(part, list) for key, part in document.items() if key != "correlation_id")
