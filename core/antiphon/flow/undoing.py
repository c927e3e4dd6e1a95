"""Undoing: what must be known of a completed step to take it back later."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from antiphon.errors import PermanentError, UndecodableEvent
from antiphon_events import Envelope, Event, decode, event_class

_LONGEST_ID = 200

UNDO = b"undo"
"""The field of an inbox entry that makes it the undoing of a step."""


@dataclass(frozen=True, slots=True)
class Undoing:
    """A step that was completed, as the recovery's plan keeps it."""

    branches: Mapping[str, str]
    """The events that completed its join, as the join kept them; empty without a join."""
    published: Sequence[Mapping[str, Any]]
    """What it published: the type of each event, and its fields."""
    key: str
    """Its idempotency key: what was taken back may be done again."""

    @classmethod
    def read(cls, kept: bytes) -> Undoing:
        """Read it back from an inbox entry.

        Raises:
            UndecodableEvent: it is not what `plan` writes.
        """
        try:
            known = orjson.loads(kept)
            return cls(known["branches"], known["published"], known["key"])
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise UndecodableEvent(f"what is to be undone cannot be read: {error!r}") from error

    def events(self) -> tuple[Event, ...]:
        """What the step had published.

        Raises:
            PermanentError: a type is not known here any more, or its data cannot be read.
        """
        return tuple(_event(row) for row in self.published)


def _event(row: Mapping[str, Any]) -> Event:
    try:
        kind, fields = event_class(row["type"]), row["fields"]
    except LookupError as error:
        raise PermanentError(f"what the step had published cannot be read: {error}") from error
    raw = {k.encode(): v.encode() for k, v in zip(fields[::2], fields[1::2], strict=True)}
    envelope = Envelope.from_fields(raw, stream="", entry_id="0-1", default_type=row["type"])
    return decode(kind, envelope, raw[b"data"])


def plan(
    group: str,
    token: int,
    envelope: Envelope,
    data: bytes,
    key: str,
    *,
    branches: Mapping[str, bytes],
    published: Iterable[tuple[Envelope, bytes]],
) -> bytes:
    """Write how a step is undone, for the recovery's plan.

    Args:
        group: the handler's.
        token: the fencing token it was completed with; names this completion.
        envelope: of the event it reacted to.
        data: that event's data, as JSON.
        key: the step's idempotency key.
        branches: what completed its join, as the join kept it.
        published: what it published.
    """
    return orjson.dumps(
        {
            "group": group,
            "id": f"{_short(envelope.id)}:undo:{token}",
            "of": envelope.id,
            "type": envelope.type,
            "subject": envelope.subject,
            "fields": texts(envelope.to_fields(data)),
            "step": {
                "key": key,
                "branches": {name: kept.decode() for name, kept in branches.items()},
                "published": [
                    {"type": e.type, "fields": texts(e.to_fields(said))} for e, said in published
                ],
            },
        }
    )


def _short(event_id: str) -> str:
    """An event id that leaves room for what is put behind it."""
    raw = event_id.encode()
    return event_id if len(raw) <= _LONGEST_ID else hashlib.sha256(raw).hexdigest()


def texts(fields: Iterable[str | bytes]) -> list[str]:
    """Fields and values of an entry as JSON can hold them."""
    return [text if isinstance(text, str) else text.decode() for text in fields]
