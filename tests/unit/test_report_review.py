"""Digests and reviews: what is counted of recoveries, and that it is counted right."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.audit import Audit, AuditRow
from antiphon.errors import PermanentError
from antiphon.instants import instant
from antiphon.report.digest import REST, Digest, Episode, episodes
from antiphon.report.markdown import markdown
from antiphon.report.page import page
from antiphon.report.percentiles import Lengths
from antiphon.report.quarter import Sources, review_document, review_json
from antiphon.report.review import Review
from antiphon.trace import Acknowledgement, Escalation, Guard
from drawing import from_ledger
from flow_story import a_flow, a_rollback
from guarded_story import a_guarded_recovery, a_loop
from reporting import StrictReader
from trace_story import a_whole_recovery

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SINCE = NOW - timedelta(days=90)

instants = st.integers(0, 90 * 24 * 3600 * 1000).map(lambda ms: SINCE + timedelta(milliseconds=ms))
counts = st.dictionaries(st.sampled_from(["a.b", "a.c", "d.e"]), st.integers(1, 9), max_size=3)
acts = st.dictionaries(
    st.sampled_from(["approve|a.b", "replay|a.c", "cancel|", "acknowledge|"]), st.integers(1, 5)
)


@st.composite
def digests(draw: st.DrawFn) -> Digest:
    opened = draw(instants)
    closed = draw(st.none() | st.timedeltas(timedelta(), timedelta(days=2)))
    told = draw(st.lists(st.tuples(instants, st.none() | st.timedeltas(timedelta(), timedelta(1)))))
    return Digest(
        correlation_id=draw(st.uuids()).hex,
        type=draw(st.sampled_from(["service.failed", "database.failed"])),
        subject=draw(st.sampled_from(["orders-db", "orders-api", "web"])),
        verdict=None
        if closed is None
        else draw(st.sampled_from(["completed", "partial", "failed", "halted", "cancelled"])),
        opened=opened.replace(microsecond=opened.microsecond // 1000 * 1000),
        closed=None if closed is None else _whole(opened + closed),
        closes=draw(st.integers(1, 3)) if closed is not None else draw(st.integers(0, 2)),
        relapse=draw(st.booleans()),
        child=draw(st.booleans()),
        stalled=draw(st.booleans()),
        coalesced=draw(st.integers(0, 5)),
        retries=draw(counts),
        dead=draw(counts),
        by_hand=draw(acts),
        episodes=tuple(
            Episode(_whole(at), after if after is None else _whole(at + after), 1)
            for at, after in told
        ),
    )


def _whole(moment: datetime) -> datetime:
    """Cut an instant to milliseconds, as Redis's clock is kept."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def reviewed(found: Sequence[Digest]) -> Review:
    review = Review(since=SINCE, until=NOW)
    for digest in found:
        review.add(digest)
    return review


def sources(**changes: Any) -> Sources:
    known = {
        "now": NOW,
        "recorded_since": NOW - timedelta(days=7),
        "whole_since": NOW - timedelta(days=400),
        "filing": True,
        "full_days": (),
        "unreadable": 0,
        "audit": Audit(rows=(), whole=True),
    }
    return Sources(**{**known, **changes})


@given(digests())
def test_a_digest_is_read_as_it_was_written(digest: Digest) -> None:
    """Nothing is lost on the way through the history, at the precision of the server's clock."""
    assert Digest.from_bytes(digest.correlation_id, digest.to_bytes()) == digest


