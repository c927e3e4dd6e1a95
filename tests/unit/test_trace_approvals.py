"""Approvals in the trace of a recovery: whom a step asked, who answered, what followed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from antiphon.instants import iso
from antiphon.ledger import Entry
from antiphon.trace import Approval, Step, StepOutcome, Trace
from antiphon.trace.approvals import course, people
from flow_story import ASKED, RESTORE, FlowStory
from guarded_story import Limit
from trace_story import Fact

SECOND = timedelta(seconds=1)


def failing() -> tuple[FlowStory, Fact]:
    story = FlowStory()
    return story, story.opens("service.failed", "orders-db")


def from_ledger(story: FlowStory) -> Trace:
    owed = f"service.failed|{story.entries()[1].text('entry')}|{RESTORE}"
    return Trace.from_ledger(story.entries(), (owed,), now=story.now)


def from_logs(story: FlowStory) -> Trace:
    return Trace.from_logs(story.lines, story.correlation_id, now=story.now)


SOURCES = pytest.mark.parametrize("trace_of", [from_ledger, from_logs])
TraceOf = Callable[[FlowStory], Trace]


def only(trace: Trace) -> tuple[Approval, Step]:
    [approval], [step] = trace.approvals, trace.steps
    return approval, step


def words(trace: Trace) -> str:
    [owed] = trace.outstanding
    return owed.words.partition(", waits for approval ")[2]


@SOURCES
def test_who_may_answer_is_named_with_the_command(trace_of: TraceOf) -> None:
    """Whoever reads the trace knows whom to ask, until when, and what they type."""
    story, failed = failing()
    story.after(1).asks(RESTORE, failed, due_in=600)
    trace = trace_of(story.after(2))
    approval, step = only(trace)
    assert (step.outcome, approval.state, approval.tier) == (StepOutcome.HELD, "waiting", 1)
    assert (approval.who, approval.quorum, approval.requester) == (("ana", "ben"), 1, "carl")
    assert words(trace) == "a1 by ana or ben until 12:10:01: antiphon approve a1"


@SOURCES
def test_who_has_agreed_so_far_is_named(trace_of: TraceOf) -> None:
    """One of two is not enough, and the next one knows who was first."""
    story, failed = failing()
    story.asks(RESTORE, failed, ("ana", "ben", "eve"), quorum=2)
    story.after(5).agrees(RESTORE, failed, "ben", "go on", votes=1, quorum=2)
    trace = trace_of(story)
    approval, _ = only(trace)
    assert (approval.state, [vote.by for vote in approval.votes]) == ("waiting", ["ben"])
    assert words(trace) == (
        "a1 by 2 of ana, ben, eve (ben agreed) until 12:10:00: antiphon approve a1"
    )


@SOURCES
def test_enough_who_agree_let_it_run(trace_of: TraceOf) -> None:
    """Each of them is kept with the reason."""
    story, failed = failing()
    story.asks(RESTORE, failed, quorum=2)
    story.after(5).agrees(RESTORE, failed, "ben", "go on", votes=1, quorum=2)
    story.after(5).agrees(RESTORE, failed, "ana", "the backup is fresh", votes=2, quorum=2)
    run = story.after(1).starts(RESTORE, failed, "db-host")
    story.after(1).completes(run)
    approval, step = only(trace_of(story))
    assert (approval.state, step.outcome) == ("granted", StepOutcome.COMPLETED)
    assert [text for _, text in course(approval)] == [
        "approved by ben (1 of 2): go on",
        "approved by ana (2 of 2): the backup is fresh",
    ]
    assert step.holds[0].until == step.start


@SOURCES
def test_one_who_refuses_ends_it(trace_of: TraceOf) -> None:
    """The delivery is suppressed, and nobody is left to ask."""
    story, failed = failing()
    story.asks(RESTORE, failed, quorum=2)
    story.after(5).refuses(RESTORE, failed, "ana", "not on a Friday")
    approval, step = only(trace_of(story))
    assert (approval.state, step.outcome) == ("denied", StepOutcome.SUPPRESSED)
    assert approval.denial is not None
    assert (approval.denial.by, approval.denial.reason) == ("ana", "not on a Friday")
    assert step.note == "denied by ana: not on a Friday"
    assert step.suppression is not None
    assert step.suppression.guard.kind == "approval"


@SOURCES
@pytest.mark.parametrize(
    ("otherwise", "state", "text"),
    [
        ("deny", "expired", "nobody answered, so it was denied"),
        ("proceed", "expired", "nobody answered, so it went on without"),
        ("escalate", "waiting", "nobody answered, so people were told; it goes on waiting"),
    ],
)
def test_what_follows_when_nobody_answers_is_said(
    otherwise: str, state: str, text: str, trace_of: TraceOf
) -> None:
    """The step was given up, ran all the same, or waits on."""
    story, failed = failing()
    story.asks(RESTORE, failed, otherwise=otherwise, due_in=60)
    story.after(61).is_not_answered(RESTORE, failed, otherwise)
    trace = trace_of(story)
    approval, _ = only(trace)
    assert approval.state == state
    assert [said for _, said in course(approval)] == [text]
    assert words(trace) == "a1 by ana or ben, which nobody gave by 12:01:00: antiphon approve a1"


@SOURCES
def test_nobody_is_asked_once_the_recovery_is_cancelled(trace_of: TraceOf) -> None:
    """The delivery ended for another reason, so no answer is waited for."""
    story, failed = failing()
    story.asks(RESTORE, failed)
    story.after(5).is_cancelled("ana", "maintenance")
    story.suppresses(RESTORE, failed, Limit("cancel", "recovery"), "the recovery was cancelled")
    approval, step = only(trace_of(story))
    assert (approval.state, step.outcome) == ("dropped", StepOutcome.SUPPRESSED)


@SOURCES
def test_a_further_tier_is_asked_as_well(trace_of: TraceOf) -> None:
    """Who may answer grows, and the time begins anew."""
    story, failed = failing()
    story.asks(RESTORE, failed, due_in=60)
    story.after(60).is_not_answered(RESTORE, failed, "next tier")
    story.asks(RESTORE, failed, ("ana", "ben", "eve"), due_in=60, tier=2)
    trace = trace_of(story)
    approval, _ = only(trace)
    assert (approval.tier, approval.state) == (2, "waiting")
    assert [said for _, said in course(approval)] == [
        "nobody of tier 1 answered, so tier 2 was asked"
    ]
    assert words(trace) == "a1 by ana, ben or eve until 12:02:00: antiphon approve a1"


@pytest.mark.parametrize(
    ("who", "quorum", "named"),
    [
        ((), 1, "anybody"),
        ((), 2, "2 people"),
        (("ana",), 1, "ana"),
        (("ana", "ben", "eve"), 1, "ana, ben or eve"),
        (("ana", "ben", "eve"), 3, "ana, ben and eve"),
        (("ana", "ben", "eve"), 2, "2 of ana, ben, eve"),
    ],
)
def test_people_are_named_as_one_would(who: tuple[str, ...], quorum: int, named: str) -> None:
    """One of several, some of them, or all."""
    story, failed = failing()
    story.asks(RESTORE, failed, who, quorum=quorum)
    assert people(only(from_ledger(story))[0]) == named


def test_an_approval_without_a_limit_has_no_instant() -> None:
    """It waits until somebody answers."""
    story, failed = failing()
    story.asks(RESTORE, failed, due_in=None)
    assert words(from_ledger(story)) == "a1 by ana or ben: antiphon approve a1"


def test_what_asked_for_it_may_be_gone() -> None:
    """A trimmed ledger holds the delivery still, and that is enough to answer."""
    story, failed = failing()
    story.asks(RESTORE, failed)
    rows = [row for row in story.entries() if row.kind != "asked"]
    owed = f"service.failed|{failed.entry}|{RESTORE}"
    [waiting] = Trace.from_ledger(rows, (owed,), now=story.now).outstanding
    assert waiting.words.endswith("waits for approval a1: antiphon approve a1")


def test_an_answer_may_come_before_its_question() -> None:
    """Clocks of log files disagree; both are known in the end."""
    story, failed = failing()
    story.asks(RESTORE, failed)
    story.agrees(RESTORE, failed, "ana", "go on")
    asked, held, granted = story.lines[-3:]
    lines = [*story.lines[:-3], granted, held, asked]
    for order in (story.lines, lines):
        [approval] = Trace.from_logs(order, story.correlation_id).approvals
        assert (approval.state, approval.who) == ("granted", ("ana", "ben"))


def test_a_log_with_the_last_vote_alone_says_that_it_was_granted() -> None:
    """Commands of others may have logged elsewhere."""
    story, failed = failing()
    story.asks(RESTORE, failed, quorum=2)
    lines = list(story.lines)
    story.agrees(RESTORE, failed, "ben", "go on", votes=2, quorum=2)
    [approval] = Trace.from_logs([*lines, story.lines[-1]], story.correlation_id).approvals
    assert approval.state == "granted"
    assert [said for _, said in course(approval)] == ["approved by ben: go on"]


def test_an_approval_as_json_has_stable_keys() -> None:
    """Programs read these names."""
    story, failed = failing()
    story.asks(RESTORE, failed, otherwise="deny", due_in=60)
    began = story.now
    story.after(1).agrees(RESTORE, failed, "ben", "go on")
    [found] = from_ledger(story).to_dict()["approvals"]
    at = iso(began + SECOND)
    assert found == {
        "id": ASKED,
        "state": "granted",
        "group": RESTORE,
        "event": failed.id,
        "entry": failed.entry,
        "requester": "carl",
        "asked": iso(began),
        "who": ["ana", "ben"],
        "quorum": 1,
        "tier": 1,
        "due": iso(began + 60 * SECOND),
        "otherwise": "deny",
        "votes": [{"at": at, "by": "ben", "reason": "go on"}],
        "granted": at,
        "denial": None,
        "expiries": [],
    }
    story.after(1).refuses(RESTORE, failed, "ana", "")
    story.is_not_answered(RESTORE, failed, "deny")
    [found] = from_ledger(story).to_dict()["approvals"]
    assert found["denial"].keys() == {"at", "by", "reason"}
    assert found["expiries"][0].keys() == {"at", "tier", "otherwise"}


@pytest.mark.parametrize("kind", ["asked", "approved", "denied", "expired"])
def test_rows_that_lack_what_they_should_hold_do_no_harm(kind: str) -> None:
    """A row somebody damaged costs what it says, not the trace."""
    story, failed = failing()
    story.asks(RESTORE, failed)
    damaged = Entry(story.now, f"{story.now_ms}-0", kind, {"approval": ASKED, "quorum": "two"})
    Trace.from_ledger([*story.entries(), damaged], now=story.now).to_dict()


def test_a_tier_of_whose_silence_no_line_tells_is_missed() -> None:
    """What follows when nobody answers follows when the last tier has not: so the first had not."""
    story, failed = failing()
    story.asks(RESTORE, failed, ("ana",), due_in=60, otherwise="proceed", then=[["ben"]])
    story.after(120).is_not_answered(RESTORE, failed, "proceed")
    lack = "when 1 of 2 tiers did not answer the approval a1"
    assert lack in from_logs(story).missing
    story, failed = failing()
    story.asks(RESTORE, failed, ("ana",), due_in=60, otherwise="proceed", then=[["ben"]])
    story.after(60).is_not_answered(RESTORE, failed, "next tier")
    story.after(60).is_not_answered(RESTORE, failed, "proceed", tier=2)
    assert lack not in from_logs(story).missing
