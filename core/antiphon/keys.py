"""Every Redis key, named in one place; `docs/reference/keys.md` lists each with its lifetime.

All keys of a cell share one hash tag: a cell lives in one cluster slot, every script is atomic.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from antiphon.errors import ConfigurationError

NEWS_TYPES = (
    "recovery.completed",
    "recovery.partial",
    "recovery.failed",
    "recovery.halted",
    "recovery.escalated",
    "recovery.cancelled",
)
"""What the scripts publish about a recovery, in the order they expect the streams."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The key names of one cell.

    Raises:
        ConfigurationError: the cell's name is empty or holds a brace, a colon or a space.
    """

    cell: str
    prefix: str = field(init=False)
    open_recoveries: str = field(init=False)
    closed_recoveries: str = field(init=False)
    fence: str = field(init=False)
    dead: str = field(init=False)
    groups: str = field(init=False)
    workers: str = field(init=False)
    parts: str = field(init=False)
    described: str = field(init=False)
    pauses: str = field(init=False)
    held: str = field(init=False)
    storm: str = field(init=False)
    escalations: str = field(init=False)
    timers: str = field(init=False)
    approvals: str = field(init=False)
    guards: str = field(init=False)
    audit: str = field(init=False)
    history: str = field(init=False)
    news: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        if not self.cell or any(c in "{}: \t\r\n" for c in self.cell):
            raise ConfigurationError(
                f"cell {self.cell!r} is not a name: use letters, digits, dots and dashes"
            )
        prefix = f"{{{self.cell}}}:"
        for name, value in (
            ("prefix", prefix),
            ("open_recoveries", f"{prefix}recoveries:open"),
            ("closed_recoveries", f"{prefix}recoveries:closed"),
            ("fence", f"{prefix}fence"),
            ("dead", f"{prefix}dead"),
            ("groups", f"{prefix}groups"),
            ("workers", f"{prefix}workers"),
            ("parts", f"{prefix}parts"),
            ("described", f"{prefix}described"),
            ("pauses", f"{prefix}pauses"),
            ("held", f"{prefix}held"),
            ("storm", f"{prefix}storm"),
            ("escalations", f"{prefix}escalations"),
            ("timers", f"{prefix}timers"),
            ("approvals", f"{prefix}approvals"),
            ("guards", f"{prefix}guards"),
            ("audit", f"{prefix}audit"),
            ("history", f"{prefix}history"),
            ("news", tuple(f"{prefix}events:{t}" for t in NEWS_TYPES)),
        ):
            object.__setattr__(self, name, value)

    def events(self, event_type: str) -> str:
        """The stream of one event type."""
        return f"{self.prefix}events:{event_type}"

    def inbox(self, group: str) -> str:
        """The stream of entries addressed to one group alone (replayed dead letters)."""
        return f"{self.prefix}inbox:{group}"

    def subscribers(self, event_type: str, subject: str | None = None) -> str:
        """The set of groups that react to a type, about any subject or about one."""
        suffix = "" if subject is None else f":{subject}"
        return f"{self.prefix}subscribers:{event_type}{suffix}"

    def due(self, group: str) -> str:
        """The deliveries of a group that wait for an instant."""
        return f"{self.prefix}due:{group}"

    def idempotency(self, group: str, key: str) -> str:
        """The state of one effect: who claimed it, who finished it."""
        return f"{self.prefix}key:{group}:{key}"

    def join(self, group: str, correlation_id: str) -> str:
        """The branches of a join that have arrived in one recovery."""
        return f"{self.prefix}join:{group}:{correlation_id}"

    def published(self, event_id: str) -> str:
        """The entry an event id was published as, so that publishing can be repeated."""
        return f"{self.prefix}published:{event_id}"

    def recovery(self, correlation_id: str) -> str:
        """The summary of one recovery."""
        return f"{self.prefix}recovery:{correlation_id}"

    def outstanding(self, correlation_id: str) -> str:
        """The work one recovery still waits for."""
        return f"{self.prefix}outstanding:{correlation_id}"

    def ledger(self, correlation_id: str) -> str:
        """The durable story of one recovery."""
        return f"{self.prefix}ledger:{correlation_id}"

    def plan(self, correlation_id: str) -> str:
        """What a recovery publishes, times out or undoes later."""
        return f"{self.prefix}plan:{correlation_id}"

    def approval(self, approval_id: str) -> str:
        """A request for approval, and the answers to it."""
        return f"{self.prefix}approval:{approval_id}"

    def subject_recoveries(self, subject: str) -> str:
        """The recoveries of one subject, by the instant they opened."""
        return f"{self.prefix}recoveries:subject:{subject}"

    def incident(self, event_type: str, subject: str) -> tuple[str, ...]:
        """What a failure of a type and subject looks at, in the order the scripts expect.

        The pauses and guards of the cell, the recovery that such failures join while it is open,
        their relapses, and the subjects that fail now.
        """
        prefix, incident = self.prefix, f"{event_type}:{subject}"
        return (
            self.pauses,
            self.guards,
            f"{prefix}incident:{incident}",
            f"{prefix}relapse:{incident}",
            self.storm,
        )

    def history_of(self, day: str) -> str:
        """What outlives the records of the recoveries that opened on a day, `YYYY-MM-DD`."""
        return f"{self.prefix}history:{day}"

    def guard(self, kind: str, name: str) -> str:
        """The state of one guard: a breaker, a budget, a rate, a resource, a relapse count."""
        return f"{self.prefix}{kind}:{name}"

    def queue(self, kind: str, name: str) -> str:
        """The deliveries that wait for a guard in turn."""
        return f"{self.prefix}queue:{kind}:{name}"

    def turn(self, duty: str) -> str:
        """Whose turn a duty is that one worker does for the whole cell."""
        return f"{self.prefix}turn:{duty}"

    def record(self, correlation_id: str, subject: str) -> tuple[str, ...]:
        """The fifteen keys of a recovery's record, in the order every script expects them."""
        prefix = self.prefix
        return (
            f"{prefix}recovery:{correlation_id}",
            f"{prefix}outstanding:{correlation_id}",
            f"{prefix}ledger:{correlation_id}",
            self.open_recoveries,
            self.closed_recoveries,
            f"{prefix}recoveries:subject:{subject}",
            *self.news,
            self.timers,
            self.escalations,
            f"{prefix}plan:{correlation_id}",
        )
