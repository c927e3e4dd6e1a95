"""Antiphon without metrics: what counting costs is what this does not."""

from __future__ import annotations

from typing import Any

import prometheus_client


class _Nothing:
    """A metric that is not kept."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def _ignore(self, *_: object, **__: object) -> None: ...

    def _self(self, *_: object, **__: object) -> _Nothing:
        return self

    def collect(self) -> tuple[()]:
        return ()

    inc = dec = set = observe = set_function = remove = clear = _ignore
    labels = _self


# Before anything of Antiphon is imported, and in a process that measures nothing else.
_client: Any = prometheus_client
_client.Counter = _client.Gauge = _client.Histogram = _Nothing

from antiphon_benchmarks.contenders.antiphon import publisher, stream, worker  # noqa: E402

__all__ = ["publisher", "stream", "worker"]
