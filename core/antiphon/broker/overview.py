"""How much of each kind a cell holds for people to look at, in one round trip."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from antiphon.broker.clock import read_ms
from antiphon.broker.errand import Errand
from antiphon.broker.faults import telling
from antiphon.instants import instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What there is, as counts."""

    taken: datetime
    """By the server's clock."""

    recoveries: int
    """Open ones."""

    approvals: int
    """Requests that nobody has answered, or not enough people."""

    letters: int
    """Dead letters that are kept."""

    escalations: int
    """Those that nobody has acknowledged."""

    pauses: int


async def overview(errand: Errand) -> Overview:
    """Count what there is.

    Raises:
        StreamUnavailable: the server cannot be reached, or cannot answer now.
        ConfigurationError: it refuses our name, password or permissions.
    """
    keys = errand.keys
    with telling("counting what there is"):
        time, recoveries, approvals, letters, escalations, pauses = await errand.ask(
            [
                ("TIME",),
                ("ZCARD", keys.open_recoveries),
                ("ZCARD", keys.approvals),
                ("XLEN", keys.dead),
                ("ZCARD", keys.escalations),
                ("HLEN", keys.pauses),
            ]
        )
    return Overview(
        taken=instant(read_ms(time)),
        recoveries=recoveries,
        approvals=approvals,
        letters=letters,
        escalations=escalations,
        pauses=pauses,
    )