@given(st.lists(digests(), unique_by=lambda it: it.correlation_id))
def test_a_review_adds_up(found: list[Digest]) -> None:
    """Every table has each recovery once; every percentile is a time that was measured."""
    review, document = reviewed(found), reviewed(found).to_dict()
    assert review.total.count == len(found)
    for tallies in (review.causes, review.types, review.subjects, review.months):
        tables: Any = tallies
        assert sum(tally.count for tally in tables.values()) == len(found)
        assert sum(tally.relapses for tally in tables.values()) == review.total.relapses
        together = sum((tally.verdicts for tally in tables.values()), Counter[str]())
        assert together == review.total.verdicts
    relapses = sum(it.relapse for it in found)
    assert review.relapse_rate == (relapses / len(found) if found else None)
    retries = sum((Counter(it.retries) for it in found), Counter[str]())
    assert {name: it.retries for name, it in review.handlers.items() if it.retries} == retries
    assert review.acts.total() == sum(sum(it.by_hand.values()) for it in found)
    told = [episode for it in found for episode in it.episodes]
    assert (review.told, len(review.to_acknowledge)) == (
        len(told),
        sum(it.acked is not None for it in told),
    )
    took = sorted(it.took for it in found if it.verdict == "completed" and it.took is not None)
    spread = document["recovery_time_ms"]
    assert spread["count"] == len(took)
    if took:
        ranked = [took[math.ceil(p / 100 * len(took)) - 1] for p in (50, 95, 100)]
        assert [spread["p50"], spread["p95"], spread["max"]] == [
            it // timedelta(milliseconds=1) for it in ranked
        ]
    longest = [it.took for it in review.longest]
    assert longest == sorted((it.took for it in found if it.took is not None), reverse=True)[:10]


def test_a_recovery_may_take_no_time_at_all() -> None:
    """Closed at the instant of its first event, by the server's milliseconds."""
    digest = Digest.of(from_ledger(a_whole_recovery()))
    told = orjson.loads(review_json(reviewed([replace(digest, closed=digest.opened)]), sources()))
    assert told["longest"][0]["duration_ms"] == 0


@given(st.lists(digests(), unique_by=lambda it: it.correlation_id, max_size=12))
def test_the_order_of_recoveries_does_not_matter(found: list[Digest]) -> None:
    """A review is the same from whichever end the history is read, and renders."""
    there, back = reviewed(found), reviewed(found[::-1])
    assert review_json(there, sources()) == review_json(back, sources())
    StrictReader.read(page(review_document(there, sources())))
    assert markdown(review_document(there, sources()))


@given(st.lists(st.integers(0, 10**9), min_size=1), st.integers(1, 100))
def test_percentiles_are_by_nearest_rank(lengths: list[int], p: int) -> None:
    """Of all that were measured, at least p of 100 are no longer; and no shorter one is so."""
    found = Lengths()
    for length in lengths:
        found.add(timedelta(milliseconds=length))
    at = found.percentile(p)
    assert at is not None
    value = at // timedelta(milliseconds=1)
    assert value in lengths
    assert 100 * sum(length <= value for length in lengths) >= p * len(lengths)
    assert 100 * sum(length < value for length in lengths) < p * len(lengths)


def test_no_lengths_have_no_percentile() -> None:
    """Nothing measured is not zero."""
    assert Lengths().percentile(50) is None


def test_a_digest_tells_what_a_review_asks() -> None:
    """Retries and dead letters by handler, what people did, relapse, escalations."""
    whole = Digest.of(from_ledger(a_whole_recovery()))
    assert (whole.retries, whole.dead) == ({"orders-db.restore": 1}, {"pager.page": 1})
    assert (whole.type, whole.subject, whole.verdict) == ("service.failed", "orders-db", "partial")
    assert whole.took == timedelta(seconds=18.8)
    guarded = Digest.of(from_ledger(a_guarded_recovery()))
    assert guarded.relapse
    assert guarded.by_hand == {"acknowledge|": 1}
    [episode] = guarded.episodes
    assert episode.acked is not None
    assert (episode.tier, episode.acked - episode.told) == (2, timedelta(minutes=16))
    rollback = Digest.of(from_ledger(a_rollback()))
    assert (rollback.stalled, rollback.by_hand) == (True, {"cancel|": 1})


@pytest.mark.parametrize("story", [a_whole_recovery, a_guarded_recovery, a_flow, a_loop])
def test_a_digest_is_small(story: Any) -> None:
    """A few hundred bytes, whatever happened."""
    digest = Digest.of(from_ledger(story()))
    assert len(digest.to_bytes()) < 400


