"""Surveying a cell: a few round trips, and few commands, whatever its size.

What there may be without number is looked at up to a limit; `docs/reference/metrics.md` names each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from redis.exceptions import ResponseError

from antiphon.broker.clock import read_ms
from antiphon.broker.errand import Errand
from antiphon.broker.faults import telling
from antiphon.broker.groups import Group
from antiphon.broker.guardrows import Indexed, number
from antiphon.broker.scripts import Call, script
from antiphon.instants import entry_instant, instant
from antiphon.survey import Circuit, Queue, Survey, Use

OTHER = "other"
"""Stands for the groups of the dead letters that were not looked at."""

_MOST = 500
"""Open recoveries, escalations and requests for approval that are looked at, the oldest first."""

_MOST_INDEXED, _MOST_LISTED = 1000, 100
"""Guards that are looked at, those first that matter longest; and told of, by name."""

_MOST_LETTERS, _MOST_LETTER_BYTES = 1000, 1_000_000

_WINDOWS = ("relapse", "budget", "rate")
"""The guards that count within a window, those first that are the fewest."""


class Surveying:
    """Surveys one cell again and again, and counts dead letters only when they have changed."""

    def __init__(self, errand: Errand) -> None:
        self._errand = errand
        self._letters: tuple[str, Mapping[str, int]] = ("", {})

    async def survey(self) -> Survey:
        """Look at the cell now.

        Raises:
            StreamUnavailable: the server cannot be reached, or cannot answer now.
            ConfigurationError: it refuses our name, password or permissions.
        """
        with telling("surveying the cell"):
            letters = await self._dead_letters()
            return await _Survey(self._errand).take(letters)

    async def _dead_letters(self) -> Mapping[str, int]:
        known, counts = self._letters
        call = Call(
            script("letters"),
            (self._errand.keys.dead,),
            (known, _MOST_LETTERS, _MOST_LETTER_BYTES),
        )
        state, *rest = await self._errand.gatherer.run(call)
        if rest:
            length, *flat = rest
            counts = {
                group.decode("utf-8", "replace"): count
                for group, count in zip(flat[::2], flat[1::2], strict=True)
            }
            if more := length - sum(counts.values()):
                counts[OTHER] = more
            self._letters = state.decode(), counts
        return counts


class _Survey:
    """One survey: each step asks for what the one before has found."""

    def __init__(self, errand: Errand) -> None:
        self._errand = errand
        self._keys = errand.keys
        self._now_ms = 0
        self._now = instant(0)

    async def take(self, letters: Mapping[str, int]) -> Survey:
        keys, last = self._keys, _MOST - 1
        time, groups, oldest, count, escalated, asked, asks, pauses = await self._errand.ask(
            [
                ("TIME",),
                ("HGETALL", keys.groups),
                ("ZRANGE", keys.open_recoveries, 0, last, "WITHSCORES"),
                ("ZCARD", keys.open_recoveries),
                ("ZRANGE", keys.escalations, 0, last),
                ("ZRANGE", keys.approvals, 0, last),
                ("ZCARD", keys.approvals),
                ("HLEN", keys.pauses),
            ]
        )
        self._now_ms = read_ms(time)
        self._now = instant(self._now_ms)
        breakers, windows, unlisted = _listed(*await self._index())
        stalled = await self._stalled(oldest[::2])
        tiers, since = await self._escalations(escalated)
        return Survey(
            taken=self._now_ms / 1000,
            queues=tuple(await self._queues(_groups(groups))),
            dead_letters=letters,
            open=count,
            stalled=stalled,
            oldest_open=self._since(float(oldest[1])) if oldest else timedelta(),
            circuits=tuple(await self._circuits(breakers)),
            uses=tuple(await self._uses(windows)),
            unlisted=unlisted,
            unacknowledged=tiers,
            oldest_unacknowledged=since,
            approvals=await self._waiting(asked) + max(0, asks - len(asked)),
            pauses=pauses,
        )

    def _since(self, then_ms: float) -> timedelta:
        """How long ago an instant was; zero when it is to come."""
        return timedelta(milliseconds=max(0.0, self._now_ms - then_ms))

    async def _queues(self, groups: Sequence[Group]) -> list[Queue]:
        """Look at every group on each of its streams that is there."""
        keys = self._keys
        streams = sorted({key for group in groups for key in group.streams(keys).values()})
        replies = await self._errand.wire.round_trip([("XINFO", "GROUPS", key) for key in streams])
        known = {key: _by_name(reply) for key, reply in zip(streams, replies, strict=True)}
        places = [
            (group.name, label, key, known[key][group.name])
            for group in groups
            for label, key in group.streams(keys).items()
            if group.name in known[key]
        ]
        pending = await self._oldest(
            [(key, name) for name, _, key, row in places if row["pending"]]
        )
        unread = await self._unread(
            [(key, row["last-delivered-id"]) for _, _, key, row in places if row["lag"] != 0]
        )
        return [
            Queue(
                group=name,
                stream=label,
                # What a stream has lost is counted by the server, and is nothing to wait for.
                lag=row["lag"] if (key, row["last-delivered-id"]) in unread else 0,
                pending=row["pending"],
                oldest_pending=pending.get((key, name), timedelta()),
            )
            for name, label, key, row in places
        ]

    async def _oldest(self, places: Sequence[tuple[str, str]]) -> dict[tuple[str, str], timedelta]:
        """How long ago the oldest pending entries were written, by stream and group."""
        rows = await self._errand.ask([("XPENDING", key, name) for key, name in places])
        return {place: self._age(row[1]) for place, row in zip(places, rows, strict=True) if row[1]}

    async def _unread(self, places: Sequence[tuple[str, bytes]]) -> set[tuple[str, bytes]]:
        """Which streams have an entry behind one."""
        rows = await self._errand.ask(
            [("XRANGE", key, b"(" + after, "+", "COUNT", 1) for key, after in places]
        )
        return {place for place, row in zip(places, rows, strict=True) if row}

    def _age(self, entry: bytes) -> timedelta:
        written = entry_instant(entry.decode())
        # One whose id was made by hand does not say when.
        return timedelta() if written is None else max(timedelta(), self._now - written)

    async def _stalled(self, recoveries: Sequence[bytes]) -> int:
        keys = self._keys
        found = await self._errand.ask(
            [("HEXISTS", keys.recovery(name.decode()), "stalled") for name in recoveries]
        )
        return sum(found)

    async def _escalations(self, names: Sequence[bytes]) -> tuple[dict[int, int], timedelta]:
        """Count those nobody has acknowledged by tier, and tell how long the oldest waits."""
        keys, settings = self._keys, self._errand.settings
        rows = await self._errand.ask(
            [
                ("HMGET", keys.recovery(name.decode()), "tier", "unacked", "escalated")
                for name in names
            ]
        )
        tiers = dict.fromkeys(range(1, len(settings.escalate_after) + 2), 0)
        oldest = timedelta()
        for tier, first, last in rows:
            which = int(number(tier) or 1)
            tiers[which] = tiers.get(which, 0) + 1
            if (since_ms := number(first) or number(last)) is not None:
                oldest = max(oldest, self._since(since_ms))
        return tiers, oldest

    async def _waiting(self, ids: Sequence[bytes]) -> int:
        """How many requests are of deliveries that still wait."""
        keys = self._keys
        rows = await self._errand.ask(
            [("HGET", keys.approval(name.decode()), "delivery") for name in ids]
        )
        waiting = [delivery for delivery in rows if delivery]
        if not waiting:
            return 0
        (held,) = await self._errand.ask([("HMGET", keys.held, *waiting)])
        return sum(hold is not None for hold in held)

    async def _index(self) -> tuple[list[Indexed], int]:
        """Read which guards have something to show, and how many there are."""
        guards, now = self._keys.guards, self._now_ms
        newest = ("ZRANGE", guards, "+inf", now, "BYSCORE", "REV", "LIMIT", 0, _MOST_INDEXED)
        members, count = await self._errand.ask([newest, ("ZCOUNT", guards, now, "+inf")])
        found = (Indexed.parse(member) for member in members)
        return [one for one in found if one is not None], max(0, count - len(members))

    async def _circuits(self, breakers: Sequence[Indexed]) -> list[Circuit]:
        keys = self._keys
        rows = await self._errand.ask(
            [
                ("HMGET", keys.guard("breaker", one.name), "state", "since", "opened")
                for one in breakers
            ]
        )
        found = []
        for one, (state, since, opened) in zip(breakers, rows, strict=True):
            word, began = (state or b"closed").decode(), number(since) or number(opened)
            shut = word == "closed" or began is None
            away = timedelta() if shut else self._since(began or 0.0)
            found.append(Circuit(name=one.name, state=word, away=away))
        return found

    async def _uses(self, windows: Sequence[Indexed]) -> list[Use]:
        keys, now = self._keys, self._now_ms
        counts = await self._errand.ask(
            [
                ("ZCOUNT", keys.guard(one.kind, one.name), f"({now - one.window_ms}", "+inf")
                for one in windows
            ]
        )
        return [
            Use(guard=one.kind, name=one.name, used=used, limit=one.limit)
            for one, used in zip(windows, counts, strict=True)
        ]


def _groups(flat: Sequence[bytes]) -> list[Group]:
    pairs = zip(flat[::2], flat[1::2], strict=True)
    return [Group.from_json(name.decode(), text) for name, text in sorted(pairs)]


def _by_name(reply: Any) -> Mapping[str, Mapping[str, Any]]:
    """The groups of a stream; none when there is no such stream."""
    if isinstance(reply, ResponseError):
        return {}
    rows = [
        {name.decode(): value for name, value in zip(row[::2], row[1::2], strict=True)}
        for row in reply
    ]
    return {row["name"].decode("utf-8", "replace"): row for row in rows}


def _listed(index: Iterable[Indexed], unread: int) -> tuple[list[Indexed], list[Indexed], int]:
    """Choose the breakers and the windows to tell of, each name once; count the others.

    A guard whose limit was changed is in the index twice for a while: what matters longest counts.
    """
    ours = [one for one in index if one.kind == "breaker" or one.kind in _WINDOWS]
    names = list({(one.kind, one.name): one for one in reversed(ours)}.values())
    breakers = sorted((one for one in names if one.kind == "breaker"), key=lambda one: one.name)
    windows = sorted(
        (one for one in names if one.kind in _WINDOWS),
        key=lambda one: (_WINDOWS.index(one.kind), one.name),
    )
    more = max(0, len(breakers) - _MOST_LISTED) + max(0, len(windows) - _MOST_LISTED)
    return breakers[:_MOST_LISTED], windows[:_MOST_LISTED], unread + more
