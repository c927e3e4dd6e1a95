"""Reading what the guards of a cell know, in a few round trips. Nothing is written.

The index of guard state names what there is; a member whose instant has passed is history.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import orjson

from antiphon.broker.clock import now_ms
from antiphon.broker.errand import Errand
from antiphon.broker.faults import telling
from antiphon.broker.guardrows import HeldDelivery, Indexed, moment, number, pause_of, texts
from antiphon.broker.wire import Command
from antiphon.guards.scope import Scope
from antiphon.guards.state import (
    BreakerState,
    Escalation,
    GuardState,
    Held,
    Pause,
    Resource,
    Window,
)
from antiphon.instants import instant

_MOST_ESCALATIONS = 50
_PAGE = 1000
"""Guards, or held deliveries, that are read in one round trip."""

_State = BreakerState | Window | Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is read at most; what is left out is counted, or said to be there."""

    guards: int | None = None
    """Guards; of kinds that are few, breakers leading, before those that are many."""

    held: int | None = None
    """Held deliveries that are counted, about."""

    pauses: int | None = None
    """Pauses; those of everything and of a storm are among them."""


EVERYTHING = Limits()

_INDEXED_FOR_ONE = 50
"""Members of the index that are read for each guard that is."""

_RANKS = ("breaker", "exclusive", "relapse", "rate", "budget")


async def inspect(errand: Errand, limits: Limits = EVERYTHING) -> GuardState:
    """Read what the guards of a cell know: everything, unless there are limits.

    The parts are read one after the other while the cell is at work.

    Raises:
        StreamUnavailable: the server cannot be reached, or cannot answer now.
        ConfigurationError: it refuses our name, password or permissions.
    """
    keys = errand.keys
    with telling("reading the guards"):
        now_ms, index, left_out = await _index(errand, limits.guards)
        escalations, unacknowledged = await read_escalations(errand)
        counted, whole = await _held(errand, limits.held)
        pauses = await read_pauses(errand, limits.pauses)
        (paused,) = await errand.ask([("HLEN", keys.pauses)])
        states: list[_State] = []
        for start in range(0, len(index), _PAGE):
            states += await _states(errand, index[start : start + _PAGE], now_ms)
        return GuardState(
            taken=instant(now_ms),
            pauses=pauses,
            breakers=tuple(one for one in states if isinstance(one, BreakerState)),
            windows=tuple(one for one in states if isinstance(one, Window)),
            resources=tuple(one for one in states if isinstance(one, Resource)),
            held=counted,
            escalations=escalations,
            unacknowledged=unacknowledged,
            guards_left_out=left_out,
            pauses_left_out=max(paused - len(pauses), 0),
            held_whole=whole,
        )


async def read_escalations(errand: Errand) -> tuple[tuple[Escalation, ...], int]:
    """Read the first fifty escalations, the next tier told first leading, and count all."""
    key = errand.keys.escalations
    flat, count = await errand.ask(
        [("ZRANGE", key, 0, _MOST_ESCALATIONS - 1, "WITHSCORES"), ("ZCARD", key)]
    )
    return await _escalations(errand, flat), count


async def read_index(errand: Errand) -> tuple[int, list[Indexed]]:
    """Read the server's time, ms, and which guards have something to show."""
    at_ms = await now_ms(errand.client)
    (members,) = await errand.ask([("ZRANGE", errand.keys.guards, at_ms, "+inf", "BYSCORE")])
    found = (Indexed.parse(member) for member in sorted(members))
    return at_ms, [one for one in found if one is not None]


async def _index(errand: Errand, limit: int | None) -> tuple[int, list[Indexed], int]:
    """Read the server's time, ms, guards that have something to show, and how many more do."""
    if limit is None:
        return *(await read_index(errand)), 0
    at_ms, key = await now_ms(errand.client), errand.keys.guards
    some = ("BYSCORE", "REV", "LIMIT", 0, limit * _INDEXED_FOR_ONE)
    members, count = await errand.ask(
        [("ZRANGE", key, "+inf", at_ms, *some), ("ZCOUNT", key, at_ms, "+inf")]
    )
    found = [one for one in map(Indexed.parse, members) if one is not None]
    found.sort(key=lambda one: (_RANKS.index(one.kind), one.member))
    return at_ms, found[:limit], max(count - limit, 0)


async def read_pauses(errand: Errand, limit: int | None = None) -> tuple[Pause, ...]:
    """Read what is paused; of more than a limit, the widest and some others."""
    key, wide = errand.keys.pauses, (Scope.of().field, Scope.of(storm=True).field)
    found: dict[bytes, bytes] = {}
    if limit is None:
        (flat,) = await errand.ask([("HGETALL", key)])
        found |= zip(flat[::2], flat[1::2], strict=True)
    else:
        (values,) = await errand.ask([("HMGET", key, *wide)])
        known = zip(map(str.encode, wide), values, strict=True)
        found |= {field: value for field, value in known if value is not None}
        cursor = b""
        while cursor != b"0" and len(found) < limit:
            ((cursor, flat),) = await errand.ask([("HSCAN", key, cursor or b"0", "COUNT", limit)])
            found |= zip(flat[::2], flat[1::2], strict=True)
    pauses = (pause_of(field.decode("utf-8", "replace"), value) for field, value in found.items())
    return tuple(sorted(pauses, key=lambda pause: pause.scope.field)[:limit])


