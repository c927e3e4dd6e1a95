"""The registry: which class speaks for an event type and version.

Defining a subclass of `Event` with a ``type`` registers it; nobody calls `register` by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from antiphon_events.event import Event

_classes: dict[str, dict[int, type[Event]]] = {}
_current: dict[str, int] = {}


def register(cls: type[Event]) -> None:
    """Make a class the one for its type and version.

    A class of the same module and qualified name replaces the former one,
    so that reloading a module works.

    Raises:
        TypeError: Another class already speaks for this type and version.
    """
    versions = _classes.setdefault(cls.type, {})
    other = versions.get(cls.version)
    if other is not None and _name(other) != _name(cls):
        raise TypeError(
            f"{_name(cls)} and {_name(other)} both define {cls.type!r} version {cls.version}; "
            "give one another type or version"
        )
    versions[cls.version] = cls
    _current[cls.type] = max(versions)


def event_class(type: str, version: int | None = None) -> type[Event]:  # noqa: A002
    """Return the class of a type, by default in its newest version.

    Raises:
        LookupError: No class for it has been defined, or its module was not imported.
    """
    versions = _classes.get(type)
    if not versions:
        raise LookupError(
            f"no event of type {type!r} is defined; import the module that defines it, "
            f"or use one of: {', '.join(event_types())}"
        )
    found = versions.get(max(versions) if version is None else version)
    if found is None:
        known = ", ".join(map(str, sorted(versions)))
        raise LookupError(f"{type!r} has no version {version}; defined: {known}")
    return found


def event_types() -> tuple[str, ...]:
    """Return every type defined so far, in alphabetical order."""
    return tuple(sorted(_classes))


def current_version(type: str) -> int:  # noqa: A002
    """Return the newest version defined for a type, or 1 when the type is unknown here."""
    return _current.get(type, 1)


def _name(cls: type[Event]) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
