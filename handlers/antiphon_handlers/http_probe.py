"""Ask a service over HTTP whether it works, and publish when that changes.

**Reacts to** the answers of one URL: 2xx within the timeout is good, anything else is bad.
**Emits** a failure (``ServiceFailed`` unless told otherwise) once on going down and again from time
to time while it lasts, which is counted in the recovery under way or opens the next; and
``ServiceRecovered`` in the recovery of that failure, caused by it, once on coming back.
**Idempotent because** each of these becomes one event, whose id is fixed before it is first sent:
however often publishing has to be tried, it is one entry.
**Gives up by** nothing: while Redis is away it goes on asking, keeps what it has to say in order,
and says it when Redis is back. Only stopping it loses what was never sent.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum

import httpx

from antiphon import Publisher, TransientError
from antiphon.telemetry.logging import get_logger
from antiphon_events import Envelope, Event, Failure, ServiceFailed, ServiceRecovered
from antiphon_handlers.http_verdict import open_client


class Turn(Enum):
    """A change of health."""

    DOWN = "down"
    UP = "up"


@dataclass(frozen=True, slots=True)
class Health:
    """What consecutive checks amount to. A service counts as up until checks say otherwise.

    Attributes:
        up: the last settled state.
        streak: how many checks in a row have contradicted it.
    """

    up: bool = True
    streak: int = 0


def decide(
    health: Health, *, good: bool, failures: int, successes: int
) -> tuple[Health, Turn | None]:
    """Take in one check: the new health, and the change it amounts to, if any.

    Args:
        health: the health so far.
        good: what the check found.
        failures: bad checks in a row that make an up service down.
        successes: good checks in a row that make a down service up.
    """
    if good is health.up:
        return Health(up=health.up), None
    streak = health.streak + 1
    if streak < (failures if health.up else successes):
        return Health(up=health.up, streak=streak), None
    return Health(up=good), Turn.UP if good else Turn.DOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What to ask, how often, and what its answers mean.

    Attributes:
        url: asked with GET.
        subject: the service the events are about.
        every: from the start of one check to the start of the next.
        timeout: how long an answer may take.
        failures: bad checks in a row that make it down.
        successes: good checks in a row that make it up again.
        failure: the kind of failure to publish.
        repeat: how long it may be down before that is said again.

    Raises:
        ValueError: a threshold below 1, or an interval or timeout that is not positive.
    """

    url: str
    subject: str
    every: timedelta = timedelta(seconds=1)
    timeout: timedelta = timedelta(seconds=2)
    failures: int = 3
    successes: int = 1
    failure: type[Failure] = ServiceFailed
    repeat: timedelta = timedelta(minutes=5)

    def __post_init__(self) -> None:
        for name, count in (("failures", self.failures), ("successes", self.successes)):
            if count < 1:
                raise ValueError(f"{name}={count}: a change takes at least 1 check")
        lengths = {"every": self.every, "timeout": self.timeout, "repeat": self.repeat}
        for name, length in lengths.items():
            if length <= timedelta(0):
                raise ValueError(f"{name}={length}: it must be longer than nothing")


