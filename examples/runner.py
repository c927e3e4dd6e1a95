"""The runner: one recovery from the incident to the sale afterwards, measured."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from antiphon import Publisher, Settings
from antiphon.broker.approvals import Approvals
from antiphon.broker.errand import Errand
from antiphon.broker.reading import RedisReading
from antiphon.records import Records
from antiphon.testing import Cell
from antiphon.trace import Trace
from antiphon_events import DatabaseFailed
from examples.approver import Approver
from examples.incident import Damage, Incident, Sale
from examples.models import MODELS

RECOVERS_WITHIN = "60s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run showed.

    Attributes:
        model: its title.
        traces: the recovery, and then the recoveries that it started.
        answered: the steps that a person was asked about.
        sale: what a customer saw afterwards; None when the shop does not sell.
    """

    model: str
    traces: tuple[Trace, ...]
    answered: tuple[str, ...]
    sale: Sale | None

    @property
    def trace(self) -> Trace:
        """The recovery that was asked for."""
        return self.traces[0]

    @property
    def total(self) -> timedelta:
        """From the failure to the verdict."""
        return self.trace.duration

    @property
    def sum_of_steps(self) -> timedelta:
        """How long handlers ran, all of them together."""
        return sum((trace.sum_of_steps for trace in self.traces), timedelta())

    @property
    def asking(self) -> timedelta:
        """How long steps waited for a person, and then for a worker to notice the answer."""
        return sum(
            (
                hold.lasted(trace.as_of)
                for trace in self.traces
                for step in trace.steps
                for hold in step.holds
                if hold.guard.kind == "approval"
            ),
            timedelta(),
        )

    @property
    def rest(self) -> timedelta:
        """How long it took apart from that."""
        return self.total - self.asking

    @property
    def critical_path(self) -> timedelta:
        """How long those steps ran that made it take so long, each waiting for the one before.

        The own steps of a recovery that started others are one chain here, with the child that
        took longest in the middle of it.
        """
        parent, *children = self.traces
        if not children:
            return parent.critical_path.working
        return parent.sum_of_steps + max(child.critical_path.working for child in children)

    def lasted(self, step: str) -> timedelta:
        """How long a step ran, by the name of its group.

        Raises:
            LookupError: there is no such step.
        """
        for trace in self.traces:
            for one in trace.steps:
                if one.group == step:
                    return one.lasted(trace.as_of)
        raise LookupError(f"{self.model} has no step {step}")


async def run(
    name: str, *, url: str | None = None, damage: Damage = Damage.DATABASE, grant: bool = True
) -> Run:
    """Open a shop, break it, and let one model bring it back.

    Args:
        name: one of `MODELS`.
        url: the Redis server; one of its own, in memory, unless given.
        damage: what breaks.
        grant: whether the person who is asked agrees.

    Raises:
        AntiphonError: the shop or the server did not start.
        Unmet: the recovery was not over in time; draws its trace.
    """
    model = MODELS[name]
    async with (
        Incident.prepared() as incident,
        Cell.open(url, **model.settings) as cell,
        Errand.begin(cell.settings) as errand,
        cell.running(*model.services),
    ):
        await incident.happen(damage)
        approver = Approver(Approvals(errand), grant)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(approver.watch())
            try:
                correlation_id = await _publish(cell.settings)
                trace = await cell.settled(correlation_id, within=RECOVERS_WITHIN)
            finally:
                approver.gone = True
        children = await _children(errand, correlation_id)
        return Run(
            model=model.title,
            traces=(trace, *children),
            answered=tuple(approver.answered.values()),
            sale=await incident.sell() if trace.verdict == "completed" else None,
        )


async def _publish(settings: Settings) -> str:
    """Say what a probe would have seen."""
    async with Publisher(settings, source="orders-probe") as publisher:
        failed = DatabaseFailed(subject="orders-db", reason="the database does not answer")
        return (await publisher.publish(failed)).correlation_id


async def _children(errand: Errand, parent: str) -> list[Trace]:
    """The other recoveries of the cell, the earliest first."""
    records = Records(RedisReading(errand.client, errand.keys))
    names = [summary.correlation_id for summary in await records.recoveries()]
    traces = [await records.trace(name) for name in names if name != parent]
    return sorted((trace for trace in traces if trace), key=lambda trace: trace.opened)
