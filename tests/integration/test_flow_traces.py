"""Real workers that wait, branch, ask and undo, in the traces of their recoveries."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from antiphon import Settings
from antiphon.broker.reading import RedisReading
from antiphon.records import Records
from antiphon.testing import expect
from antiphon.trace import Trace
from witness import Witness

LOGGED_FLOW = Path(__file__).parents[1] / "logged_flow.py"


async def logged(settings: Settings) -> tuple[list[str], Sequence[bytes]]:
    """Run the program; returns the recoveries it ended, and its log lines."""
    worker = await asyncio.create_subprocess_exec(
        sys.executable,
        str(LOGGED_FLOW),
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
    events = {event.id: (event.type, event.cause, event.by) for event in trace.events}
    steps = {
        s.id: (s.outcome, s.note, s.undo_of, s.published, s.won and (s.won.branch, s.won.losers))
        for s in trace.steps
    }
    summary = trace.summary
    return (
        (trace.verdict, summary.done, summary.undone, summary.cancelled),
        steps,
        events,
        {(s.id, s.type, s.by, s.cause) for s in trace.scheduled},
        [(t.group, t.missing, t.event_id) for t in trace.timeouts],
        [(c.id, c.type, c.subject, c.by, c.cause, c.verdict) for c in trace.children],
        [(a.id, a.state, [(v.by, v.reason) for v in a.votes]) for a in trace.approvals],
        trace.cancellation and (trace.cancellation.by, trace.cancellation.reason),
        [step.id for step in trace.critical_path.steps],
    )


async def test_log_lines_of_a_real_flow_tell_what_the_ledger_tells(
    settings: Settings, witness: Witness
) -> None:
    """An approval, a delay, a child, joins that gave up and were won, and a rollback."""
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
    asked, undone = traces
    [approval], [child] = asked.approvals, asked.children
    assert (approval.state, [vote.by for vote in approval.votes]) == ("granted", ["ana", "ben"])
    assert (approval.group, approval.requester) == ("db.restore", "db")
    assert (child.by, child.verdict) == ("db.restore", "completed")
    [later], [timeout] = asked.scheduled, asked.timeouts
    assert later.id in {event.id for event in asked.events}
    assert (timeout.group, timeout.missing) == ("api.reopen", ("cache.warmed@elsewhere",))
    assert [step.won.branch for step in asked.steps if step.won] == ["database.restored@*"]
    assert [step.group for step in undone.steps if step.undo_of] == ["cache.warm", "api.restart"]
    expect(undone).cancelled().ran("cache.warm", times=1).undone("cache.warm", times=1)
    assert undone.cancellation is not None
    assert undone.rollback is not None
    assert undone.rollback.steps == undone.summary.undone == 2
