"""A spy on the wire: notes what was asked of the server, and what it answered.

Guards decide in scripts, out of sight of handlers. Their answers are noted as they come in, before
Antiphon has looked at them: neither the ledger nor a log has a part in that.
"""

from __future__ import annotations

import itertools
import os
import signal
from typing import Any

from antiphon.broker.gather import Gatherer
from antiphon.broker.scripts import Call
from seeing.diary import Diary

_IDENTITY = {"group": 2, "entry": 3, "consumer": 4}
_SETTLING = {"commit", "postpone", "bury"}
_TAKING = {"admit", "pass"}
_TIMERS = {"later", "timeout", "stall", "undo", "lapse"}
_OTHERS = {"coalesce", "cancel", "answer", "child", "resolve", "audit", "raise"}

BLOWS: dict[tuple[str, str], str] = {}
"""What befalls the next settlement of a group and event."""


def watch(diary: Diary) -> Any:
    """Have every call of this process noted; returns what undoes that."""
    run, numbers = Gatherer.run, itertools.count(1)

    async def seen(gatherer: Gatherer, call: Call) -> Any:
        script, about = call.script.name, _about(call)
        if about is None:
            return await run(gatherer, call)
        number = next(numbers)
        blow = BLOWS.pop((about["group"], about["event"]), "") if script in _SETTLING else ""
        if blow == "kill before commit":
            os.kill(os.getpid(), signal.SIGKILL)
        diary.note("asked", number=number, script=script, **about)
        reply = await run(gatherer, call)
        if blow == "kill after commit":
            os.kill(os.getpid(), signal.SIGKILL)
        diary.note("answered", number=number, script=script, reply=_plain(reply), **about)
        if blow == "lose reply":
            # As when a connection breaks: the call is repeated, and the first reply never seen.
            return await run(gatherer, call)
        return reply

    Gatherer.run = seen  # type: ignore[method-assign,assignment]
    return run


def unwatch(run: Any) -> None:
    """Stop noting."""
    Gatherer.run = run  # type: ignore[method-assign]


def _about(call: Call) -> dict[str, Any] | None:
    """Say which recovery and delivery a call is about; None when that is nobody's business."""
    args = [a.decode("utf-8", "replace") if isinstance(a, bytes) else a for a in call.args]
    script = call.script.name
    if script in _TAKING | _SETTLING:
        told = {name: args[place] for name, place in _IDENTITY.items()}
        told["correlation"] = args[0]
        if script in _TAKING:
            return told | {"event": args[7], "type": args[5], "subject": args[6],
                           "owner": args[15] if script == "admit" else ""}  # fmt: skip
        told |= {"event": args[5], "owner": args[7], "attempt": args[8], "label": args[6]}
        if script == "postpone":
            return told | {"how": args[15], "error": args[17], "guard": args[18], "name": args[19],
                           "limit": args[20], "value": args[21]}  # fmt: skip
        return told | ({"error": args[15]} if script == "bury" else {})
    if script == "publish":
        return {"correlation": args[0], "group": "", "event": args[5], "type": args[3],
                "subject": args[4]}  # fmt: skip
    if script in _TIMERS | _OTHERS:
        return {"correlation": args[0], "group": "", "event": "", "args": args[2:12]}
    return None


def _plain(reply: Any) -> Any:
    if isinstance(reply, bytes):
        return reply.decode("utf-8", "replace")
    return [_plain(one) for one in reply] if isinstance(reply, list | tuple) else reply
