"""What the scripts answer, in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from antiphon.closing import Closing


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
    unapproved: str = ""
    """The approval it runs without, because nobody gave it in time; empty otherwise."""


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
    """The recovery's verdict, when this settled its last work; so of the others."""
    closing: Closing | None = field(default=None, compare=False)


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
    closing: Closing | None = field(default=None, compare=False)
    due_ms: int | None = field(default=None, compare=False)
    """When the join gives up, told by its first branch; None when it does not."""


@dataclass(frozen=True, slots=True)
class OnHold:
    """A guard holds the delivery until `due_ms`, when it is looked at again."""

    guard: str
    name: str
    limit: int
    value: int
    due_ms: int
    fresh: bool
    """Whether the hold began now."""
    expired: bool = False
    """Whether an approval was not given in time; it goes on waiting, perhaps for others."""
    told: bool = False
    """Whether people were told of that."""


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A guard ended the delivery; it does not run."""

    guard: str
    name: str
    limit: int
    value: int
    opens_ms: int
    """When the guard would have let it run; 0 when that is not known."""
    why: str
    verdict: str
    told: bool
    """Whether people were told now."""
    path: str
    """The causes, when this halted the recovery; empty otherwise."""
    closing: Closing | None = field(default=None, compare=False)
    attempts: int = field(default=0, compare=False)
    """How many had begun before; whoever made them may not have lived to say so."""


@dataclass(frozen=True, slots=True)
class Onset:
    """What a guard noticed when a failure opened a recovery."""

    guard: str
    """``relapse`` or ``storm``."""
    name: str
    limit: int
    value: int
    why: str
    told: bool
    """Whether the guard tripped, and people were told now."""
    of: str
    """The recovery whose success did not hold; empty otherwise."""

    @classmethod
    def read(cls, row: list[Any]) -> Onset:
        """Read one piece of news as `incident.lua` gives it."""
        guard, name, limit, value, why, told, of = row
        return cls(_text(guard), _text(name), limit, value, _text(why), bool(told), _text(of))


@dataclass(frozen=True, slots=True)
class Outrun:
    """A join has all it needs, and what the delivery would bring is not needed any more."""

    by: str
    verdict: str
    closing: Closing | None = field(default=None, compare=False)
    attempts: int = field(default=0, compare=False)
    """How many had begun before, as of one that is suppressed."""


@dataclass(frozen=True, slots=True)
class Late:
    """A branch of a join that has timed out."""

    verdict: str
    closing: Closing | None = field(default=None, compare=False)


Admission = (
    Run | Outrun | Late | NotOurs | Closed | Duplicate | Waiting | Arrived | OnHold | Suppressed
)


@dataclass(frozen=True, slots=True)
class Committed:
    """Settled by this call, or by its repetition."""

    detail: tuple[str, ...] = ()
    """What the script reports: entry ids of what was published, a due instant, a dead letter."""
    verdict: str = ""
    """The recovery's verdict, when this settled its last work."""
    change: str = ""
    """What the breaker went through, such as ``closed>open``; empty when nothing."""
    heir: str = ""
    """The delivery that may have the resource next; empty when none waits."""
    prompt: bool = False
    """Whether a timer of the cell is due at once."""
    closing: Closing | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """The lease was lost; nothing was written."""


Settlement = Committed | Refused


def admission(reply: list[Any]) -> tuple[Admission, tuple[Onset, ...]]:
    """Read the reply of `admit.lua`, and what guards noticed if it opened a recovery."""
    if reply[0] == _WAS_HELD:
        reply = reply[2]
    if reply[0] == _BEGUN:
        _, reply, *news = reply
        return admission(reply)[0], tuple(map(Onset.read, news))
    number, *rest = reply
    return _ADMISSIONS[number](*rest), ()


@dataclass(frozen=True, slots=True)
class WasHeld:
    """What held a delivery until now."""

    guard: str
    name: str
    since_ms: int

    @classmethod
    def of(cls, reply: list[Any]) -> WasHeld | None:
        """Read it in the reply of `admit.lua`; None when nothing held it, or still does."""
        if reply[0] != _WAS_HELD:
            return None
        guard, _, rest = _text(reply[1]).partition("|")
        name, _, since = rest.rpartition("|")
        return cls(guard, name, int(since))


def _run(*reply: bytes) -> Run:
    token, attempt, failures, previous, unapproved, *rest = reply
    pairs = zip(rest[::2], rest[1::2], strict=True)
    branches = {branch.decode(): event for branch, event in pairs}
    held_before, without = previous.decode(), unapproved.decode()
    return Run(int(token), int(attempt), int(failures), held_before, branches, without)


def _on_hold(*reply: Any) -> OnHold:
    guard, name, limit, value, due_ms, said_now = reply
    begun, expired, told = (said_now == 1, said_now in _EXPIRED, said_now == max(_EXPIRED))
    return OnHold(_text(guard), _text(name), limit, value, int(due_ms), begun, expired, told)


def _suppressed(*reply: Any) -> Suppressed:
    guard, name, limit, value, opens_ms, why, verdict, told, path, attempts = reply
    return Suppressed(
        guard=_text(guard),
        name=_text(name),
        limit=limit,
        value=value,
        opens_ms=int(opens_ms),
        why=_text(why),
        verdict=said(verdict),
        told=bool(told),
        path=_text(path),
        closing=Closing.read(verdict),
        attempts=attempts,
    )


JOINS = 9
"""What `admit.lua` and `pass.lua` answer first when a failure should join another recovery."""

_EXPIRED = (2, 3)
"""What a hold says of an approval that was not given in time: others may, people were told."""

UNNAMED = 13
"""What `admit.lua` answers when it must know the names of a join's branches."""

_BEGUN = 10
"""The reply is the second value, and the rest is news of a recovery that was opened."""

_WAS_HELD = 14
"""The reply is the third value; the second says what held the delivery before."""

_ADMISSIONS: dict[int, Callable[..., Admission]] = {
    1: _run,
    2: NotOurs,
    3: Closed,
    4: lambda of, end: Duplicate(of.decode(), said(end), Closing.read(end)),
    5: lambda of, due_ms: Waiting(of.decode(), due_ms),
    6: lambda have, need, end, due: Arrived(
        have, need, said(end), Closing.read(end), int(due) if due else None
    ),
    7: _on_hold,
    8: _suppressed,
    11: lambda by, end, tried: Outrun(by.decode(), said(end), Closing.read(end), tried),
    12: lambda end: Late(said(end), Closing.read(end)),
}
"""What each first number of the reply means, given the rest of it."""


def settlement(reply: list[Any]) -> Settlement:
    """Read the reply of `commit.lua`, `postpone.lua` or `bury.lua`."""
    match reply:
        case [2]:
            return Refused()
        case [3]:
            return Committed()
        case [1, verdict, change, heir, *detail]:
            told, closing = tuple(_text(d) for d in detail), Closing.read(verdict)
            return Committed(
                told,
                closing.verdict if closing else "",
                _text(change),
                _text(heir),
                prompt=verdict.endswith(b"+"),
                closing=closing,
            )
    raise AssertionError(f"a settling script answered {reply!r}")


def said(verdict: bytes) -> str:
    """The verdict in what `settle.lua` returns; empty while the recovery is open."""
    return verdict.decode().removesuffix("+").partition(" ")[0]


def _text(value: bytes | int) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
