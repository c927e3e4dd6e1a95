"""What the workers of the ground truth run: handlers of every kind, which keep a diary.

An event carries its dose as JSON: for each handler, what befalls its attempts, first to last.
"""

from __future__ import annotations

import os
from pathlib import Path

from antiphon import (
    Approval,
    Breaker,
    Joined,
    Recovery,
    Retry,
    Service,
    all_of,
    any_of,
)
from antiphon_events import ChildClosed, Event, JoinTimedOut
from seeing import spy
from seeing.afflictions import NOTHING, Life, Outcome, live
from seeing.ailments import (
    BellFailed,
    BellRung,
    ClockFailed,
    DiskFailed,
    DoorFailed,
    GateFailed,
    HatchFailed,
    LampFailed,
    LeftDone,
    LineFailed,
    LineUp,
    LookDue,
    MailFailed,
    NorthFound,
    PumpFailed,
    PumpMended,
    PumpStarted,
    RightDone,
    RoofFailed,
    RouteFailed,
    SlowFailed,
    SouthFound,
    TankDrained,
    TankFailed,
    TankFilled,
    TileFailed,
    ValveFailed,
    WheelFailed,
    WheelTurned,
)
from seeing.diary import Diary

_QUICK = Retry(attempts=4, first="60ms", longest="200ms")
_LIMIT = "2500ms"

_diary = Diary(Path(os.environ["DIARY"]), os.environ["ANTIPHON_CONSUMER"])
spy.watch(_diary)
clinic = Service("clinic")


async def _live(
    handler: str, event: Event | Joined, recovery: Recovery, outcome: Outcome = NOTHING
) -> list[Event]:
    return await live(Life(_diary, handler, recovery), event, outcome)


# A chain of three.


@clinic.on(PumpFailed, retry=_QUICK, timeout=_LIMIT)
async def mend(failed: PumpFailed, recovery: Recovery) -> list[Event]:
    mended = PumpMended(subject=failed.subject, dose=failed.dose)
    return await _live("mend", failed, recovery, Outcome((mended,)))


@clinic.on(PumpMended, retry=_QUICK, timeout=_LIMIT)
async def start(mended: PumpMended, recovery: Recovery) -> list[Event]:
    started = PumpStarted(subject=mended.subject, dose=mended.dose)
    return await _live("start", mended, recovery, Outcome((started,)))


@clinic.on(PumpStarted, retry=_QUICK, timeout=_LIMIT)
async def report(started: PumpStarted, recovery: Recovery) -> list[Event]:
    return await _live("report", started, recovery)


@clinic.on(PumpStarted.where(lambda e: e.subject == "nobody"))
async def ignore(started: PumpStarted, recovery: Recovery) -> list[Event]:
    return await _live("ignore", started, recovery)


# A join of two branches, and what follows when one does not come.


@clinic.on(LineFailed, retry=_QUICK, timeout=_LIMIT)
async def left(failed: LineFailed, recovery: Recovery) -> list[Event]:
    done = LeftDone(subject=failed.subject, dose=failed.dose)
    return await _live("left", failed, recovery, Outcome((done,)))


@clinic.on(LineFailed, retry=_QUICK, timeout="8s")
async def right(failed: LineFailed, recovery: Recovery) -> list[Event]:
    done = RightDone(subject=failed.subject, dose=failed.dose)
    return await _live("right", failed, recovery, Outcome((done,)))


@clinic.on(all_of(LeftDone, RightDone), within="1500ms", retry=_QUICK, timeout=_LIMIT)
async def reconnect(both: Joined, recovery: Recovery) -> list[Event]:
    up = LineUp(subject=both[LeftDone].subject, dose=both[LeftDone].dose)
    return await _live("reconnect", both, recovery, Outcome((up,)))


@clinic.on(JoinTimedOut, retry=_QUICK, timeout=_LIMIT)
async def go_without(out: JoinTimedOut, recovery: Recovery) -> list[Event]:
    return await _live("go_without", out, recovery)


# A race of two: the loser is not needed any more.


@clinic.on(RouteFailed, retry=_QUICK, timeout=_LIMIT)
async def north(failed: RouteFailed, recovery: Recovery) -> list[Event]:
    found = NorthFound(subject=failed.subject, dose=failed.dose)
    return await _live("north", failed, recovery, Outcome((found,)))


@clinic.on(RouteFailed, retry=_QUICK, timeout=_LIMIT)
async def south(failed: RouteFailed, recovery: Recovery) -> list[Event]:
    found = SouthFound(subject=failed.subject, dose=failed.dose)
    return await _live("south", failed, recovery, Outcome((found,)))


@clinic.on(any_of(NorthFound, SouthFound, losers="cancel"), retry=_QUICK, timeout=_LIMIT)
async def travel(found: Joined, recovery: Recovery) -> list[Event]:
    return await _live("travel", found, recovery)


# Guards.


@clinic.on(DiskFailed, exclusive="the-disk", retry=_QUICK, timeout=_LIMIT)
async def repair(failed: DiskFailed, recovery: Recovery) -> list[Event]:
    return await _live("repair", failed, recovery)


