"""A trace as JSON: the names that programs read."""

from __future__ import annotations

import orjson

from antiphon.trace import Trace
from trace_story import BEGINNING_MS, a_whole_recovery, begun


def test_a_trace_as_json_has_stable_keys() -> None:
    """Programs read these names; instants are ISO, durations milliseconds."""
    story, _, run = begun()
    story.after(2).completes(run, ("service.restarted", "orders-api"))
    story.closes(run, "completed", done=1)
    at = "2026-11-22T12:00:0"
    step_id = f"service.failed|{BEGINNING_MS}-1|orders-api.restart"
    assert Trace.from_ledger(story.entries()).to_dict() == {
        "correlation_id": "",
        "source": "ledger",
        "status": "closed",
        "verdict": "completed",
        "type": "service.failed",
        "subject": "orders-api",
        "root": "event-00001",
        "opened": f"{at}0.000Z",
        "closed": f"{at}3.000Z",
        "as_of": f"{at}3.000Z",
        "closes": 1,
        "duration_ms": 3000,
        "open_ms": 3000,
        "periods": [
            {
                "opened": f"{at}0.000Z",
                "closed": f"{at}3.000Z",
                "verdict": "completed",
                "reopening": None,
                "stall": None,
            }
        ],
        "sum_of_steps_ms": 2000,
        "done": 1,
        "dead": 0,
        "unanswered": 0,
        "suppressed": 0,
        "coalesced": 0,
        "relapse_of": None,
        "halted": None,
        "escalated": None,
        "tier": 0,
        "acked": None,
        "acked_by": None,
        "parent": None,
        "requester": None,
        "deadline": None,
        "stalled": None,
        "cancelled": None,
        "undoing": None,
        "undos": 0,
        "undone": 0,
        "notundone": 0,
        "left": None,
        "reasons": [],
        "relapse": None,
        "halt": None,
        "escalations": [],
        "acknowledgement": None,
        "acknowledgements": [],
        "discards": [],
        "scheduled": [],
        "timeouts": [],
        "approvals": [],
        "children": [],
        "stall": None,
        "cancellation": None,
        "rollback": None,
        "critical_path": {
            "steps": [step_id],
            "duration_ms": 3000,
            "working_ms": 2000,
            "waiting_ms": 1000,
        },
        "idle": [
            {
                "step": step_id,
                "since": f"{at}0.000Z",
                "until": f"{at}1.000Z",
                "duration_ms": 1000,
                "why": "no worker took it up",
            }
        ],
        "lost_ms": 1000,
        "parallel": [],
        "events": [
            {
                "id": "event-00001",
                "type": "service.failed",
                "subject": "orders-api",
                "time": f"{at}0.000Z",
                "cause": None,
                "by": None,
                "entry": f"{BEGINNING_MS}-1",
            },
            {
                "id": "event-00005",
                "type": "service.restarted",
                "subject": "orders-api",
                "time": f"{at}3.000Z",
                "cause": "event-00001",
                "by": "orders-api.restart",
                "entry": f"{BEGINNING_MS + 3000}-5",
            },
        ],
        "steps": [
            {
                "id": step_id,
                "group": "orders-api.restart",
                "service": "orders-api",
                "handler": "restart",
                "event": {
                    "id": "event-00001",
                    "type": "service.failed",
                    "subject": "orders-api",
                },
                "entry": f"{BEGINNING_MS}-1",
                "outcome": "completed",
                "start": f"{at}1.000Z",
                "end": f"{at}3.000Z",
                "duration_ms": 2000,
                "due": None,
                "of": None,
                "note": None,
                "replay_of": None,
                "dead_letter": None,
                "progress": None,
                "attempts": [
                    {
                        "no": 1,
                        "consumer": "api-host",
                        "start": f"{at}1.000Z",
                        "end": f"{at}3.000Z",
                        "duration_ms": 2000,
                        "outcome": "completed",
                        "error": None,
                        "taken_over_from": None,
                        "due": None,
                        "refused": None,
                    }
                ],
                "holds": [],
                "key_waits": [],
                "suppression": None,
                "undo_of": None,
                "won": None,
                "published": ["event-00005"],
            }
        ],
        "outstanding": [],
        "missing": [],
    }


def test_an_open_trace_as_json_has_the_same_keys() -> None:
    """What is not known is null, never left out."""
    story, failed, _ = begun()
    owed = [f"service.failed|{failed.entry}|orders-api.restart"]
    going_on = Trace.from_ledger(story.entries(), owed).to_dict()
    over = Trace.from_ledger(a_whole_recovery().entries()).to_dict()
    assert going_on.keys() == over.keys()
    assert going_on["verdict"] is None
    assert going_on["steps"][0].keys() == over["steps"][0].keys()
    assert going_on["outstanding"][0]["id"] == owed[0]
    assert orjson.loads(orjson.dumps(over)) == over
