"""What a worker process of the fault tests runs; its environment says what befalls it."""

from __future__ import annotations

import os
from pathlib import Path

import restoring
from restoring import Troubles
from world import World

TROUBLES = {
    "none": Troubles(),
    "die before effect": Troubles(before=restoring.die),
    "die after effect": Troubles(after=restoring.die),
    "linger": Troubles(before=restoring.linger),
    "hang": Troubles(before=restoring.hang),
}

_world = World(Path(os.environ["WORLD"]))
_trouble = os.environ["TROUBLE"]
if _trouble in {"die before commit", "die after commit"}:
    restoring.die_around("commit", sent="after" in _trouble)
    _trouble = "none"

orders = (
    restoring.service_in_threads(_world)
    if _trouble == "hang in a thread"
    else restoring.service(_world, troubles=TROUBLES[_trouble])
)
