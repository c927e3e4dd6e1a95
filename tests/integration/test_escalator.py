"""The escalator: every tier is told in its time, once for the whole cell."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator

import pytest

from antiphon import Publisher, Settings
from antiphon.broker.session import Session
from antiphon.duties.escalator import Escalator
from antiphon_events import ServiceFailed
from escalating import giving_up, tell_again_at
from witness import Witness, changed


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Three tiers, an hour apart."""
    return changed(settings, escalate_after="1h,1h")


@pytest.fixture
async def sessions(settings: Settings) -> AsyncIterator[tuple[Session, Session]]:
    """The dealings of two workers."""
    one, other = Session.open(settings), Session.open(settings)
    yield one, other
    await one.aclose()
    await other.aclose()


async def escalated(session: Session, subject: str = "orders-api", due_ms: float = 1) -> str:
    """A recovery that tier 1 was told of, long ago."""
    async with Publisher(session.settings) as publisher:
        receipt = await publisher.publish(ServiceFailed(subject=subject))
    recovery = receipt.correlation_id
    await session.gatherer.run(giving_up(session.keys, session.settings, recovery))
    await tell_again_at(session.client, session.keys, recovery, due_ms)
    return recovery


async def turn(session: Session) -> None:
    """Do the duty, as if the last turn were long ago."""
    await session.client.delete(session.keys.turn(Escalator.name))
    await Escalator(session).once()


async def tiers(witness: Witness, recovery: str) -> list[str]:
    record = await witness.record(recovery)
    assert record is not None
    return [row.text("tier") for row in record.ledger if row.kind == "escalated"]


async def test_workers_tell_a_tier_once(
    sessions: tuple[Session, Session], witness: Witness
) -> None:
    """Two workers at the same time, and each again, publish one event for the tier."""
    recovery = await escalated(sessions[0])
    await asyncio.gather(*(turn(session) for session in sessions * 3))
    assert await tiers(witness, recovery) == ["1", "2"]
    assert len(await witness.entries("recovery.escalated")) == 2


async def test_one_worker_of_the_cell_looks(
    sessions: tuple[Session, Session], witness: Witness
) -> None:
    """While it is one worker's turn, the others leave it alone."""
    first, second = sessions
    await Escalator(first).once()
    recovery = await escalated(first)
    await Escalator(second).once()
    assert await tiers(witness, recovery) == ["1"]


async def test_one_that_cannot_be_told_silences_no_other(
    sessions: tuple[Session, Session], witness: Witness, capsys: pytest.CaptureFixture[str]
) -> None:
    """A ledger that somebody overwrote is logged, and the next recovery is told."""
    session, _ = sessions
    broken, whole = await escalated(session, "a", 1), await escalated(session, "b", 2)
    await session.client.delete(session.keys.ledger(broken))
    await session.client.set(session.keys.ledger(broken), "overwritten", px=60_000)
    await turn(session)
    assert await tiers(witness, whole) == ["1", "2"]
    written = capsys.readouterr().out
    assert "duty.failed" in written
    assert "recovery.escalated" in written


@pytest.mark.parametrize("due_ms", [1, math.inf])
async def test_what_has_no_record_is_forgotten(
    sessions: tuple[Session, Session], due_ms: float
) -> None:
    """Also what nobody acknowledged on the last tier ends with its record."""
    session, _ = sessions
    kept, gone = await escalated(session, "a", due_ms), await escalated(session, "b", due_ms)
    await session.client.delete(*session.keys.record(gone, "")[:3])
    await turn(session)
    assert await session.client.zrange(session.keys.escalations, 0, -1) == [kept.encode()]
