"""What the pages on the flow show is what happens."""

from __future__ import annotations

import copy
import sys
from dataclasses import dataclass
from types import ModuleType

import pytest

from antiphon import Service
from antiphon.testing import Cell
from antiphon_events import DatabaseFailed, Event, ServiceDegraded, ServiceFailed, registry
from documents import blocks


@dataclass(frozen=True)
class Shown:
    """One example, and what comes of it."""

    page: str
    root: Event
    verdict: str
    ran: tuple[str, ...]
    """The handlers that complete something."""
    prints: tuple[str, ...] = ()
    number: int = 0
    """Which of the page's examples it is."""


FAILED = DatabaseFailed(subject="orders-db")

EXAMPLES = [
    Shown(
        "run-steps-in-sequence-and-in-parallel",
        FAILED,
        "completed",
        ("orders-db.restore", "orders-cache.warm", "orders-api.restart", "web.reopen"),
    ),
    Shown(
        "write-a-join",
        FAILED,
        "completed",
        ("orders.go_on", "primary.restore", "replica.promote"),
        ("orders are served thanks to",),
        number=2,
    ),
    Shown(
        "write-a-join",
        FAILED,
        "partial",
        ("orders.restore", "web.open_without"),
        ("not in time: ['cache.warmed@orders-cache']",),
        number=3,
    ),
    Shown(
        "branch-on-failure",
        FAILED,
        "completed",
        ("replica.promote", "orders.go_on"),
        ("the other way, because PermanentError: the backup is corrupt",),
    ),
    Shown(
        "delay-an-event",
        ServiceFailed(subject="orders-api"),
        "completed",
        ("orders-api.restart", "orders-api.check"),
    ),
    Shown(
        "undo-completed-steps",
        FAILED,
        "partial",
        ("edge.move", "standby.promote"),
        ("a replica again", "back to primary, with token"),
    ),
    Shown(
        "start-a-child-recovery",
        ServiceDegraded(subject="shop"),
        "completed",
        ("shop.take_apart", "shop.reopen"),
        ("{'orders-db': 'completed', 'orders-cache': 'completed'}",),
    ),
]


@pytest.fixture
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let examples define events that no other test hears of."""
    monkeypatch.setattr(registry, "_classes", copy.deepcopy(registry._classes))
    monkeypatch.setattr(registry, "_current", dict(registry._current))


@pytest.mark.usefixtures("_own_registry")
@pytest.mark.parametrize("shown", EXAMPLES, ids=lambda shown: f"{shown.page}-{shown.number}")
async def test_an_example_does_what_its_page_says(
    redis_url: str,
    shown: Shown,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The services of an example are run, its failure is published, and all of it is so."""
    block = blocks(f"how-to/{shown.page}.md", "python", "run")[shown.number]
    module = ModuleType("example")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(block.text, str(block), "exec", dont_inherit=True), module.__dict__)
    services = [value for value in vars(module).values() if isinstance(value, Service)]
    async with Cell.open(redis_url) as cell, cell.running(*services):
        receipt = await cell.publish(shown.root)
        trace = await cell.settled(receipt, within="30s")
    assert trace.summary.verdict == shown.verdict
    done = {step.group for step in trace.steps if step.outcome == "completed"}
    assert set(shown.ran) <= done
    printed = capsys.readouterr().out
    places = [printed.index(line) for line in shown.prints]
    assert places == sorted(places)
