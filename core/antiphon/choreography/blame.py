"""The blame: a finding about one handler, and the words that findings share."""

from __future__ import annotations

from collections.abc import Iterable

from antiphon.choreography.choreography import Choreography
from antiphon.choreography.finding import Code, Finding, Severity
from antiphon.choreography.part import Part, Trigger


def blame(
    code: Code,
    part: Part,
    message: str,
    remedy: str,
    *,
    sure: bool = True,
    also: Iterable[Part] = (),
) -> Finding:
    """Find something about a handler.

    Args:
        code: what was found.
        part: the handler; its acceptance of the code counts.
        message: what is wrong, as said of the handler.
        remedy: what to do.
        sure: whether signatures tell all of it.
        also: other handlers whose acceptance counts.
    """
    accepted = (dict(one.accepted).get(code) for one in (part, *also))
    return Finding(
        code=code,
        severity=Severity.PROBLEM if sure else Severity.WARNING,
        message=message,
        remedy=remedy,
        group=part.group,
        file=part.file,
        line=part.line,
        accepted=next((reason for reason in accepted if reason is not None), None),
    )


def vague_beside(choreography: Choreography, part: Part | None = None) -> list[str]:
    """The other handlers that do not say what they publish."""
    return [other.group for other in choreography.parts if other.vague and other != part]


def unless(vague: list[str]) -> str:
    """The reservation that such handlers make necessary."""
    return (
        f", unless {' or '.join(vague)} does, which does not say what it publishes" if vague else ""
    )


def whence(vague: list[str], otherwise: str) -> str:
    """What to do about something that nobody publishes."""
    annotate = f"annotate what {' and '.join(vague)} publishes, " if vague else ""
    return f"{annotate}give the service whose handler publishes it, or {otherwise}"


def listed(triggers: Iterable[Trigger]) -> str:
    """Triggers in a sentence."""
    return " or ".join(map(str, triggers))
