"""Two recoveries side by side, step by step."""

from __future__ import annotations

from antiphon.trace.difference import compare
from drawing import from_ledger
from flow_story import a_rollback
from trace_story import Story, a_whole_recovery

DB, CACHE = "orders-db.restore", "orders-cache.warm"


def told(*, seconds: float = 1, attempts: int = 1, dies: bool = False, warms: bool = True) -> Story:
    """A database is restored, perhaps at a second attempt, and a cache warmed."""
    story = Story()
    failed = story.opens("service.failed", "orders-db")
    for number in range(1, attempts):
        story.retries(story.starts(DB, failed, "w", attempt=number), "busy", due_in=0)
    run = story.starts(DB, failed, "w", attempt=attempts)
    if dies:
        story.after(seconds).dies(run, "no")
        story.closes(run, "failed", done=0, dead=1)
        return story
    (restored,) = story.after(seconds).completes(run, ("database.restored", "orders-db"))
    if warms:
        story.after(2).completes(story.starts(CACHE, restored, "w"))
    story.closes(run, "completed", done=2)
    return story


def remarks(a: Story, b: Story) -> dict[str, tuple[str, ...]]:
    return {pair.group: pair.remarks for pair in compare(from_ledger(a), from_ledger(b)).pairs}


def test_a_recovery_is_like_itself() -> None:
    """Whatever its ids and instants are."""
    found = compare(from_ledger(a_whole_recovery()), from_ledger(a_whole_recovery(now_ms=10**12)))
    assert not found.differs
    assert len(found.pairs) == 7
    assert all(pair.remarks == () for pair in found.pairs)


def test_times_and_attempts_are_compared() -> None:
    """With the factor, and from a quarter on; they are no difference in what happened."""
    a, b = told(), told(seconds=3, attempts=2)
    assert remarks(a, b) == {
        DB: ("2 instead of 1 attempt", "took 2.0 s longer (3x)"),
        CACHE: (),
    }
    assert not compare(from_ledger(a), from_ledger(b)).differs
    assert remarks(told(), told(seconds=1.2)) == {DB: (), CACHE: ()}


def test_a_step_that_only_one_has_is_named() -> None:
    """Which one, and that this is a difference."""
    found = compare(from_ledger(told()), from_ledger(told(warms=False)))
    assert [(pair.group, pair.only_in, pair.remarks) for pair in found.pairs if pair.remarks] == [
        (CACHE, "a", ("only in A",)),
        *((p.group, "", p.remarks) for p in found.pairs if p.group == DB and p.remarks),
    ]
    assert found.differs
    assert "1 step only in A, 0 steps only in B" in list(found.headlines())


def test_outcomes_and_verdicts_are_compared() -> None:
    """Both are said, and so is where the critical paths end."""
    found = compare(from_ledger(told()), from_ledger(told(dies=True)))
    assert found.verdicts == ("completed", "failed")
    assert found.pairs[0].remarks[0] == "completed in A, died in B"
    heads = list(found.headlines())
    assert f"the critical path ends with {DB} > {CACHE} in A, with {DB} in B" in heads
    assert found.differs


def test_the_same_end_by_another_way_is_a_difference() -> None:
    """A step that ended differently counts, although all else is as it was."""

    def one(*, dies: bool) -> Story:
        story = Story()
        failed = story.opens("service.failed", "orders-db")
        run = story.starts(DB, failed, "w")
        if dies:
            story.dies(run, "no")
        else:
            story.completes(run)
        story.closes(run, "partial", done=1, dead=1)
        return story

    found = compare(from_ledger(one(dies=False)), from_ledger(one(dies=True)))
    assert found.verdicts == ("partial", "partial")
    assert found.differs
    assert not compare(found.a, found.a).differs


def test_an_undo_is_not_the_step_it_takes_back() -> None:
    """It stands beside the undo of the other, or alone."""
    found = compare(from_ledger(told(warms=False)), from_ledger(a_rollback()))
    pairs = [(pair.undo, pair.only_in) for pair in found.pairs if pair.group == DB]
    assert pairs == [(False, ""), (True, "b")]


def test_several_of_a_kind_are_matched_in_their_order() -> None:
    """The first with the first; what is over stands alone."""

    def tries(count: int) -> Story:
        story = Story()
        fact = story.opens("service.failed", "orders-db")
        for _ in range(count):
            run = story.starts(DB, fact, "w")
            (fact,) = story.after(1).completes(run, ("service.failed", "orders-db"))
        return story

    found = compare(from_ledger(tries(3)), from_ledger(tries(2)))
    assert [pair.only_in for pair in found.pairs] == ["", "", "a"]


def test_as_json_everything_has_two_values() -> None:
    """Programs read these names."""
    document = compare(from_ledger(told()), from_ledger(told(seconds=3))).to_dict()
    assert document["verdicts"] == ["completed", "completed"]
    assert document["duration_ms"] == [3000, 5000]
    assert document["steps"][0] == {
        "group": DB,
        "event_type": "service.failed",
        "subject": "orders-db",
        "undo": False,
        "only_in": None,
        "outcomes": ["completed", "completed"],
        "attempts": [1, 1],
        "took_ms": [1000, 3000],
        "ratio": 3.0,
        "held_ms": [0, 0],
        "critical": [True, True],
        "remarks": ["took 2.0 s longer (3x)"],
    }
