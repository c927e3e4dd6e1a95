"""A digest: what a quarterly review needs of one recovery, in a few hundred bytes.

It is made from the whole record while that is kept, and outlives it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

import orjson

from antiphon.errors import PermanentError
from antiphon.instants import EPOCH, instant
from antiphon.report.deeds import deeds
from antiphon.trace import Acknowledgement, AttemptOutcome, Escalation, StepOutcome, Trace

_VERSION = 1
_MOST_GROUPS = 20
REST = "(others)"
"""Stands for the handlers beyond the twenty that had most."""


@dataclass(frozen=True, slots=True)
class Episode:
    """People were told, and somebody acknowledged it or nobody did."""

    told: datetime
    acked: datetime | None
    tier: int
    """How far up it went."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """One recovery, as a review counts it."""

    correlation_id: str
    type: str
    """Of the event that opened it: the root cause."""

    subject: str
    verdict: str | None
    """None while it is open."""

    opened: datetime
    """When its first event entered a stream."""

    closed: datetime | None
    """When it was closed the last time."""

    closes: int
    """How often it was closed; above 1 it was reopened in between."""

    relapse: bool
    child: bool
    stalled: bool
    """Whether it was found past its deadline."""

    coalesced: int
    """Further failures that joined it."""

    retries: Mapping[str, int]
    """Attempts after the first, by group."""

    dead: Mapping[str, int]
    """Dead letters, by group; also those that were delivered again since."""

    by_hand: Mapping[str, int]
    """What people did, by act and group with a bar between; `act|` without a group."""

    episodes: tuple[Episode, ...]
    """When people were told, the earliest first."""

    row: str = ""
    """The id of the last row its ledger had then; people may acknowledge it later."""

    @classmethod
    def of(cls, trace: Trace, row: str = "") -> Self:
        """Digest a recovery, whose ledger ends with this row."""
        return cls(
            correlation_id=trace.correlation_id,
            type=trace.root_type,
            subject=trace.subject,
            verdict=trace.verdict,
            opened=trace.opened,
            closed=trace.closed,
            closes=trace.summary.closes,
            relapse=bool(trace.summary.relapse_of or trace.relapse),
            child=bool(trace.summary.parent),
            stalled=bool(trace.stall or trace.summary.stalled),
            coalesced=trace.summary.coalesced,
            retries=_few(Counter(_retried(trace))),
            dead=_few(Counter(_died(trace))),
            by_hand=_few(Counter(f"{it.act}|{it.about}" for it in deeds(trace, None))),
            episodes=tuple(episodes(trace.escalations, trace.acknowledgements)),
            row=row,
        )

    @property
    def took(self) -> timedelta | None:
        """How long it took, from its first event to its last closing; None while it is open."""
        return None if self.closed is None else max(self.closed - self.opened, timedelta())

    def to_bytes(self) -> bytes:
        """Write it down, without what is empty."""
        row = {
            "t": self.type,
            "s": self.subject,
            "e": self.verdict,
            "o": _ms(self.opened),
            "c": self.closed and _ms(self.closed),
            "n": self.closes,
            "r": int(self.relapse),
            "p": int(self.child),
            "l": int(self.stalled),
            "k": self.coalesced,
            "a": self.retries,
            "d": self.dead,
            "m": self.by_hand,
            "i": self.row,
            "x": [[_ms(it.told), it.acked and _ms(it.acked), it.tier] for it in self.episodes],
        }
        return orjson.dumps(
            {"v": _VERSION} | {name: it for name, it in row.items() if it or name == "o"}
        )

    @classmethod
    def from_bytes(cls, correlation_id: str, raw: bytes) -> Self:
        """Read it again.

        Raises:
            PermanentError: It is damaged, or a newer release wrote it in another form.
        """
        try:
            row = orjson.loads(raw)
            if row["v"] != _VERSION:
                raise PermanentError(
                    f"the digest of {correlation_id!r} is of version {row['v']!r}; this release "
                    f"reads {_VERSION}: use the one that wrote it"
                )
            return cls(
                correlation_id=correlation_id,
                type=row.get("t", ""),
                subject=row.get("s", ""),
                verdict=row.get("e"),
                opened=instant(row["o"]),
                closed=_maybe(row.get("c")),
                closes=row.get("n", 0),
                relapse=bool(row.get("r")),
                child=bool(row.get("p")),
                stalled=bool(row.get("l")),
                coalesced=row.get("k", 0),
                retries=_counts(row.get("a")),
                dead=_counts(row.get("d")),
                by_hand=_counts(row.get("m")),
                episodes=tuple(
                    Episode(instant(told), _maybe(acked), int(tier))
                    for told, acked, tier in row.get("x", ())
                ),
                row=str(row.get("i", "")),
            )
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise PermanentError(
                f"the digest of {correlation_id!r} cannot be read: {error}"
            ) from error


def episodes(
    escalations: Iterable[Escalation], acknowledgements: Iterable[Acknowledgement]
) -> Iterator[Episode]:
    """Tell when people were told, and when somebody acknowledged all they had been told till then.

    What is told again before that, a tier further up or of another trouble, is part of the same.
    """
    waiting: Episode | None = None
    both: list[Escalation | Acknowledgement] = [*escalations, *acknowledgements]
    for it in sorted(both, key=lambda each: each.at):
        if isinstance(it, Escalation):
            told, tier = (waiting.told, waiting.tier) if waiting else (it.at, 0)
            waiting = Episode(told, None, max(tier, it.tier))
        elif waiting is not None:
            yield Episode(waiting.told, it.at, waiting.tier)
            waiting = None
    if waiting is not None:
        yield waiting


def _retried(trace: Trace) -> Iterator[str]:
    for step in trace.steps:
        yield from (step.group for a in step.attempts if a.outcome == AttemptOutcome.RETRIED)


def _died(trace: Trace) -> Iterator[str]:
    return (step.group for step in trace.steps if step.outcome == StepOutcome.DIED)


def _few(counts: Counter[str]) -> Mapping[str, int]:
    """Keep the largest, and the sum of the others: what anybody publishes must not grow it."""
    kept = dict(counts.most_common(_MOST_GROUPS))
    rest = counts.total() - sum(kept.values())
    return kept | {REST: rest} if rest else kept


def _counts(found: Any) -> Mapping[str, int]:
    return {str(name): int(count) for name, count in (found or {}).items()}


def _ms(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)


def _maybe(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else instant(milliseconds)
