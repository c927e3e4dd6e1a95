"""Spans in a program of somebody else's, which has set a tracer provider or has not."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest
import structlog
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler

from antiphon import Publisher, Recovery, Service, Settings
from antiphon.errors import ConfigurationError, PermanentError
from antiphon.telemetry import tracing
from antiphon.telemetry.sampling import RateBounded
from antiphon.telemetry.traceparent import Traceparent
from antiphon_events import CacheWarmed, DatabaseRestored, ServiceFailed
from support import until
from witness import Witness, changed, running

INCOMING = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
NOT_AT_ALL = ParentBased(RateBounded(0))


class Host:
    """A host application's own tracing."""

    def __init__(self, sampler: Sampler | None = None) -> None:
        self.kept = InMemorySpanExporter()
        self.provider = TracerProvider(sampler, shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.kept))

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.kept.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> Any:
        found = self.named(name)
        assert len(found) == 1, f"{len(found)} of {name}: {self.spans}"
        return found[0]


def hosted(monkeypatch: pytest.MonkeyPatch, host: Host) -> Host:
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: host.provider)
    return host


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    return hosted(monkeypatch, Host())


def shop(settings: Settings) -> Service:
    service = Service("shop", settings=settings)

    @service.on(ServiceFailed)
    async def restore(failed: ServiceFailed) -> DatabaseRestored:
        return DatabaseRestored(subject=failed.subject)

    @service.on(DatabaseRestored)
    async def warm(restored: DatabaseRestored) -> CacheWarmed:
        return CacheWarmed(subject=restored.subject)

    return service


def _place(span: Any) -> tuple[int, int]:
    return span.context.trace_id, span.context.span_id


async def test_the_hosts_provider_is_used(settings: Settings, witness: Witness, host: Host) -> None:
    """Publishing and each step are spans of the host's, one below the other."""
    with host.provider.get_tracer("host").start_as_current_span("check") as check:
        async with running(shop(settings)), Publisher(settings, source="probe") as publisher:
            receipt = await publisher.publish(ServiceFailed(subject="db"))
            await witness.closed(receipt.correlation_id)
    sent, restored = host.one("send service.failed"), host.one("process shop.restore")
    warmed = host.one("process shop.warm")
    assert _place(check)[1] == sent.parent.span_id
    assert sent.context.span_id == restored.parent.span_id
    assert restored.context.span_id == warmed.parent.span_id
    assert {span.context.trace_id for span in host.spans if span.context} == {_place(check)[0]}
    assert sent.kind is trace.SpanKind.PRODUCER
    assert sent.attributes["messaging.message.id"] == receipt.event_id
    assert sent.attributes["antiphon.entry"] == receipt.entry_id
    assert sent.attributes["antiphon.service"] == "probe"
    assert not restored.links, "its parent is where its event was published"
    [written] = await witness.entries("database.restored")
    place = Traceparent.read(written["traceparent"])
    assert place is not None
    assert (place.trace_id, place.span_id) == _place(restored)


@pytest.mark.parametrize("moment", ["on_start", "on_end"])
async def test_a_tracer_that_fails_stops_nothing(
    settings: Settings, witness: Witness, host: Host, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Whatever somebody's span processor raises: what is recorded goes on without its span."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the tracer is broken")

    broken = SimpleSpanProcessor(host.kept)
    monkeypatch.setattr(broken, moment, fail)
    host.provider.add_span_processor(broken)
    service = shop(settings)

    @service.on(ServiceFailed, budget="1/1h")
    async def page(failed: ServiceFailed) -> None: ...

    fallen = list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: fallen.append(context))
    with structlog.testing.capture_logs() as logs:
        async with running(service), Publisher(settings) as publisher:
            receipt = await publisher.publish(ServiceFailed(subject="db"))
            record = await witness.closed(receipt.correlation_id)
            refused = await publisher.publish(ServiceFailed(subject="db"))
            await witness.closed(refused.correlation_id, verdict="partial")
            await until(_said(logs, "delivery.suppressed"))
    assert (record.summary.verdict, record.summary.done) == ("completed", 3)
    errors = {line["event"] for line in logs if line["log_level"] == "error"}
    assert errors == {"spans.failed", "recovery.escalated"}
    gc.collect()  # a task that fell, and that nobody waits for, is told of when it goes
    assert fallen == []


def _said(logs: Sequence[Mapping[str, Any]], event: str) -> Callable[[], Awaitable[bool]]:
    async def said() -> bool:
        return any(line["event"] == event for line in logs)

    return said


