"""The trace tells what happened, all of it and nothing else: fifty random faults are the judge."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import structlog

from antiphon import Settings
from antiphon.broker.reading import RedisReading
from antiphon.broker.server import EmbeddedServer
from antiphon.records import Records
from antiphon.telemetry.logging import configure
from antiphon.trace import Trace
from seeing import ailments, spy  # noqa: F401 - the injector names events by their types
from seeing.afflictions import LEASE_S
from seeing.diary import Diary
from seeing.faultplan import draw
from seeing.injector import hospital
from seeing.judge import judge
from seeing.sources import complaints
from seeing.truth import Truth, Truths, gather
from witness import Witness

FOREIGN = [
    b"",
    b"Starting the boiler",
    b'{"msg": "GET /health", "level": "info", "correlation_id": 7}',
    b'boiler-1  | {"event": "delivery.started", "correlation_id": "of another", "event_id": "1"}',
    b'{"event": "delivery.started", "correlation_id": "cut o',
] * 20
"""Lines of other programs, and of other recoveries."""

TELLING = {
    "started", "completed", "died", "retried", "held", "suppressed", "skipped", "joined",
    "duplicate", "approved", "denied", "cancelled", "escalated", "halted", "child", "scheduled",
    "relapsed", "acknowledged", "stalled",
}  # fmt: skip
"""Kinds of rows of which none can be missing without a difference to the truth."""

SEED = int(os.environ.get("GROUND_TRUTH_SEED") or random.SystemRandom().randrange(10**6))
FAULTS = int(os.environ.get("GROUND_TRUTH_FAULTS") or 50)


@pytest.fixture
def diary(tmp_path: Path) -> Iterator[Diary]:
    """The injector's own diary and log, beside those of the workers."""
    diary = Diary(tmp_path, "injector")
    run = spy.watch(diary)
    with (tmp_path / "injector.log").open("w") as log:
        configure("json", "info", log)
        yield diary
        structlog.reset_defaults()
    spy.unwatch(run)


@pytest.mark.timeout(150)
async def test_the_trace_tells_the_truth(
    server: EmbeddedServer, diary: Diary, tmp_path: Path
) -> None:
    """Every event, attempt, hold and take-over is there, none is invented."""
    sys.stdout.write(f"GROUND_TRUTH_SEED={SEED} GROUND_TRUTH_FAULTS={FAULTS}\n")
    settings = Settings(
        redis_url=server.url,
        lease=timedelta(seconds=LEASE_S),
        block="1s",
        drain="200ms",
        storm="1000/1m",
        recoveries={"slow.failed": {"deadline": "1s"}},
    )
    cases = draw(SEED, FAULTS)
    async with hospital(settings, server, tmp_path, diary) as injector:
        await injector.carry_out(cases)
    truths = gather(tmp_path)
    wrong, whole, all_told, blind = [], 0, 0, list[str]()
    lines = _shuffled(tmp_path)
    async with Witness.open(settings) as witness:
        records = Records(RedisReading(witness.client, witness.keys))
        for correlation_id, truth in truths.recoveries.items():
            trace = await records.trace(correlation_id)
            if trace is None:
                assert truth.child, truth  # its parent's step was not committed
                continue
            wrong += judge(trace, truth, truths)
            logs = Trace.from_logs(lines, correlation_id)
            told = not (truth.doubtful or truth.cut_off)
            wrong += complaints(trace, logs, told=told)
            all_told += told
            whole += not logs.missing
            if not truth.doubtful:
                blind += await _blindness(witness, truth, truths)
    assert not wrong, "\n".join(wrong)
    assert not blind, "\n".join(blind)
    assert all_told > len(truths.recoveries) / 4, "hardly anywhere was everything told"
    assert whole > len(truths.recoveries) / 4, "hardly any log tells all"


def _shuffled(folder: Path) -> list[bytes]:
    """The log lines of all processes, in no order, among those of others."""
    lines = [line for log in folder.glob("*.log") for line in log.read_bytes().splitlines()]
    lines += FOREIGN
    random.Random(SEED).shuffle(lines)
    return lines


async def _blindness(witness: Witness, truth: Truth, truths: Truths) -> list[str]:
    """Say which rows the ledger could do without, and the judge would not notice."""
    record = await witness.record(truth.id)
    assert record is not None
    found = []
    for kind in TELLING & {row.kind for row in record.ledger}:
        left = next(row for row in record.ledger if row.kind == kind)
        rows = [row for row in record.ledger if row is not left]
        trace = Trace.from_ledger(rows, record.outstanding, record.summary)
        if not judge(trace, truth, truths):
            found.append(f"{truth.root['subject']}: nobody notices the lack of {left}")
    return found
