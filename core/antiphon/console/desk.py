"""The desk: what every page of one console shares."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from antiphon.broker.errands import Errands
from antiphon.console.sessions import Sessions
from antiphon.console.throttle import Throttle
from antiphon.console.tokens import Holder, Tokens
from antiphon.settings import Settings


@dataclass(slots=True, kw_only=True)
class Desk:
    """One console."""

    settings: Settings
    errands: Errands
    tokens: Tokens
    sessions: Sessions
    logs: tuple[Path, ...] = ()
    """Log files in which lines of a recovery are looked for."""

    reading_logs: asyncio.Lock = field(default_factory=asyncio.Lock)
    throttle: Throttle = field(default_factory=Throttle)
    invitations: dict[str, Holder] = field(default_factory=dict)
    """Who may sign in without a token, once, by the SHA-256 of the code in their link."""
