"""The examples: one recovery, five ways, as `docs/explanation/four-models.md` tells of them."""

from __future__ import annotations

import asyncio
import io
import os
import sys

import pytest
from rich.console import Console

from antiphon.choreography import Choreography, examine
from antiphon.testing import expect
from antiphon.trace.picture import Picture
from antiphon_events import DatabaseRestored
from documents import ROOT, blocks
from examples.approver import NAME
from examples.incident import ORDERS, Damage
from examples.models import MODELS
from examples.runner import Run, run
from examples.state_machine import BackupRejected, DatabaseFoundSound

pytestmark = pytest.mark.timeout(240)

RESTORE = "orders-db.restore"
INDEPENDENT = ("orders-cache.warm", "orders-api.restart_api")
"""Steps that do not need each other. How much time that saves is measured, not tested."""

SIDE_BY_SIDE = ("parallel", "event_driven", "hybrid")
"""The models that use it."""

PAGE = "explanation/four-models.md"


def overlap(done: Run) -> bool:
    """Whether both were under way at the same time."""
    one, other = (
        step
        for trace in done.traces
        for step in trace.steps
        if step.group in INDEPENDENT and step.attempts
    )
    assert one.end is not None
    assert other.end is not None
    return max(one.start, other.start) < min(one.end, other.end)


def drawn(done: Run) -> str:
    file = io.StringIO()
    for trace in done.traces:
        Console(file=file, width=200, color_system=None).print(Picture(trace))
    return file.getvalue()


@pytest.mark.parametrize("name", MODELS)
async def test_each_model_brings_the_shop_back(name: str, redis_url: str) -> None:
    """Whichever way it is written, one person is asked once, and the shop sells again."""
    done = await run(name, url=redis_url)

    expect(done.trace).completed().held_by("approval", RESTORE).published(DatabaseRestored)
    assert [trace.verdict for trace in done.traces] == ["completed"] * len(done.traces)
    assert done.answered == (RESTORE,)
    assert NAME in drawn(done)
    assert done.sale is not None
    assert done.sale.placed == ORDERS["newest"] + 1
    assert done.sale.found_in == "cache"
    assert overlap(done) is (name in SIDE_BY_SIDE), "two steps that do not need each other"


async def test_a_corrupt_backup_leads_to_the_older_one(redis_url: str) -> None:
    """The step that is given up is a branch, and a riskier step is asked for anew."""
    done = await run("state_machine", url=redis_url, damage=Damage.BACKUP)

    expect(done.trace).completed().published(BackupRejected).ran("orders-db.restore_older")
    assert done.answered == (RESTORE, "orders-db.restore_older")
    assert done.sale is not None
    assert done.sale.placed == ORDERS["older"] + 1


async def test_nobody_is_asked_when_nothing_is_lost(redis_url: str) -> None:
    """A file that was found sound goes the other branch: no approval, no restore."""
    done = await run("state_machine", url=redis_url, damage=Damage.PROCESS)

    expect(done.trace).completed().published(DatabaseFoundSound).did_not_run(RESTORE)
    assert done.trace.summary.deadline is not None
    assert done.answered == ()
    assert done.sale is not None
    assert done.sale.placed == ORDERS["newest"] + 2


async def test_a_refusal_is_named_in_the_verdict(redis_url: str) -> None:
    """What a person refused is not done, and the verdict says who refused it."""
    done = await run("state_machine", url=redis_url, grant=False)

    expect(done.trace).did_not_run(RESTORE).suppressed_by("approval", RESTORE)
    assert done.trace.verdict == "partial"
    assert done.sale is None
    assert any(RESTORE in reason and NAME in reason for reason in done.trace.summary.reasons)


@pytest.mark.parametrize("name", MODELS)
def test_each_model_passes_the_check(name: str) -> None:
    """What is shown as an example has no fault that can be seen before it runs."""
    assert examine(Choreography.of(*MODELS[name].services)) == ()


async def test_the_command_prints_traces_and_a_table(redis_url: str) -> None:
    """``python -m examples`` shows each recovery, and what was measured."""
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "examples", "sequential", "event_driven"),
        cwd=ROOT,
        env={**os.environ, "ANTIPHON_REDIS_URL": redis_url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = (text.decode() for text in await command.communicate())

    assert command.returncode == 0, err
    assert out.count(": COMPLETED") == len(["sequential", "event_driven"])
    assert out.count(f"{NAME} was asked about: {RESTORE}") == len(["sequential", "event_driven"])
    assert "sum of steps" in out


def test_the_page_shows_the_examples_as_they_are() -> None:
    """Every excerpt on the page is found in a file, letter for letter."""
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "examples").glob("*.py")]
    shown = blocks(PAGE, "python")
    assert len(shown) >= len(MODELS)
    for block in shown:
        assert any(block.text in source for source in sources), block
