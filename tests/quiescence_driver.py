"""A cell and its model, side by side: every step is done to both, and their answers compared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

import orjson

from antiphon.broker.calls import Lease, is_failure
from antiphon.broker.replies import (
    Committed,
    NotOurs,
    OnHold,
    Run,
    Waiting,
    said,
)
from antiphon.broker.scripts import Call
from antiphon.delivery import Delivery
from antiphon.handler import Handler
from antiphon_events import Event
from quiescence_model import UNHEARD, End, Grip, Member, Model, Written, comparable, member_of
from scripted import ALICE, BOB, HOUR_MS, ScriptedCell, Sent

_MOST_ROUNDS = 50
_WORKERS = {ALICE, BOB}


class Driver:
    """Does what publishers, foreign programs and workers do."""

    def __init__(self, work: ScriptedCell, model: Model | None = None) -> None:
        self.work = work
        self.model = model or Model()
        self.held: dict[Member, Delivery] = {}
        """The deliveries that workers have read, as they read them."""
        self.grips: list[Grip] = []
        """Every lease ever given."""
        self.letters: list[tuple[str, Delivery]] = []
        self.outside: list[str] = []
        """The correlation id of every entry that came from outside."""
        self._sent: dict[str, Sent] = {}
        self._positions: dict[tuple[str, str], int] = {}

    # What there is to do

    @property
    def written(self) -> int:
        """How many entries came from outside."""
        return len(self.outside)

    def unread(self) -> list[Handler]:
        """The handlers with entries they have not read."""
        entries = self.model.entries
        return [
            h
            for h in self.model.deployed
            if any(self._positions[h.group, label] < len(entries[label]) for label in h.kinds)
        ]

    def to_admit(self) -> list[Member]:
        """What some worker holds and its handler wants."""
        pending = self.model.pending
        return [m for m, d in self.held.items() if d.wanted and pending.get(m) in _WORKERS]

    def to_begin(self) -> list[Member]:
        """Of those, what nobody has begun and nothing keeps waiting."""
        skippable = set(self.to_skip())
        return [m for m in self.to_admit() if m in skippable]

    def to_skip(self) -> list[Member]:
        """What some worker holds and has not begun: a predicate may refuse it still."""
        pending, keys = self.model.pending, self.model.keys
        return [
            m
            for m, d in self.held.items()
            if pending.get(m) in _WORKERS
            and m not in self.model.due
            and keys[d.handler.group, d.key].holder != "|".join(m)
        ]

    def living(self) -> list[Grip]:
        """The leases that can still settle their deliveries."""
        return [grip for grip in self.grips if self.model.standing(grip) is None]

    def groups_of(self, members: Iterable[Member]) -> list[Handler]:
        """The handlers of these deliveries."""
        groups = {group for _, _, group in members}
        return [h for h in self.model.deployed if h.group in groups]

    def unheard(self) -> list[tuple[str, Member]]:
        """What nobody came to hear, and in which recovery."""
        return [
            (cid, member)
            for cid, recovery in self.model.recoveries.items()
            for member in recovery.outstanding
            if member[2] == UNHEARD
        ]

    # Publishers and foreign programs

    async def publish(self, event: Event, correlation_id: str, *, twice: bool) -> None:
        sent = await self.work.publish(event, correlation_id=correlation_id)
        self.model.publish(self._written(event, sent, recorded=True))
        if twice:
            again = await self.work.publish(event, again=sent.envelope)
            assert (again.entry_id, again.written) == (sent.entry_id, False)

    async def write(self, event: Event, correlation_id: str) -> None:
        attributes = {"correlationid": correlation_id} if correlation_id else {}
        sent = await self.work.xadd(event, **attributes)
        self.model.write(self._written(event, sent, recorded=False))

    # Groups

    async def deploy(self, h: Handler) -> None:
        await self.work.deploy(h)
        self.model.deployed.append(h)
        for label in h.kinds:
            stream = self.work.keys.events(label)
            (last,) = [
                group["last-delivered-id"].decode()
                for group in await self.work.client.xinfo_groups(stream)
                if group["name"].decode() == h.group
            ]
            read = [e for e in self.model.entries[label] if _order(e.entry_id) <= _order(last)]
            self._positions[h.group, label] = len(read)

    async def lose(self, h: Handler, label: str) -> None:
        """Destroy a group on one of its streams; its worker makes it again from the beginning."""
        await self.work.client.xgroup_destroy(self.work.keys.events(label), h.group)
        assert await self.work.deploy(h, lost=True) == 1
        self.model.lose(h.group, label)
        self._positions[h.group, label] = 0

    # Workers

    async def read(self, h: Handler, consumer: str, count: int) -> None:
        expected = set[Member]()
        for label in h.kinds:
            start = self._positions[h.group, label]
            fresh = self.model.entries[label][start : start + count]
            self._positions[h.group, label] += len(fresh)
            expected |= {e.owed_by(h.group) for e in fresh}
        delivered = await self.work.read(h, consumer, count)
        assert {member_of(d) for d in delivered} == expected
        self._hold(delivered, consumer)

    async def admit(self, member: Member, *, twice: bool = False) -> None:
        delivery, consumer = self.held[member], self.model.pending[member]
        owner, payload = self.work.owner(consumer), delivery.branch.encode()
        reply = await self.work.admit(delivery, consumer, owner=owner, payload=payload)
        expected = self.model.admit(delivery, consumer, owner)
        assert comparable(reply) == expected, (reply, expected)
        if isinstance(reply, Run):
            keys = self.work.calls(consumer).admit(delivery, owner, payload).keys
            lease = Lease(delivery, owner, reply.attempt, reply.failures, reply.token, keys)
            self.grips.append(Grip(lease, consumer))
        if twice:
            again = await self.work.admit(delivery, consumer, owner=owner, payload=payload)
            match reply:
                case Run():
                    assert again == replace(reply, previous="", unapproved="")
                case Waiting():
                    assert comparable(again) == expected
                case OnHold():
                    assert isinstance(expected, OnHold)
                    assert comparable(again) == replace(expected, fresh=False)
                case _:
                    assert again == NotOurs()

    async def admit_as_another(self, member: Member) -> None:
        """A worker that lost a delivery, or never had it, tries to begin."""
        other = BOB if self.model.pending.get(member) == ALICE else ALICE
        assert await self.work.admit(self.held[member], other) == NotOurs()

    async def skip(self, member: Member) -> None:
        reply = await self.work.skip(self.held[member], self.model.pending[member])
        verdict, awaited = self.model.skip(self.held[member])
        assert (reply[0], said(reply[1]), reply[2]) == (1, verdict, int(awaited))

    async def commit(self, grip: Grip, answers: Sequence[Event], *, twice: bool = False) -> None:
        call = self.work.committing(grip.lease, *answers, by=grip.consumer)
        reply = await self._settle(grip, call, twice=twice)
        if reply is not None:
            cid = grip.delivery.envelope.correlation_id
            pairs = zip(answers, reply.detail, strict=True)
            written = [_written(e, entry_id, cid, recorded=True) for e, entry_id in pairs]
            assert reply.verdict == self.model.commit(grip, written)

    async def end(self, grip: Grip, end: End, *, twice: bool = False) -> None:
        match end:
            case End.DONE:
                await self.commit(grip, (), twice=twice)
            case End.RETRIED | End.RETRIED_LATER:
                await self.postpone(grip, at_once=end == End.RETRIED, twice=twice)
            case End.RELEASED:
                await self.release(grip, twice=twice)
            case End.DIED:
                await self.bury(grip, twice=twice)

    async def postpone(self, grip: Grip, *, at_once: bool, twice: bool) -> None:
        delay_ms = 0 if at_once else HOUR_MS
        call = self.work.calls(grip.consumer).postpone(
            grip.lease, 7, delay_ms=delay_ms, error="Broken"
        )
        if await self._settle(grip, call, twice=twice) is not None:
            self.model.postpone(grip, failed=True, at_once=at_once)

    async def release(self, grip: Grip, *, twice: bool) -> None:
        call = self.work.calls(grip.consumer).release(grip.lease, 7)
        if await self._settle(grip, call, twice=twice) is not None:
            self.model.postpone(grip, failed=False, at_once=True)

    async def bury(self, grip: Grip, *, twice: bool) -> None:
        call = self.work.calls(grip.consumer).bury(grip.lease, 7, "Broken")
        reply = await self._settle(grip, call, twice=twice)
        if reply is not None:
            assert reply.verdict == self.model.bury(grip)
            self.letters.append((reply.detail[0], grip.delivery))

    async def take_due(self, h: Handler, consumer: str, *, hasten: bool) -> None:
        """Take up what is due of a group; let an hour pass before it, perhaps."""
        key, streams = self.work.keys.due(h.group), self.work.streams(h)
        if hasten and (waiting := await self.work.client.zrange(key, 0, -1)):
            await self.work.client.zadd(key, dict.fromkeys(waiting, 0))
            self.model.hasten(h.group)
        taken = await self.work.claims(consumer).due(h.group, key, streams, 1000)
        found = {(t.label, t.entry_id, h.group): t.fields for t in taken}
        expected = self.model.take_due(h.group, consumer)
        assert {m: fields is not None for m, fields in found.items()} == expected
        for (label, entry_id, _), fields in found.items():
            if fields is not None:
                self._hold([self.work.receive(h, label, entry_id, fields)], consumer)

    async def claim(self, h: Handler, consumer: str) -> None:
        """Take over all that another worker of the group left behind."""
        claimed = await self.work.claim(h, consumer)
        assert {member_of(d) for d in claimed} == self.model.claim(h.group, consumer)
        self._hold(claimed, consumer)

    # People, and duties

    async def replay(self, position: int) -> None:
        letter_id, delivery = self.letters.pop(position)
        letter = await self.work.dead_letters.find(letter_id)
        assert letter is not None
        self.model.replay(delivery, await self.work.dead_letters.replay(letter))

    async def give_up(self, correlation_id: str, member: Member, *, fault: bool) -> None:
        sent = self._sent[correlation_id]
        reply = await self.work.resolve(sent, "|".join(member), fault=fault)
        verdict = self.model.give_up(correlation_id, member, fault=fault)
        assert (reply[0], said(reply[1])) == (1, verdict)

    async def audit(self) -> None:
        """Whatever is outstanding can still be done by somebody, so nothing is given up."""
        for cid, recovery in self.model.recoveries.items():
            for member in recovery.outstanding:
                if member[2] != UNHEARD:
                    reply = await self.work.audit(self._sent[cid], "|".join(member))
                    assert reply == [0, b""], f"{member} was given up"

    async def drain(self) -> None:
        """Let one worker do all there is to do."""
        for _ in range(_MOST_ROUNDS):
            for h in self.model.deployed:
                await self.read(h, ALICE, 1000)
                await self.take_due(h, ALICE, hasten=True)
                await self.claim(h, ALICE)
            if not self.model.pending:
                return
            for member in list(self.model.pending):
                if member in self.model.pending and member not in self.model.due:
                    await self._finish(member)
        raise AssertionError(f"these are never done: {self.model.pending}")

    async def _finish(self, member: Member) -> None:
        if not self.held[member].wanted:
            await self.skip(member)
            return
        grips = len(self.grips)
        await self.admit(member)
        for grip in self.grips[grips:]:
            await self.commit(grip, ())

    async def _settle(self, grip: Grip, call: Call, *, twice: bool) -> Committed | None:
        """Run a settling call; returns its answer when the holder could still settle."""
        refusal = self.model.standing(grip)
        reply = self.work.settlement(await self.work.run(call))
        if refusal is not None:
            assert reply == refusal
            return None
        assert isinstance(reply, Committed)
        if twice:
            assert self.work.settlement(await self.work.run(call)) == Committed()
        return reply

    def _hold(self, deliveries: list[Delivery], consumer: str) -> None:
        for delivery in deliveries:
            self.held[member_of(delivery)] = delivery
            self.model.pending[member_of(delivery)] = consumer

    def _written(self, event: Event, sent: Sent, *, recorded: bool) -> Written:
        self._sent.setdefault(sent.correlation_id, sent)
        self.outside.append(sent.correlation_id)
        return _written(event, sent.entry_id, sent.correlation_id, recorded=recorded)

    # Comparison

    async def compare(self) -> None:
        """Every record is what the model says, and every recovery is over exactly when it is."""
        recoveries, keys = self.model.recoveries, self.work.keys
        async with self.work.client.pipeline(transaction=True) as pipe:
            pipe.zrange(keys.open_recoveries, 0, -1)
            pipe.zrange(keys.closed_recoveries, 0, -1)
            for cid in recoveries:
                pipe.smembers(keys.outstanding(cid))
                pipe.hmget(keys.recovery(cid), _FIELDS)
            open_ids, closed_ids, *rows = await pipe.execute()
        for (cid, recovery), outstanding, row in zip(
            recoveries.items(), rows[::2], rows[1::2], strict=True
        ):
            found, expected = {m.decode() for m in outstanding}, recovery.outstanding
            assert not found ^ {"|".join(m) for m in expected}, (found, expected)
            status, *counters = row
            assert status == (b"open" if recovery.outstanding else b"closed"), cid
            assert recovery.open == bool(recovery.outstanding)
            counts = [int(counter or 0) for counter in counters]
            wanted = [
                recovery.events,
                recovery.done,
                recovery.dead,
                recovery.unanswered,
                recovery.unjoined,
                len(recovery.closings),
            ]
            assert counts == wanted, (cid, counts, wanted)
        assert {i.decode() for i in open_ids} == {c for c, r in recoveries.items() if r.open}
        assert {i.decode() for i in closed_ids} == {c for c, r in recoveries.items() if not r.open}

    async def compare_all(self) -> None:
        """Stream, ledger, counters, idempotency keys and pending entries agree as well."""
        await self.compare()
        await self._compare_closings()
        await self._compare_pending()
        entries = {(e.type, e.entry_id) for es in self.model.entries.values() for e in es}
        done: dict[tuple[str, str], list[str]] = defaultdict(list)
        names = {(m[2], d.envelope.id): (m[2], d.key) for m, d in self.held.items() if d.wanted}
        for cid in self.model.recoveries:
            for row in await self.work.ledger(self._sent[cid]):
                if row["kind"] in {"published", "adopted"}:
                    assert (row["type"], row["entry"]) in entries
                elif row["kind"] == "completed":
                    done[names[row["group"], row["event"]]].append(row["entry"])
        twice = {name: times for name, times in done.items() if len(times) > 1}
        assert not twice, "an effect was committed more than once"

    async def _compare_closings(self) -> None:
        told = defaultdict[str, list[tuple[int, str, int, int, int]]](list)
        for stream in self.work.keys.news[:4] + self.work.keys.news[5:]:
            for _, fields in await self.work.client.xrange(stream):
                cid, _, number = fields[b"id"].decode().rpartition(":")
                verdict = fields[b"type"].decode().removeprefix("recovery.")
                data = orjson.loads(fields[b"data"])
                counts = data["done"], data["dead"], data["unanswered"]
                told[cid].append((int(number), verdict, *counts))
        assert {cid: sorted(closings) for cid, closings in told.items()} == {
            cid: [(number, *closing) for number, closing in enumerate(recovery.closings, 1)]
            for cid, recovery in self.model.recoveries.items()
            if recovery.closings
        }

    async def _compare_pending(self) -> None:
        found: dict[Member, str] = {}
        for h in self.model.deployed:
            for label, stream in self.work.streams(h).items():
                for p in await self.work.client.xpending_range(stream, h.group, "-", "+", 1000):
                    member = label, p["message_id"].decode(), h.group
                    found[member] = p["consumer"].decode()
        assert found == self.model.pending


_FIELDS = ("status", "events", "done", "dead", "unanswered", "unjoined", "closes")


def _written(event: Event, entry_id: str, correlation_id: str, *, recorded: bool) -> Written:
    return Written(
        event.type, event.subject, entry_id, correlation_id, is_failure(event.type), recorded
    )


def _order(entry_id: str) -> tuple[int, ...]:
    return tuple(map(int, entry_id.split("-")))
