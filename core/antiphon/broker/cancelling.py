"""Cancelling: no further step of a recovery starts, and its completed steps are undone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from antiphon.advised import command
from antiphon.broker.errand import Errand
from antiphon.broker.replies import said
from antiphon.broker.scripts import Call, script
from antiphon.closing import Closing, say_closed
from antiphon.duration import milliseconds
from antiphon.errors import AntiphonError
from antiphon.telemetry.logging import get_logger
from antiphon.trace.words import plain

_CANCELLED, _BEFORE, _TO_COME = 1, 4, 5
"""What `cancel.lua` says of a recovery that was cancelled now, that was cancelled before, or that
will be when it begins."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What was cancelled."""

    children: int
    """Recoveries it had started, cancelled with it."""
    dropped: int
    """Delayed events and joins that are waited for no more."""
    verdict: str
    """Its verdict when it is over already; empty while something still runs or is undone."""
    repeated: bool
    """Whether it had been cancelled before; then only what was left of that was done now."""

    def said(self, by: str) -> str:
        """Say to whoever cancelled what came of it."""
        if self.repeated:
            return "It had been cancelled already"
        parts = [f"Cancelled by {by}"]
        if self.children:
            more = f"{self.children} children too"
            parts.append("1 child with it" if self.children == 1 else more)
        if self.dropped:
            waits = "1 thing is" if self.dropped == 1 else f"{self.dropped} things are"
            parts.append(f"{waits} not waited for any more")
        goes_on = "what runs ends first, then what was done is undone"
        return plain(f"{', '.join(parts)}: {'it is over' if self.verdict else goes_on}.")


@dataclass(frozen=True, slots=True)
class Cancelling:
    """Cancels recoveries of one cell.

    Raises:
        StreamUnavailable: from every method, when the server cannot be reached or cannot answer.
        ConfigurationError: from every method, when it refuses our name, password or permissions.
    """

    errand: Errand

    async def cancel(self, correlation_id: str, *, by: str, reason: str) -> Cancelled:
        """Cancel a recovery and those it has started.

        A step that runs goes on to its end; no other starts. Repeating it changes nothing but what
        a command that was interrupted has left.

        Raises:
            AntiphonError: there is no such recovery, or it is over.
        """
        match await self._run(correlation_id, by, reason, may_begin=False):
            case [2]:
                cell = self.errand.keys.cell
                raise AntiphonError(
                    f"no recovery {correlation_id!r} is recorded in the cell {cell!r}: "
                    "`antiphon recoveries` lists those that are, --cell and --url name another "
                    "place"
                )
            case [3, verdict]:
                trace = command("trace", correlation_id)
                raise AntiphonError(
                    f"the recovery {correlation_id!r} is over, as {verdict.decode()}: there is "
                    f"nothing to cancel; `{trace}` shows how it went"
                )
            case [4, verdict, dropped, *members]:  # who was first may have been interrupted
                children = await self._hasten(correlation_id, members, by, reason)
                return Cancelled(children, dropped, said(verdict), repeated=True)
            case [1, verdict, dropped, *members]:
                _say_cancelled(correlation_id, by, reason, verdict)
                children = await self._hasten(correlation_id, members, by, reason)
                return Cancelled(children, dropped, said(verdict), repeated=False)
        raise AssertionError("cancel.lua answered nothing known")

    async def _hasten(self, correlation_id: str, members: list[bytes], by: str, reason: str) -> int:
        """Have what is put off looked at now, and cancel what the recovery has started."""
        rouser, children = self.errand.rouser, 0
        for member in members:
            kind, _, rest = member.decode().partition("|")
            if kind == "child":
                child = rest.rpartition("|")[0]
                reply = await self._run(child, by, reason, may_begin=True)
                children += reply[0] in (_CANCELLED, _TO_COME)
                if reply[0] == _CANCELLED:
                    _say_cancelled(child, by, reason, reply[1])
                if reply[0] in (_CANCELLED, _BEFORE):
                    children += await self._hasten(child, reply[3:], by, reason)
                elif reply[0] == _TO_COME:
                    await self._give_up(correlation_id, member.decode())
            else:
                await rouser.rouse(member.decode())
        return children

    async def _give_up(self, correlation_id: str, member: str) -> None:
        """Wait no more for a child that had not begun; should it begin yet, it is cancelled."""
        errand = self.errand
        retention_ms = milliseconds(errand.settings.record_retention)
        why = "it was cancelled before it began"
        record = errand.keys.record(correlation_id, "")
        args = (correlation_id, retention_ms, member, why, 0)
        await errand.gatherer.run(Call(script("resolve"), record, args))

    async def _run(
        self, correlation_id: str, by: str, reason: str, *, may_begin: bool
    ) -> list[Any]:
        keys, settings = self.errand.keys, self.errand.settings
        call = Call(
            script("cancel"),
            (*keys.record(correlation_id, ""), keys.audit),
            (
                correlation_id,
                milliseconds(settings.record_retention),
                by,
                reason,
                1 if may_begin else "",
            ),
        )
        reply: list[Any] = await self.errand.gatherer.run(call)
        return reply


def _say_cancelled(correlation_id: str, by: str, reason: str, verdict: bytes) -> None:
    """Log that a recovery was cancelled, and that it is over if nothing of it runs."""
    log = get_logger()
    log.warning("recovery.cancelled", correlation_id=correlation_id, by=by, reason=reason)
    say_closed(Closing.read(verdict), correlation_id, log.bind(correlation_id=correlation_id))