async def test_off_records_nothing_and_hands_on(
    settings: Settings, witness: Witness, host: Host
) -> None:
    """A trace goes through a service that records no spans: what came in goes out."""
    settings = changed(settings, otel=False)
    async with running(shop(settings)):
        await witness.xadd("service.failed", {"subject": "db", "traceparent": INCOMING})
        [recovery] = await until(witness.open_recoveries)
        await witness.closed(recovery)
    assert host.spans == []
    for event_type in ("database.restored", "cache.warmed", "recovery.completed"):
        [written] = await witness.entries(event_type)
        assert written["traceparent"] == INCOMING, event_type


async def test_a_bare_entry_begins_one_trace(
    settings: Settings, witness: Witness, host: Host
) -> None:
    """All who handle events of a recovery that carries no context agree on its trace."""
    async with running(shop(settings)):
        await witness.xadd("service.failed", {"subject": "db"})
        [recovery] = await until(witness.open_recoveries)
        await witness.closed(recovery)
    [first] = await witness.entries("service.failed")
    assert "traceparent" not in first
    restored, warmed = host.one("process shop.restore"), host.one("process shop.warm")
    derived = Traceparent.of_recovery(recovery, recovery)
    assert _place(restored)[0] == _place(warmed)[0] == derived.trace_id
    assert restored.parent.span_id == derived.span_id
    [closing] = await witness.entries("recovery.completed")
    assert "traceparent" not in closing, "nothing was carried in, and its ids say the same"


@pytest.mark.parametrize("traceparent", ["00-1", "x" * 55, INCOMING.upper(), "é" * 50])
async def test_a_foreign_context_may_be_anything(
    settings: Settings, witness: Witness, host: Host, traceparent: str
) -> None:
    """What cannot be read counts as nothing, and stops no recovery."""
    async with running(shop(settings)):
        await witness.xadd("service.failed", {"subject": "db", "traceparent": traceparent})
        [recovery] = await until(witness.open_recoveries)
        await witness.closed(recovery)
    assert len({span.context.trace_id for span in host.spans if span.context}) == 1


@pytest.mark.parametrize("sampler", [ALWAYS_OFF, NOT_AT_ALL], ids=["host", "ours"])
@pytest.mark.parametrize("bare", [False, True])
async def test_a_trace_that_is_not_sampled_stays_so(
    settings: Settings,
    witness: Witness,
    monkeypatch: pytest.MonkeyPatch,
    sampler: Sampler,
    *,
    bare: bool,
) -> None:
    """The sampler decides, and events say so to all who come after."""
    host = hosted(monkeypatch, Host(sampler))
    async with running(shop(settings)), Publisher(settings) as publisher:
        if bare:
            await witness.xadd("service.failed", {"subject": "db"})
            [recovery] = await until(witness.open_recoveries)
        else:
            recovery = (await publisher.publish(ServiceFailed(subject="db"))).correlation_id
        await witness.closed(recovery)
    assert host.spans == []
    published = ["database.restored", "cache.warmed"]
    for event_type in published if bare else ["service.failed", *published]:
        [written] = await witness.entries(event_type)
        place = Traceparent.read(written["traceparent"])
        assert place is not None
        assert not place.sampled


