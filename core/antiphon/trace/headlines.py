"""What the head of a picture says about the recovery beyond its times: decisions and reasons."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator

from antiphon.trace.model import Trace
from antiphon.trace.words import clock


def headlines(trace: Trace) -> Iterator[str]:
    """Say what guards decided about the recovery, and then what went wrong."""
    if trace.summary.coalesced:
        more = trace.summary.coalesced
        yield f"{more} further {'failure' if more == 1 else 'failures'} joined it"
    yield from _relapse(trace)
    if trace.halt:
        yield f"halted by {trace.halt}"
    elif trace.summary.halted:
        yield f"halted: {trace.summary.halted}"
    yield from _escalations(trace)
    for reason, times in Counter(trace.summary.reasons).items():
        yield f"! {without_path(reason, trace)}" + (f" ({times}x)" if times > 1 else "")


def _relapse(trace: Trace) -> Iterator[str]:
    it = trace.relapse
    if it is None:
        if trace.summary.relapse_of:
            yield f"a relapse: {trace.summary.relapse_of} did not hold"
        return
    count = f" (relapse {it.value} of {it.limit})" if it.limit and it.value else ""
    yield f"a relapse: {it.of} did not hold{count}"


def _escalations(trace: Trace) -> Iterator[str]:
    """Say once for every cause what people were told, how far up, and who knows."""
    causes = {(it.guard.kind, it.guard.name): it for it in trace.escalations}
    for it in causes.values():
        why = without_path(it.why, trace)
        at = clock(it.at, trace.as_of)
        yield f"escalated to tier {it.tier} by {it.guard.kind} at {at}: {why}"
    summary, known = trace.summary, trace.acknowledgement
    if not causes and summary.escalated is not None:
        yield f"escalated to tier {summary.tier} at {clock(summary.escalated, trace.as_of)}"
    if known is not None:
        why = f": {known.why}" if known.why else ""
        yield f"acknowledged by {known.by} at {clock(known.at, trace.as_of)}{why}"
    elif summary.acked is not None:
        yield f"acknowledged by {summary.acked_by} at {clock(summary.acked, trace.as_of)}"
    elif summary.escalated is not None:
        yield f"not acknowledged; to do so: antiphon ack {shlex.quote(summary.correlation_id)}"


def without_path(text: str, trace: Trace) -> str:
    """Leave out the path of a loop, which is said once."""
    return text.removesuffix(f": {trace.halt.path}") if trace.halt and trace.halt.path else text
