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
    yield _who(approval.quorum, first)
    for names in further:
        yield f"after {within} also {', '.join(names)}"
    yield "for ever" if within is None else f"after {within} {approval.otherwise}"


def _who(quorum: int, names: tuple[str, ...]) -> str:
    if not names:
        return "anybody" if quorum == 1 else f"any {quorum} people"
    return " or ".join(names) if quorum == 1 else f"{quorum} of {', '.join(names)}"
