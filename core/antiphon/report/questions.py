"""Open questions: what a report cannot answer, because nothing tells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from antiphon.audit import Audit
from antiphon.report.deeds import PAUSING, Deed
from antiphon.trace import Trace


def of(trace: Trace, audit: Audit | None, done: Sequence[Deed]) -> Iterator[str]:
    """Ask what somebody who reviews the recovery has to find out elsewhere."""
    yield from (f"{gap}." for gap in trace.missing)
    if trace.closed is None:
        yield "How it ends: it is open."
    root = next((event for event in trace.events if not event.cause), None)
    if root is not None:
        yield (
            f"Why {trace.subject} failed, and since when: the record begins with "
            f"{trace.root_type}, and what came before it is for logs and metrics of "
            f"{trace.subject} to tell."
        )
    paused = {
        hold.guard.name or hold.guard.kind
        for step in trace.steps
        for hold in step.holds
        if hold.guard.kind in PAUSING
    }
    told = {deed.about for deed in done if deed.act == "pause"}
    for scope in sorted(paused - told):
        if audit is None:
            yield f"Who paused {scope}, and resumed it: only the cell's audit tells, no log line."
        elif not audit.whole:
            yield f"Who paused {scope}: the cell's audit does not go back so far."
    if any(deed.act == "replay" and not deed.by for deed in done):
        yield "Who delivered dead letters again: only the cell's audit tells, and it does not."
    if trace.escalations and trace.acknowledgement is None:
        yield "Who took it on: people were told, and nobody has acknowledged it since."
    for child in trace.children:
        if child.closed is None:
            yield f"How the child {child.id} ends."
