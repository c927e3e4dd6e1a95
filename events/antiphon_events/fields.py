"""Fields: how one attribute is read from the bytes of a stream entry.

Every delivery passes through here, so the common case of each reader is a few C calls.
The readers are given no empty values: an empty attribute counts as left out.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from antiphon_events.attribute import SURELY_SHORT, InvalidAttribute, check_text, shown

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)
_MAX_DIGITS = 9
_CACHED = 4096


def read_text(attribute: str, raw: bytes) -> str:
    """Return the text of an attribute.

    Raises:
        InvalidAttribute: It is not UTF-8, or `check_text` refuses it.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise InvalidAttribute(attribute, f"{shown(raw)} is not UTF-8") from None
    # What check_text would find out first, without the call.
    if len(text) > SURELY_SHORT or not text.isprintable():
        check_text(attribute, text)
    return text


read_repeated_text = lru_cache(_CACHED)(read_text)
"""`read_text` for attributes with few values: sources, types, subjects."""


def read_time(raw: bytes) -> datetime:
    """Return an instant in UTC. Any offset is understood, a time without one is not.

    Raises:
        InvalidAttribute: It is no instant, or one outside the years 1 to 9999.
    """
    try:
        time = datetime.fromisoformat(raw.decode())
        if time.tzinfo is UTC:
            return time
        if time.tzinfo is not None:
            return time.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise InvalidAttribute(
        "time", f"{shown(raw)} is no RFC 3339 instant such as 2026-01-31T12:00:00.000Z"
    )


def instant(ms: int) -> datetime:
    """Return the instant of Unix milliseconds, or the last millisecond of the year 9999."""
    return _EPOCH + timedelta(milliseconds=min(ms, _LAST_MS))


def read_hops(raw: bytes) -> int:
    """Return the number of hops.

    Raises:
        InvalidAttribute: It is no decimal number, or an absurd one.
    """
    # bytes.isdigit knows ASCII digits only, unlike int and str.isdigit.
    if not raw.isdigit() or len(raw) > _MAX_DIGITS:
        raise InvalidAttribute("hops", f"{shown(raw)} is no decimal number of hops")
    return int(raw)


@lru_cache(_CACHED)
def read_version(raw: bytes, event_type: str) -> int:
    """Return the version in the URN of a schema.

    Raises:
        InvalidAttribute: It is not the URN of a version of this type's schema.
    """
    prefix = data_schema(event_type, 0)[:-1].encode()
    digits = raw[len(prefix) :]
    if raw.startswith(prefix) and digits.isdigit() and len(digits) <= _MAX_DIGITS:
        version = int(digits)
        if version > 0:
            return version
    raise InvalidAttribute(
        "dataschema", f"{shown(raw)} is not of the form {shown(data_schema(event_type, 1))}"
    )


@lru_cache(_CACHED)
def data_schema(type: str, version: int) -> str:  # noqa: A002
    """Return the URN that names the schema of an event's data."""
    return f"urn:antiphon:{type}:{version}"
