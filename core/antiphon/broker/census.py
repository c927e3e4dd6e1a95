"""Taking the census of a cell, in a few round trips for each of its groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from antiphon.broker.clock import read_ms
from antiphon.broker.errand import Errand
from antiphon.broker.faults import telling
from antiphon.broker.groups import Group, all_registered
from antiphon.broker.wire import Command
from antiphon.census import Census, Consumer, GroupCensus, Place, StreamCensus
from antiphon.delivery import INBOX
from antiphon.duration import milliseconds
from antiphon.instants import entry_instant, instant
from antiphon_events import event_types

_LIVE_LEASES = 2
_STUCK_LEASES = 4
"""A silent worker's deliveries are claimed after one lease, at most a lease and a half."""

_LOOKED_AT = 1000
"""Idle deliveries of one group on one stream that are looked at: more are as bad as many."""

_LARGEST_MS = 2**64 - 1

_Pairs = Mapping[str, Any]


async def take_census(errand: Errand) -> Census:
    """Look at every group and stream that has a reader or a known event type.

    The parts are read one after the other while the cell is at work, so a delivery that moves
    between them can be counted twice or not at all.

    Raises:
        StreamUnavailable: the server cannot be reached, or cannot answer now.
        ConfigurationError: it refuses our name, password or permissions.
    """
    with telling("taking the census"):
        groups = await all_registered(errand.client, errand.keys)
        return await _Taker(errand, groups).take()


@dataclass(slots=True)
class _Stream:
    """A stream as the server describes it; without a description there is none."""

    label: str
    key: str
    about: _Pairs | None
    groups: dict[str, _Pairs]


class _Taker:
    def __init__(self, errand: Errand, groups: Sequence[Group]) -> None:
        self._errand = errand
        self._keys = errand.keys
        self._groups = groups
        self._lease = errand.settings.lease
        self._now_ms = 0
        self._answered_for: dict[str, int] = {}
        self._streams: dict[str, _Stream] = {}

    async def take(self) -> Census:
        """Read what all share, then each group's part."""
        await self._look_around()
        groups = [await self._group(group) for group in self._groups]
        return Census(
            taken=instant(self._now_ms), groups=tuple(groups), streams=tuple(self._stream_census())
        )

    async def _look_around(self) -> None:
        keys = self._keys
        labels = {*event_types(), *(kind for group in self._groups for kind in group.types)}
        places = [(label, keys.events(label)) for label in sorted(labels)]
        places += [(INBOX, keys.inbox(group.name)) for group in self._groups]
        commands: list[Command] = [("TIME",), ("ZRANGE", keys.workers, 0, -1, "WITHSCORES")]
        for _, key in places:
            commands += (("XINFO", "STREAM", key), ("XINFO", "GROUPS", key))
        time, until, *replies = await self._errand.wire.round_trip(commands)
        self._now_ms = read_ms(time)
        self._answered_for = {
            name.decode(): int(ms) for name, ms in zip(until[::2], until[1::2], strict=True)
        }
        for (label, key), about, groups in zip(places, replies[::2], replies[1::2], strict=True):
            there = not isinstance(about, Exception) and not isinstance(groups, Exception)
            found = [_pairs(group) for group in groups] if there else []
            self._streams[key] = _Stream(
                label,
                key,
                _pairs(about) if there else None,
                {group["name"].decode(): group for group in found},
            )

    async def _group(self, group: Group) -> GroupCensus:
        name, due = group.name, self._keys.due(group.name)
        streams = [self._streams[key] for key in group.streams(self._keys).values()]
        long_ago = self._now_ms - milliseconds(_STUCK_LEASES * self._lease)
        waiting, overdue = await self._errand.ask(
            [("ZCARD", due), ("ZCOUNT", due, "-inf", long_ago)]
        )
        places = [await self._place(name, stream) for stream in streams if name in stream.groups]
        until_ms = self._answered_for.get(name)
        away = None if until_ms is None else timedelta(milliseconds=self._now_ms - until_ms)
        return GroupCensus(
            name=name,
            service=group.service,
            location=group.location,
            subscriptions=group.subscriptions,
            places=tuple(places),
            missing=tuple(stream.label for stream in streams if name not in stream.groups),
            stale=tuple(
                stream.label
                for stream in self._streams.values()
                if name in stream.groups and stream not in streams
            ),
            waiting=waiting,
            overdue=overdue,
            away=away,
            live=self._is_live(away, places),
        )

    def _is_live(self, away: timedelta | None, places: Iterable[Place]) -> bool:
        if away is not None and away < timedelta():
            return True
        limit = _LIVE_LEASES * self._lease
        # Whoever replays a dead letter is a consumer of the inbox for a moment.
        return any(
            consumer.idle < limit
            for place in places
            if place.label != INBOX
            for consumer in place.consumers
        )

    async def _place(self, name: str, stream: _Stream) -> Place:
        idle_ms = milliseconds(_STUCK_LEASES * self._lease)
        after = stream.groups[name]["last-delivered-id"]
        consumers, pending, silent, unread = await self._errand.ask(
            [
                ("XINFO", "CONSUMERS", stream.key, name),
                ("XPENDING", stream.key, name),
                ("XPENDING", stream.key, name, "IDLE", idle_ms, "-", "+", _LOOKED_AT),
                ("XRANGE", stream.key, b"(" + after, "+", "COUNT", 1),
            ]
        )
        return Place(
            label=stream.label,
            lag=stream.groups[name]["lag"] if unread else 0,
            pending=pending[0],
            oldest_pending=entry_instant(pending[1].decode()) if pending[0] else None,
            stuck=await self._stuck(name, stream.label, [row[0].decode() for row in silent]),
            consumers=tuple(_consumer(_pairs(consumer)) for consumer in consumers),
        )

    async def _stuck(self, name: str, label: str, entries: Sequence[str]) -> int:
        """Count the silent deliveries that do not wait for an instant."""
        if not entries:
            return 0
        members = [f"{label}|{entry}" for entry in entries]
        (instants,) = await self._errand.ask([("ZMSCORE", self._keys.due(name), *members)])
        return sum(1 for due in instants if due is None)

    def _stream_census(self) -> Iterable[StreamCensus]:
        registered = {group.name for group in self._groups}
        for stream in self._streams.values():
            if stream.about is None:
                continue
            last_id = stream.about["last-generated-id"].decode()
            last_ms = int(last_id.partition("-")[0])
            yield StreamCensus(
                label=stream.label,
                key=stream.key,
                length=stream.about["length"],
                last_id=last_id,
                ahead=_span(last_ms - self._now_ms),
                full=last_id == f"{_LARGEST_MS}-{_LARGEST_MS}",
                strangers=tuple(sorted(stream.groups.keys() - registered)),
            )


def _pairs(flat: Sequence[Any]) -> _Pairs:
    return {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}


def _consumer(about: _Pairs) -> Consumer:
    return Consumer(
        name=about["name"].decode("utf-8", "replace"),
        idle=timedelta(milliseconds=about["idle"]),
        pending=about["pending"],
    )


def _span(length_ms: int) -> timedelta:
    """Return a length of time, or the longest that also has a negative when it is longer."""
    longest = -timedelta.min
    try:
        return min(timedelta(milliseconds=length_ms), longest)
    except OverflowError:
        return longest
