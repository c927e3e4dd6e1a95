"""A review: recoveries of a span of time, counted by what caused them and what they took.

It is built from one digest after another and keeps of each no more than counts and a length.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappush, heappushpop
from typing import Any

from antiphon.instants import iso
from antiphon.report.digest import Digest
from antiphon.report.percentiles import Lengths

OPEN = "open"
_LONGEST = 10
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(slots=True)
class Tally:
    """Some recoveries, counted."""

    count: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    """By verdict; `open` for those that are."""

    relapses: int = 0
    took: Lengths = field(default_factory=Lengths)
    """Recovery times of those that completed."""

    by_hand: int = 0
    """Recoveries in which a person did something."""

    def add(self, it: Digest) -> None:
        """Count one more."""
        self.count += 1
        self.verdicts[it.verdict or OPEN] += 1
        self.relapses += it.relapse
        self.by_hand += bool(it.by_hand)
        if it.verdict == "completed" and it.took is not None:
            self.took.add(it.took)

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON; lengths in milliseconds."""
        return {
            "recoveries": self.count,
            "verdicts": dict(sorted(self.verdicts.items())),
            "relapses": self.relapses,
            "by_hand": self.by_hand,
            "recovery_time_ms": spread(self.took),
        }


@dataclass(slots=True)
class Effort:
    """What one handler cost: attempts in vain, and people."""

    retries: int = 0
    retried_in: int = 0
    """In how many recoveries."""

    dead: int = 0
    acts: Counter[str] = field(default_factory=Counter)
    """What people did about it, by act."""

    acted_in: int = 0
    """In how many recoveries people did something about it."""

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "retries": self.retries,
            "retried_in": self.retried_in,
            "dead_letters": self.dead,
            "by_hand": dict(sorted(self.acts.items())),
            "by_hand_in": self.acted_in,
        }


@dataclass(slots=True)
class Review:
    """All recoveries that opened in a span of time."""

    since: datetime
    until: datetime
    total: Tally = field(default_factory=Tally)
    durations: defaultdict[str, Lengths] = field(default_factory=lambda: defaultdict(Lengths))
    """How long recoveries took, by verdict."""

    causes: defaultdict[tuple[str, str], Tally] = field(default_factory=lambda: defaultdict(Tally))
    """By type of the event that opened them, and subject."""

    types: defaultdict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    subjects: defaultdict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    months: defaultdict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    """By the month in which they opened, as in `2026-11`."""

    handlers: defaultdict[str, Effort] = field(default_factory=lambda: defaultdict(Effort))
    """By group."""

    acts: Counter[str] = field(default_factory=Counter)
    """What people did, by act."""

    told: int = 0
    """How often people were told, and that was acknowledged, or not."""

    unacknowledged: int = 0
    highest_tier: int = 0
    to_acknowledge: Lengths = field(default_factory=Lengths)
    stalled: int = 0
    reopened: int = 0
    coalesced: int = 0
    children: int = 0
    _longest: list[tuple[timedelta, str, int, Digest]] = field(default_factory=list)

    def add(self, it: Digest) -> None:
        """Count one more recovery."""
        groups = (
            self.total,
            self.causes[it.type, it.subject],
            self.types[it.type],
            self.subjects[it.subject],
            self.months[f"{it.opened:%Y-%m}"],
        )
        for tally in groups:
            tally.add(it)
        self.stalled += it.stalled
        self.reopened += it.closes > (it.closed is not None)
        self.coalesced += it.coalesced
        self.children += it.child
        self._efforts(it)
        self._episodes(it)
        if it.took is not None:
            self.durations[it.verdict or ""].add(it.took)
            entry = (it.took, it.correlation_id, self.total.count, it)
            (heappush if len(self._longest) < _LONGEST else heappushpop)(self._longest, entry)

    @property
    def longest(self) -> list[Digest]:
        """The ten that took longest, these first."""
        return [digest for *_, digest in sorted(self._longest, reverse=True)]

    @property
    def relapse_rate(self) -> float | None:
        """Return which part of the recoveries were relapses; None without recoveries."""
        return self.total.relapses / self.total.count if self.total.count else None

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON: stable keys, ISO instants, lengths in milliseconds."""
        return {
            "since": iso(self.since),
            "until": iso(self.until),
            **self.total.to_dict(),
            "relapse_rate": self.relapse_rate,
            "reopened": self.reopened,
            "coalesced_failures": self.coalesced,
            "children": self.children,
            "stalled": self.stalled,
            "duration_ms_by_verdict": {
                verdict: spread(lengths) for verdict, lengths in sorted(self.durations.items())
            },
            "causes": [
                {"type": kind, "subject": subject, **tally.to_dict()}
                for (kind, subject), tally in most(self.causes)
            ],
            "types": {name: tally.to_dict() for name, tally in most(self.types)},
            "subjects": {name: tally.to_dict() for name, tally in most(self.subjects)},
            "months": {name: self.months[name].to_dict() for name in sorted(self.months)},
            "handlers": {name: self.handlers[name].to_dict() for name in sorted(self.handlers)},
            "acts": dict(sorted(self.acts.items())),
            "escalations": {
                "count": self.told,
                "unacknowledged": self.unacknowledged,
                "highest_tier": self.highest_tier,
                "time_to_acknowledge_ms": spread(self.to_acknowledge),
            },
            "longest": [
                {
                    "correlation_id": it.correlation_id,
                    "type": it.type,
                    "subject": it.subject,
                    "verdict": it.verdict,
                    "opened": iso(it.opened),
                    "duration_ms": None if it.took is None else it.took // _MILLISECOND,
                }
                for it in self.longest
            ],
        }

    def _efforts(self, it: Digest) -> None:
        for group, count in it.retries.items():
            self.handlers[group].retries += count
            self.handlers[group].retried_in += 1
        for group, count in it.dead.items():
            self.handlers[group].dead += count
        acted = set[str]()
        for name, count in it.by_hand.items():
            act, bar, group = name.partition("|")
            self.acts[act if bar else ""] += count
            if group:
                self.handlers[group].acts[act] += count
                acted.add(group)
        for group in acted:
            self.handlers[group].acted_in += 1

    def _episodes(self, it: Digest) -> None:
        for episode in it.episodes:
            self.told += 1
            self.highest_tier = max(self.highest_tier, episode.tier)
            if episode.acked is None:
                self.unacknowledged += 1
            else:
                self.to_acknowledge.add(max(episode.acked - episode.told, timedelta()))


def most(tallies: Mapping[Any, Tally]) -> Iterator[tuple[Any, Tally]]:
    """Name those with most recoveries first; of equal ones, in the order of their names."""
    return iter(sorted(tallies.items(), key=lambda each: (-each[1].count, each[0])))


def spread(lengths: Lengths) -> dict[str, int | None]:
    """Return the count and the percentiles in milliseconds, null of none."""
    found = {f"p{p}": lengths.percentile(p) for p in (50, 95)} | {"max": lengths.percentile(100)}
    return {"count": len(lengths)} | {
        name: None if it is None else it // _MILLISECOND for name, it in found.items()
    }
