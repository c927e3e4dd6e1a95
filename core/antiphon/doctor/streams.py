"""Does every stream take entries, and does none grow for ever?"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import timedelta

from antiphon.census import StreamCensus
from antiphon.doctor.facts import Facts
from antiphon.doctor.finding import Finding, Grade
from antiphon.trace.words import spell

_SKEW = timedelta(seconds=5)
"""Clocks of a primary and its successor differ by less."""

_LONG = 100_000


def examine(facts: Facts) -> Iterator[Finding]:
    """Look at every stream."""
    streams = facts.census.streams
    found = [finding for stream in streams for finding in _flaws(stream)]
    if found:
        yield from found
    else:
        entries = sum(stream.length for stream in streams)
        yield Finding(Grade.OK, "streams", f"{len(streams)} with {entries} entries")


def _flaws(stream: StreamCensus) -> Iterator[Finding]:
    if stream.full:
        yield Finding(
            Grade.PROBLEM,
            stream.key,
            "it takes no entry any more: somebody gave one the largest id there is",
            f"DEL {shlex.quote(stream.key)}: workers make it again, and what is in it is lost",
        )
    elif stream.ahead > _SKEW:
        yield Finding(
            Grade.PROBLEM,
            stream.key,
            f"its ids are {spell(stream.ahead)} ahead of the server's clock: until then ages are "
            "wrong and entries are kept too long",
            "set the server's clock right; let nobody write entries with ids of their own",
        )
    if stream.length > _LONG:
        yield Finding(
            Grade.WARNING,
            stream.key,
            f"it has grown to {stream.length} entries: it is trimmed while a worker runs, below "
            "what is unread, pending or younger than the oldest open recovery",
            "run a worker, close old recoveries, or shorten ANTIPHON_STREAM_RETENTION",
        )
    for stranger in stream.strangers:
        yield Finding(
            Grade.WARNING,
            stream.key,
            f"the consumer group {stranger} was registered by no handler, and keeps what it has "
            "not read from being trimmed",
            f"if no other program reads with it: antiphon groups retire {stranger} --force",
        )
