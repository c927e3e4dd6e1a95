"""A collector that is away, or that never answers: recoveries go on, and so does stopping."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from antiphon import Publisher, Settings
from antiphon_events import ServiceFailed
from child import Child
from witness import Witness, changed

MANY = 50


@contextmanager
def nobody() -> Iterator[int]:
    """A port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@contextmanager
def deaf() -> Iterator[int]:
    """A port at which connections are accepted, and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listening:
        yield listening.getsockname()[1]


@pytest.mark.parametrize("collector", [nobody, deaf])
async def test_recoveries_do_not_wait_for_a_collector(
    settings: Settings, witness: Witness, tmp_path: Path, collector: object
) -> None:
    """They complete as ever, and a worker that is told to stop is gone within its few seconds."""
    assert callable(collector)
    settings = changed(settings, storm="1000/1m")
    with collector() as port:
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "OTEL_BSP_SCHEDULE_DELAY": "10",
            "OTEL_BSP_MAX_QUEUE_SIZE": "20",
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "10",
        }
        log = tmp_path / "worker.log"
        async with Child.running("hosted:ops", settings, log, **environment) as worker:
            async with Publisher(settings) as publisher:
                receipts = [
                    await publisher.publish(ServiceFailed(subject=f"db-{number}"))
                    for number in range(MANY)
                ]
            for receipt in receipts:
                record = await witness.closed(receipt.correlation_id)
                assert record.summary.dead == 0
            worker.signal(signal.SIGTERM)
            began = time.monotonic()
            await worker.end(expected=0)
            assert time.monotonic() - began < 15
            assert len(worker.said("spans.unsent")) <= 1, "it says that it lost some, once"
            assert len(worker.said("delivery.completed")) == MANY


async def test_a_worker_without_the_extra_says_so(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenTelemetry's own variables may be meant for others: a warning, and it runs."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nsys.modules['opentelemetry.exporter'] = None\n", encoding="utf-8"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
    log = tmp_path / "worker.log"
    async with Child.running("hosted:ops", settings, log, **environment) as worker:
        [line] = worker.said("spans.unavailable")
        assert "antiphon[otel]" in line["remedy"]
        worker.signal(signal.SIGTERM)
        await worker.end(expected=0)