@clinic.on(LampFailed, budget="2/10m", retry=_QUICK, timeout=_LIMIT)
async def relamp(failed: LampFailed, recovery: Recovery) -> list[Event]:
    return await _live("relamp", failed, recovery)


@clinic.on(MailFailed, rate="2/2s", retry=_QUICK, timeout=_LIMIT)
async def resend(failed: MailFailed, recovery: Recovery) -> list[Event]:
    return await _live("resend", failed, recovery)


@clinic.on(
    GateFailed, breaker=Breaker("gate", fail_max=2, reset_timeout="1500ms"), retry=_QUICK,
    timeout=_LIMIT,
)  # fmt: skip
async def open_gate(failed: GateFailed, recovery: Recovery) -> list[Event]:
    return await _live("open_gate", failed, recovery)


@clinic.on(DoorFailed, approval=Approval(("ana", "ben"), quorum=2), retry=_QUICK, timeout=_LIMIT)
async def unlock(failed: DoorFailed, recovery: Recovery) -> list[Event]:
    return await _live("unlock", failed, recovery)


@clinic.on(
    HatchFailed, approval=Approval(("ana",), within="1s", otherwise="deny"), retry=_QUICK,
    timeout=_LIMIT,
)  # fmt: skip
async def unhatch(failed: HatchFailed, recovery: Recovery) -> list[Event]:
    return await _live("unhatch", failed, recovery)


@clinic.on(
    ValveFailed,
    approval=Approval(("ana",), then=(("ben",),), within="800ms", otherwise="proceed"),
    retry=_QUICK,
    timeout=_LIMIT,
)
async def close_valve(failed: ValveFailed, recovery: Recovery) -> list[Event]:
    return await _live("close_valve", failed, recovery)


# Time, children, and what is taken back.


@clinic.on(ClockFailed, retry=_QUICK, timeout=_LIMIT)
async def wind(failed: ClockFailed, recovery: Recovery) -> list[Event]:
    due = LookDue(subject=failed.subject, dose=failed.dose)
    return await _live("wind", failed, recovery, Outcome(later=((due, "1500ms"),)))


@clinic.on(LookDue, retry=_QUICK, timeout=_LIMIT)
async def look(due: LookDue, recovery: Recovery) -> list[Event]:
    return await _live("look", due, recovery)


@clinic.on(RoofFailed, retry=_QUICK, timeout=_LIMIT)
async def hire(failed: RoofFailed, recovery: Recovery) -> list[Event]:
    tile = TileFailed(subject=f"{failed.subject}-tile", dose=failed.dose)
    return await _live("hire", failed, recovery, Outcome(children=(tile,)))


@clinic.on(TileFailed, retry=_QUICK, timeout=_LIMIT)
async def lay(failed: TileFailed, recovery: Recovery) -> list[Event]:
    return await _live("lay", failed, recovery)


@clinic.on(ChildClosed, retry=_QUICK, timeout=_LIMIT)
async def inspect(child: ChildClosed, recovery: Recovery) -> list[Event]:
    return await _live("inspect", child, recovery)


async def undrain(failed: TankFailed, recovery: Recovery) -> None:
    await _live("drain", failed, recovery)


async def unfill(drained: TankDrained, recovery: Recovery) -> None:
    await _live("fill", drained, recovery)


@clinic.on(TankFailed, undo=undrain, retry=_QUICK, timeout=_LIMIT)
async def drain(failed: TankFailed, recovery: Recovery) -> list[Event]:
    drained = TankDrained(subject=failed.subject, dose=failed.dose)
    return await _live("drain", failed, recovery, Outcome((drained,)))


@clinic.on(TankDrained, undo=unfill, retry=_QUICK, timeout=_LIMIT)
async def fill(drained: TankDrained, recovery: Recovery) -> list[Event]:
    filled = TankFilled(subject=drained.subject, dose=drained.dose)
    return await _live("fill", drained, recovery, Outcome((filled,)))


@clinic.on(TankFilled, retry=_QUICK, timeout=_LIMIT)
async def seal(filled: TankFilled, recovery: Recovery) -> list[Event]:
    return await _live("seal", filled, recovery)


# Repetition, loops, deadlines.


@clinic.on(BellFailed, retry=_QUICK, timeout=_LIMIT)
async def ring(failed: BellFailed, recovery: Recovery) -> list[Event]:
    twice = tuple(BellRung(subject=failed.subject, dose=failed.dose) for _ in range(2))
    return await _live("ring", failed, recovery, Outcome(twice))


@clinic.on(BellRung, key="{subject}", retry=_QUICK, timeout=_LIMIT)
async def hear(rung: BellRung, recovery: Recovery) -> list[Event]:
    return await _live("hear", rung, recovery)


@clinic.on(WheelFailed, WheelTurned, retry=_QUICK, timeout=_LIMIT)
async def turn(failed: WheelFailed | WheelTurned, recovery: Recovery) -> list[Event]:
    turned = WheelTurned(subject=failed.subject, dose=failed.dose)
    return await _live("turn", failed, recovery, Outcome((turned,)))


@clinic.on(SlowFailed, retry=_QUICK, timeout="8s")
async def crawl(failed: SlowFailed, recovery: Recovery) -> list[Event]:
    return await _live("crawl", failed, recovery)
