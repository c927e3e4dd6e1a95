"""What telemetry costs: the same hops with none of it, with metrics, and with spans exported."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from antiphon_benchmarks.contenders.contender import Name
from antiphon_benchmarks.scenarios.hop import Hop
from antiphon_benchmarks.site import Site

_ARRIVED = re.compile(r"^(\d+) spans arrived$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Telemetry(Hop):
    """Hops, for contenders that differ in their telemetry alone; all of them write their logs."""

    name = "telemetry"

    def measure(self, site: Site) -> Mapping[str, float]:
        """Fill, then drain, once; and see that as many spans arrived as ought to.

        Raises:
            RuntimeError: there were too few of them, or too many, for this to mean anything.
        """
        measured = Hop.measure(self, site)
        arrived = _ARRIVED.findall(site.log.read_text("utf-8", "replace"))
        if not arrived:
            return measured
        spans, seconds = int(arrived[-1]), self.events / measured["hops_per_s"]
        fewest, most = self._plausible(site.name, seconds)
        if not fewest <= spans <= most:
            raise RuntimeError(
                f"{spans} spans arrived of {self.events} hops, not {fewest:.0f} to {most:.0f}"
            )
        return {**measured, "spans": spans, "spans_per_s": spans / seconds}

    def _plausible(self, name: Name, seconds: float) -> tuple[float, float]:
        """How many spans may have arrived, at least and at most: one for each hop is all."""
        if name is Name.ANTIPHON_EVERY_SPAN:
            return 0.9 * self.events, self.events  # the queue may have overflowed
        return min(20, self.events), min(200 + 30 * seconds, self.events)