async def held_deliveries(errand: Errand) -> AsyncIterator[list[HeldDelivery]]:
    """Go through what guards hold, page by page; what is there all the while is not missed."""
    cursor = b"0"
    while True:
        ((cursor, flat),) = await errand.ask([("HSCAN", errand.keys.held, cursor, "COUNT", _PAGE)])
        pairs = zip(flat[::2], flat[1::2], strict=True)
        found = (HeldDelivery.parse(field, value) for field, value in pairs)
        yield [one for one in found if one is not None]
        if cursor == b"0":
            return


async def _states(errand: Errand, index: Sequence[Indexed], now_ms: int) -> list[_State]:
    keys = errand.keys
    commands: list[Command] = []
    for one in index:
        state, queue = keys.guard(one.kind, one.name), keys.queue(one.kind, one.name)
        if one.kind in {"breaker", "exclusive"}:
            commands += (("HGETALL", state), ("ZCARD", queue))
        else:
            # The use whose end makes room again is the one that is `limit` from the newest.
            last = one.limit - 1
            commands += (
                ("ZCOUNT", state, f"({now_ms - one.window_ms}", "+inf"),
                ("ZCARD", queue),
                ("ZREVRANGE", state, last, last, "WITHSCORES"),
            )
    replies = iter(await errand.ask(commands))
    found: list[_State] = []
    for one in index:
        state, waiting = next(replies), next(replies)
        match one.kind:
            case "breaker":
                found += _breaker(one, texts(state))
            case "exclusive":
                found += _resource(one, texts(state), waiting, now_ms)
            case _:
                found += _window(one, state, waiting, next(replies))
    return found


def _window(one: Indexed, used: int, waiting: int, last: Sequence[bytes]) -> Iterable[Window]:
    if not used and not waiting:
        return
    full = used >= one.limit and len(last) == 2  # noqa: PLR2004  the use and its instant
    yield Window(
        kind=one.kind,
        name=one.name,
        limit=one.limit,
        window=timedelta(milliseconds=one.window_ms),
        used=used,
        opens=moment(float(last[1]) + one.window_ms) if full else None,
        waiting=waiting,
    )


def _breaker(one: Indexed, state: Mapping[str, str]) -> Iterable[BreakerState]:
    if not state:
        return
    yield BreakerState(
        name=one.name,
        state=state.get("state", "closed"),
        failures=int(number(state.get("failures")) or 0),
        fail_max=one.limit,
        reset_timeout=timedelta(milliseconds=one.window_ms),
        opened=moment(state.get("opened")),
        until=moment(state.get("until")),
        probe=state.get("probe", ""),
    )


def _resource(
    one: Indexed, state: Mapping[str, str], waiting: int, now_ms: int
) -> Iterable[Resource]:
    until = number(state.get("until"))
    holder = state.get("holder", "") if until is not None and until > now_ms else ""
    if not holder and not waiting:
        return
    token = number(state.get("token"))
    yield Resource(
        name=one.name,
        holder=holder,
        token=int(token) if holder and token is not None else None,
        until=moment(until) if holder else None,
        waiting=waiting,
    )


async def _held(errand: Errand, limit: int | None) -> tuple[tuple[Held, ...], bool]:
    """Count what guards hold, and say whether that is all of it."""
    counts: dict[tuple[str, str], tuple[int, int]] = {}
    looked = 0
    async for page in held_deliveries(errand):
        if whole := limit is None or looked < limit:
            looked += len(page)
        else:
            break
        for one in page:
            count, since_ms = counts.get((one.guard, one.name), (0, one.since_ms))
            counts[one.guard, one.name] = (count + 1, min(since_ms, one.since_ms))
    found = tuple(
        Held(guard=guard, name=name, count=count, since=moment(since_ms))
        for (guard, name), (count, since_ms) in sorted(counts.items())
    )
    return found, whole


async def _escalations(errand: Errand, flat: Sequence[bytes]) -> tuple[Escalation, ...]:
    if not flat:
        return ()
    names = [name.decode("utf-8", "replace") for name in flat[::2]]
    rows = await errand.ask([("HGETALL", errand.keys.recovery(name)) for name in names])
    found = []
    for name, told_next, row in zip(names, flat[1::2], rows, strict=True):
        fields = texts(row)
        found.append(
            Escalation(
                correlation_id=name,
                subject=fields.get("subject", ""),
                reason=_reason(fields.get("escalation", "")),
                tier=int(number(fields.get("tier")) or 1),
                since=moment(fields.get("escalated")),
                next=moment(told_next.decode()),
            )
        )
    return tuple(found)


def _reason(data: str) -> str:
    try:
        known = orjson.loads(data)
    except orjson.JSONDecodeError:
        return ""
    return str(known.get("reason") or "") if isinstance(known, dict) else ""
