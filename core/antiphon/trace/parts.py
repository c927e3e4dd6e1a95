"""What a trace is made of: events, and the steps that answered them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from antiphon.trace.decisions import Hold, Suppression
from antiphon.trace.flow import Win

INBOX = "inbox"
"""The stream label of an entry that was delivered again to one group alone."""


class StepOutcome(StrEnum):
    """Where a delivery stands, or what it ended as."""

    RUNNING = "running"
    COMPLETED = "completed"
    RETRYING = "retrying"
    RELEASED = "released"
    DIED = "died"
    SKIPPED = "skipped"
    DUPLICATE = "duplicate"
    WAITING = "waiting"
    JOINED = "joined"
    LOST = "lost"
    HELD = "held"
    """A guard does not let it run yet."""

    SUPPRESSED = "suppressed"
    """A guard ended it before it could run."""

    LATE = "late"
    """It was a branch of a join that had given up waiting."""

    OUTRUN = "outrun"
    """It was not begun any more: the join it was to serve had what it needs."""

    OWED = "owed"
    """An undo that is to run, and that nobody has begun."""

    @property
    def is_final(self) -> bool:
        """Whether nothing more is to come from the delivery."""
        return self not in _UNFINISHED


_UNFINISHED = frozenset(
    {
        StepOutcome.RUNNING,
        StepOutcome.RETRYING,
        StepOutcome.RELEASED,
        StepOutcome.WAITING,
        StepOutcome.HELD,
        StepOutcome.OWED,
    }
)


class AttemptOutcome(StrEnum):
    """What one attempt ended as."""

    RUNNING = "running"
    COMPLETED = "completed"
    RETRIED = "retried"
    RELEASED = "released"
    DIED = "died"
    TAKEN_OVER = "taken_over"
    """Its worker fell silent and another took the delivery over."""

    HELD = "held"
    """A guard it met on its way said not now; that is no attempt spent."""

    UNKNOWN = "unknown"
    """A later attempt began and nothing tells how this one ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedEvent:
    """An event of the recovery."""

    id: str
    type: str
    subject: str
    time: datetime
    """When it entered its stream, by Redis's clock where the entry id tells it."""

    cause: str
    """The id of the event that caused it; empty when none is known."""

    by: str
    """The group that published it; empty when it came from outside."""

    entry: str
    """Its entry id in the stream of its type; empty when unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One run of a handler on one delivery."""

    no: int
    """Counts from 1 and includes the first try; an attempt that was handed back is not counted."""

    consumer: str
    start: datetime
    reckoned: bool
    """Whether `start` is reckoned from the end and the duration, because nothing tells it."""

    end: datetime | None
    """None while it runs. Of an attempt that was taken over: when that happened."""

    duration: timedelta | None
    """How long the handler ran, by its worker's clock; None while it runs or when unknown."""

    outcome: AttemptOutcome
    error: str | None
    taken_over_from: str | None
    """The consumer that held the delivery before and fell silent."""

    due: datetime | None
    """When the next attempt may begin."""

    refused: datetime | None = None
    """When its worker came back to it, too late: somebody else held the delivery by then."""

    def lasted(self, as_of: datetime) -> timedelta:
        """Return how long it ran; up to `as_of` while it runs."""
        if self.duration is not None:
            return self.duration
        return max((self.end or as_of) - self.start, timedelta())


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a handler said it had come."""

    at: datetime
    fraction: float
    """From 0 to 1."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyWait:
    """A time during which another delivery held the idempotency key."""

    of: str
    """The delivery that held it, as `type|entry|group`."""

    since: datetime
    until: datetime | None
    """When the delivery came to something else; None while it waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One delivery: one event for one handler."""

    group: str
    """The consumer group, `<service>.<handler>`."""

    event_id: str
    event_type: str
    subject: str
    entry: str
    label: str
    """The stream of the entry: the event's type, or `inbox` when it was delivered again."""

    outcome: StepOutcome
    attempts: tuple[Attempt, ...]
    holds: tuple[Hold, ...]
    """When guards did not let it run, the earliest first; the last goes on while it is held."""

    key_waits: tuple[KeyWait, ...]
    """When another delivery held its idempotency key, the earliest first."""

    suppression: Suppression | None
    """What ended it before it could run; None unless suppressed."""

    start: datetime
    end: datetime | None
    """None until the outcome is final."""

    progress: Progress | None
    """The latest."""

    published: tuple[str, ...]
    """The ids of the events it published, in order."""

    of: str
    """The delivery that holds or did the work, as `type|entry|group`; empty unless duplicate or
    waiting."""

    due: datetime | None
    """When it will be looked at again, or when the join it is a branch of gives up; mostly None."""

    note: str
    """Why it was lost or suppressed, or which branches of a join have arrived; mostly empty."""

    replay_of: str
    """The dead letter it came from; empty unless it was delivered again."""

    dead: str
    """The dead letter it left; empty unless it died."""

    undo_of: str
    """The event whose step of the same handler it takes back; empty unless it is an undo."""

    won: Win | None
    """What the join came to that it fired; None unless that did not need all its branches."""

    @property
    def id(self) -> str:
        """The delivery's name, as the set of outstanding work writes it."""
        return f"{self.label}|{self.entry}|{self.group}"

    @property
    def service(self) -> str:
        """The service the handler belongs to."""
        return self.group.rpartition(".")[0]

    @property
    def handler(self) -> str:
        """The handler's name within its service."""
        return self.group.rpartition(".")[2]

    def lasted(self, as_of: datetime) -> timedelta:
        """Return how long its handler ran, all attempts together, without the waits between."""
        return sum((a.lasted(as_of) for a in self.attempts), timedelta())


@dataclass(frozen=True, slots=True, kw_only=True)
class Outstanding:
    """One thing an open recovery waits for."""

    id: str
    """What Redis calls it: `type|entry|group`, or a name that begins with what it is instead."""

    type: str
    """The event's type, or `inbox`, `later`, `join`, `undo` or `child`."""

    entry: str
    """The entry that is owed; otherwise the id of what it waits for."""

    group: str
    """The group that owes an answer; `?` when no handler is subscribed, empty when no group is
    concerned."""

    since: datetime | None
    words: str
    """The same in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticalPath:
    """The chain of causally linked steps that ended last: what made the recovery take so long.

    A recovery that was opened again has one for each period, the later behind the earlier.
    """

    steps: tuple[Step, ...]
    """From the first cause to the last effect; empty when no handler ran."""

    duration: timedelta
    """From the first event of the chain to the end of its last step, while it was open."""

    working: timedelta
    """How much of it handlers were running; the rest was waiting."""

    spans: tuple[tuple[datetime, datetime], ...]
    """From when to when it went: one for each period in which a handler ran."""

    @property
    def waiting(self) -> timedelta:
        """How much of it nobody worked."""
        return max(self.duration - self.working, timedelta())