class Incident:
    """What one service's checks have amounted to so far, and the events that tell of it."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._health = Health()
        self._first_bad: datetime | None = None
        self._told: datetime | None = None
        """When it was last said that it is down; None while it is up."""

    @property
    def health(self) -> Health:
        """The health after the last check."""
        return self._health

    def observe(self, problem: str | None, at: datetime) -> Event | None:
        """Take in one check, and return the event to publish: a change, or what has lasted long.

        Args:
            problem: what was wrong, in one line; None when the check was good.
            at: when the check was made.
        """
        target = self._target
        self._health, turn = decide(
            self._health,
            good=problem is None,
            failures=target.failures,
            successes=target.successes,
        )
        if problem is not None and self._first_bad is None:
            self._first_bad = at
        since = self._first_bad or at
        if problem is None and self._health.up:
            self._first_bad = None
        match turn:
            case None:
                if self._told is None or problem is None or at - self._told < target.repeat:
                    return None
                self._told = at
                seconds = (at - since).total_seconds()
                reason = f"{target.url} has been down for {seconds:.0f} s: {problem}"
                return target.failure(subject=target.subject, reason=reason)
            case Turn.DOWN:
                self._told = at
                reason = f"{target.failures} checks of {target.url} in a row failed: {problem}"
                return target.failure(subject=target.subject, reason=reason)
            case Turn.UP:
                self._told = None
                downtime_ms = round((at - since) / timedelta(milliseconds=1))
                return ServiceRecovered(subject=target.subject, downtime_ms=downtime_ms)


class HttpProbe:
    """One probe of one target: it checks, and it publishes, and neither waits for the other."""

    def __init__(self, target: Target, publisher: Publisher) -> None:
        self._target = target
        self._publisher = publisher
        self._incident = Incident(target)
        self._outage: Envelope | None = None
        self._recovery = ""
        """The recovery that the latest failure belongs to, which it may have joined."""
        self._unsent: deque[tuple[Event, Envelope]] = deque()
        self._news = asyncio.Event()
        self._log = get_logger()

    async def run(self) -> None:
        """Probe until cancelled."""
        self._log.info("probe.started", url=self._target.url, subject=self._target.subject)
        try:
            async with open_client() as client, asyncio.TaskGroup() as group:
                group.create_task(self._check_for_ever(client))
                group.create_task(self._publish_for_ever())
        finally:
            self._log.info("probe.stopped", unsent=[event.type for event, _ in self._unsent])

    async def _check_for_ever(self, client: httpx.AsyncClient) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            self._take_in(await ask(client, self._target))
            # A late check is not made up for: two at once would count as two.
            due = max(due + self._target.every.total_seconds(), loop.time())
            await asyncio.sleep(due - loop.time())

    def _take_in(self, problem: str | None) -> None:
        before = self._incident.health
        event = self._incident.observe(problem, datetime.now(UTC))
        streak = before.streak + 1
        if problem is not None and before.up:
            needed = self._target.failures
            self._log.warning("check.failed", problem=problem, streak=streak, needed=needed)
        if problem is None and not before.up:
            self._log.info("check.passed", streak=streak, needed=self._target.successes)
        if event is not None:
            self._unsent.append((event, self._enveloped(event)))
            self._news.set()

    def _enveloped(self, event: Event) -> Envelope:
        """Fix the event's id: a failure opens a recovery, and what ends it belongs there."""
        outage = self._outage
        if outage is None or isinstance(event, Failure):
            self._outage = self._publisher.prepare(event)
            return self._outage
        self._outage = None
        return self._publisher.prepare(
            event, correlation_id=outage.correlation_id, causation_id=outage.id
        )

    async def _publish_for_ever(self) -> None:
        while True:
            await self._news.wait()
            while self._unsent:
                await self._publish(*self._unsent[0])
                self._unsent.popleft()
            self._news.clear()

    async def _publish(self, event: Event, envelope: Envelope) -> None:
        """Publish one event, however long Redis is away; the publisher logs that it did."""
        failure = isinstance(event, Failure)
        if not failure and self._recovery:
            envelope = replace(envelope, correlation_id=self._recovery)
        while True:
            try:
                receipt = await self._publisher.publish(event, envelope=envelope)
            except TransientError as error:
                self._log.warning(
                    "event.held_back",
                    event_type=event.type,
                    event_id=envelope.id,
                    correlation_id=envelope.correlation_id,
                    error=str(error),
                )
                await asyncio.sleep(self._target.every.total_seconds())
            else:
                self._recovery = receipt.correlation_id if failure else ""
                return


async def ask(client: httpx.AsyncClient, target: Target) -> str | None:
    """Ask once: None when the answer is good, else what is wrong in one line."""
    try:
        async with asyncio.timeout(target.timeout.total_seconds()):
            response = await client.get(target.url)
    except TimeoutError:
        return f"no answer within {target.timeout.total_seconds():g} s"
    except httpx.TransportError as error:
        return str(error) or type(error).__name__
    return None if response.is_success else f"status {response.status_code}"
