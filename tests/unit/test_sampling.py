"""Which traces are recorded: all while few begin, a share of them in a storm."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_ON,
    Decision,
    ParentBased,
    ParentBasedTraceIdRatio,
    Sampler,
)
from opentelemetry.trace import NonRecordingSpan

from antiphon.telemetry import exporting
from antiphon.telemetry.origins import Origins
from antiphon.telemetry.sampling import TRACES_PER_SECOND, RateBounded, sampler
from antiphon.telemetry.traceparent import Traceparent
from antiphon_events import Envelope, uuid7

LIMIT = 20


class Clock:
    """Tells what it was set to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Load:
    """Traces that begin in one process, and what becomes of them."""

    def __init__(self, limit: float = LIMIT, seed: int = 1) -> None:
        self.clock = Clock()
        self.sampler = RateBounded(limit, clock=self.clock)
        self._ids = random.Random(seed)

    def begin(self, count: int, per_second: float = math.inf) -> list[int]:
        """Begin so many, so fast; returns those that are recorded."""
        chosen = []
        for _ in range(count):
            self.clock.now += 1 / per_second
            trace_id = self._ids.getrandbits(128)
            if self.asks(trace_id):
                chosen.append(trace_id)
        return chosen

    def asks(self, trace_id: int) -> bool:
        decision = self.sampler.should_sample(None, trace_id, "x").decision
        return decision is Decision.RECORD_AND_SAMPLE


def envelope(traceparent: str | None = None) -> Envelope:
    event_id = uuid7()
    return Envelope(
        id=event_id,
        source="redis",
        type="service.failed",
        subject="db",
        time=datetime.now(UTC),
        correlation_id=event_id,
        traceparent=traceparent,
    )


@pytest.mark.parametrize("per_second", [0.1, 1, 10, LIMIT - 1])
def test_below_the_limit_all_are_recorded(per_second: float) -> None:
    """However long it goes on."""
    assert len(Load().begin(1000, per_second)) == 1000


def test_as_many_at_once_as_a_second_may_have_are_recorded() -> None:
    """A burst that stays within the limit is no storm."""
    load = Load()
    for _ in range(10):
        assert len(load.begin(LIMIT)) == LIMIT
        load.clock.now += 30


@pytest.mark.parametrize("times", [2, 10, 100])
def test_above_the_limit_about_so_many_are_recorded(times: int) -> None:
    """However many begin, it is the limit that counts."""
    load, seconds = Load(), 30
    load.begin(LIMIT * times * 5, LIMIT * times)  # it takes a while until the rate is known
    recorded = len(load.begin(LIMIT * times * seconds, LIMIT * times))
    assert recorded == pytest.approx(LIMIT * seconds, rel=0.25)


def test_a_storm_out_of_nothing_is_bounded_at_once() -> None:
    """The first thousands come before any second is over; few of them are recorded."""
    expected = LIMIT * (1 + math.log(10_000 / LIMIT))
    assert len(Load().begin(10_000)) == pytest.approx(expected, rel=0.25)


def test_a_storm_that_is_over_is_forgotten() -> None:
    """Seconds later all are recorded again."""
    load = Load()
    load.begin(10_000, 1000)
    load.clock.now += 10
    assert len(load.begin(100, 10)) == 100


def test_processes_that_see_the_same_choose_the_same() -> None:
    """A recovery that several of them begin is recorded by all, or by none."""
    assert Load().begin(5000, 500) == Load().begin(5000, 500)


def test_what_a_busy_process_records_a_quieter_one_does_too() -> None:
    """They choose by the same order of ids; one goes further down than the other."""
    busy, quiet = Load(LIMIT).begin(5000, 500), Load(LIMIT * 2).begin(5000, 500)
    assert set(busy) < set(quiet)


def test_who_asks_again_is_told_the_same() -> None:
    """Each handler of an event asks, and each attempt: that is one trace, decided once."""
    load = Load()
    [first] = load.begin(1)
    assert all(load.asks(first) for _ in range(1000))
    assert len(load.begin(LIMIT - 1)) == LIMIT - 1, "those were not counted"
    load.begin(1000)
    assert load.asks(first)


