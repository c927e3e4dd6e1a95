"""The running choreography: what the handlers do that workers run now, by their own account."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from antiphon.choreography.choreography import Choreography
from antiphon.choreography.portable import Description
from antiphon.instants import iso
from antiphon.trace.words import clock

_VARIANT = "variant"


@dataclass(frozen=True, slots=True)
class Gone:
    """A handler that workers described, and that none runs any more."""

    group: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What runs in a cell at one instant."""

    taken: datetime
    """By the server's clock."""

    choreography: Choreography
    """A handler that is described in several ways is in it once for each of them, and says so."""

    variants: tuple[str, ...] = ()
    """The groups of such handlers: of two releases side by side, or of two services by one name."""

    silent: tuple[str, ...] = ()
    """The groups at work that nobody describes: their workers run an earlier release, or one whose
    description cannot be read here."""

    gone: tuple[Gone, ...] = ()
    """The registered groups that nobody runs any more, the first to end first."""

    @classmethod
    def of(
        cls,
        taken: datetime,
        described: Iterable[Description],
        *,
        at_work: Iterable[str] = (),
        gone: Iterable[Gone] = (),
    ) -> Running:
        """Put descriptions together.

        Args:
            taken: When they were read.
            described: What is at work, each description once.
            at_work: The groups that a worker answers for.
            gone: The groups that none does.
        """
        known = sorted(described, key=lambda one: (one.part.group, one.digest))
        counts = Counter(one.part.group for one in known)
        aims = dict.fromkeys(aim for one in known for aim in one.aims)
        return cls(
            taken=taken,
            choreography=Choreography(
                tuple(dict.fromkeys(one.part.service for one in known)),
                tuple(one.part for one in _told_apart(known, counts)),
                tuple(aims),
            ),
            variants=tuple(group for group, count in counts.items() if count > 1),
            silent=tuple(sorted({*at_work} - {*counts})),
            gone=tuple(sorted(gone, key=lambda one: (one.since, one.group))),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what goes beyond the choreography, for JSON: stable keys, ISO instants."""
        return {
            "taken": iso(self.taken),
            "variants": list(self.variants),
            "silent": list(self.silent),
            "gone": [{"group": one.group, "since": iso(one.since)} for one in self.gone],
        }

    def remarks(self) -> Iterator[str]:
        """Say in sentences what a drawing of it does not show."""
        for group in self.variants:
            yield (
                f"{group} is described in several ways: two releases run side by side, or two "
                "services have one name"
            )
        for group in self.silent:
            yield f"{group} is at work and does not say what it does: its release is another"
        for one in self.gone:
            at = clock(one.since, self.taken)
            yield f"{one.group} is not run by any worker: the last one answered until {at} UTC"


def _told_apart(known: Iterable[Description], counts: Counter[str]) -> Iterator[Description]:
    seen = Counter[str]()
    for one in known:
        group = one.part.group
        if counts[group] == 1:
            yield one
            continue
        seen[group] += 1
        mark = (_VARIANT, f"{seen[group]} of {counts[group]}")
        yield replace(one, part=replace(one.part, guards=(mark, *one.part.guards)))
