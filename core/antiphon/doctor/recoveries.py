"""Do recoveries come to an end?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from antiphon.advised import command
from antiphon.doctor.facts import Facts
from antiphon.doctor.finding import Finding, Grade
from antiphon.trace.words import plain, spell

_LONG = timedelta(hours=1)
_NOBODY = "?"
_MOST_WAITS = 3


def examine(facts: Facts) -> Iterator[Finding]:
    """Look at dead letters and at the oldest open recovery."""
    yield _dead_letters(facts.dead_letters)
    yield _oldest(facts)
    # What it waits for may concern no group: an instant, a rollback, another recovery.
    known = {group.name for group in facts.census.groups} | {_NOBODY, ""}
    for group in sorted(facts.recoveries.groups - known):
        yield Finding(
            Grade.PROBLEM,
            plain(group),
            f"the recovery {facts.recoveries.oldest} waits for it, and it is not registered",
            f"run the service that has it, or {command('groups retire', group)}",
        )


def _dead_letters(count: int) -> Finding:
    if not count:
        return Finding(Grade.OK, "dead letters", "none")
    return Finding(
        Grade.WARNING,
        "dead letters",
        f"{count}, kept until somebody decides",
        "antiphon dead list; then antiphon dead replay, or antiphon dead drop",
    )


def _oldest(facts: Facts) -> Finding:
    recoveries = facts.recoveries
    if recoveries.opened is None:
        return Finding(Grade.OK, "recoveries", "none is open")
    age = facts.census.taken - recoveries.opened
    waits = [*recoveries.waits_for[:_MOST_WAITS]] or ["nothing that is on record"]
    if more := len(recoveries.waits_for) - _MOST_WAITS:
        waits += [f"{more} more"] if more > 0 else []
    return Finding(
        Grade.WARNING if age > _LONG else Grade.OK,
        "recoveries",
        f"{recoveries.count} open; the oldest, {recoveries.oldest}, for {spell(age)}, by "
        f"{plain(recoveries.about)}, waits: {'; '.join(waits)}",
        command("trace", recoveries.oldest) if age > _LONG else "",
    )
