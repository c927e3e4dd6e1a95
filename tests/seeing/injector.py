"""The injector: begins the recoveries of a plan, and does to them what the plan says."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from redis.exceptions import RedisError

from antiphon import Publisher, Settings
from antiphon.broker.approvals import Approvals, Ask
from antiphon.broker.cancelling import Cancelling
from antiphon.broker.deadletters import DeadLetters
from antiphon.broker.errand import Errand
from antiphon.broker.escalations import Escalations
from antiphon.broker.server import EmbeddedServer
from antiphon.broker.switch import Switch
from antiphon.deadletter import Choice
from antiphon.errors import AntiphonError, StreamUnavailable
from antiphon.guards.scope import Scope
from antiphon_events import Event, event_class, uuid7
from seeing.afflictions import LEASE_S
from seeing.diary import Diary
from seeing.faultplan import Case
from seeing.nursery import Nursery, alive
from support import until
from witness import Witness

T = TypeVar("T")

_WORKERS = 3
_PATIENCE_S = 60.0
_BETWEEN_S = 0.1
"""Between the beginnings of two recoveries."""


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask until the server is there to answer: it is being killed, too."""
    while True:
        try:
            return await ask()
        except (RedisError, OSError, StreamUnavailable):
            await asyncio.sleep(0.05)


@dataclass
class Ward:
    """The workers, and what is done to them."""

    server: EmbeddedServer
    folder: Path
    diary: Diary
    nursery: Nursery
    workers: dict[str, int] = field(default_factory=dict)
    """The process of each, by its name."""

    suspended: set[int] = field(default_factory=set)
    killing: asyncio.Lock = field(default_factory=asyncio.Lock)
    hired: int = 0

    def hire(self) -> None:
        """Start one more worker, with a name of its own."""
        self.hired += 1
        name = f"w{self.hired}"
        self.workers[name] = self.nursery.bear(name)

    def listens(self) -> bool:
        """Whether all workers read, so that every event finds its handlers."""
        logs = (self.folder / f"{name}.log" for name in self.workers)
        return all(log.exists() and b'"services.ready"' in log.read_bytes() for log in logs)

    async def look_after(self) -> None:
        """Replace workers that died, and grant what processes wish."""
        granted = set[str]()
        async with asyncio.TaskGroup() as under_way:
            while True:
                for name, pid in list(self.workers.items()):
                    if not alive(pid):
                        del self.workers[name]
                        self.diary.note("died", consumer=name)
                        self.hire()
                for wish in {path.name for path in self.folder.glob("wish.*.flag")} - granted:
                    granted.add(wish)
                    _, what, whose, *_ = wish.split(".")
                    under_way.create_task(self._grant(what, int(whose)))
                await asyncio.sleep(0.03)

    async def _grant(self, what: str, pid: int) -> None:
        if what == "server":
            async with self.killing:  # it can only be killed once it runs again
                self.diary.note("server killed")
                self.server.kill()
                await asyncio.to_thread(self.server.restart)
        elif what == "wake":
            self.suspended.add(pid)
            await asyncio.sleep(1.8 * LEASE_S)
            if alive(pid):
                os.kill(pid, signal.SIGCONT)
            self.suspended.discard(pid)
        else:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    async def close(self) -> None:
        """Let all workers stop in order, so that nothing is said afterwards."""
        for pid in filter(alive, self.workers.values()):
            os.kill(pid, signal.SIGTERM)
            os.kill(pid, signal.SIGCONT)  # one whose suspension outlasted the plan could not obey
        # What one still runs may take as long as a stopping worker lets it.
        await until(lambda: not any(map(alive, self.workers.values())), 45)


