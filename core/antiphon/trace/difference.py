"""How two recoveries differ, step by step.

Steps are matched by handler, by the type of the event and by its subject; of several with the same
three, the first with the first. So two runs of the same choreography line up, whatever their ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from antiphon.instants import EPOCH
from antiphon.trace.document import milliseconds
from antiphon.trace.news import NEWS
from antiphon.trace.parts import Step
from antiphon.trace.words import clock, named, spell

if TYPE_CHECKING:
    from antiphon.trace.model import Trace

_NONE = timedelta()
_CHAIN = 5
"""Steps of a critical path that are named, from its end."""

_NOTICED = timedelta(milliseconds=50)
"""Times that differ by less are alike."""

_RATIO = 1.25
"""Those that differ by less than this factor are, too."""

_Place = tuple[str, str, str, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The same step of two recoveries, or a step of one alone."""

    group: str
    event_type: str
    subject: str
    undo: bool
    a: Step | None
    b: Step | None
    took: tuple[timedelta | None, timedelta | None]
    """How long the handler ran in each, all attempts together."""

    held: tuple[timedelta, timedelta]
    """How long guards held it in each."""

    critical: tuple[bool, bool]
    """Whether it is on the critical path of each."""

    @property
    def only_in(self) -> str:
        """`a` or `b` when the other lacks it, else empty."""
        return "" if self.a and self.b else "a" if self.a else "b"

    @property
    def ratio(self) -> float | None:
        """How many times as long it took in `b`; None when that cannot be said."""
        first, second = self.took
        return second / first if first and second is not None else None

    @property
    def outcomes(self) -> tuple[str | None, str | None]:
        """What it ended as in each, or where it stands."""
        return (
            None if self.a is None else self.a.outcome.value,
            None if self.b is None else self.b.outcome.value,
        )

    @property
    def attempts(self) -> tuple[int, int]:
        """How many attempts each took."""
        return (len(self.a.attempts) if self.a else 0, len(self.b.attempts) if self.b else 0)

    @property
    def name(self) -> str:
        """What both are called, as in `orders-db.restore on service.failed about orders-db`."""
        step = self.a or self.b
        return named(step) if step else self.group

    @property
    def decides(self) -> bool:
        """Whether they differ in more than times: one lacks it, or they ended differently."""
        return bool(self.only_in) or self.outcomes[0] != self.outcomes[1]

    @property
    def remarks(self) -> tuple[str, ...]:
        """How they differ, in a few words each; empty when they are alike."""
        return tuple(self._remarks())

    def _remarks(self) -> Iterator[str]:
        if self.only_in:
            yield f"only in {self.only_in.upper()}"
            return
        if self.outcomes[0] != self.outcomes[1]:
            yield f"{self.outcomes[0]} in A, {self.outcomes[1]} in B"
        if self.attempts[0] != self.attempts[1]:
            yield f"{self.attempts[1]} instead of {_count(self.attempts[0], 'attempt')}"
        first, second = self.took
        if first is not None and second is not None:
            yield from _longer("took", first, second, self.ratio)
        yield from _longer("was held", *self.held, None)
        if self.critical[0] != self.critical[1]:
            yield f"on the critical path of {'A' if self.critical[0] else 'B'} alone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Two recoveries side by side."""

    a: Trace
    b: Trace
    pairs: tuple[Pair, ...]
    """Every step of either, in the order they began in `a`, then those of `b` alone."""

    @property
    def verdicts(self) -> tuple[str, str]:
        """The verdict of each, or `open`."""
        return (self.a.verdict or self.a.status, self.b.verdict or self.b.status)

    @property
    def durations(self) -> tuple[timedelta, timedelta]:
        """How long each took, or has been going on."""
        return (self.a.duration, self.b.duration)

    @property
    def differs(self) -> bool:
        """Whether they differ in more than times: in a verdict, a step, an outcome."""
        return self.verdicts[0] != self.verdicts[1] or any(pair.decides for pair in self.pairs)

    def headlines(self) -> Iterator[str]:
        """Say how they differ as a whole."""
        for letter, it in (("A", self.a), ("B", self.b)):
            verdict = (it.verdict or it.status).upper()
            yield (
                f"{letter} {it.correlation_id}: {verdict} {it.root_type} about {it.subject}, "
                f"{clock(it.opened, EPOCH)}, {spell(it.duration)}"
            )
        first, second = self.durations
        yield from _longer("B took", first, second, second / first if first else None)
        paths = [it.critical_path for it in (self.a, self.b)]
        yield from _longer("the critical path of B is", paths[0].duration, paths[1].duration, None)
        yield from _longer("on it, B waited", paths[0].waiting, paths[1].waiting, None)
        chains = [" > ".join(step.group for step in path.steps[-_CHAIN:]) for path in paths]
        if chains[0] != chains[1]:
            ends = [chain or "nothing" for chain in chains]
            yield f"the critical path ends with {ends[0]} in A, with {ends[1]} in B"
        lacks = [sum(pair.only_in == side for pair in self.pairs) for side in ("a", "b")]
        if any(lacks):
            yield f"{_count(lacks[0], 'step')} only in A, {_count(lacks[1], 'step')} only in B"

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON: stable keys, two values wherever the recoveries may differ."""
        return {
            "a": self.a.correlation_id,
            "b": self.b.correlation_id,
            "verdicts": list(self.verdicts),
            "duration_ms": [milliseconds(it) for it in self.durations],
            "critical_path_ms": [
                milliseconds(it.critical_path.duration) for it in (self.a, self.b)
            ],
            "critical_path": [
                [step.group for step in it.critical_path.steps] for it in (self.a, self.b)
            ],
            "waiting_ms": [milliseconds(it.critical_path.waiting) for it in (self.a, self.b)],
            "differs": self.differs,
            "steps": [_document(pair) for pair in self.pairs],
        }


def compare(a: Trace, b: Trace) -> Difference:
    """Compare two recoveries; the first is what the second is measured against."""
    first, second = _Side(a), _Side(b)
    pairs = [
        _pair(place, (first, one), (second, other))
        for place in dict.fromkeys([*first.placed, *second.placed])
        for one, other in zip_longest(first.placed.get(place, ()), second.placed.get(place, ()))
    ]
    return Difference(a=a, b=b, pairs=tuple(pairs))


class _Side:
    """The steps of one of the two, by what they are matched by."""

    def __init__(self, trace: Trace) -> None:
        self.as_of = trace.as_of
        self.critical = {step.id for step in trace.critical_path.steps}
        self.placed: dict[_Place, list[Step]] = {}
        for step in trace.steps:
            if step.event_type not in NEWS:
                place = step.group, step.event_type, step.subject, bool(step.undo_of)
                self.placed.setdefault(place, []).append(step)

    def took(self, step: Step | None) -> timedelta | None:
        return None if step is None else step.lasted(self.as_of)

    def held(self, step: Step | None) -> timedelta:
        return sum((hold.lasted(self.as_of) for hold in step.holds), _NONE) if step else _NONE

    def is_critical(self, step: Step | None) -> bool:
        return step is not None and step.id in self.critical


def _pair(place: _Place, a: tuple[_Side, Step | None], b: tuple[_Side, Step | None]) -> Pair:
    group, event_type, subject, undo = place
    (first, one), (second, other) = a, b
    return Pair(
        group=group,
        event_type=event_type,
        subject=subject,
        undo=undo,
        a=one,
        b=other,
        took=(first.took(one), second.took(other)),
        held=(first.held(one), second.held(other)),
        critical=(first.is_critical(one), second.is_critical(other)),
    )


def _longer(what: str, first: timedelta, second: timedelta, ratio: float | None) -> Iterator[str]:
    """Say by how much a time differs, if that is worth saying."""
    more = second - first
    if abs(more) < _NOTICED or max(first, second) < min(first, second) * _RATIO:
        return
    factor = f" ({ratio:.2g}x)" if ratio else ""
    yield f"{what} {spell(abs(more))} {'longer' if more > _NONE else 'less'}{factor}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _document(it: Pair) -> dict[str, Any]:
    return {
        "group": it.group,
        "event_type": it.event_type,
        "subject": it.subject,
        "undo": it.undo,
        "only_in": it.only_in or None,
        "outcomes": list(it.outcomes),
        "attempts": list(it.attempts),
        "took_ms": [milliseconds(took) for took in it.took],
        "ratio": it.ratio,
        "held_ms": [milliseconds(held) for held in it.held],
        "critical": list(it.critical),
        "remarks": list(it.remarks),
    }
