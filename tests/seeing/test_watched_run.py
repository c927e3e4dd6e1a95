"""A real Prometheus watches real workers in every trouble there is.

One run for all of it: starting servers and waiting for their clocks is what takes the time.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Any

import pytest

import debian
from antiphon import Publisher, Settings
from antiphon_events import (
    CacheLost,
    CacheWarmed,
    DatabaseFailed,
    DatabaseRestored,
    DependencyUnavailable,
    Event,
    ServiceDegraded,
    ServiceFailed,
    ServiceRecovered,
    ServiceUnhealthy,
)
from child import Child
from program import antiphon
from prometheus import Prometheus, alerts, free_port, queries, watching
from support import until
from witness import Witness, changed

_QUEUE = 120
_PATIENCE_SECONDS = 90.0
_OPEN_FOR_EVER = "a-recovery-that-cannot-be-read"
_HOUR_MS = 3_600_000

TROUBLES: tuple[Event, ...] = (
    *(ServiceUnhealthy(subject=f"api-{number}") for number in range(4)),
    ServiceDegraded(subject="web"),
    DatabaseFailed(subject="orders-db"),
    CacheLost(subject="orders-cache"),
    *(CacheWarmed(subject="orders-cache") for _ in range(5)),
    DependencyUnavailable(subject="backups"),
    ServiceRecovered(subject="web"),
)

WORK: tuple[Event, ...] = tuple(DatabaseRestored(subject="orders-db") for _ in range(_QUEUE))
"""More than anybody gets done."""

ABOUT: Mapping[str, Mapping[str, str]] = {
    "AntiphonRecoverySlow": {},
    "AntiphonRecoveryOpenLong": {},
    "AntiphonRecoveryStalled": {},
    "AntiphonRecoveriesFailing": {"event_type": "service.unhealthy"},
    "AntiphonRelapse": {"name": "service.failed:orders-api"},
    "AntiphonRecoveryHalted": {"guard": "visits"},
    "AntiphonStepsSuppressed": {"guard": "budget"},
    "AntiphonEscalationUnacknowledged": {},
    "AntiphonApprovalPending": {},
    "AntiphonPausedLong": {},
    "AntiphonQueueGrowing": {"group": "shop.check", "stream": "database.restored"},
    "AntiphonDeliveryPendingLong": {"group": "shop.check", "stream": "database.restored"},
    "AntiphonDeadLetters": {"group": "shop.replace"},
    "AntiphonBreakerOpenLong": {"name": "backups"},
    "AntiphonSurveyStale": {"instance": "stuck"},
    "AntiphonDutyFailing": {"duty": "auditor"},
    "AntiphonDutyOverdue": {"instance": "stuck", "duty": "heartbeat"},
    "AntiphonEventLoopBlocked": {"instance": "stuck"},
    "AntiphonWorkerDown": {"instance": "stuck"},
    "AntiphonNoWorker": {},
}
"""What each alert must name; an instance by the service it runs."""

_WHEN_WORKERS_END = ("AntiphonWorkerDown", "AntiphonNoWorker")

pytestmark = pytest.mark.timeout(debian.INSTALLING_SECONDS)


class Watch:
    """Keeps every alert that has fired, whether or not it still does."""

    def __init__(self, prometheus: Prometheus, workers: Mapping[str, str], cell: str) -> None:
        self._prometheus, self._workers, self._cell = prometheus, workers, cell
        self._fired: dict[str, dict[str, Any]] = {}

    async def look(self) -> None:
        for alert in await self._prometheus.firing():
            self._fired.setdefault(json.dumps(alert["labels"], sort_keys=True), alert)

    async def sees(self, *names: str) -> None:
        """Wait until these alerts have fired, each about what it must name."""

        async def missing() -> list[str]:
            await self.look()
            return [name for name in names if not self._has(name)]

        async def none_missing() -> bool:
            return not await missing()

        try:
            await until(none_missing, _PATIENCE_SECONDS)
        except AssertionError:
            raise AssertionError(f"did not fire: {await missing()}; did: {self}") from None

    def _has(self, name: str) -> bool:
        about = {"alertname": name, **ABOUT[name]}
        if "instance" in about:
            about["instance"] = self._workers[about["instance"]]
        if name != "AntiphonNoWorker":
            about["cell"] = self._cell
        return any(about.items() <= alert["labels"].items() for alert in self._fired.values())

    def texts(self) -> list[str]:
        """What people would read."""
        return [text for alert in self._fired.values() for text in alert["annotations"].values()]

    def __str__(self) -> str:
        return "\n".join(self._fired)


async def test_every_alert_fires_and_every_panel_shows_something(
    settings: Settings, witness: Witness, tmp_path: Path
) -> None:
    """From what workers export while they really are in that trouble."""
    settings = changed(settings, lease="1s", drain="1s")
    workers = {name: f"127.0.0.1:{free_port()}" for name in ("shop", "stuck")}

    def worker(name: str) -> Any:
        return Child.running(
            f"troubled:{name}",
            settings,
            tmp_path / f"{name}.log",
            ANTIPHON_SERVE=workers[name],
        )

    async with (
        worker("shop") as shop,
        worker("stuck") as stuck,
        watching(tmp_path, *workers.values(), cell=settings.cell) as prometheus,
    ):
        watch = Watch(prometheus, workers, settings.cell)
        await until(lambda: prometheus.value("count(up == 1) == 2"), _PATIENCE_SECONDS)
        slow = await begin_troubles(settings, witness)
        await watch.sees("AntiphonDeadLetters")  # so the queue was seen as long as it is now
        await publish(settings, *WORK)
        await watch.sees(*(name for name in ABOUT if name not in _WHEN_WORKERS_END))
        await until(lambda: prometheus.received("AntiphonDeadLetters"), _PATIENCE_SECONDS)
        assert await prometheus.received("AntiphonDeadLetters") == {"somebody"}
        silent = [query for query in queries() if not await prometheus.ever(query)]
        assert not silent, "\n".join(silent)
        assert slow in await prometheus.exemplars("antiphon_recovery_duration_seconds_bucket")

        stuck.signal(SIGKILL)
        await watch.sees("AntiphonWorkerDown")
        shop.signal(SIGTERM)
        await watch.sees("AntiphonNoWorker")
        await until(lambda: prometheus.received("AntiphonNoWorker"), _PATIENCE_SECONDS)
        assert await prometheus.received("AntiphonNoWorker") == {"on-call"}
    for text in watch.texts():
        assert "<no value>" not in text
        assert "{{" not in text


async def begin_troubles(settings: Settings, witness: Witness) -> str:
    """Returns the recovery that took long."""
    # A recovery keeps the deadline of whoever opened it.
    hasty = changed(settings, recoveries={"database.failed": {"deadline": "500ms"}})
    async with Publisher(hasty) as publisher:
        first = await publisher.publish(ServiceFailed(subject="orders-api"))
        await witness.closed(first.correlation_id)
        await publisher.publish(ServiceFailed(subject="orders-api"))
    await publish(hasty, *TROUBLES, *WORK)
    await spoil_the_audit(witness)
    paused = await antiphon(settings, "pause", "--subject", "billing-db", "--reason", "migration")
    assert paused.status == 0, paused.err
    return first.correlation_id


async def publish(settings: Settings, *events: Event) -> None:
    async with Publisher(settings) as publisher:
        await asyncio.gather(*(publisher.publish(event) for event in events))


async def spoil_the_audit(witness: Witness) -> None:
    """Put something else where the auditor looks for what an open recovery waits for."""
    await witness.client.set(witness.keys.outstanding(_OPEN_FOR_EVER), "no set", px=_HOUR_MS)
    await witness.client.zadd(witness.keys.open_recoveries, {_OPEN_FOR_EVER: 1})


def test_no_alert_is_left_out() -> None:
    """The run above waits for every alert of the rules."""
    assert set(ABOUT) == set(alerts())