@dataclass
class Injector:
    """Carries a plan out."""

    ward: Ward
    settings: Settings
    publisher: Publisher
    witness: Witness
    diary: Diary
    begun: dict[str, str] = field(default_factory=dict)
    """Subject of each recovery, by its correlation id."""

    async def carry_out(self, cases: list[Case]) -> None:
        """Begin all, each a little after the one before, and wait until all is over."""
        async with asyncio.TaskGroup() as serving:
            servants = [serving.create_task(s) for s in (self.ward.look_after(), self._answer())]
            async with asyncio.TaskGroup() as acting:
                for case in cases:
                    acting.create_task(self._begin(case))
                    await asyncio.sleep(_BETWEEN_S)
            try:
                await until(self._all_over, _PATIENCE_S)
            except AssertionError:
                raise AssertionError(await self._unfinished()) from None
            await until(lambda: not self.ward.suspended, 10)
            for servant in servants:
                servant.cancel()

    async def _all_over(self) -> bool:
        return not await _patiently(self.witness.open_recoveries)

    async def _unfinished(self) -> str:
        """Tell of the recoveries that are not over: what each waits for, and what came last."""
        said = []
        for name in await _patiently(self.witness.open_recoveries):
            record = await self.witness.record(name)
            if record is not None:
                last = "\n  ".join(map(str, record.ledger[-6:]))
                said.append(f"{name} waits for {record.outstanding}, after\n  {last}")
        return "not over: " + "\n".join(said)

    async def _begin(self, case: Case) -> None:
        acts: dict[str, Callable[[Case], Coroutine[Any, Any, None]]] = {
            "pause": self._paused,
            "publish twice": self._publish_twice,
            "coalesce": self._coalesce,
            "bare entry": self._bare,
            "relapse": self._relapse,
            "replay": self._replay,
            "lose entry": self._lose,
            "cancel": self._cancel,
            "cancel later": self._cancel_later,
            "acknowledge": self._acknowledge,
        }
        act = acts.get(case.act)
        if act is None:
            await self._publish(case)
        else:
            await act(case)

    def _event(self, case: Case) -> Event:
        return event_class(f"{case.kind}.failed")(subject=case.subject, dose=case.written)

    async def _publish(self, case: Case) -> str:
        event = self._event(case)
        envelope = self.publisher.prepare(event)
        self._note_publishing(case, envelope.id, envelope.correlation_id)
        receipt = await _patiently(lambda: self.publisher.publish(event, envelope=envelope))
        self.begun[receipt.correlation_id] = case.subject
        self.diary.note(
            "published", event=envelope.id, correlation=receipt.correlation_id,
            coalesced=receipt.coalesced,
        )  # fmt: skip
        return receipt.correlation_id

    def _note_publishing(self, case: Case, event: str, correlation: str) -> None:
        self.diary.note(
            "publishing", event=event, correlation=correlation, type=f"{case.kind}.failed",
            subject=case.subject,
        )  # fmt: skip

    async def _paused(self, case: Case) -> None:
        scope = Scope.of(subject=case.subject)
        await self._do(lambda errand: Switch(errand, "ana", "look").pause(scope))
        correlation = await self._publish(case)
        await self._row(correlation, "held")
        await self._do(lambda errand: Switch(errand, "ana", "done").resume(scope))

    async def _publish_twice(self, case: Case) -> None:
        event = self._event(case)
        envelope = self.publisher.prepare(event)
        self._note_publishing(case, envelope.id, envelope.correlation_id)
        for _ in range(2):
            await _patiently(lambda: self.publisher.publish(event, envelope=envelope))
        self.diary.note(
            "published", event=envelope.id, correlation=envelope.correlation_id, coalesced=False
        )

    async def _coalesce(self, case: Case) -> None:
        correlation = await self._publish(case)
        await self._row(correlation, "started")
        for _ in range(2):
            await self._publish(case)

    async def _bare(self, case: Case) -> None:
        event, name = self._event(case), uuid7()
        self._note_publishing(case, name, name)
        fields = {
            "specversion": "1.0", "id": name, "source": "cron", "type": event.type,
            "subject": case.subject, "correlationid": name, "data": event.data_json(),
        }  # fmt: skip

        async def write() -> None:
            """Write it unless it is there: the server may have died before it could say so."""
            written = await self.witness.entries(event.type)
            if name not in {entry.get("id") for entry in written}:
                await self.witness.xadd(event.type, fields)

        await _patiently(write)
        self.diary.note("published", event=name, correlation=name, coalesced=False, bare=True)
        await self._row(name, "adopted")

    async def _relapse(self, case: Case) -> None:
        first = await self._publish(case)
        await self._over(first)
        await self._publish(case)

    async def _replay(self, case: Case) -> None:
        correlation = await self._publish(case)
        await self._row(correlation, "died")
        await self._over(correlation)

        async def replay(errand: Errand) -> None:
            letters = DeadLetters(errand)
            async for letter in letters.newest_first(Choice()):
                if letter.correlation_id == correlation:
                    self.diary.note("replaying", correlation=correlation, group=letter.group,
                                    event=letter.event, dead=letter.id)  # fmt: skip
                    await letters.replay(letter)

        await self._do(replay)

    async def _lose(self, case: Case) -> None:
        scope = Scope.of(subject=case.subject)
        await self._do(lambda errand: Switch(errand, "ana", "look").pause(scope))
        correlation = await self._publish(case)
        await self._row(correlation, "held")
        [row] = [row for row in await self._rows(correlation) if row.kind == "published"]
        stream = self.witness.keys.events(f"{case.kind}.failed")
        await self.witness.client.xdel(stream, row.text("entry"))
        self.diary.note("lost", correlation=correlation, group="clinic.mend",
                        event=row.text("event"))  # fmt: skip
        await self._do(lambda errand: Switch(errand, "ana", "done").resume(scope))

    async def _cancel(self, case: Case) -> None:
        correlation = await self._publish(case)
        await self._row(correlation, "started")
        await self._do_cancel(correlation)

    async def _cancel_later(self, case: Case) -> None:
        correlation = await self._publish(case)
        await self._row(correlation, "scheduled")
        await self._do_cancel(correlation)

    async def _do_cancel(self, correlation: str) -> None:
        self.diary.note("cancelling", correlation=correlation, by="cleo", reason="enough")
        try:
            await self._do(
                lambda errand: Cancelling(errand).cancel(correlation, by="cleo", reason="enough")
            )
        except AntiphonError as error:  # it may have been over before
            self.diary.note("not cancelled", correlation=correlation, error=str(error))
        else:
            self.diary.note("cancelled", correlation=correlation)

    async def _acknowledge(self, case: Case) -> None:
        correlation = await self._publish(case)
        await self._row(correlation, "escalated")
        with suppress(AntiphonError):  # it may have ended without
            await self._do(
                lambda errand: Escalations(errand).acknowledge(correlation, by="ben", reason="mine")
            )
            self.diary.note("acknowledged", correlation=correlation, by="ben")

    async def _answer(self) -> None:
        """Answer what doors ask: the first is opened, the second not."""
        answered = set[tuple[str, str]]()
        while True:
            for ask in await self._do(lambda errand: Approvals(errand).waiting()):
                for who in ("ana", "ben"):
                    if ask.event_type == "door.failed" and (ask.id, who) not in answered:
                        answered.add((ask.id, who))
                        await self._say(ask, who)
            await asyncio.sleep(0.05)

    async def _say(self, ask: Ask, who: str) -> None:
        grant = not (ask.subject == "door-1" and who == "ben")
        self.diary.note("answering", correlation=ask.correlation_id, approval=ask.id, by=who,
                        grant=grant)  # fmt: skip
        await self._do(
            lambda errand: Approvals(errand).answer(
                ask.id, by=who, grant=grant, reason="as planned"
            )
        )

    async def _do(self, act: Callable[[Errand], Awaitable[T]]) -> T:
        async def once() -> T:
            async with Errand.begin(self.settings) as errand:
                return await act(errand)

        return await _patiently(once)

    async def _rows(self, correlation: str) -> Any:
        record = await _patiently(lambda: self.witness.record(correlation))
        return record.ledger if record else ()

    async def _row(self, correlation: str, kind: str) -> None:
        async def there() -> bool:
            return any(row.kind in (kind, "closed") for row in await self._rows(correlation))

        # Another fault may have ended the recovery before it came that far.
        await until(there, _PATIENCE_S)

    async def _over(self, correlation: str) -> None:
        async def over() -> bool:
            record = await _patiently(lambda: self.witness.record(correlation))
            return record is not None and record.summary.status == "closed"

        await until(over, _PATIENCE_S)


@asynccontextmanager
async def hospital(
    settings: Settings, server: EmbeddedServer, folder: Path, diary: Diary
) -> AsyncIterator[Injector]:
    """Open everything, with workers at work; close it in order."""
    async with AsyncExitStack() as stack:
        nursery = stack.enter_context(Nursery(settings, folder))
        ward = Ward(server, folder, diary, nursery)
        for _ in range(_WORKERS):
            ward.hire()
        await until(ward.listens, _PATIENCE_S)
        publisher = await stack.enter_async_context(Publisher(settings, source="injector"))
        witness = await stack.enter_async_context(Witness.open(settings))
        yield Injector(ward, settings, publisher, witness, diary)
        await ward.close()
