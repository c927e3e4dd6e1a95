"""Escalations, as the people who are told of them see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from antiphon.advised import command
from antiphon.broker.errand import Errand
from antiphon.broker.scripts import Call, script
from antiphon.duration import milliseconds
from antiphon.errors import AntiphonError
from antiphon.instants import instant
from antiphon.telemetry.logging import get_logger


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Somebody knows of an escalation."""

    by: str
    at: datetime
    repeated: bool
    """Whether it had been acknowledged before; then `by` and `at` are those of the first time."""


@dataclass(frozen=True, slots=True)
class Escalations:
    """The escalations of one cell.

    Raises:
        StreamUnavailable: from every method, when the server cannot be reached or cannot answer.
        ConfigurationError: from every method, when it refuses our name, password or permissions.
    """

    errand: Errand

    async def acknowledge(self, correlation_id: str, *, by: str, reason: str) -> Acknowledgement:
        """Note that somebody knows of a recovery's escalation, so that nobody further up is told.

        Repeating it changes nothing.

        Raises:
            AntiphonError: there is no such recovery, or nobody was told of it.
        """
        keys, settings = self.errand.keys, self.errand.settings
        call = Call(
            script("ack"),
            (*keys.record(correlation_id, ""), keys.audit),
            (correlation_id, milliseconds(settings.record_retention), by, reason),
        )
        match await self.errand.gatherer.run(call):
            case [2]:
                raise AntiphonError(
                    f"no recovery {correlation_id!r} is recorded in the cell {keys.cell!r}: "
                    "`antiphon recoveries` lists those that are, --cell and --url name another "
                    "place"
                )
            case [3]:
                trace = command("trace", correlation_id)
                raise AntiphonError(
                    f"nobody was told of the recovery {correlation_id!r}, so there is nothing to "
                    f"acknowledge; `{trace}` shows how it stands"
                )
            case [answer, who, at_ms]:
                first = who.decode("utf-8", "replace")
                known = Acknowledgement(first, instant(at_ms), repeated=answer != 1)
        if not known.repeated or known.by == by:  # the first answer may have been lost on its way
            said = {"by": by, "reason": reason}
            again = {"repeated": True} if known.repeated else {}
            get_logger().info(
                "escalation.acknowledged", correlation_id=correlation_id, **said, **again
            )
        return known
