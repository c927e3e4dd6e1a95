"""What telemetry costs: the same hops with all of it off, with metrics, and with spans exported."""

from __future__ import annotations

from dataclasses import dataclass

from antiphon_benchmarks.scenarios.hop import Hop


@dataclass(frozen=True, slots=True)
class Telemetry(Hop):
    """Hops, for contenders that differ in their telemetry alone; all of them write their logs."""

    name = "telemetry"
