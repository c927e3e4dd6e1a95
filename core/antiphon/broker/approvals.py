"""Requests for approval, as the people who answer them see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

import orjson

from antiphon.broker.errand import Errand
from antiphon.broker.faults import telling
from antiphon.broker.scripts import Call, script
from antiphon.duration import milliseconds
from antiphon.errors import AntiphonError
from antiphon.instants import instant, iso
from antiphon.telemetry.logging import get_logger
from antiphon.trace.words import plain
from antiphon_events import ApprovalDenied, ApprovalGranted

State = Literal["pending", "granted", "denied"]

_VOTE = "vote:"
_ANSWERED, _LATE = 3, 4
"""What `answer.lua` says of an answer that comes too late: somebody had answered, time was over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A step that waits for people to agree to it."""

    id: str
    correlation_id: str
    step: str
    """The handler that waits, as ``service.handler``."""
    event_type: str
    subject: str
    event_id: str
    requester: str
    """Who asked for the recovery, and may not answer."""
    who: tuple[str, ...]
    """Who may answer; empty: anybody but the requester."""
    quorum: int
    votes: tuple[str, ...]
    """Who has answered."""
    expires: datetime | None
    """When waiting ends; None: never."""
    otherwise: str
    tier: int
    asked: datetime
    delivery: str
    """What waits: type or ``inbox``, entry and group."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one person's answer came to."""

    state: State
    votes: int
    quorum: int
    ask: Ask

    def said(self, by: str) -> str:
        """Say to whoever answered what came of it."""
        what = f"{self.ask.step} about {self.ask.subject}"
        match self.state:
            case "granted":
                words = f"Approved by {by}: {what} runs."
            case "denied":
                words = f"Denied by {by}: {what} does not run."
            case _:
                count = f"{self.votes} of {self.quorum}"
                words = f"Approved by {by}: {count} have agreed, and {what} waits for the others."
        return plain(words)


@dataclass(frozen=True, slots=True)
class Approvals:
    """The requests for approval of one cell.

    Raises:
        StreamUnavailable: from every method, when the server cannot be reached or cannot answer.
        ConfigurationError: from every method, when it refuses our name, password or permissions.
    """

    errand: Errand

    async def waiting(self, limit: int | None = None) -> tuple[Ask, ...]:
        """What waits for an answer, the longest waiting first; of so many requests at most."""
        keys = self.errand.keys
        with telling("reading the requests for approval"):
            last = -1 if limit is None else limit - 1
            (raw,) = await self.errand.ask([("ZRANGE", keys.approvals, 0, last)])
            ids = [one.decode() for one in raw]
            rows = await self.errand.ask([("HGETALL", keys.approval(i)) for i in ids])
            known = (_ask(i, _texts(row)) for i, row in zip(ids, rows, strict=True) if row)
            asks = [ask for ask in known if ask is not None]
            held = await self.errand.ask([("HEXISTS", keys.held, ask.delivery) for ask in asks])
        return tuple(ask for ask, is_held in zip(asks, held, strict=True) if is_held)

    async def answer(self, approval_id: str, *, by: str, grant: bool, reason: str) -> Answer:
        """Agree to a step, or refuse it.

        Raises:
            AntiphonError: there is no such request, it was answered or is over, or this person
                may not answer it.
        """
        keys, settings = self.errand.keys, self.errand.settings
        client = cast("Any", self.errand.client)
        with telling(f"reading the approval {approval_id}"):
            row = _texts(await client.hgetall(keys.approval(approval_id)))
        ask = _ask(approval_id, row)
        if ask is None:
            raise AntiphonError(
                f"no step of the cell {keys.cell!r} waits for the approval {approval_id!r}: "
                "`antiphon approvals` lists those that wait"
            )
        member, _, group = row["delivery"].rpartition("|")
        reply = await self.errand.gatherer.run(
            Call(
                script("answer"),
                (
                    *keys.record(ask.correlation_id, ask.subject),
                    keys.approval(approval_id),
                    keys.approvals,
                    keys.events(ApprovalGranted.type),
                    keys.events(ApprovalDenied.type),
                    keys.due(group),
                    keys.audit,
                ),
                (
                    ask.correlation_id,
                    milliseconds(settings.record_retention),
                    approval_id,
                    by.strip(),
                    reason,
                    1 if grant else "",
                    group,
                    member,
                    ask.subject,
                ),
            )
        )
        if reply[0] != 1:
            raise AntiphonError(_refusal(ask, by, reply))
        state = _state(reply[1])
        if state != "pending":  # other branches of the same join may wait for the same answer
            await self.errand.rouser.everyone("approval", approval_id)
        get_logger().info(
            "approval.granted" if grant else "approval.denied",
            correlation_id=ask.correlation_id,
            approval=approval_id,
            group=group,
            event_id=ask.event_id,
            subject=ask.subject,
            by=by,
            reason=reason,
            votes=reply[2],
            quorum=reply[3],
        )
        return Answer(state, reply[2], reply[3], ask)


def _refusal(ask: Ask, by: str, reply: list[Any]) -> str:
    """Why an answer does not count, for whoever gave it."""
    number, *detail = reply
    if number == _ANSWERED:
        return _answered(ask, *detail)
    if number == _LATE:
        return (
            f"too late: the approval {ask.id} was to be given until {iso(instant(detail[0]))}; "
            f"without it the answer is: {ask.otherwise}"
        )
    return {
        2: f"the approval {ask.id} is over",
        5: f"{by} may not answer for {ask.step}: ask {' or '.join(ask.who)}",
        6: f"{by} asked for this recovery, and may not approve of its steps: ask somebody else",
        7: f"{by} has answered already: {len(ask.votes)} of {ask.quorum} have agreed",
        8: f"the recovery {ask.correlation_id} does not go on: nothing waits for an answer",
    }[number]


def _answered(ask: Ask, state: bytes, who: bytes, at_ms: int) -> str:
    done = {b"used": "has run", b"over": "has ended"}.get(state, f"was {state.decode()}")
    by = f" by {who.decode()}" if who and state not in (b"used", b"over") else ""
    when = f" at {iso(instant(at_ms))}" if at_ms else ""
    return f"too late: {ask.step} about {ask.subject} {done}{by}{when}"


def _state(raw: bytes) -> State:
    match raw.decode():
        case "pending":
            return "pending"
        case "granted":
            return "granted"
        case "denied":
            return "denied"
        case other:
            raise AssertionError(other)


def _texts(row: Any) -> dict[str, str]:
    """A hash as text, whether it comes as a mapping or as the server's flat list."""
    pairs = row.items() if isinstance(row, dict) else zip(row[::2], row[1::2], strict=True)
    return {name.decode(): value.decode() for name, value in pairs}


def _ask(approval_id: str, row: dict[str, str]) -> Ask | None:
    if row.get("state") is None:
        return None
    due = row.get("due", "")
    return Ask(
        id=approval_id,
        correlation_id=row["recovery"],
        step=row["delivery"].rpartition("|")[2],
        event_type=row["type"],
        subject=row["subject"],
        event_id=row["event"],
        requester=row["requester"],
        who=tuple(orjson.loads(row["who"])),
        quorum=int(row["quorum"]),
        votes=tuple(sorted(n.removeprefix(_VOTE) for n in row if n.startswith(_VOTE))),
        expires=instant(int(due)) if due else None,
        otherwise=row["otherwise"],
        tier=int(row["tier"]),
        asked=instant(int(row["asked"])),
        delivery=row["delivery"],
    )
