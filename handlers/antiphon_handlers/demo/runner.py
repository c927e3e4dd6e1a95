"""The demo from curtain to curtain: open a shop, break it, watch it come back, buy something."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from antiphon import AntiphonError, ConfigurationError, Settings
from antiphon.broker.server import EmbeddedServer
from antiphon.records import Records
from antiphon.trace import StepOutcome, Trace
from antiphon_handlers.demo.directory import ROLES, ShopDirectory
from antiphon_handlers.demo.following import follow, forget, newest, open_records
from antiphon_handlers.demo.narrator import Narrator
from antiphon_handlers.demo.result import Result, agree
from antiphon_handlers.demo.stage import Stage

OPENS_WITHIN_SECONDS = 60.0
RECOVERS_WITHIN_SECONDS = 60.0
LOGS_WITHIN_SECONDS = 5.0
LOOK_EVERY_SECONDS = 0.1
WORKER = "orders-db worker"
MIDDLE = 0.2
"""How far the restore is when its worker is killed."""


class DemoFailed(AntiphonError):
    """The demo did not end as it should."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to run the demo.

    Attributes:
        kill_worker: kill the worker of orders-db in the middle of its restore.
        keep: run in this directory and leave it there; a temporary one otherwise.
        url: the Redis server to use; a private one otherwise.
    """

    kill_worker: bool = False
    keep: Path | None = None
    url: str | None = None


async def perform(options: Options, narrator: Narrator) -> Result:
    """Run the whole demo. Whatever happens, nothing it started is left running.

    Raises:
        ConfigurationError: the directory to keep is in use, or there is no server to use.
        DemoFailed: the shop did not open, or did not recover in time; the logs are kept.
    """
    directory = _directory(options)
    try:
        async with _stage(options, directory) as (stage, settings):
            narrator.say(f"A shop of {len(ROLES)} processes opens in {directory}")
            await _open(stage)
            async with open_records(settings) as records:
                result = await _Performance(options, stage, narrator, records).play()
    except (ConfigurationError, asyncio.CancelledError):
        _remove(options, directory)
        raise
    except AntiphonError as error:
        raise DemoFailed(f"{error}\nThe logs are in {directory / 'logs'}") from error
    _remove(options, directory)
    return result


def _directory(options: Options) -> Path:
    if options.keep is None:
        return Path(tempfile.mkdtemp(prefix="antiphon-demo-"))
    if options.keep.exists() and (not options.keep.is_dir() or any(options.keep.iterdir())):
        raise ConfigurationError(f"{options.keep} is in use: name a new directory to keep")
    options.keep.mkdir(parents=True, exist_ok=True)
    return options.keep.absolute()


def _remove(options: Options, directory: Path) -> None:
    if options.keep is None:
        shutil.rmtree(directory, ignore_errors=True)


@asynccontextmanager
async def _stage(options: Options, directory: Path) -> AsyncIterator[tuple[Stage, Settings]]:
    """Set up server and stage; strike them in the opposite order."""
    cell = f"demo-{uuid.uuid4().hex[:12]}"
    async with AsyncExitStack() as stack:
        if options.url is None:
            server = EmbeddedServer(directory / "redis", durability="everysec")
            settings = Settings(redis_url=stack.enter_context(server).url, cell=cell)
        else:
            settings = Settings(redis_url=options.url, cell=cell)
            stack.push_async_callback(forget, settings)
        stage = Stage(ShopDirectory(directory), settings)
        stack.callback(stage.strike)
        yield stage, settings


async def _open(stage: Stage) -> None:
    """Open the shop, with a worker beside each process, and the probe."""
    stage.prepare()
    try:
        async with asyncio.timeout(OPENS_WITHIN_SECONDS):
            stage.start_workers()
            await stage.open_shop()
            while not stage.workers_listen():
                stage.check_children()
                await asyncio.sleep(LOOK_EVERY_SECONDS)
    except TimeoutError:
        raise DemoFailed(f"the shop did not open within {OPENS_WITHIN_SECONDS:g} s") from None
    stage.start_probe()


@dataclass(slots=True)
class _Performance:
    """What happens on an open stage."""

    options: Options
    stage: Stage
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
        waits = self.options.kill_worker and WORKER not in self.killed
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
