"""Decoding: from an envelope and the bytes of the data to an event."""

from __future__ import annotations

from copy import copy
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails, from_json, to_json

from antiphon_events.attribute import check_text, shown
from antiphon_events.envelope import Envelope
from antiphon_events.event import Event
from antiphon_events.upcasters import MissingUpcaster, upcast

E = TypeVar("E", bound=Event)

_SHOWN_ERRORS = 3
_SHOWN_CHARACTERS = 160


class UndecodableData(ValueError):
    """The data of an entry is no event of its type; the message says where, in one line."""


def decode(cls: type[E], envelope: Envelope, data: bytes) -> E:
    """Return the event, carrying its subject and envelope.

    Data of an older version goes through the registered upcasters first.

    Raises:
        UndecodableData: The envelope is of another type or of a newer version than the class,
            an older version has no upcaster, or the data is not what the class describes.
            Nothing else is raised, whatever the bytes.
    """
    if envelope.type != cls.type:
        raise UndecodableData(f"the entry is of type {shown(envelope.type)}, not {cls.type!r}")
    if envelope.version != cls.version:
        data = _upcast(cls, envelope.version, data)
    return _carry(_validated(cls, data), envelope)


def parse_event(cls: type[E], subject: str, data: bytes) -> E:
    """Return an event of the class's own version from JSON that somebody typed.

    Raises:
        UndecodableData: The data is not what the class describes.
        InvalidAttribute: The subject is empty, too long, or holds a control character.
    """
    check_text("subject", subject)
    event = _validated(cls, data)
    event.__dict__["subject"] = subject
    return event


def attach(event: E, envelope: Envelope) -> E:
    """Return the same event, carrying an envelope; the one given is left as it was.

    Raises:
        ValueError: The envelope is of another type, version or subject than the event.
    """
    for name in ("type", "version", "subject"):
        theirs, ours = getattr(envelope, name), getattr(event, name)
        if theirs != ours:
            raise ValueError(f"the envelope's {name} is {theirs!r}, the event's {ours!r}")
    return _carry(copy(event), envelope)


def _validated(cls: type[E], data: bytes) -> E:
    event = cls.__new__(cls)
    try:
        # Validating into an instance skips __init__, and parses the bytes only once.
        cls.__pydantic_validator__.validate_json(data, self_instance=event)
    except ValidationError as error:
        raise UndecodableData(f"{_title(cls)}: {_summary(cls, error)}") from None
    except Exception as error:  # a validator of the class may raise anything
        raise UndecodableData(f"{_title(cls)}: {_one_line(repr(error))}") from error
    return event


def _carry(event: E, envelope: Envelope) -> E:
    attributes = event.__dict__
    attributes["subject"] = envelope.subject
    attributes["envelope"] = envelope
    return event


def _upcast(cls: type[Event], version: int, data: bytes) -> bytes:
    """Return the data as JSON of the class's version."""
    if version > cls.version:
        raise UndecodableData(
            f"{cls.type} version {version} is newer than the version {cls.version} known here; "
            "upgrade this program"
        )
    title = f"{cls.type} version {version}"
    try:
        old = from_json(data, allow_inf_nan=False)
    except ValueError as error:
        raise UndecodableData(f"{title}: invalid JSON: {_one_line(str(error))}") from None
    if not isinstance(old, dict):
        raise UndecodableData(f"{title}: data must be a JSON object")
    try:
        return to_json(upcast(cls.type, old, version=version, to=cls.version))
    except MissingUpcaster as error:
        raise UndecodableData(str(error)) from error
    except Exception as error:  # an upcaster may raise anything
        raise UndecodableData(f"{title}: {_one_line(repr(error))}") from error


def _title(cls: type[Event]) -> str:
    return f"{cls.type} version {cls.version}"


def _summary(cls: type[Event], error: ValidationError) -> str:
    """Name the first few fields at fault, and what is wrong with each."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    parts = [_detail(cls, detail) for detail in details[:_SHOWN_ERRORS]]
    if len(details) > _SHOWN_ERRORS:
        parts.append(f"and {len(details) - _SHOWN_ERRORS} more")
    return "; ".join(parts)


def _detail(cls: type[Event], detail: ErrorDetails) -> str:
    path = ".".join(map(str, detail["loc"]))
    if detail["type"] == "extra_forbidden":
        known = ", ".join(cls.model_fields) or "none"
        return f"unknown field {shown(path)} (known: {known})"
    message = _one_line(detail["msg"])
    return f"field {shown(path)}: {message}" if path else message


def _one_line(problem: str) -> str:
    """Return a message that fits a line of a log or a terminal."""
    text = problem if problem.isprintable() else repr(problem)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
