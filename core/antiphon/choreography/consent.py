"""The consent: what a step's approval asks for, in words."""

from __future__ import annotations

from collections.abc import Iterator

from antiphon.duration import format_duration
from antiphon.flow.approval import Approval


def consent(approval: Approval) -> tuple[str, ...]:
    """Say who must agree, how many, how long each tier has, and what follows; a phrase for each."""
    return tuple(_phrases(approval))


def _phrases(approval: Approval) -> Iterator[str]:
    first, *further = approval.tiers
    within = None if approval.within is None else format_duration(approval.within)
    yield f"{approval.quorum} of {', '.join(first) or 'anybody'}"
    for names in further:
        yield f"after {within} also {', '.join(names)}"
    yield "for ever" if within is None else f"after {within} {approval.otherwise}"
