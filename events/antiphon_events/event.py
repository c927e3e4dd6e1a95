"""The event: a fact in the past tense, frozen and versioned."""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict

from antiphon_events import registry
from antiphon_events.attribute import check_text
from antiphon_events.envelope import Envelope
from antiphon_events.selector import Selector

_RESERVED = frozenset({"type", "version", "subject", "envelope"})
_KEPT_TYPES = frozenset({"inbox", "later", "join", "undo", "child"})
"""Words by which a recovery names work that is no delivery."""

_TYPE_CHARACTERS = frozenset(string.ascii_lowercase + string.digits + "._-")


class Event(BaseModel):
    """Base of all events.

    A subclass that sets ``type`` is an event and is registered under its type and version;
    one that does not is a base for others.
    Fields are the event's data; give them defaults, so that a bare entry is valid.
    The subject belongs to the envelope: it is an argument and an attribute of every event, but
    no part of the data, and a validator of the data cannot see it.

    Two events are equal when class, subject and data are; their envelopes do not count.

    Example:
        >>> class DiskFilled(Event):
        ...     type = "disk.filled"
        ...     free_bytes: int = 0
        >>> DiskFilled(subject="orders-host", free_bytes=512).data_json()
        b'{"free_bytes":512}'

    Raises:
        TypeError: The class is a base of events, not an event.
        InvalidAttribute: The subject is empty, too long, or holds a control character.
        pydantic.ValidationError: A field is unknown or has the wrong type.
    """

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    type: ClassVar[str]
    """What kind of fact this is: dotted lower case, ending in a past participle."""

    version: ClassVar[int] = 1
    """The version of the data's schema."""

    if TYPE_CHECKING:
        # Type checkers see a field, and so an argument; pydantic must not, for it is no data.
        subject: str

    def __init__(self, *, subject: str, **data: Any) -> None:
        if not hasattr(self, "type"):
            raise TypeError(
                f"{self.__class__.__name__} has no type: it is a base of events; use one of them"
            )
        check_text("subject", subject)
        super().__init__(**data)
        self.__dict__["subject"] = subject

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        _check_fields(cls)
        if not {"type", "version"}.isdisjoint(cls.__dict__) and hasattr(cls, "type"):
            _check_type(cls)
            registry.register(cls)

    @classmethod
    def about(cls, *subjects: str) -> Selector:
        """Select the events of this type about one of the subjects; none given means any."""
        return Selector(cls).about(*subjects)

    @classmethod
    def where(cls, predicate: Callable[[Self], bool]) -> Selector:
        """Select the events of this type for which a pure predicate holds."""
        return Selector(cls).where(predicate)

    @property
    def envelope(self) -> Envelope | None:
        """The envelope it was published or received in; None before that."""
        return self.__dict__.get("envelope")

    def data_json(self) -> bytes:
        """Return the data, without the subject, as a JSON object."""
        return self.__pydantic_serializer__.to_json(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Event):
            return NotImplemented
        if self.__class__ is not other.__class__ or self.subject != other.subject:
            return False
        return all(getattr(self, name) == getattr(other, name) for name in _fields(self))

    def __hash__(self) -> int:
        # Fields may be lists, so the data stays out; equal events still hash alike.
        return hash((self.__class__, self.subject))

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        yield "subject", self.subject
        yield from super().__repr_args__()


def _fields(event: Event) -> Iterable[str]:
    return event.__class__.model_fields


def _check_fields(cls: type[Event]) -> None:
    if taken := sorted(_RESERVED & cls.model_fields.keys()):
        raise TypeError(
            f"{cls.__name__}.{taken[0]} cannot be a field: the name belongs to the envelope; "
            "rename it, or set a type or version without an annotation"
        )


def _check_type(cls: type[Event]) -> None:
    if not cls.type or not _TYPE_CHARACTERS.issuperset(cls.type):
        raise TypeError(
            f"{cls.__name__}.type is {cls.type!r}; use dotted lower case such as 'service.failed'"
        )
    if cls.type in _KEPT_TYPES:
        raise TypeError(
            f"{cls.__name__}.type is {cls.type!r}, a word that Antiphon needs: add a dot"
        )
    check_text("type", cls.type)
    if cls.version < 1:
        raise TypeError(f"{cls.__name__}.version is {cls.version}; count from 1")
