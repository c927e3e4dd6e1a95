"""What a cell shows at one moment: its recoveries, its guards, and what people were told."""

from __future__ import annotations

from dataclasses import dataclass

from antiphon.broker.errand import Errand
from antiphon.broker.faults import telling
from antiphon.broker.inspection import inspect
from antiphon.broker.reading import RedisReading
from antiphon.guards.state import GuardState
from antiphon.records import Records
from antiphon.summary import Summary
from antiphon.trace import Trace

_MOST = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One look at a cell."""

    recoveries: tuple[Summary, ...]
    """All of them, the earliest first."""

    trace: Trace | None
    """The latest recovery; None while there is none."""

    guards: GuardState
    told: int
    """Events ``recovery.escalated``, whichever recovery they are of."""


async def look(errand: Errand) -> Sight:
    """Look at a cell; the parts are read one after the other."""
    records = Records(RedisReading(errand.client, errand.keys))
    found = await records.recoveries(limit=_MOST)
    recoveries = sorted(found, key=lambda one: (one.opened is None, one.opened))
    with telling("counting the escalations"):
        (told,) = await errand.ask([("XLEN", errand.keys.events("recovery.escalated"))])
    return Sight(
        recoveries=tuple(recoveries),
        trace=await records.trace(recoveries[-1].correlation_id) if recoveries else None,
        guards=await inspect(errand),
        told=told,
    )


async def commands(errand: Errand) -> int:
    """Count the commands the server has executed, whoever sent them and scripts among them."""
    with telling("counting commands"):
        (answer,) = await errand.ask([("INFO", "commandstats")])
    lines = [line for line in answer.decode().splitlines() if line.startswith("cmdstat_")]
    return sum(int(line.partition("calls=")[2].partition(",")[0]) for line in lines)
