"""Approvals: a step that people must agree to before it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, get_args

from antiphon.duration import duration
from antiphon.errors import ConfigurationError

Otherwise = Literal["escalate", "deny", "proceed"]


@dataclass(frozen=True, slots=True, init=False)
class Approval:
    """Who must agree to a step, how many of them, and what follows when nobody answers.

    An approval holds for one delivery: this handler, this very event, once.
    Whoever asked for the recovery may not answer.
    """

    tiers: tuple[tuple[str, ...], ...]
    """Who may answer: the first tier at first, and one tier more each time nobody did in time.

    An empty first tier lets anybody answer.
    """

    quorum: int
    """How many different people must agree. One who refuses is enough to refuse."""

    within: timedelta | None
    """How long each tier has; None for ever."""

    otherwise: Otherwise
    """What follows when the last tier has not answered: ``escalate`` tells people and goes on
    waiting, ``deny`` gives the step up, ``proceed`` runs it."""

    def __init__(
        self,
        approvers: Sequence[str] = (),
        *,
        then: Sequence[Sequence[str]] = (),
        quorum: int = 1,
        within: str | timedelta | None = "15m",
        otherwise: Otherwise = "escalate",
    ) -> None:
        """Ask for approval.

        Args:
            approvers: the names of those who may answer; anybody unless given.
            then: further tiers, who may answer as well once those before have not in time.
            quorum: how many must agree.
            within: how long each tier has, such as ``"15m"``; None for ever.
            otherwise: what follows when the last tier has not answered in time.

        Raises:
            ConfigurationError: the quorum cannot be reached, or a value makes no sense.
        """
        tiers = tuple(_names(tier) for tier in (approvers, *then))
        if otherwise not in get_args(Otherwise):
            raise ConfigurationError(
                f"otherwise={otherwise!r}: use one of {', '.join(get_args(Otherwise))}"
            )
        if then and not (all(tiers) and within):
            raise ConfigurationError(
                "further tiers need names in every tier, and a time that the tier before has"
            )
        known = {name.lower() for tier in tiers for name in tier}
        if quorum < 1 or (known and quorum > len(known)):
            raise ConfigurationError(
                f"quorum={quorum} cannot be reached by {len(known) or 'any number of'} approvers"
            )
        object.__setattr__(self, "tiers", tiers)
        object.__setattr__(self, "quorum", quorum)
        object.__setattr__(self, "within", duration(within) if within is not None else None)
        object.__setattr__(self, "otherwise", otherwise)


def _names(tier: Sequence[str]) -> tuple[str, ...]:
    if isinstance(tier, str):
        raise ConfigurationError(f"approvers={tier!r} is one text: give a list of names")
    for name in tier:
        if not name.strip() or any(c in name for c in ",|\n"):
            raise ConfigurationError(f"approver {name!r} is no name: no commas, bars or new lines")
    return tuple(dict.fromkeys(name.strip() for name in tier))
