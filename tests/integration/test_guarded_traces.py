"""What guards of real workers decide, in the traces of their recoveries."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from antiphon import Settings
from antiphon.broker.reading import RedisReading
from antiphon.records import Records
from antiphon.trace import Trace
from witness import Witness

LOGGED_GUARDS = Path(__file__).parents[1] / "logged_guards.py"


async def logged(settings: Settings) -> tuple[list[str], Sequence[bytes]]:
    """Run the program; returns the recoveries it ended, and its log lines."""
    worker = await asyncio.create_subprocess_exec(
        sys.executable,
        str(LOGGED_GUARDS),
        str(settings.redis_url),
        settings.cell,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, lines = await worker.communicate()
    assert worker.returncode == 0, lines.decode()
    return printed.decode().split(), lines.splitlines()


def agreed(trace: Trace) -> object:
    """Return what two sources of one recovery must have in common."""
    steps = {
        s.id: (
            s.outcome,
            s.note,
            [(a.no, a.outcome, a.error, a.duration, a.due) for a in s.attempts],
            [(h.guard, h.due, h.until is None) for h in s.holds],
            s.suppression and (s.suppression.guard, s.suppression.opens, s.suppression.why),
        )
        for s in trace.steps
    }
    summary = trace.summary
    return (
        trace.verdict,
        steps,
        (summary.done, summary.suppressed, summary.halted, summary.tier, summary.reasons),
        trace.halt and (trace.halt.guard, trace.halt.path),
        [(e.guard.kind, e.guard.name, e.why, e.tier) for e in trace.escalations],
    )


async def test_log_lines_of_real_guards_tell_what_the_ledger_tells(
    settings: Settings, witness: Witness
) -> None:
    """A rate, a budget, a loop and two breakers: both sources agree, and nothing is missing."""
    ids, lines = await logged(settings)
    records = Records(RedisReading(witness.client, witness.keys))
    traces = []
    for correlation_id in ids:
        ledger = await records.trace(correlation_id)
        assert ledger is not None
        logs = Trace.from_logs(lines, correlation_id)
        assert agreed(logs) == agreed(ledger)
        assert logs.missing == ledger.missing == ()
        traces.append(ledger)
    limited, halted, refilled, paid = traces
    held = {s.group: [h.guard.kind for h in s.holds] for s in limited.steps if s.holds}
    assert held == {"cache.warm": ["rate"]}
    suppressed = [s for s in limited.steps if s.suppression]
    assert [(s.group, str(s.suppression.guard)) for s in suppressed if s.suppression] == [
        ("api.restart", "budget (restart:shop, 1 of 1)")
    ]
    assert halted.halt is not None
    assert halted.halt.path.count("service.degraded shop → api.degrade") == 4
    for trace in (limited, halted):
        assert [step.outcome for step in trace.steps if step.group == "pager.page"] == ["completed"]
        assert (len(trace.escalations), trace.acknowledgement) == (1, None)
    for trace, name in ((refilled, "memory"), (paid, "payments-api")):
        [step] = trace.steps
        assert [(h.guard.kind, h.guard.name) for h in step.holds] == [("breaker", name)]
        assert step.outcome == "completed"
