"""The checks: what can be known to go wrong before anything runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from antiphon.choreography.choreography import Choreography
from antiphon.choreography.circle import circles
from antiphon.choreography.fact import Kind
from antiphon.choreography.finding import Code, Finding, Severity
from antiphon.choreography.part import Part, Trigger
from antiphon.choreography.reach import first_of, missing_branches, unreached

_WAIVERS = {Code.NEVER_TRIGGERED, Code.JOIN_NEVER}


def examine(choreography: Choreography) -> tuple[Finding, ...]:
    """Everything the checks find, accepted or not, by file and line."""
    found = (finding for check in _CHECKS for finding in check(choreography))
    return tuple(sorted(found, key=lambda one: (one.file, one.line, one.group, one.code)))


def _cycles(choreography: Choreography) -> Iterator[Finding]:
    """Circles of handlers that are not bounded; a join runs once in a recovery, which ends one."""
    loose = [p for p in choreography.parts if not p.bounded and p.needed is None]
    arrows = {part: choreography.followers(part) for part in loose}
    accepting = [part for part in loose if Code.CYCLE in dict(part.accepted)]
    live = {part: following for part, following in arrows.items() if part not in accepting}
    for circle in (*circles(live, live), *circles(arrows, accepting)):
        yield _cycle(circle)


def _cycle(circle: tuple[Part, ...]) -> Finding:
    first = circle[0]
    links = [_link(part, after) for part, after in zip(circle, (*circle[1:], first), strict=True)]
    words = [
        word for part, (type_, _) in zip(circle, links, strict=True) for word in (part.group, type_)
    ]
    sure = all(whatever for _, whatever in links)
    unsure = "" if sure else " (if subjects and conditions let it)"
    return _finding(
        Code.CYCLE,
        first,
        f"is in a circle that only a limit halts{unsure}: {' → '.join([*words, first.group])}",
        "give one of them a budget or max_visits, or let one answer a narrower event",
        sure=sure,
    )


def _link(part: Part, after: Part) -> tuple[str, bool]:
    """The type by which one handler triggers another, and whether whatever it is about does."""
    ways = [
        (fact.type, not trigger.narrow)
        for fact in part.promised
        for trigger in after.triggers
        if trigger.type == fact.type
    ]
    return next((way for way in ways if way[1]), ways[0])


def _joins_that_never_fire(choreography: Choreography) -> Iterator[Finding]:
    for part in choreography.parts:
        if _lacks_branches(choreography, part):
            vague = _vague(choreography, part)
            missing = missing_branches(choreography, part)
            yield _finding(
                Code.JOIN_NEVER,
                part,
                f"waits for {part.join}, and no handler given publishes {_list(missing)}"
                f"{_unless(vague)}",
                _whence(vague, "let the join need fewer"),
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
    vague = _vague(choreography, part)
    lost = len(missing_branches(choreography, part)) == len(part.triggers)
    why = (
        "which no other handler given publishes"
        if lost
        else "which only handlers publish that are never triggered themselves"
    )
    return _finding(
        Code.NEVER_TRIGGERED,
        part,
        f"reacts only to {_list(part.triggers)}, {why}{_unless(vague)}",
        _whence(vague, "let it react to something else"),
        sure=not vague,
    )


def _unhandled_failures(choreography: Choreography) -> Iterator[Finding]:
    for part in choreography.parts:
        for fact in part.promised:
            if fact.kind is Kind.FAILURE and not any(
                p.hears(fact.type) for p in choreography.parts
            ):
                yield _finding(
                    Code.UNHANDLED_FAILURE,
                    part,
                    f"publishes {fact.type}, a failure no handler given reacts to, so its recovery "
                    "cannot end as completed",
                    "write a handler for it, give the service that has one, or publish a "
                    "completion instead",
                )


def _unbounded_retries(choreography: Choreography) -> Iterator[Finding]:
    for part in choreography.parts:
        if part.timeout is None and part.attempts > 1:
            yield _finding(
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
            yield _finding(
                Code.SAME_NAME,
                part,
                f"is the group of {count} handlers given: each event reaches only one of them",
                "give one of the services, or of the handlers, another name",
            )


_CHECKS: tuple[Callable[[Choreography], Iterable[Finding]], ...] = (
    _cycles,
    _joins_that_never_fire,
    _never_triggered,
    _unhandled_failures,
    _unbounded_retries,
    _same_names,
)


def _finding(code: Code, part: Part, message: str, remedy: str, *, sure: bool = True) -> Finding:
    return Finding(
        code=code,
        severity=Severity.PROBLEM if sure else Severity.WARNING,
        message=message,
        remedy=remedy,
        group=part.group,
        file=part.file,
        line=part.line,
        accepted=dict(part.accepted).get(code),
    )


def _vague(choreography: Choreography, part: Part) -> list[str]:
    """The other handlers that do not say what they publish."""
    return [other.group for other in choreography.parts if other.vague and other != part]


def _unless(vague: list[str]) -> str:
    return (
        f", unless {' or '.join(vague)} does, which does not say what it publishes" if vague else ""
    )


def _whence(vague: list[str], otherwise: str) -> str:
    annotate = f"annotate what {' and '.join(vague)} publishes, " if vague else ""
    return f"{annotate}give the service whose handler publishes it, or {otherwise}"


def _list(triggers: Iterable[Trigger]) -> str:
    return " or ".join(map(str, triggers))
