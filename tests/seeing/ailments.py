"""What the ground truth is told in: failures and facts that carry a dose for their handlers."""

from __future__ import annotations

from antiphon_events import Event, Failure


class _Ill(Failure):
    dose: str = ""


class _Told(Event):
    dose: str = ""


class PumpFailed(_Ill):
    type = "pump.failed"


class PumpMended(_Told):
    type = "pump.mended"


class PumpStarted(_Told):
    type = "pump.started"


class LineFailed(_Ill):
    type = "line.failed"


class LeftDone(_Told):
    type = "line.left"


class RightDone(_Told):
    type = "line.right"


class LineUp(_Told):
    type = "line.up"


class RouteFailed(_Ill):
    type = "route.failed"


class NorthFound(_Told):
    type = "route.north"


class SouthFound(_Told):
    type = "route.south"


class DiskFailed(_Ill):
    type = "disk.failed"


class LampFailed(_Ill):
    type = "lamp.failed"


class MailFailed(_Ill):
    type = "mail.failed"


class GateFailed(_Ill):
    type = "gate.failed"


class DoorFailed(_Ill):
    type = "door.failed"


class HatchFailed(_Ill):
    type = "hatch.failed"


class ValveFailed(_Ill):
    type = "valve.failed"


class ClockFailed(_Ill):
    type = "clock.failed"


class LookDue(_Told):
    type = "dose.look_due"


class RoofFailed(_Ill):
    type = "roof.failed"


class TileFailed(_Ill):
    type = "tile.failed"


class TankFailed(_Ill):
    type = "tank.failed"


class TankDrained(_Told):
    type = "tank.drained"


class TankFilled(_Told):
    type = "tank.filled"


class BellFailed(_Ill):
    type = "bell.failed"


class BellRung(_Told):
    type = "bell.rung"


class WheelFailed(_Ill):
    type = "wheel.failed"


class WheelTurned(_Told):
    type = "wheel.turned"


class SlowFailed(_Ill):
    type = "slow.failed"
