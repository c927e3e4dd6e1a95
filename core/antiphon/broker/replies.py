"""What the scripts answer, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Run:
    """Admitted: the lease is taken and the attempt counted."""

    token: int
    attempt: int
    failures: int
    previous: str
    """The consumer that held the delivery before and fell silent; empty otherwise."""
    branches: dict[str, bytes]
    """The events that completed the join, by branch."""


@dataclass(frozen=True, slots=True)
class NotOurs:
    """Another consumer holds the delivery, or it was acknowledged."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The delivery belongs to a recovery that is over."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The effect was done by another delivery."""

    of: str
    verdict: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """Another delivery holds the idempotency key."""

    of: str
    due_ms: int


@dataclass(frozen=True, slots=True)
class Arrived:
    """A branch of a join is kept; others are missing."""

    have: int
    need: int
    verdict: str


Admission = Run | NotOurs | Closed | Duplicate | Waiting | Arrived


@dataclass(frozen=True, slots=True)
class Committed:
    """Settled by this call, or by its repetition."""

    detail: tuple[str, ...] = ()
    """What the script reports: entry ids of what was published, a due instant, a dead letter."""
    verdict: str = ""
    """The recovery's verdict, when this settled its last work."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The lease was lost; nothing was written."""


Settlement = Committed | Refused


def admission(reply: list[Any]) -> Admission:
    """Read the reply of `admit.lua`."""
    match reply[0]:
        case 1:
            _, token, attempt, failures, previous, *rest = reply
            pairs = zip(rest[::2], rest[1::2], strict=True)
            return Run(
                int(token),
                int(attempt),
                int(failures),
                previous.decode(),
                {branch.decode(): event for branch, event in pairs},
            )
        case 2:
            return NotOurs()
        case 3:
            return Closed()
        case 4:
            return Duplicate(reply[1].decode(), reply[2].decode())
        case 5:
            return Waiting(reply[1].decode(), int(reply[2]))
        case 6:
            return Arrived(int(reply[1]), int(reply[2]), reply[3].decode())
    raise AssertionError(f"admit.lua answered {reply!r}")


def settlement(reply: list[Any]) -> Settlement:
    """Read the reply of `commit.lua`, `postpone.lua` or `bury.lua`."""
    match reply:
        case [2]:
            return Refused()
        case [3]:
            return Committed()
        case [1, verdict, *detail]:
            return Committed(tuple(_text(d) for d in detail), _text(verdict))
    raise AssertionError(f"a settling script answered {reply!r}")


def _text(value: bytes | int) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
