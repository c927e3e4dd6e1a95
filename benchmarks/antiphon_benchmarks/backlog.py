"""A backlog: failures that wait, and what it costs to answer them all."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from antiphon_benchmarks.failure import subjects
from antiphon_benchmarks.plan import Plan
from antiphon_benchmarks.progress import wait_until
from antiphon_benchmarks.reading import Reading
from antiphon_benchmarks.site import Site

#: Seconds between looks: fine while waiting for the start, coarser while work is measured.
START_LOOK = 0.002
FINISH_LOOK = 0.005

#: Failures published in one go.
FILL_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Drained:
    """What answering a backlog cost.

    Attributes:
        hops: Events answered.
        cost: From the first read to the last completion visible in its stream.
    """

    hops: int
    cost: Reading

    @property
    def hops_per_s(self) -> float:
        """Events answered in a second."""
        return self.hops / self.cost.wall

    @property
    def worker_us(self) -> float:
        """Processor time of the worker for a hop, in microseconds."""
        return self.cost.worker / self.hops * 1e6

    @property
    def server_us(self) -> float:
        """Processor time of the server for a hop, in microseconds."""
        return self.cost.server / self.hops * 1e6


def declare(site: Site, plan: Plan) -> None:
    """Run a worker just long enough to make its groups, so that what follows waits for them."""
    keys = [site.contender.stream(source) for source, _ in plan.links]
    with site.worker(plan) as worker:
        worker.go()
        wait_until(
            lambda: all(site.probe.groups(key) >= plan.groups for key in keys),
            worker=worker,
            every=FINISH_LOOK,
        )


def fill(site: Site, plan: Plan, count: int) -> None:
    """Publish failures, each about a subject of its own, while no worker runs."""
    asyncio.run(_publish(site, plan, list(subjects(count))))


def drain(site: Site, plan: Plan, count: int) -> Drained:
    """Start a worker on a backlog of `count` failures and measure it until all are answered.

    Returns once every delivery is acknowledged too; that part is not measured.

    Raises:
        RuntimeError: There were more completions than failures.
    """
    probe = site.probe
    first, last = site.contender.stream(plan.first), site.contender.stream(plan.last)
    untouched = probe.positions(first)
    goal = probe.added(last) + count
    with site.worker(plan) as worker:
        worker.go()
        wait_until(lambda: probe.positions(first) != untouched, worker=worker, every=START_LOOK)
        begun = Reading.take(site, worker)
        wait_until(lambda: probe.added(last) >= goal, worker=worker, every=FINISH_LOOK)
        cost = Reading.take(site, worker) - begun
        keys = [site.contender.stream(source) for source, _ in plan.links]
        wait_until(lambda: not any(map(probe.pending, keys)), worker=worker, every=FINISH_LOOK)
    if (surplus := probe.added(last) - goal) > 0:
        raise RuntimeError(f"{surplus} completions too many for {count} failures")
    return Drained(count * len(plan.links), cost)


async def _publish(site: Site, plan: Plan, names: list[str]) -> None:
    async with site.contender.publisher(site.url, plan) as publish:
        for start in range(0, len(names), FILL_CHUNK):
            await publish(names[start : start + FILL_CHUNK])
