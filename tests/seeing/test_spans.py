"""A recovery as a collector sees it: real processes, real HTTP."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from opentelemetry import context, trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from antiphon import Publisher, Settings
from antiphon_events import ServiceFailed
from child import Child
from collector import Collector, collecting
from support import until
from witness import Witness, changed

TRACE, CALLER = 0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return changed(settings, lease="500ms")


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture
def caller() -> Iterator[None]:
    """A program that is traced, and calls us within a span of its own."""
    place = SpanContext(TRACE, CALLER, is_remote=False, trace_flags=TraceFlags(1))
    token = context.attach(trace.set_span_in_context(NonRecordingSpan(place)))
    yield
    context.detach(token)


@pytest.mark.usefixtures("caller")
async def test_a_recovery_is_one_trace(  # noqa: PLR0915 - one story, told once
    settings: Settings, witness: Witness, collector: Collector, tmp_path: Path
) -> None:
    """Join, retry, take-over, child and closing are spans of the caller's trace, and are linked."""
    environment = {
        **collector.environment, "OTEL_BSP_SCHEDULE_DELAY": "50", "WORLD": str(tmp_path)
    }  # fmt: skip
    async with AsyncExitStack() as stack:
        workers = [
            await stack.enter_async_context(
                Child.running("traced_shop:shop", settings, tmp_path / f"{n}.log", **environment)
            )
            for n in (1, 2)
        ]
        async with Publisher(settings) as publisher:
            receipt = await publisher.publish(ServiceFailed(subject="orders"))
        recovery = receipt.correlation_id
        await witness.closed(recovery)
        await until(lambda: collector.named("process shop.tell"))
        assert sum(worker.ended for worker in workers) == 1, "one was killed, the other went on"
        for worker in workers:
            if not worker.ended:
                worker.signal(signal.SIGTERM)
                await worker.end(expected=0)

    spans = collector.spans
    assert {span.trace_id for span in spans} == {f"{TRACE:032x}"}
    assert set(collector.paths) == {"/v1/traces"}
    root = f"{CALLER:016x}"

    failed = collector.one("process shop.restore", antiphon__outcome="retrying")
    restored = collector.one("process shop.restore", antiphon__outcome="completed")
    warmed = collector.one("process shop.warm")
    assert failed.parent_id == restored.parent_id == warmed.parent_id == root
    assert (failed.failed, failed.status) == (True, "ConnectionError: the backup store is away")
    assert failed["error.type"] == "ConnectionError"
    assert failed["antiphon.delay_ms"] > 0
    [(name, exception)] = failed.events
    assert name == "exception"
    assert exception["exception.message"] == "the backup store is away"
    assert "in restore" in exception["exception.stacktrace"]
    assert (failed["antiphon.attempt"], restored["antiphon.attempt"]) == (1, 2)
    assert restored["antiphon.published"] == ["database.restored"]
    assert restored["backup.number"] == 7, "the handler's current span is the step's"
    assert not restored.failed
    if failed["messaging.client.id"] == restored["messaging.client.id"]:
        assert failed.span_id in {one.span_id for one in restored.links if one.why == "attempt"}

    for own, step in (("read the backup", {failed.span_id, restored.span_id}),
                      ("fill the cache", {warmed.span_id})):  # fmt: skip
        mine = collector.named(own)
        assert {span.parent_id for span in mine} == step
        assert {(span.scope, span.service) for span in mine} == {("the.users.own", "shop")}

    reopened = collector.one("process shop.reopen")
    assert reopened["antiphon.taken_over_from"] != reopened["messaging.client.id"]
    assert reopened["antiphon.attempt"] == 2
    assert reopened.parent_id in {restored.span_id, warmed.span_id}
    linked = {one.span_id for one in reopened.links if one.why == "branch"}
    assert linked | {reopened.parent_id} == {restored.span_id, warmed.span_id}
    assert len(reopened["antiphon.branches"]) == 2
    joined = collector.one("admit shop.reopen", antiphon__decision="joined")
    assert joined.parent_id in {restored.span_id, warmed.span_id}
    assert joined.kind == "internal"

    indexed = collector.one("process shop.index")
    assert indexed.parent_id == reopened.span_id
    assert indexed["antiphon.parent"] == recovery
    child = indexed["messaging.message.conversation_id"]
    assert child != recovery
    noted = collector.one("process shop.note")
    assert noted.parent_id == reopened.span_id, "the child's end is told where it was started"
    told = collector.one("process shop.tell")
    assert told.parent_id == root, "the end of the recovery, where it began"

    steps = [failed, restored, warmed, reopened, noted, told]
    for span in [*steps, indexed]:
        assert span.kind == "consumer"
        assert span.service == "shop"
        assert span.scope == "antiphon"
        assert span["messaging.system"] == "redis"
        assert span["messaging.operation.type"] == span["messaging.operation.name"] == "process"
        assert span.name == f"process {span['messaging.consumer.group.name']}"
        assert span["messaging.destination.name"] == witness.keys.events(
            span["antiphon.event.type"]
        )
        assert span["antiphon.cell"] == settings.cell
        assert span.start < span.end
    assert {span["messaging.message.conversation_id"] for span in steps} == {recovery}
    assert failed["messaging.message.id"] == receipt.event_id
    assert failed["antiphon.entry"] == receipt.entry_id
    assert len({span["antiphon.token"] for span in [*steps, indexed]}) == 7
