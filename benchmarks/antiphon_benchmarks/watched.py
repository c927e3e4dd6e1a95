"""A service that is watched: its metrics scraped, its spans sent to a collector."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from antiphon import Endpoints, Service
from antiphon.address import Address

_LAST_SPANS = timedelta(seconds=30)


def scraped(service: Service) -> Callable[[], Awaitable[None]]:
    """Return what runs a service while another process scrapes its metrics."""

    async def run() -> None:
        async with Endpoints(service, address="127.0.0.1:0") as endpoints:
            with _scraping(endpoints.address):
                await service.app.run()

    return run


def exported(service: Service, sampler: str | None = None) -> Callable[[], Awaitable[None]]:
    """Return what runs a service while it is scraped, and sends its spans to another process.

    Args:
        service: what to run.
        sampler: which spans, as OTEL_TRACES_SAMPLER would say it; the default's unless given.
    """
    collector, port = _collector()
    address = f"http://127.0.0.1:{port}"
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        del os.environ[name]
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = address
    if sampler:
        os.environ["OTEL_TRACES_SAMPLER"] = sampler
    from antiphon.telemetry.exporting import export_spans  # noqa: PLC0415  reads the environment

    stop = export_spans([service.name])
    watched = scraped(service)

    async def run() -> None:
        try:
            await watched()
        finally:
            _end(stop, collector, address)

    return run


@contextmanager
def _scraping(address: Address | None) -> Iterator[None]:
    if address is None:
        raise RuntimeError("the metrics are not served")
    command = [sys.executable, "-m", "antiphon_benchmarks.scraper", f"http://{address}/metrics"]
    scraper = subprocess.Popen(command)
    try:
        yield
        if scraper.poll() is not None:
            raise RuntimeError(f"the scraper ended with status {scraper.returncode}")
    finally:
        scraper.terminate()
        scraper.wait()


def _collector() -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "antiphon_benchmarks.collector"]
    collector = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    if collector.stdout is None:
        raise RuntimeError("the collector has no output")
    return collector, collector.stdout.readline().strip()


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
