"""Ids: version 7, strictly growing, and the same for everybody who derives one."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from antiphon_events import derived_id, uuid7
from antiphon_events.ids import Uuid7Generator

NS_PER_MS = 1_000_000


def ones(size: int) -> bytes:
    return b"\xff" * size


def test_an_id_is_a_version_7_uuid_of_the_given_millisecond() -> None:
    """The layout is RFC 9562's, and the first 48 bits are the clock's milliseconds."""
    made = uuid.UUID(Uuid7Generator(now_ns=lambda: 1_700_000_000_123 * NS_PER_MS)())

    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert made.int >> 80 == 1_700_000_000_123


def test_an_id_is_written_in_the_canonical_form() -> None:
    """The text is what the standard library would write."""
    made = uuid7()

    assert made == str(uuid.UUID(made))


@given(st.lists(st.integers(0, 2**48 * NS_PER_MS - 1), min_size=2, max_size=50))
def test_ids_grow_whatever_the_clock_does(readings: list[int]) -> None:
    """A clock that stands still or steps back never breaks the order."""
    clock = iter(readings)
    generate = Uuid7Generator(now_ns=lambda: next(clock))

    made = [generate() for _ in readings]

    assert all(earlier < later for earlier, later in pairwise(made))


def test_a_full_counter_borrows_the_next_millisecond() -> None:
    """More ids than the counter holds within one millisecond still grow."""
    generate = Uuid7Generator(now_ns=lambda: 5 * NS_PER_MS, entropy=ones)
    first = generate()
    generate._counter = 2**42 - 2

    last_of_its_ms, borrowed = generate(), generate()

    assert first < last_of_its_ms < borrowed
    assert uuid.UUID(last_of_its_ms).int >> 80 == 5
    assert uuid.UUID(borrowed).int >> 80 == 6


def test_threads_never_get_the_same_id() -> None:
    """Concurrent callers get distinct ids, each thread its own in growing order."""
    with ThreadPoolExecutor(4) as pool:
        batches = list(pool.map(lambda _: [uuid7() for _ in range(500)], range(8)))

    assert len({made for batch in batches for made in batch}) == 4000
    assert all(batch == sorted(batch) for batch in batches)


def test_a_derived_id_is_the_same_for_every_reader() -> None:
    """The value is fixed for ever: readers of different releases must agree."""
    stream = "{antiphon}:events:service.failed"

    assert derived_id(stream, "1700000000000-0") == "018bcfe5-6800-7300-9c2c-e82602ce1ee4"


@given(st.text(), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_a_derived_id_is_a_version_7_uuid_of_the_entry(
    stream: str, ms: int, sequence: int, other: int
) -> None:
    """It sorts with the ids of its time, and no two entries of a stream share one."""
    made = derived_id(stream, f"{ms}-{sequence}")

    assert made == str(uuid.UUID(made))
    assert uuid.UUID(made).version == 7
    assert uuid.UUID(made).variant == uuid.RFC_4122
    assert uuid.UUID(made).int >> 80 == ms % 2**48
    assert (made == derived_id(stream, f"{ms}-{other}")) == (sequence == other)


def test_the_same_entry_id_in_two_streams_gives_two_ids() -> None:
    """Streams of one cell never collide."""
    assert derived_id("{a}:events:x", "1-0") != derived_id("{a}:events:y", "1-0")
