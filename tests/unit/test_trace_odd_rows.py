"""Ledgers that were trimmed, damaged, or written by hand or by a newer release: what is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from antiphon.instants import EPOCH
from antiphon.ledger import Entry
from antiphon.trace import Trace
from trace_story import Story, begun


@pytest.mark.parametrize("entry", ["1-1", "18446744073709551615-1", "9999999999999-0", "", "x"])
def test_an_entry_id_made_by_hand_tells_no_time(entry: str) -> None:
    """The row's own time counts instead, so that one odd id does not stretch the picture."""
    story = Story()
    story.opens("service.failed", "orders-db", logged=False)
    odd = [replace(e, fields={**e.fields, "entry": entry}) for e in story.entries()]
    assert Trace.from_ledger(odd).events[0].time == story.now


def test_a_trimmed_ledger_is_said_to_be_trimmed() -> None:
    """What remains is shown, and what is gone is named."""
    trace = Trace.from_ledger(begun()[0].entries()[2:])
    assert trace.missing == ("the opening: the ledger begins after it, as if it had been trimmed",)
    assert [step.event_type for step in trace.steps] == ["service.failed"]


def test_rows_of_a_newer_release_are_passed_over_and_named() -> None:
    """A ledger that a newer worker wrote can still be read."""
    story = begun()[0]
    newer = Entry(story.now, "1-0", "foretold", {"by": "ada"})
    assert Trace.from_ledger([*story.entries(), newer]).missing == (
        "the meaning of rows of kind 'foretold': a newer release wrote them",
    )


def test_bytes_that_are_not_text_and_numbers_that_are_none_do_no_harm() -> None:
    """A row somebody damaged costs what it says, not the trace."""
    row = {b"kind": b"started", b"group": b"a.b", b"event": b"\xff", b"attempt": b"two"}
    [step] = Trace.from_ledger([Entry.from_row(b"1795348800000-0", row)]).steps
    assert (step.event_id, step.attempts[0].no) == ("\ufffd", 1)


@pytest.mark.parametrize("ms", ["1e17", "-1e17", "99999999999999"])
def test_an_attempt_that_lasted_beyond_all_reason_does_no_harm(ms: str) -> None:
    """Its beginning is reckoned from its end, and not before instants can be told."""
    row = {"kind": "died", "group": "a.b", "event": "e1", "entry": "1-0", "ms": ms, "tier": ms}
    raw = {name.encode(): value.encode() for name, value in row.items()}
    [step] = Trace.from_ledger([Entry.from_row(b"1795348800000-0", raw)]).steps
    assert EPOCH <= step.start <= datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_causes_that_form_a_ring_do_not_go_on_for_ever() -> None:
    """Whoever writes an entry can claim any cause, even itself."""
    story, failed, _ = begun()
    ring = [replace(e, fields={**e.fields, "cause": failed.id}) for e in story.entries()]
    assert [step.group for step in Trace.from_ledger(ring).critical_path.steps] == [
        "orders-api.restart"
    ]
