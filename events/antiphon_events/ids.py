"""Event ids: UUID version 7 (RFC 9562), so that ids sort by the time they were made."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable

_TIME_MASK = (1 << 48) - 1
_COUNTER_BITS = 42
_COUNTER_LIMIT = 1 << _COUNTER_BITS
_TAIL_BYTES = 4


class Uuid7Generator:
    """Makes UUIDs that grow strictly within the process, from any number of threads.

    The layout is RFC 9562, section 6.2, method 1: 48 bits of Unix milliseconds, a counter of
    42 bits seeded anew at every millisecond, and 32 random bits.
    A clock that steps back does not break the order: the last millisecond seen is used on.

    Args:
        now_ns: The clock, in Unix nanoseconds.
        entropy: The source of randomness: how many bytes in, that many bytes out.
    """

    def __init__(
        self,
        *,
        now_ns: Callable[[], int] = time.time_ns,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._now_ns = now_ns
        self._entropy = entropy
        self._lock = threading.Lock()
        self._last_ms = -1
        self._counter = 0

    def __call__(self) -> str:
        """Return the next id, greater than every one before it."""
        now_ms = self._now_ns() // 1_000_000
        with self._lock:
            if now_ms > self._last_ms:
                self._begin(now_ms)
            else:
                self._counter += 1
                if self._counter == _COUNTER_LIMIT:
                    self._begin(self._last_ms + 1)
            ms, counter = self._last_ms, self._counter
        tail = int.from_bytes(self._entropy(_TAIL_BYTES))
        return _uuid7(ms, counter >> 30, (counter & 0x3FFF_FFFF) << 32 | tail)

    def _begin(self, ms: int) -> None:
        """Enter a millisecond with a counter that has its upper half left to grow into."""
        self._last_ms = ms
        self._counter = int.from_bytes(self._entropy(6)) & (_COUNTER_LIMIT // 2 - 1)


_generate = Uuid7Generator()


def uuid7() -> str:
    """Return a new UUIDv7, greater than every one this process made before."""
    return _generate()


def derived_id(stream: str, entry_id: str) -> str:
    """Return the id of an entry that was written without one.

    The same stream and entry always give the same id, whoever reads the entry first.
    The time part is the entry's millisecond; the rest is a hash of both arguments.

    Args:
        stream: The whole key of the stream.
        entry_id: The entry's id in it, such as ``1700000000000-0``.
    """
    digest = hashlib.sha256(f"{stream}\0{entry_id}".encode(errors="surrogatepass")).digest()
    rest = int.from_bytes(digest[:10])
    return _uuid7(entry_ms(entry_id), rest >> 64 & 0xFFF, rest)


def entry_ms(entry_id: str) -> int:
    """Return the time part of a stream entry's id, in Unix milliseconds."""
    return int(entry_id.partition("-")[0])


def _uuid7(ms: int, rand_a: int, rand_b: int) -> str:
    """Lay out the parts; of each, the bits that do not fit are dropped."""
    value = (
        (ms & _TIME_MASK) << 80
        | 0x7 << 76
        | (rand_a & 0xFFF) << 64
        | 0b10 << 62
        | rand_b & 0x3FFF_FFFF_FFFF_FFFF
    )
    text = value.to_bytes(16).hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def uuid7_ms(event_id: str) -> int:
    """When a UUIDv7 was made, in Unix milliseconds; 0 when it is none."""
    raw = event_id.replace("-", "")
    try:
        return int(raw[:12], 16) if len(raw) == 32 and raw[12] == "7" else 0  # noqa: PLR2004
    except ValueError:
        return 0
