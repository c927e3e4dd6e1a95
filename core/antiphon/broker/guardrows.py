"""Guard state as the server keeps it: members of the index, held deliveries, pauses.

`docs/reference/keys.md` lists the formats. What is not in its format is passed over.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import orjson

from antiphon.guards.scope import Scope
from antiphon.guards.state import Pause
from antiphon.instants import instant

KINDS = ("breaker", "budget", "rate", "relapse", "exclusive")
"""The kinds of guard whose state can be named, and so reset."""


@dataclass(frozen=True, slots=True)
class Indexed:
    """One member of the index: a guard that has something to show."""

    member: str
    kind: str
    name: str
    limit: int
    window_ms: int

    @classmethod
    def parse(cls, member: bytes) -> Indexed | None:
        """Read ``kind|name|limit|window``; None when it is something else."""
        text = member.decode("utf-8", "replace")
        kind, _, rest = text.partition("|")
        parts = rest.rsplit("|", 2)
        if kind not in KINDS or len(parts) != 3:  # noqa: PLR2004  name, limit, window
            return None
        try:
            return cls(text, kind, parts[0], int(float(parts[1])), int(float(parts[2])))
        except (OverflowError, ValueError):
            return None


@dataclass(frozen=True, slots=True)
class HeldDelivery:
    """A delivery that a guard holds."""

    label: str
    entry_id: str
    group: str
    guard: str
    name: str
    since_ms: int

    @classmethod
    def parse(cls, field: bytes, value: bytes) -> HeldDelivery | None:
        """Read a field of `held`; None when it is something else."""
        rest, _, group = field.decode("utf-8", "replace").rpartition("|")
        label, _, entry_id = rest.rpartition("|")
        guard, _, about = value.decode("utf-8", "replace").partition("|")
        name, _, since = about.rpartition("|")
        if not label or not since.isdecimal():
            return None
        return cls(label, entry_id, group, guard, name, int(since))


def pause_of(field: str, value: bytes) -> Pause:
    """Read a pause; whatever somebody wrote there by hand pauses all the same."""
    try:
        known = orjson.loads(value)
    except orjson.JSONDecodeError:
        known = None
    if not isinstance(known, dict):
        known = {}
    return Pause(
        scope=Scope(field),
        by=str(known.get("by") or "?"),
        since=moment(known.get("since")),
        reason=str(known.get("reason") or ""),
    )


def texts(flat: Sequence[bytes]) -> Mapping[str, str]:
    """Read the fields of a hash, which come as a list, as text."""
    parts = [part.decode("utf-8", "replace") for part in flat]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def number(value: object) -> float | None:
    """Read a number that is one and ends; None otherwise."""
    try:
        found = float(cast("Any", value))
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def moment(value: object) -> datetime | None:
    """Read milliseconds as the instant they stand for; None when they stand for none."""
    since_ms = number(value)
    try:
        return None if since_ms is None else instant(int(since_ms))
    except OverflowError:
        return None
