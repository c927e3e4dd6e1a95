"""Which faults befall which recoveries: drawn from a seed, so that they can be drawn again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import orjson

HANDLERS = {
    "pump": ("mend", "start", "report"),
    "line": ("left", "right", "reconnect", "go_without"),
    "route": ("north", "south", "travel"),
    "disk": ("repair",),
    "lamp": ("relamp",),
    "mail": ("resend",),
    "gate": ("open_gate",),
    "door": ("unlock",),
    "hatch": ("unhatch",),
    "valve": ("close_valve",),
    "clock": ("wind", "look"),
    "roof": ("hire", "lay", "inspect"),
    "tank": ("drain", "fill", "seal"),
    "bell": ("ring", "hear"),
    "wheel": ("turn",),
    "slow": ("crawl",),
}
"""The handlers of each kind of recovery that can be given something."""

DOSES = {
    "flaky": 8,
    "broken": 3,
    "late": 2,
    "slow": 3,
    "hang": 1,
    "superseded": 2,
    "die": 3,
    "kill before commit": 3,
    "kill after commit": 3,
    "lose reply": 5,
    "sleep": 2,
    "stop worker": 2,
    "crash server": 1,
}
"""What befalls attempts, and how often in relation to one another."""

_DRASTIC = {"die": 5, "kill before commit": 3, "kill after commit": 3, "hang": 2, "sleep": 2,
            "stop worker": 2, "crash server": 2, "late": 3, "superseded": 2}  # fmt: skip
"""At most so many of those that cost a lease or a restart, or it would take too long."""


@dataclass
class Case:
    """One recovery that is begun, and what is done about it from outside."""

    kind: str
    subject: str
    act: str = ""
    """What the injector does about it, beside publishing its failure."""

    dose: dict[str, list[str]] = field(default_factory=dict)

    @property
    def faults(self) -> int:
        """How many faults it has."""
        return sum(map(len, self.dose.values())) + bool(self.act)

    @property
    def written(self) -> str:
        """Its dose, as events carry it."""
        return orjson.dumps(self.dose).decode()


def draw(seed: int, faults: int = 50) -> list[Case]:
    """Draw recoveries with so many faults together."""
    chance = random.Random(seed)
    cases = list(_special())
    cases += [Case("pump", f"pump-{number}") for number in range(8)]
    left, drastic = faults - sum(case.faults for case in cases), dict(_DRASTIC)
    names, weights = list(DOSES), list(DOSES.values())
    while left > 0:
        case = chance.choice(cases)
        [fault] = chance.choices(names, weights)
        if drastic.get(fault, 1) < 1:
            continue
        if fault in drastic:
            drastic[fault] -= 1
        suffered = case.dose.setdefault(chance.choice(HANDLERS[case.kind]), [])
        if len(suffered) < 3:
            suffered.append(fault)
            left -= 1
    chance.shuffle(cases)
    return cases


def _special() -> Iterator[Case]:
    """The faults of every kind that is not in a handler, each once."""
    yield Case("pump", "pump-paused", "pause")
    yield Case("pump", "pump-again", "publish twice")
    yield Case("pump", "pump-storm", "coalesce", {"mend": ["slow"]})
    yield Case("pump", "pump-bare", "bare entry")
    yield Case("pump", "pump-relapse", "relapse")
    yield Case("pump", "pump-replay", "replay", {"start": ["broken"]})
    yield Case("pump", "pump-lost", "lose entry")
    yield Case("pump", "pump-stopped", "cancel", {"mend": ["slow"]})
    yield Case("line", "line-left", "", {"left": ["broken"]})
    yield Case("line", "line-right", "", {"right": ["slow", "slow"]})
    yield Case("route", "route-0", "", {"south": ["slow"]})
    yield from (Case("disk", f"disk-{n}", "", {"repair": ["slow"]}) for n in range(2))
    yield Case("lamp", "lamp-0", "", {"relamp": ["flaky", "flaky", "flaky"]})
    yield from (Case("mail", f"mail-{n}") for n in range(3))
    yield Case("gate", "gate-0", "", {"open_gate": ["flaky", "flaky"]})
    yield Case("door", "door-0", "grant")
    yield Case("door", "door-1", "deny")
    yield Case("hatch", "hatch-0", "expire")
    yield Case("valve", "valve-0", "expire")
    yield Case("clock", "clock-0")
    yield Case("clock", "clock-stopped", "cancel later")
    yield Case("roof", "roof-0")
    yield Case("tank", "tank-0", "", {"seal": ["broken"]})
    yield Case("bell", "bell-0", "")
    yield Case("wheel", "wheel-0", "acknowledge")
    yield Case("slow", "slow-0", "", {"crawl": ["late"]})
