"""A trace context as text: the W3C `traceparent` that events carry from step to step.

Source: W3C Trace Context, version 00. Nothing here needs OpenTelemetry.
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
_SAMPLED = 1


class Traceparent(NamedTuple):
    """Where in which trace something happened."""

    trace_id: int
    """128 bits, never zero."""
    span_id: int
    """64 bits, never zero."""
    sampled: bool

    @classmethod
    def read(cls, text: str | None) -> Traceparent | None:
        """Read what an event carries; None when it carries none, or none that can be read."""
        found = _FORM.fullmatch(text) if text else None
        if found is None:
            return None
        version, trace_id, span_id, flags, more = found.groups()
        if version == "ff" or (version == "00" and more):
            return None
        parsed = cls(int(trace_id, 16), int(span_id, 16), bool(int(flags, 16) & _SAMPLED))
        return parsed if parsed.trace_id and parsed.span_id else None

    @classmethod
    def of_recovery(cls, correlation_id: str, event_id: str) -> Traceparent:
        """Where an event belongs that was published outside every trace.

        It follows from the ids alone, so that all who handle events of one recovery agree: the
        trace id is the correlation id without its dashes, where that is a UUID, and the span id
        the latter half of the event id.
        """
        return cls(_number(correlation_id, 128), _number(event_id, 64), sampled=True)

    def __str__(self) -> str:
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{'01' if self.sampled else '00'}"


def _number(text: str, bits: int) -> int:
    """A number for an id, never zero: a UUID's own last bits, or those of a digest."""
    if _UUID.fullmatch(text):
        return int(text.replace("-", ""), 16) & ((1 << bits) - 1) or 1
    raw = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=bits // 8).digest()
    return int.from_bytes(raw, "big") or 1
