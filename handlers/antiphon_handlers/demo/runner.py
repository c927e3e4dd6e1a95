"""The demo from curtain to curtain: open a shop, break it, watch it come back, buy something."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from antiphon import Settings
from antiphon.records import Records
from antiphon.trace import StepOutcome, Trace
from antiphon_handlers.demo.directory import ROLES, ShopDirectory
from antiphon_handlers.demo.following import follow, newest, open_records
from antiphon_handlers.demo.house import DemoFailed, Place, perform
from antiphon_handlers.demo.narrator import Narrator
from antiphon_handlers.demo.result import Result, agree
from antiphon_handlers.demo.shop_stage import ShopStage
from antiphon_handlers.demo.stage import LOOK_EVERY_SECONDS

RECOVERS_WITHIN_SECONDS = 60.0
LOGS_WITHIN_SECONDS = 5.0
WORKER = "orders-db worker"
MIDDLE = 0.2
"""How far the restore is when its worker is killed."""


async def perform_shop(place: Place, narrator: Narrator, *, kill_worker: bool) -> Result:
    """Run the whole demo. Whatever happens, nothing it started is left running.

    Args:
        place: where.
        narrator: who tells of it.
        kill_worker: kill the worker of orders-db in the middle of its restore.

    Raises:
        ConfigurationError: the directory to keep is in use, or there is no server to use.
        DemoFailed: the shop did not open, or did not recover in time; the logs are kept.
    """

    async def play(shop: ShopDirectory, settings: Settings) -> Result:
        with ShopStage(shop, settings) as stage:
            narrator.say(f"A shop of {len(ROLES)} processes opens in {shop.path}")
            await stage.open()
            async with open_records(settings) as records:
                return await _Performance(kill_worker, stage, narrator, records).play()

    return await perform(place, play)


@dataclass(slots=True)
class _Performance:
    """What happens on an open stage."""

    kill_worker: bool
    stage: ShopStage
    narrator: Narrator
    records: Records
    killed: dict[str, int] = field(default_factory=dict)
    """Who was killed on purpose, by name."""

    async def play(self) -> Result:
        """Order, break the database, follow the recovery, and order again."""
        before = await self.stage.place_order()
        self.stage.back_up()
        self.narrator.say(f"Order {before['id']} goes through, and the database is backed up")
        self.killed["orders-db"] = self.stage.break_database()
        self.narrator.say("The database file is damaged and its process killed with SIGKILL\n")
        trace = await self._recovery()
        logs_agree = await self._logs_agree()
        self.narrator.conclude(trace)
        after = await self.stage.place_order()
        kept = await self.stage.read_order(before["id"])
        return Result(
            trace=trace,
            logs_agree=logs_agree,
            order=after,
            earlier_order_kept=kept["order"] == before,
            pids={"killed": self.killed, **self.stage.pids()},
        )

    async def _recovery(self) -> Trace:
        with self.narrator.recovering():
            try:
                async with asyncio.timeout(RECOVERS_WITHIN_SECONDS):
                    return await follow(self.records, self._look)
            except TimeoutError:
                raise DemoFailed(await self._why_not()) from None

    def _look(self, trace: Trace | None) -> None:
        """Show the recovery, and strike the worker when its moment has come."""
        self.stage.check_children()
        if trace is None:
            return
        self.narrator.show(trace)
        waits = self.kill_worker and WORKER not in self.killed
        if waits and _in_the_middle(trace):
            self.killed[WORKER] = self.stage.replace_worker("orders-db")
            self.narrator.say("The worker of orders-db is killed in the middle; another is started")
        elif waits and trace.closed is not None:
            raise DemoFailed("the restore was over before its worker could be killed: try again")

    async def _why_not(self) -> str:
        trace = await newest(self.records)
        limit = f"within {RECOVERS_WITHIN_SECONDS:g} s"
        if trace is None:
            return f"no failure was published {limit}: see probe.jsonl"
        waits = "; ".join(owed.words for owed in trace.outstanding) or "nothing it knows of"
        return f"recovery {trace.correlation_id} did not close {limit}; it waits for {waits}"

    async def _logs_agree(self) -> bool:
        """Compare record and logs, for as long as the last line may be on its way."""
        for _ in range(round(LOGS_WITHIN_SECONDS / LOOK_EVERY_SECONDS)):
            trace = await newest(self.records)
            if trace is not None and agree(trace, self.stage.logs()):
                return True
            await asyncio.sleep(LOOK_EVERY_SECONDS)
        return False


def _in_the_middle(trace: Trace) -> bool:
    return any(
        step.group == "orders-db.restore"
        and step.outcome is StepOutcome.RUNNING
        and step.progress is not None
        and step.progress.fraction >= MIDDLE
        for step in trace.steps
    )
