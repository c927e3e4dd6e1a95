"""The checks: what can be known to go wrong before anything runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from antiphon.choreography.blame import blame, listed, unless, vague_beside, whence
from antiphon.choreography.choreography import Choreography
from antiphon.choreography.emission import Emission, How
from antiphon.choreography.fact import Kind
from antiphon.choreography.finding import Code, Finding
from antiphon.choreography.misses import misses
from antiphon.choreography.part import Part
from antiphon.choreography.reach import first_of, missing_branches, unreached
from antiphon.choreography.rounds import rounds
from antiphon.duration import format_duration
from antiphon_events import JoinTimedOut

_BRINGS = {
    How.FAILURE: ("publishes {} when it gives a step up", "its recovery"),
    How.STARTS: ("starts a child recovery with {}", "that recovery"),
}
_WAIVERS = {Code.NEVER_TRIGGERED, Code.JOIN_NEVER}


def examine(choreography: Choreography) -> tuple[Finding, ...]:
    """Everything the checks find, accepted or not, by file and line."""
    found = (finding for check in _CHECKS for finding in check(choreography))
    return tuple(sorted(found, key=lambda one: (one.file, one.line, one.group, one.code)))


def _joins_that_never_fire(choreography: Choreography) -> Iterator[Finding]:
    for part in choreography.parts:
        if _lacks_branches(choreography, part):
            vague = vague_beside(choreography, part)
            missing = missing_branches(choreography, part)
            yield blame(
                Code.JOIN_NEVER,
                part,
                f"waits for {part.join}, and no handler given publishes {listed(missing)}"
                f"{unless(vague)}",
                whence(vague, "let the join need fewer"),
                sure=not vague,
            )


def _never_triggered(choreography: Choreography) -> Iterator[Finding]:
    """Handlers that nothing leads to; one that is accepted is taken to be triggered somehow."""
    others = [part for part in choreography.parts if not _lacks_branches(choreography, part)]
    waived = {part for part in choreography.parts if _WAIVERS & {*dict(part.accepted)}}
    for part in first_of(choreography, unreached(choreography, waived)):
        if part in others:
            yield _untriggered(choreography, part)
    for part in others:
        if part in waived and part in unreached(choreography, waived - {part}):
            yield _untriggered(choreography, part)


def _lacks_branches(choreography: Choreography, part: Part) -> bool:
    """Whether it is a join that cannot fire, which is a finding of its own."""
    missing = missing_branches(choreography, part)
    return part.needed is not None and len(part.triggers) - len(missing) < part.needed


def _untriggered(choreography: Choreography, part: Part) -> Finding:
    vague = vague_beside(choreography, part)
    lost = len(missing_branches(choreography, part)) == len(part.triggers)
    why = (
        "which no other handler given publishes"
        if lost
        else "which only handlers publish that are never triggered themselves"
    )
    return blame(
        Code.NEVER_TRIGGERED,
        part,
        f"reacts only to {listed(part.triggers)}, {why}{unless(vague)}",
        whence(vague, "let it react to something else"),
        sure=not vague,
    )


def _unhandled_failures(choreography: Choreography) -> Iterator[Finding]:
    for part in choreography.parts:
        for emission in part.emissions:
            if not any(other.hears(emission.fact.type) for other in choreography.parts):
                yield from _unhandled(part, emission)


def _unhandled(part: Part, emission: Emission) -> Iterator[Finding]:
    """What to say of an event that no handler given reacts to: nothing, of a completion."""
    remedy = "write a handler for it, give the service that has one"
    brings, whose = _BRINGS.get(emission.how, ("publishes {}", "its recovery"))
    if emission.fact.kind is Kind.FAILURE:
        yield blame(
            Code.UNHANDLED_FAILURE,
            part,
            f"{brings.format(emission.fact)}, a failure no handler given reacts to, so {whose} "
            "cannot end as completed",
            f"{remedy}, or publish a completion instead",
        )
    elif emission.how is How.FAILURE:
        yield blame(
            Code.UNHANDLED_FAILURE,
            part,
            f"{brings.format(emission.fact)}, and no handler given reacts to that, so the step "
            "counts as dead all the same",
            f"{remedy}, or leave on_failure= away",
        )


def _endless_approvals(choreography: Choreography) -> Iterator[Finding]:
    for part in choreography.parts:
        if part.approval and part.approval.within is None:
            yield blame(
                Code.ENDLESS_APPROVAL,
                part,
                "waits for an approval for ever: while nobody answers, nobody is told, and its "
                "recovery stays open",
                'give the approval a time, and say what follows: within="15m", '
                'otherwise="escalate", "deny" or "proceed"',
            )


def _unheard_timeouts(choreography: Choreography) -> Iterator[Finding]:
    if any(part.hears(JoinTimedOut.type) for part in choreography.parts):
        return
    for part in choreography.parts:
        if part.needed is not None and part.within is not None:
            limit = format_duration(part.within)
            yield blame(
                Code.UNHEARD_TIMEOUT,
                part,
                f"stops waiting after {limit}, and no handler given reacts to "
                f"{JoinTimedOut.type}: what its join was for is not done, and nothing is done "
                "instead",
                f"write a handler for {JoinTimedOut.type}, or give the service that has one",
                sure=False,
            )


def _unbounded_retries(choreography: Choreography) -> Iterator[Finding]:
    for part in choreography.parts:
        if part.timeout is None and part.attempts > 1:
            yield blame(
                Code.UNBOUNDED_RETRY,
                part,
                f"has {part.attempts} attempts and no timeout: one that hangs is never retried, "
                "and holds its recovery open for ever",
                'give it a timeout, longer than it ever needs: timeout="1h"',
                sure=False,
            )


def _same_names(choreography: Choreography) -> Iterator[Finding]:
    counts = Counter(part.group for part in choreography.parts)
    for part in choreography.parts:
        if (count := counts[part.group]) > 1:
            yield blame(
                Code.SAME_NAME,
                part,
                f"is the group of {count} handlers given: each event reaches only one of them",
                "give one of the services, or of the handlers, another name",
            )


_CHECKS: tuple[Callable[[Choreography], Iterable[Finding]], ...] = (
    rounds,
    _joins_that_never_fire,
    _never_triggered,
    _unhandled_failures,
    _endless_approvals,
    _unheard_timeouts,
    misses,
    _unbounded_retries,
    _same_names,
)
