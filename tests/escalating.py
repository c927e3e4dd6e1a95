"""Escalations for tests to act on: made by the fragment that guards make them with."""

from __future__ import annotations

import hashlib
from typing import Any

from antiphon.broker import scripts
from antiphon.broker.scripts import Call, Script
from antiphon.duration import milliseconds
from antiphon.keys import Keys
from antiphon.settings import Settings

REASON = "3 restarts of orders-api within 10m did not help"
TRIED = ("orders-api.restart at 10:02:11", "orders-api.restart at 10:04:40")

_GIVE_UP = """
local e = {guard = 'budget', name = 'restart:orders-api', limit = 3, value = 3, tier = 1,
  why = ARGV[4], tried = {unpack(ARGV, 5)}}
return escalate(ARGV[3], e)
"""


def giving_up(keys: Keys, settings: Settings, correlation_id: str) -> Call:
    """A guard gives up on a recovery: people of tier 1 are told."""
    first, *_ = [*map(milliseconds, settings.escalate_after), ""]
    return Call(
        _script(),
        keys.record(correlation_id, ""),
        (correlation_id, milliseconds(settings.record_retention), first, REASON, *TRIED),
    )


async def tell_again_at(client: Any, keys: Keys, correlation_id: str, instant_ms: float) -> None:
    """Move the instant at which the next tier is told."""
    await client.zadd(keys.escalations, {correlation_id: instant_ms}, xx=True)


def _script() -> Script:
    parts = (scripts._FOLDER / f"{name}.lua" for name in ("clock", "record", "escalate"))
    text = "#!lua\n" + "".join([*(part.read_text(encoding="utf-8") for part in parts), _GIVE_UP])
    return Script("give_up", text, hashlib.sha1(text.encode()).hexdigest())
