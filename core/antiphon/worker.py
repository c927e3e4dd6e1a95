"""A worker: reads for its handlers, runs their deliveries, and does the chores."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from antiphon.broker.circuits import Circuits
from antiphon.broker.session import Session
from antiphon.duties.attendance import Attendance
from antiphon.duties.auditor import Auditor
from antiphon.duties.claimer import Claimer
from antiphon.duties.escalator import Escalator
from antiphon.duties.heartbeat import Heartbeat
from antiphon.duties.historian import Historian
from antiphon.duties.janitor import Janitor
from antiphon.duties.loop import Duty, Loop
from antiphon.duties.sentry import Sentry
from antiphon.duties.timers import Timers
from antiphon.executor import Executor
from antiphon.flow.goal import Goal
from antiphon.guards.policy import check
from antiphon.handler import Handler
from antiphon.inflight import InFlight
from antiphon.invoking import Invoke
from antiphon.post import Post
from antiphon.settings import Settings
from antiphon.settler import Settler
from antiphon.telemetry.logging import get_logger
from antiphon.telemetry.tracing import handler_spans


@dataclass(frozen=True, slots=True)
class Troubles:
    """What makes no progress in a worker, in words."""

    handlers: list[str]
    duties: list[str]


class Worker:
    """Everything one process does for a service.

    Handlers begin and end one by one, as FastStream starts and stops its subscribers; what they
    share starts with the first and stops with the last.
    """

    def __init__(self, settings: Settings, goals: Sequence[Goal] = ()) -> None:
        """Work with `settings`, for a service with these goals, which may become more."""
        self._settings = settings
        self._goals = goals
        self._in_flight = InFlight()
        self._posts: dict[str, Post] = {}
        self._session: Session | None = None
        self._loops: list[Loop] = []
        self._intake: list[Loop] = []
        self._timers: Loop | None = None
        self._attendance: Loop | None = None
        self._starting = asyncio.Lock()
        self._log = get_logger()

    @property
    def posts(self) -> list[Post]:
        """The handlers at work."""
        return list(self._posts.values())

    def healthy(self) -> bool:
        """Whether every reader and every duty makes progress."""
        troubles = self.troubles((), time.monotonic())
        return self._session is not None and not troubles.handlers and not troubles.duties

    def troubles(self, handlers: Iterable[Handler], now: float) -> Troubles:
        """What makes no progress; any thread may ask.

        Args:
            handlers: those that should be at work here.
            now: on the monotonic clock.
        """
        posts = dict(self._posts)
        idle = [h.group for h in handlers if h.group not in posts]
        silent = [group for group, post in posts.items() if not post.healthy(now)]
        return Troubles(
            handlers=[
                *(f"{group} has not begun" for group in idle),
                *(f"{group} has not read for too long" for group in silent),
            ],
            duties=[
                f"{loop.duty.name} has not succeeded for {now - loop.progressed:.1f} s"
                for loop in list(self._loops)
                if now - loop.progressed >= _patience_s(loop)
            ],
        )

    async def begin(self, handler: Handler, invoke: Invoke) -> None:
        """Take a handler to work.

        Raises:
            ConfigurationError: the server is not one to be trusted with events.
        """
        async with self._starting:
            if self._session is None:
                self._session = await self._open()
            session = self._session
        check(handler, session.settings)
        rouser = session.rouser
        circuits = Circuits(session.gatherer, session.keys, session.settings, rouser)
        executor = Executor(
            handler,
            invoke,
            calls=session.calls,
            gatherer=session.gatherer,
            settler=Settler(
                session.calls,
                session.gatherer,
                self._wake,
                circuits,
                rouser,
                max_payload_bytes=session.settings.max_payload_bytes,
            ),
            incidents=session.incidents,
            wake=self._wake,
            circuits=circuits,
            rouser=rouser,
            consumer=session.consumer,
            max_payload_bytes=session.settings.max_payload_bytes,
            spans=handler_spans(session.settings, handler, session.consumer),
        )
        post = Post(handler, executor, session, self._in_flight)
        await post.open()
        self._posts[handler.group] = post
        if self._attendance is not None:
            self._attendance.wake()

    async def stop(self) -> None:
        """Stop reading, let deliveries finish within the drain limit, hand the rest back."""
        if self._session is None:
            return
        session, self._session = self._session, None
        # Whatever could take up work again that was just handed back ends before the drain.
        await asyncio.gather(
            *(post.close() for post in self._posts.values()),
            *(loop.stop() for loop in self._intake),
        )
        returned = await self._in_flight.drain(self._settings.drain.total_seconds())
        await asyncio.gather(*(loop.stop() for loop in self._loops))
        await session.aclose()
        self._posts.clear()
        self._loops.clear()
        self._log.info("worker.stopped", consumer=session.consumer, handed_back=returned)

    async def _open(self) -> Session:
        session = Session.open(self._settings)
        try:
            sentry = Sentry(session)
            await sentry.check()
        except BaseException:
            await session.aclose()
            raise
        posts = self._posts
        timers = Loop(Timers(session, posts))
        attendance = Loop(Attendance(session, posts, self._goals))
        duties: list[Duty] = [
            Heartbeat(session, self._in_flight),
            Auditor(session),
            Escalator(session),
            Janitor(session),
            Historian(session),
            sentry,
        ]
        self._intake = [timers, Loop(Claimer(session, posts.values()))]
        self._loops = [*self._intake, attendance, *(Loop(duty) for duty in duties)]
        self._timers, self._attendance = timers, attendance
        for loop in self._loops:
            loop.start()
        self._log.info("worker.started", consumer=session.consumer, cell=self._settings.cell)
        return session

    def _wake(self, after_s: float) -> None:
        """Have the timers look as soon as a delivery of ours is due."""
        if self._timers is not None:
            asyncio.get_running_loop().call_later(after_s + 0.001, self._timers.wake)


def _patience_s(loop: Loop) -> float:
    return 3 * loop.duty.every.total_seconds() + 5
