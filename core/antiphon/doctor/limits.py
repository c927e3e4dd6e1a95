"""The guards' settings in force, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

GUARD_SETTINGS = (
    "coalesce",
    "max_age",
    "max_hops",
    "max_events",
    "max_visits",
    "rate",
    "hold",
    "relapses",
    "storm",
    "escalate_after",
    "handlers",
    "services",
)
"""Settings that are told here, and not once more among the others."""


def limits(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Name what each guard does, and where a deployment wants it otherwise.

    Args:
        settings: As JSON has them; of a handler or service only what is set.
    """
    yield "same failure again", "joins the open recovery" if settings["coalesce"] else "on its own"
    yield "oldest failure", _or_off(settings["max_age"])
    hops, events = settings["max_hops"], settings["max_events"]
    visits = settings["max_visits"]
    yield "recovery", f"{hops} hops, {events} events, {visits} runs per handler and subject"
    yield "rate of the cell", _or_off(settings["rate"])
    if settings["hold"] is None:
        yield "relapses", "off"
    else:
        yield "relapses", f"{settings['relapses']}, each within {settings['hold']} of a success"
    yield "storm brake", f"{settings['storm']} subjects" if settings["storm"] else "off"
    yield "escalation", _tiers(settings["escalate_after"])
    for family in ("handlers", "services"):
        for name, guards in settings[family].items():
            changes = (f"{guard} {_or_off(value)}" for guard, value in guards.items())
            yield f"{family.removesuffix('s')} {name}", ", ".join(changes) or "as the code says"


def _or_off(value: Any) -> str:
    return "off" if value is None else str(value)


def _tiers(after: list[str]) -> str:
    waits = [f"tier {tier} after {wait}" for tier, wait in enumerate(after, 2)]
    return ", ".join(["tier 1 at once", *waits])