def test_what_anybody_publishes_cannot_grow_a_digest() -> None:
    """Of very many handlers the twenty with most retries are kept, and the sum of the others."""
    story = a_whole_recovery()
    fact = story.opens("service.failed", "x")
    for number in range(300):
        story.retries(story.starts(f"a.handler-{number:03}", fact, "w"), "no", due_in=1)
    digest = Digest.of(from_ledger(story))
    assert len(digest.retries) == 21
    assert sum(digest.retries.values()) == 301
    assert digest.retries[REST] == 281


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b'{"v":2}', b'{"v":1}', b'{"v":1,"o":"x"}'])
def test_a_damaged_digest_is_refused(raw: bytes) -> None:
    """What cannot be read says so, so that it can be counted."""
    with pytest.raises(PermanentError, match="the digest of 'some-id'"):
        Digest.from_bytes("some-id", raw)


def test_people_are_told_once_until_they_acknowledge() -> None:
    """Further tiers belong to the first telling; what follows an acknowledgement is another."""
    guard = Guard(kind="budget", name="", limit=None, value=None)

    def told(at: int, tier: int) -> Escalation:
        return Escalation(guard=guard, at=instant(at), event_id="", why="", tier=tier)

    acks = [Acknowledgement(at=instant(at), by="ana", why="") for at in (50, 60)]
    assert list(episodes([told(10, 1), told(20, 2), told(70, 1)], acks)) == [
        Episode(instant(10), instant(50), 2),
        Episode(instant(70), None, 1),
    ]


def months(document: str) -> list[str]:
    table = document.partition("## By month\n")[2].partition("\n## ")[0]
    return [
        line.split(" | ")[0].removeprefix("| ") for line in table.splitlines() if "| 20" in line
    ]


def test_a_long_span_has_a_trend_by_month() -> None:
    """Each month of it, those without a recovery too; a month that is cut off says so."""
    digest = Digest.of(from_ledger(a_whole_recovery()))
    found = [replace(digest, opened=at, closed=at) for at in (NOW, NOW - timedelta(days=60))]
    text = markdown(review_document(reviewed(found), sources()))
    assert months(text) == ["2026-08 (in part)", "2026-09", "2026-10", "2026-11 (in part)"]
    short = Review(since=NOW - timedelta(days=30), until=NOW)
    short.add(digest)
    assert "## By month" not in markdown(review_document(short, sources()))


def test_what_is_not_known_is_said() -> None:
    """How far back it goes, days that are full, digests that cannot be read, an audit cut off."""
    digest = Digest.of(from_ledger(a_whole_recovery()))
    known = sources(
        whole_since=NOW - timedelta(days=20),
        full_days=("2026-11-20",),
        unreadable=3,
        damaged=("r|1", "r2"),
        stands_since=NOW - timedelta(days=30),
        audit=Audit(rows=(), whole=False),
    )
    text = markdown(review_document(reviewed([digest]), known))
    assert "Nothing is missing since 2026-11-02 12:00 UTC. Before that" in text
    assert "days with too many recoveries: 2026-11-20." in text
    assert "3 digests could not be read" in text
    assert "No digest has been filed since 2026-10-23 12:00 UTC" in text
    assert "records could not be read (2), because something else wrote" in text
    assert review_json(reviewed([digest]), known).count('"r2"') == 1
    assert "as far back as the audit goes" in text
    assert months(text) == ["2026-11 (in part)"]
    assert "Nothing is known of 2026-08, 2026-09, 2026-10." in text
    off = sources(whole_since=NOW - timedelta(days=7), filing=False)
    assert "no digests are filed" in markdown(review_document(reviewed([digest]), off))
    whole = markdown(review_document(reviewed([digest]), sources()))
    assert "Nothing is missing: recoveries are known since" in whole


def test_an_empty_review_says_so() -> None:
    """No recovery is an answer as well."""
    text = markdown(review_document(reviewed([]), sources()))
    assert "No recovery opened in this time" in text


def test_what_people_switched_is_counted_from_the_audit() -> None:
    """Guards that pause by themselves are no people."""
    rows = tuple(
        AuditRow(at=NOW, action=action, what="*", by=by, reason="")
        for action, by in (
            ("pause", "ana"),
            ("pause", "relapse guard"),
            ("resume", "ana"),
            ("reset", "ben"),
        )
    )
    text = markdown(review_document(reviewed([]), sources(audit=Audit(rows=rows, whole=True))))
    for line in ("paused the automation: once", "resumed it: once", "reset a guard: once"):
        assert f"- {line}\n" in text
