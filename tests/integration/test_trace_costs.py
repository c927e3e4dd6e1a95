"""What a trace costs the server and the reader, whatever else is recorded."""

from __future__ import annotations

from antiphon import Settings
from antiphon.broker.reading import RedisReading
from antiphon.records import Record, Records
from trace_story import Story, a_whole_recovery
from witness import Witness


async def write(witness: Witness, story: Story, name: str) -> None:
    """Put a recovery down as the scripts leave it."""
    ledger, recovery = witness.keys.ledger(name), witness.keys.recovery(name)
    async with witness.client.pipeline(transaction=False) as pipe:
        for entry_id, row in story.rows:
            pipe.xadd(ledger, {**row}, id=entry_id)
        pipe.hset(recovery, mapping={"status": "closed", "verdict": "partial"})
        pipe.zadd(witness.keys.closed_recoveries, {name: story.now_ms})
        for key in (ledger, recovery, witness.keys.closed_recoveries):
            pipe.expire(key, 600)
        await pipe.execute()


async def cost(witness: Witness) -> tuple[dict[str, int], Record]:
    """Return which commands a trace takes, and what they brought."""
    reading = RedisReading(witness.client, witness.keys)
    await witness.client.config_resetstat()
    record = await reading.record("ours")
    stats = await witness.client.info("commandstats")
    assert record is not None
    calls = {name: told["calls"] for name, told in stats.items() if "config" not in name}
    return calls, record


async def test_other_recoveries_cost_a_trace_nothing(settings: Settings, witness: Witness) -> None:
    """As many commands, which bring as many rows, beside five hundred others as alone."""
    await write(witness, story := a_whole_recovery(), "ours")
    alone, record = await cost(witness)
    for number in range(500):
        await write(witness, story, f"other-{number}")
    among, same = await cost(witness)
    reads = {"cmdstat_hgetall": 1, "cmdstat_xrange": 1, "cmdstat_smembers": 1, "cmdstat_time": 1}
    assert {name: alone[name] for name in reads} == reads
    assert among == alone
    assert len(record.ledger) == len(same.ledger) == len(story.rows)
    found = await Records(RedisReading(witness.client, witness.keys)).trace("ours")
    assert found is not None
    assert len(found.steps) == 7
