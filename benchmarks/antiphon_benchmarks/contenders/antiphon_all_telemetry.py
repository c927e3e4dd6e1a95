"""Antiphon with metrics, and with every span exported to a collector in another process."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Awaitable, Callable
from datetime import timedelta

from antiphon_benchmarks.contenders.antiphon import publisher, service, stream
from antiphon_benchmarks.plan import Plan

__all__ = ["publisher", "stream", "worker"]

_LAST_SPANS = timedelta(seconds=30)


def worker(url: str, plan: Plan) -> Callable[[], Awaitable[None]]:
    """Build the service as `antiphon run` does when a collector is named."""
    collector = subprocess.Popen(
        [sys.executable, "-m", "antiphon_benchmarks.collector"], stdout=subprocess.PIPE, text=True
    )
    if collector.stdout is None:
        raise RuntimeError("the collector has no output")
    address = f"http://127.0.0.1:{collector.stdout.readline().strip()}"
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = address
    from antiphon.telemetry.exporting import export_spans  # noqa: PLC0415  reads the environment

    stop = export_spans(["shop"])
    app = service(url, plan).app

    async def run() -> None:
        try:
            await app.run()
        finally:
            _end(stop, collector, address)

    return run


def _end(stop: Callable[[timedelta], bool], collector: subprocess.Popen[str], address: str) -> None:
    """Have all spans arrive, and say in the worker's output how many did."""
    sent = stop(_LAST_SPANS)
    with urllib.request.urlopen(address) as answer:
        counted = int(answer.read())
    collector.terminate()
    collector.wait()
    print(f"{counted} spans arrived", file=sys.stderr)
    if not sent:
        raise RuntimeError("spans were left unsent")