@pytest.mark.parametrize("sampled", [True, False])
def test_a_span_follows_its_parent(*, sampled: bool) -> None:
    """A recovery is recorded or not, whatever else goes on; nothing of it is counted."""
    root = RateBounded(LIMIT if not sampled else 0)
    tracer = TracerProvider(ParentBased(root), shutdown_on_exit=False).get_tracer("x")
    place = trace.SpanContext(1, 1, is_remote=True, trace_flags=trace.TraceFlags(sampled))
    within = trace.set_span_in_context(NonRecordingSpan(place))
    assert tracer.start_span("step", within).is_recording() is sampled
    assert tracer.start_span("another").is_recording() is not sampled


@pytest.mark.parametrize(
    ("said", "dropped"), [("-01", False), ("-00", True), (None, True)], ids=str
)
def test_what_is_not_sampled_is_known_without_asking(said: str | None, *, dropped: bool) -> None:
    """By our sampler nothing is built for it; a host's is asked about each span."""
    event = envelope(said and f"00-{'1' * 32}-{'2' * 16}{said}")
    ours = TracerProvider(ParentBased(RateBounded(0)), shutdown_on_exit=False)
    assert Origins(ours).of(event).dropped is dropped
    hosts = TracerProvider(ALWAYS_ON, shutdown_on_exit=False)
    assert not Origins(hosts).of(event).dropped
    assert not Origins(object()).of(event).dropped, "a provider of another make has no sampler"


@pytest.mark.parametrize("share", [0.1, 0.6])
def test_a_context_that_follows_from_ids_is_sampled_like_others(share: float) -> None:
    """Although every UUID has the same bits where samplers expect chance."""
    origins = Origins(TracerProvider(ParentBasedTraceIdRatio(share), shutdown_on_exit=False))
    chosen = [origins.of(envelope()).span.trace_flags.sampled for _ in range(4000)]
    assert sum(chosen) / len(chosen) == pytest.approx(share, abs=0.04)


def test_what_was_said_of_old_traces_is_forgotten() -> None:
    """Of so many, and no more, it is known what was said."""
    load = Load()
    load.begin(5000)
    assert len(load.sampler._said) == 4096


def test_handlers_of_a_bare_event_agree() -> None:
    """They have the same ids from it, and ask the same sampler."""
    provider = TracerProvider(ParentBased(RateBounded(LIMIT)), shutdown_on_exit=False)
    one, other = Origins(provider), Origins(provider)
    for _ in range(1000):
        event = envelope()
        place = one.of(event)
        assert place == other.of(event)
        assert Traceparent.of_recovery(event.correlation_id, event.id).trace_id == (
            place.span.trace_id
        )


@pytest.mark.parametrize(
    ("environment", "services", "decides", "name"),
    [
        ({}, ["shop"], sampler(), "shop"),
        ({"OTEL_TRACES_SAMPLER": ""}, ["shop", "edge"], sampler(), "antiphon"),
        (
            {"OTEL_TRACES_SAMPLER": "parentbased_always_on", "OTEL_SERVICE_NAME": "mine"},
            ["shop"],
            ParentBased(ALWAYS_ON),
            "mine",
        ),
        (
            {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"},
            ["shop"],
            ParentBasedTraceIdRatio(0.25),
            "shop",
        ),
    ],
)
def test_the_standard_variables_have_the_last_word(
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    services: list[str],
    decides: Sampler,
    name: str,
) -> None:
    """Without them our sampler decides, and the spans are the service's, if it is one."""
    set_up: list[TracerProvider] = []
    monkeypatch.setattr(trace, "set_tracer_provider", set_up.append)
    for variable in ("OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "OTEL_SERVICE_NAME"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    stop = exporting.export_spans(services)
    assert stop(timedelta(seconds=5))
    [provider] = set_up
    assert provider.sampler.get_description() == decides.get_description()
    assert provider.resource.attributes["service.name"] == name


def test_the_limit_is_in_the_samplers_name() -> None:
    """Whoever looks at a provider sees what it does."""
    assert f"{{{TRACES_PER_SECOND}}}" in sampler().get_description()