async def test_a_hosts_sampler_is_asked_about_every_span(
    settings: Settings, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What to do with a trace that others do not record is for it to say."""
    host = hosted(monkeypatch, Host(ALWAYS_ON))
    async with running(shop(settings)):
        fields = {"subject": "db", "traceparent": INCOMING.removesuffix("01") + "00"}
        await witness.xadd("service.failed", fields)
        [recovery] = await until(witness.open_recoveries)
        await witness.closed(recovery)
    restored = host.one("process shop.restore")
    assert host.one("process shop.warm").parent.span_id == restored.context.span_id


async def test_what_did_not_run_is_a_short_span(
    settings: Settings, witness: Witness, host: Host
) -> None:
    """A duplicate, a refusal of a guard, and a failure that joined another are told."""
    service = Service("shop", settings=settings)
    going = asyncio.Event()

    @service.on(ServiceFailed, key="{subject}")
    async def restore(failed: ServiceFailed) -> None:
        await going.wait()

    @service.on(ServiceFailed, budget="1/1h")
    async def page(failed: ServiceFailed) -> None: ...

    failed = ServiceFailed(subject="db")
    async with running(service), Publisher(settings) as publisher:
        first = await publisher.publish(failed)
        coalesced = await publisher.publish(failed)
        assert coalesced.coalesced
        await until(lambda: host.named("process shop.page"))
        again = await publisher.publish(failed, correlation_id=first.correlation_id)
        going.set()
        await witness.closed(first.correlation_id, verdict="partial")
    sent = host.named("send service.failed")
    assert [span.attributes.get("antiphon.coalesced") for span in sent if span.attributes] == [
        None, True, None,
    ]  # fmt: skip
    suppressed = host.one("admit shop.page")
    about = suppressed.attributes
    assert about["antiphon.decision"] == "suppressed"
    assert (about["antiphon.guard"], about["antiphon.guard.limit"]) == ("budget", 1)
    assert about["messaging.message.id"] == again.event_id
    assert about["antiphon.reason"]
    assert suppressed.parent.span_id == sent[2].context.span_id
    decisions = [span.attributes["antiphon.decision"] for span in host.named("admit shop.restore")]  # type: ignore[index]
    assert decisions[-1] == "duplicate"
    assert set(decisions) <= {"waiting", "duplicate"}


async def test_what_is_put_off_keeps_its_context(
    settings: Settings, witness: Witness, host: Host
) -> None:
    """An event that is published later, or at once within a step, is still of that step."""
    service = Service("shop", settings=settings)

    @service.on(ServiceFailed)
    async def restore(failed: ServiceFailed, recovery: Recovery) -> None:
        recovery.publish(DatabaseRestored(subject="db"), after="10ms")
        await service.publish(CacheWarmed(subject="db"))

    @service.on(DatabaseRestored)
    async def note(restored: DatabaseRestored) -> None: ...

    async with running(service), Publisher(settings) as publisher:
        receipt = await publisher.publish(ServiceFailed(subject="db"))
        await witness.closed(receipt.correlation_id)
    restored = host.one("process shop.restore")
    assert host.one("process shop.note").parent.span_id == restored.context.span_id
    assert host.one("send cache.warmed").parent.span_id == restored.context.span_id


async def test_an_undone_step_is_linked(settings: Settings, witness: Witness, host: Host) -> None:
    """The span of an undo says that it is one, and links the step it takes back."""
    service = Service("shop", settings=settings)

    def forget(failed: ServiceFailed) -> None: ...

    @service.on(ServiceFailed, undo=forget)
    async def restore(failed: ServiceFailed) -> DatabaseRestored:
        return DatabaseRestored(subject=failed.subject)

    @service.on(DatabaseRestored)
    async def warm(restored: DatabaseRestored) -> None:
        raise PermanentError("there is no cache")

    async with running(service), Publisher(settings) as publisher:
        receipt = await publisher.publish(ServiceFailed(subject="db"))
        await witness.closed(receipt.correlation_id, verdict="partial")
    done, undone = host.named("process shop.restore")
    died = host.one("process shop.warm")
    assert died.attributes["antiphon.outcome"] == "died"
    assert died.attributes["error.type"] == "antiphon.errors.PermanentError"
    assert undone.attributes is not None
    assert undone.attributes["antiphon.undo"] is True
    linked = {
        (link.attributes or {})["antiphon.link"]: link.context.span_id for link in undone.links
    }
    assert done.context is not None
    assert linked["undone"] == done.context.span_id


def test_asked_for_without_the_extra_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message is one line, and names what to install."""
    monkeypatch.setattr(tracing, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"pip install 'antiphon\[otel\]'"):
        tracing.recording(Settings(otel=True))
    tracing.recording(Settings())


@pytest.mark.parametrize(
    ("environment", "asked"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, False),
    ],
)
def test_the_usual_variables_switch_it_on(environment: dict[str, str], *, asked: bool) -> None:
    """What is set for other programs means the same here."""
    assert tracing.asked_for(environment) is asked


_OFF = """
import asyncio, sys
from antiphon import Publisher, Service, Settings
from antiphon_events import ServiceFailed

async def main():
    settings = Settings(redis_url={url!r}, cell={cell!r})
    shop, over = Service("shop", settings=settings), asyncio.Event()

    @shop.on(ServiceFailed)
    async def restore(failed: ServiceFailed) -> None:
        over.set()

    await shop.start()
    async with Publisher(settings) as publisher:
        await publisher.publish(ServiceFailed(subject="db"))
    await over.wait()
    await shop.stop()

asyncio.run(main())
# redis-py loads the interface for its own sake, where it is installed.
ours = ("antiphon.telemetry.spans", "antiphon.telemetry.sending", "antiphon.telemetry.exporting")
sys.exit(any(name in sys.modules for name in (*ours, "opentelemetry.exporter")))
"""


async def test_off_imports_nothing(settings: Settings) -> None:
    """A program without tracing never loads what records spans, whatever it publishes and runs."""
    code = _OFF.format(url=settings.redis_url, cell=settings.cell)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stderr=asyncio.subprocess.PIPE
    )
    _, err = await process.communicate()
    assert process.returncode == 0, err.decode()
