"""The chain of causes that led to one thing in a recovery."""

from __future__ import annotations

from dataclasses import replace

import pytest

from antiphon.errors import AntiphonError
from antiphon.trace import Step, Trace
from antiphon.trace.causes import causes
from drawing import from_ledger
from flow_story import a_flow, a_rollback
from trace_story import a_chain, a_whole_recovery

PATH = """\
12:00:00    +0 ms  service.failed about orders-db
12:00:00  +200 ms    orders-db.restore: completed in 11.0 s, attempt 3
                     ! ConnectionError: backup store refused
12:00:13  +13.2 s  database.restored about orders-db
12:00:13  +13.3 s    orders-cache.warm: completed in 4.0 s
12:00:17  +17.3 s  cache.warmed about orders-cache
12:00:17  +17.4 s    web.reopen: completed in 400 ms"""


@pytest.mark.parametrize("what", ["end", "web.reopen", "step"])
def test_the_way_to_a_step_is_told_from_the_first_cause(what: str) -> None:
    """By its group, its id, or as what ended last: when, how long, and with which errors."""
    trace = from_ledger(a_whole_recovery())
    last = trace.critical_path.steps[-1]
    assert str(causes(trace, last.id if what == "step" else what)) == PATH


@pytest.mark.parametrize("what", ["cache.warmed", "cache.warmed@orders-cache", "id"])
def test_the_way_to_an_event_ends_with_it(what: str) -> None:
    """By its type, with its subject, or by its id."""
    trace = from_ledger(a_whole_recovery())
    event = next(event for event in trace.events if event.type == "cache.warmed")
    assert str(causes(trace, event.id if what == "id" else what)) == "\n".join(
        PATH.splitlines()[:-1]
    )


def test_what_was_put_off_says_until_when() -> None:
    """And an undo follows the step it takes back."""
    assert str(causes(from_ledger(a_flow()), "database.checked")).endswith(
        "- put off by orders-db.restore until 12:00:07"
    )
    undoing = causes(from_ledger(a_rollback()), "end")
    assert "  undo orders-db.restore: completed" in str(undoing)
    done, undo = [link for link in undoing.links if isinstance(link, Step)]
    assert (undo.undo_of, done.undo_of, done.group) == (done.event_id, "", "orders-db.restore")


def test_what_is_not_there_is_refused_with_what_is() -> None:
    """One line names the value and what could have been meant."""
    with pytest.raises(AntiphonError, match=r"nothing .* called 'x'.*cache\.warmed.*`end`"):
        causes(from_ledger(a_whole_recovery()), "x")


def test_causes_that_form_a_ring_end() -> None:
    """Whoever writes an entry can claim any cause, even itself."""
    rows = [replace(e, fields={**e.fields, "cause": "event-00001"}) for e in a_chain(3).entries()]
    assert causes(Trace.from_ledger(rows), "end").links


def test_as_json_links_have_ids_and_instants() -> None:
    """Programs read these names."""
    document = causes(from_ledger(a_whole_recovery()), "end").to_dict()
    event, step, *_ = document["links"]
    assert list(event) == ["event", "type", "subject", "time"]
    assert list(step) == ["step", "group", "outcome", "start", "end", "duration_ms", "attempts"]
