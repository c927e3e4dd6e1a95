"""The rows of one recovery, gathered into events and deliveries.

Both sources of a trace come through here: the ledger as it is, log lines after they were turned
into the rows the ledger would hold. That is why the two agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from antiphon.instants import entry_instant
from antiphon.ledger import Entry, Kind
from antiphon.trace import flow
from antiphon.trace.decisions import Acknowledgement, Discard, Escalation, Halt, Relapse
from antiphon.trace.flow import Flow
from antiphon.trace.gathering import Gathering
from antiphon.trace.news import ESCALATED
from antiphon.trace.parts import Step, TracedEvent

NOBODY = "?"
"""Stands for the group in outstanding work that no handler is subscribed to."""

_A_DAY = timedelta(days=1)
"""Clocks may disagree by seconds; an entry id a day ahead of its row was made by hand."""

_A_SCRIPT = timedelta(seconds=1)
"""Longer than any script of ours runs."""

_Place = tuple[str, str, str]


@dataclass(slots=True)
class History:
    """What the rows tell, before it is ordered and measured."""

    events: dict[str, TracedEvent] = field(default_factory=dict)
    deliveries: dict[_Place, Gathering] = field(default_factory=dict)
    """By group, event id and entry id."""

    replays: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    """By group and inbox entry: the event that was delivered again, and its dead letter."""

    root: Entry | None = None
    closing: Entry | None = None
    """The latest row that closed the recovery; None while it is open."""

    turns: list[Entry] = field(default_factory=list)
    """Every row that closed the recovery, and every one that opened it again."""

    coalesced: int = 0
    """How many further failures joined, as far as the rows tell."""

    relapse: Relapse | None = None
    halt: Halt | None = None
    escalations: list[Escalation] = field(default_factory=list)
    acknowledgement: Acknowledgement | None = None
    """The latest; None when people were told again after it."""

    acknowledgements: list[Acknowledgement] = field(default_factory=list)
    discards: list[Discard] = field(default_factory=list)
    """Dead letters that were thrown away, the earliest first."""

    flow: Flow = field(default_factory=Flow)
    """What was put off, joins in time, approvals, children, and what ended the recovery."""

    undos: dict[str, TracedEvent] = field(default_factory=dict)
    """By the id of an undo delivery: what it delivers, which is no event of the recovery."""

    latest: datetime | None = None
    unknown_kinds: set[str] = field(default_factory=set)
    _announced: set[str] = field(default_factory=set)
    _deaths: dict[tuple[str, str], str] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[Entry]) -> History:
        """Gather rows, which come in the order of time."""
        history = cls()
        for row in rows:
            history.add(row)
        return history

    def add(self, row: Entry) -> None:
        """Take in one row, not older than the one before."""
        self.latest = row.at
        if row.kind in _DELIVERY_KINDS:
            self._deliver(row)
        elif row.kind in _DECISIONS:
            self._decide(row)
        elif row.kind in flow.KINDS:
            self.flow.add(row)
        else:
            self._record(row)

    @property
    def closes(self) -> int:
        """How often it was closed, as far as the rows tell."""
        return sum(row.kind == Kind.CLOSED for row in self.turns)

    def steps(self) -> list[Step]:
        """Conclude every delivery, each with the events it published, in order of their start."""
        published = self._published()
        concluded = [
            delivery.step(
                self._heard(delivery.event_id),
                tuple(published.get(place, ())),
                self.flow.wins.get(place[:2]),
            )
            for place, delivery in self.deliveries.items()
        ]
        return sorted(concluded, key=lambda step: step.start)

    def _record(self, row: Entry) -> None:
        """Take in an event, an end or a new beginning."""
        match row.kind:
            case Kind.PUBLISHED | Kind.ADOPTED:
                self._announce(row)
            case Kind.OPENED:
                self.root = self.root or row
            case Kind.CLOSED:
                self.closing = row
                self.turns.append(row)
            case Kind.REOPENED:
                self.closing = self.flow.stall = None  # with a deadline of its own
                self.turns.append(row)
            case Kind.REPLAYED:
                delivered = row.text("group"), row.text("entry")
                self.replays[delivered] = row.text("event"), row.text("dead")
                self._explain(row)
            case Kind.UNDO:
                self._deliver(replace(row, fields={**row.fields, "undo_of": row.text("of")}))
            case Kind.LOST:
                self._lose(row)
            case Kind.REFUSED:
                self._refuse(row)
            case _:
                self.unknown_kinds.add(row.kind)

    def _explain(self, replayed: Entry) -> None:
        """Tell the row before, when it opened the recovery again, which dead letter did so."""
        last = self.turns[-1] if self.turns else None
        if last is None or last.kind != Kind.REOPENED or "dead" in last.fields:
            return
        # One script writes both, but the clock may tick between them.
        if last.text("event") == replayed.text("event") and replayed.at - last.at < _A_SCRIPT:
            self.turns[-1] = replace(last, fields={**replayed.fields, **last.fields})

    def _decide(self, row: Entry) -> None:
        """Take in what was decided about the recovery as a whole."""
        match row.kind:
            case Kind.COALESCED:
                self.coalesced = max(self.coalesced, row.whole("count") or 0)
            case Kind.RELAPSED:
                self.relapse = Relapse.from_row(row)
            case Kind.HALTED:
                self.halt = Halt.of(row)
            case Kind.ESCALATED:
                self.escalations.append(Escalation.of(row))
                self.acknowledgement = None
            case Kind.ACKNOWLEDGED if row.text("repeated") and self.acknowledgement:
                pass  # a log line for what another has told
            case Kind.ACKNOWLEDGED:
                self.acknowledgement = Acknowledgement.of(row)
                self.acknowledgements.append(self.acknowledgement)
            case Kind.DISCARDED:
                self.discards.append(Discard.of(row))

    def _announce(self, row: Entry) -> None:
        """Take in an event; one that was written twice counts from the first time."""
        fields = row.fields
        event = _event_of(row, cause=fields.get("cause", ""), by=fields.get("by", ""))
        if event.id not in self._announced:
            self._announced.add(event.id)
            self.events[event.id] = event

    def _deliver(self, row: Entry) -> None:
        fields = row.fields
        place = fields.get("group", ""), fields.get("event", ""), fields.get("entry", "")
        event_id = place[1]
        delivery = self.deliveries.get(place)
        if delivery is None:
            delivery = self._begin(row, place)
        delivery.add(row)
        match row.kind:
            case Kind.STARTED if event_id in self.events and not self.events[event_id].type:
                self.events[event_id] = _event_of(row, cause="", by="")
            case Kind.DIED:
                self._deaths[place[:2]] = row.text("dead")
            case Kind.JOINED:
                self.flow.arrive(row)

    def _begin(self, row: Entry, place: _Place) -> Gathering:
        """Begin to gather a delivery, from the first of its rows."""
        group, event_id, entry = place
        if undo_of := row.text("undo_of"):
            self.undos.setdefault(event_id, _event_of(row, cause=undo_of, by=""))
        elif event_id not in self.events and event_id not in self.undos:
            self.events[event_id] = self._unannounced(row)
        replay_of = self.replays.get((group, entry), ("", ""))[1]
        if not replay_of and entry != self._heard(event_id).entry:
            replay_of = self._deaths.get((group, event_id), "")
        undo = self.undos.get(event_id)
        delivery = Gathering(group, event_id, entry, row.at, replay_of, undo.cause if undo else "")
        self.deliveries[place] = delivery
        return delivery

    def _heard(self, event_id: str) -> TracedEvent:
        """Return what a delivery delivers: an event, or the order to undo the step after one."""
        return self.undos.get(event_id) or self.events[event_id]

    def _unannounced(self, row: Entry) -> TracedEvent:
        """Read off its delivery an event from before the ledger began, or news of the recovery."""
        event = _event_of(row, cause="", by="")
        if event.type or event.id not in {told.event_id for told in self.escalations}:
            return event
        subject = self.root.text("subject") if self.root else ""
        return replace(event, type=ESCALATED, subject=subject)

    def _refuse(self, row: Entry) -> None:
        """Tell the delivery that somebody came too late with an outcome."""
        delivery = self.deliveries.get((row.text("group"), row.text("event"), row.text("entry")))
        # A line with the time spent is of a worker that noticed by itself, and asked nobody.
        if delivery is not None and not row.text("ms"):
            delivery.refuse(row)

    def _lose(self, row: Entry) -> None:
        """Find the delivery of a row that names only the entry, not the event in it."""
        group, entry = row.text("group"), row.text("entry")
        if group == NOBODY:
            return
        event_id = row.text("event") or self.replays.get((group, entry), ("", ""))[0]
        if not event_id:
            label = row.text("type")
            event_id = next(
                (e.id for e in self.events.values() if (e.type, e.entry) == (label, entry)), entry
            )
        self._deliver(replace(row, fields={**row.fields, "event": event_id}))

    def _published(self) -> Mapping[_Place, list[str]]:
        """Find what each delivery published; of several for one event, the one that completed."""
        publishers: dict[tuple[str, str], _Place] = {}
        for place, delivery in self.deliveries.items():
            if place[:2] not in publishers or delivery.completed:
                publishers[place[:2]] = place
        published: dict[_Place, list[str]] = {}
        for event in self.events.values():
            publisher = publishers.get((event.by, event.cause))
            if publisher is not None:
                published.setdefault(publisher, []).append(event.id)
        return published


_DELIVERY_KINDS = frozenset(
    {
        Kind.STARTED,
        Kind.PROGRESS,
        Kind.COMPLETED,
        Kind.RETRIED,
        Kind.RELEASED,
        Kind.DIED,
        Kind.SKIPPED,
        Kind.DUPLICATE,
        Kind.WAITING,
        Kind.JOINED,
        Kind.HELD,
        Kind.SUPPRESSED,
        Kind.LATE,
        Kind.OUTRUN,
    }
)

_DECISIONS = frozenset(
    {
        Kind.COALESCED,
        Kind.RELAPSED,
        Kind.HALTED,
        Kind.ESCALATED,
        Kind.ACKNOWLEDGED,
        Kind.DISCARDED,
    }
)


def _event_of(row: Entry, *, cause: str, by: str) -> TracedEvent:
    fields = row.fields
    entry = fields.get("entry", "")
    written = entry_instant(entry)
    return TracedEvent(
        id=fields.get("event", ""),
        type=fields.get("type", ""),
        subject=fields.get("subject", ""),
        time=written if written and written - row.at < _A_DAY else row.at,
        cause=cause,
        by=by,
        entry=entry,
    )
