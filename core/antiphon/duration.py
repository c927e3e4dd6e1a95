"""A length of time, as people write it.

Every option that is a length of time accepts a ``timedelta`` or text: ``"250ms"``, ``"1.5s"``,
``"10m"``, ``"1h30m"``, ``"7d"``. Inside, and in every signature, it is a ``timedelta``.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

_MILLISECOND = timedelta(milliseconds=1)

_UNITS = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": _MILLISECOND,
}

# Each unit at most once, the largest first: "30m1h" is more likely a slip than a wish.
_TEXT = re.compile("".join(rf"(?:([0-9]+(?:\.[0-9]+)?){unit})?" for unit in _UNITS))


def duration(value: str | timedelta) -> timedelta:
    """Read a length of time.

    Args:
        value: A ``timedelta``, or numbers each followed by ``d``, ``h``, ``m``, ``s`` or ``ms``,
            the largest unit first and nothing in between. A bare number has no unit and is refused.

    Raises:
        ValueError: The value is neither, is negative, or is longer than a ``timedelta`` can hold.
    """
    if isinstance(value, timedelta):
        if value < timedelta(0):
            raise ValueError(f"{value!r} is negative: a duration is zero or more")
        return value
    match = _TEXT.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or not any(match.groups()):
        raise ValueError(
            f"{value!r} is not a duration: write it like '250ms', '1.5s', '10m', '1h30m' or '7d'"
        )
    try:
        return sum(
            (
                float(number) * unit
                for number, unit in zip(match.groups(), _UNITS.values(), strict=True)
                if number
            ),
            timedelta(0),
        )
    except OverflowError:
        raise ValueError(f"{value!r} is too long: at most {timedelta.max.days}d") from None


def format_duration(value: timedelta) -> str:
    """Write a duration the way ``duration`` reads it, to the microsecond."""
    parts: list[str] = []
    rest = value
    for name, unit in _UNITS.items():
        if unit > _MILLISECOND:
            count, rest = divmod(rest, unit)
            parts += [f"{count}{name}"] if count else []
    if rest:
        parts.append(f"{rest / _MILLISECOND:g}ms")
    return "".join(parts) or "0s"


def milliseconds(value: timedelta) -> int:
    """Return whole milliseconds, rounded up: no positive duration becomes Redis's special 0."""
    return -(-value // _MILLISECOND)


Duration = Annotated[
    timedelta,
    BeforeValidator(duration),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
]
"""A ``timedelta`` for pydantic models; reads what ``duration`` reads, and writes that to JSON."""
