"""The summary of a recovery, as Redis keeps it and as people and programs read it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import orjson
import pytest
import typer

from antiphon.cli.recoveries import _draw, recoveries
from antiphon.records import Status
from antiphon.summary import Summary
from trace_story import BEGINNING_MS

HASH = {
    b"status": b"closed",
    b"verdict": b"halted",
    b"type": b"service.failed",
    b"subject": b"orders-api",
    b"opened": str(BEGINNING_MS).encode(),
    b"closed": str(BEGINNING_MS + 5000).encode(),
    b"suppressed": b"2",
    b"coalesced": b"17",
    b"relapse_of": b"the-one-before",
    b"halted": b"more than 16 hops: a",
    b"escalated": str(BEGINNING_MS + 1000).encode(),
    b"tier": b"2",
    b"acked": str(BEGINNING_MS + 2000).encode(),
    b"acked_by": b"ada",
}


def summary(**changed: Any) -> Summary:
    return replace(Summary.from_hash("the-recovery", HASH), **changed)


@pytest.mark.parametrize("text", ["9" * 19, "9" * 18, "9" * 5000, "x", "-1"])
def test_a_number_beyond_all_reason_counts_as_none(text: str) -> None:
    """Somebody else wrote it; the rest is read, and can be written for programs."""
    found = Summary.from_hash("r1", {**HASH, b"opened": text.encode(), b"closes": text.encode()})
    assert found.opened is None
    assert orjson.dumps(found.to_dict())


def test_what_guards_decided_is_read() -> None:
    """Counts, the recovery before, the limit, and who was told and knows."""
    found = summary().to_dict()
    assert {name: found[name] for name in (
        "verdict", "suppressed", "coalesced", "relapse_of", "halted", "escalated", "tier",
        "acked", "acked_by",
    )} == {
        "verdict": "halted",
        "suppressed": 2,
        "coalesced": 17,
        "relapse_of": "the-one-before",
        "halted": "more than 16 hops: a",
        "escalated": "2026-11-22T12:00:01.000Z",
        "tier": 2,
        "acked": "2026-11-22T12:00:02.000Z",
        "acked_by": "ada",
    }  # fmt: skip


def test_what_no_guard_decided_is_null_and_none_is_0() -> None:
    """The record of a release without guards is read as one in which none decided."""
    found = Summary.from_hash("the-recovery", {b"status": b"open"}).to_dict()
    assert [found[name] for name in ("suppressed", "coalesced", "tier")] == [0, 0, 0]
    for name in ("relapse_of", "halted", "escalated", "acked", "acked_by"):
        assert found[name] is None


FLOW = {
    b"status": b"open",
    b"parent": b"the-parent",
    b"source": b"carl",
    b"deadline": str(BEGINNING_MS + 3000).encode(),
    b"stalled": str(BEGINNING_MS + 4000).encode(),
    b"cancelled": b"ana: maintenance",
    b"undoing": b"cancelled",
    b"undos": b"2",
    b"undone": b"3",
    b"notundone": b"1",
    b"left": b"a.b took effect",
}


def test_what_became_of_its_flow_is_read() -> None:
    """Parent and requester, deadline, who ended it, and how far it is undone."""
    found = Summary.from_hash("the-recovery", FLOW).to_dict()
    assert {name: found[name] for name in (
        "parent", "requester", "deadline", "stalled", "cancelled", "undoing", "undos", "undone",
        "notundone", "left",
    )} == {
        "parent": "the-parent",
        "requester": "carl",
        "deadline": "2026-11-22T12:00:03.000Z",
        "stalled": "2026-11-22T12:00:04.000Z",
        "cancelled": "ana: maintenance",
        "undoing": "cancelled",
        "undos": 2,
        "undone": 3,
        "notundone": 1,
        "left": "a.b took effect",
    }  # fmt: skip
    found = Summary.from_hash("the-recovery", {b"status": b"open", b"source": b""}).to_dict()
    assert [found[name] for name in ("undos", "undone", "notundone")] == [0, 0, 0]
    for name in ("parent", "requester", "deadline", "stalled", "cancelled", "undoing", "left"):
        assert found[name] is None


def test_a_list_of_recoveries_says_what_became_of_their_flow(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whose child it is, what is late, and what is being taken back."""
    _draw([Summary.from_hash("the-recovery", FLOW)])
    assert (
        capsys.readouterr()
        .out.rstrip()
        .endswith(", a child, cancelled, past its deadline, rolling back, 3 undone, 1 not undone")
    )


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {},
            "17 more joined, a relapse, 2 suppressed, acknowledged by ada",
        ),
        (
            {"verdict": None, "status": "open", "acked": None, "acked_by": "", "coalesced": 0},
            "a relapse, 2 suppressed, halted, escalated (tier 2)",
        ),
    ],
)
def test_a_list_of_recoveries_says_what_guards_decided(
    changed: dict[str, Any], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Behind what it is about, as far as its verdict does not say it already."""
    _draw([summary(**changed)])
    assert f"orders-api service.failed, {words}\n" in capsys.readouterr().out


def test_a_list_of_recoveries_can_be_asked_for_every_verdict() -> None:
    """The choices of the option are those of the Python API."""
    app = typer.Typer()
    app.command()(recoveries)
    (status,) = [p for p in typer.main.get_command(app).params if p.name == "status"]
    assert tuple(status.type.choices) == get_args(Status)  # type: ignore[attr-defined]
