"""Two sources of one trace: what the logs do not tell as the ledger does, they must own up to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from antiphon.trace import Trace

_OF_THE_SOURCE = frozenset(
    {
        "source",
        "as_of",
        "missing",
        "idle",
        "lost_ms",
        "parallel",
        "critical_path",
        "requester",
        "progress",
        "deadline",
    }
)
"""What is about the source, follows from instants, or is known to the ledger alone."""

_THE_ID_OF_NEWS = ("escalations", "event")
"""The place of an id that no log line tells."""

_THE_ENTRY_OF_AN_EVENT = ("events", "entry")

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT")
_UNDECIDED = frozenset({"running", "unknown", "retrying", "waiting", "held", "owed", "released"})
_ABOUT_THE_END = "the verdict:"
_NEVER_TOLD = ("who published ", "how long things took across machines")
"""Gaps that hide nothing: what came from outside came from outside, and lines of a busy machine
are as late as those of a clock that is slow."""

Difference = tuple[tuple[str, ...], Any, Any]


def complaints(ledger: Trace, logs: Trace, *, told: bool = True) -> list[str]:
    """Say where the logs contradict the ledger, are silent about a lack, or own up to none.

    Args:
        ledger: The trace from the ledger.
        logs: The trace from the logs.
        told: Whether every answer came to somebody who lived to log it. What no line could tell,
            none need own up to.
    """
    name = f"{ledger.correlation_id} ({ledger.subject}), from logs"
    found = list(_differences(ledger.to_dict(), logs.to_dict(), ()))
    gaps = [gap for gap in logs.missing if not gap.startswith(_NEVER_TOLD)]
    wrong = [f"{name}: {it} is false" for it in _contradictions(found)]
    wrong += [f"{name}: nothing says that it lacks {it}" for it in found
              if told and not any(_explains(gap, it, ledger, logs) for gap in gaps)]  # fmt: skip
    if not found:
        wrong += [f"{name}: it lacks nothing, and says: {gap}" for gap in gaps
                  if not _unknown_to_all(gap, ledger)]  # fmt: skip
    return wrong


def _differences(a: Any, b: Any, path: tuple[str, ...]) -> Iterator[Difference]:
    """Find where two documents differ; parts with ids are compared by them, others in order."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in {**a, **b}:
            if key not in _OF_THE_SOURCE and not key.endswith("_ms"):
                yield from _differences(a.get(key), b.get(key), (*path, key))
    elif isinstance(a, list) and isinstance(b, list) and _named(a + b):
        ours, theirs = ({one["id"]: one for one in part} for part in (a, b))
        for name in {**ours, **theirs}:
            yield from _differences(ours.get(name), theirs.get(name), (*path, name))
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for position, (one, other) in enumerate(zip(a, b, strict=True)):
            yield from _differences(one, other, (*path, str(position)))
    elif path[::2] == _THE_ENTRY_OF_AN_EVENT and b is None:
        pass  # the answer that told it was lost, and nobody has begun what it asks for
    elif a != b and not (_is_instant(a) and _is_instant(b)) and path[::2] != _THE_ID_OF_NEWS:
        yield path, a, b


def _named(parts: list[Any]) -> bool:
    return bool(parts) and all(isinstance(part, dict) and "id" in part for part in parts)


def _is_instant(value: Any) -> bool:
    return isinstance(value, str) and bool(_INSTANT.match(value))


def _contradictions(found: list[Difference]) -> Iterator[str]:
    """Find what the logs say and the ledger denies; that they know less is no contradiction."""
    for path, truly, told in found:
        match path:
            case ("verdict" | "status" | "cancelled", *_):
                false = told not in {None, "open", ""}
            case ("steps", _):
                false = truly is None and told["outcome"] not in _UNDECIDED
            case ("events" | "children" | "approvals", _):
                false = truly is None
            case ("steps", _, *_, "outcome"):
                false = told not in _UNDECIDED
            case ("steps", _, *_, "error" | "taken_over_from" | "guard" | "name"):
                false = told is not None and truly is not None
            case _:
                false = False
        if false:
            yield f"{'.'.join(path)}: {told!r} for {truly!r}"


def _explains(gap: str, difference: Difference, ledger: Trace, logs: Trace) -> bool:
    """Whether a gap owns up to a difference."""
    path, _, _ = difference
    open_ = gap.startswith(_ABOUT_THE_END)
    steps = {step.id: step for step in ledger.steps}
    events = {event.id: event for event in ledger.events}
    match path:
        case ("steps", name, *rest) if rest and name in steps:
            step = steps[name]
            about = f"{step.group} on {step.event_type} about {step.subject}"
            caused = {events[e].type for e in step.published if e in events}
            published = rest == ["published"] and any(kind in gap for kind in caused)
            return about in gap or published or (open_ and _may_be_over(logs, name))
        case ("steps", *_):
            return "deliveries" in gap or "what became of" in gap
        case ("events", name, *_):
            event = events[name]
            publishers = [
                s.id for s in logs.steps if (s.group, s.event_id) == (event.by, event.cause)
            ]
            seems_to_run = any(_may_be_over(logs, step) for step in publishers)
            named = f"{event.type} about {event.subject}" in gap or " events:" in gap
            return named or (open_ and seems_to_run)
        case ("escalations", *_):
            return "escalations" in gap or open_
        case ("children" | "approvals" | "scheduled" | "timeouts", *_):
            return True
        case _:  # what sums the others up
            return True


def _may_be_over(logs: Trace, name: str) -> bool:
    """Whether a step seems to run, in a recovery that seems to be open."""
    return any(step.id == name and not step.outcome.is_final for step in logs.steps)


def _unknown_to_all(gap: str, ledger: Trace) -> bool:
    """Whether the ledger does not know it either."""
    unknown = [a for step in ledger.steps for a in step.attempts if a.outcome.value == "unknown"]
    ended = gap.startswith("how attempt") and bool(unknown)
    return ended or gap.endswith(" before it was lost")
