"""Services that a restart does not cure: ``python -m … AILMENT ROLE --dir DIR``.

Like the shop's own processes they know nothing of Antiphon.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import time
from http import HTTPStatus
from pathlib import Path

from antiphon_handlers.demo.directory import ROLES, Role, ShopDirectory
from antiphon_handlers.demo.shop.http_server import Answer, Request
from antiphon_handlers.demo.shop.opening import in_background, open_for_business
from antiphon_handlers.demo.shop_processes import shop_process
from antiphon_handlers.process import ManagedProcess

PROGRAM = "antiphon_handlers.demo.guards.ailing"
LEAK, RIVALRY = "leak", "rivalry"
"""What ails a service: each answer costs memory; there is no room for it beside another."""

ANSWERS = 8
"""So many fill the memory: at five checks a second, a life of a second and a half."""

LOOK_EVERY_SECONDS = 0.05


def ailing_process(
    shop: ShopDirectory, role: Role, ailment: str, *, owner: str | None
) -> ManagedProcess:
    """Describe a process with an ailment."""
    return shop_process(shop, role, owner=owner, program=(PROGRAM, ailment))


def memory_of(shop: ShopDirectory) -> Path:
    """The file that names who has the memory there is; without it there is enough for all."""
    return shop.path / "memory"


class Leaking:
    """Answers that it is well, and dies of it: as many times as its memory allows."""

    def __init__(self) -> None:
        self._answers = itertools.count()

    def answer(self, request: Request) -> Answer:  # noqa: ARG002  any request gets the same
        """Say that all is well, with what memory is left."""
        if next(self._answers) >= ANSWERS:
            _die(f"out of memory after {ANSWERS} answers")
        return _WELL


class Rival:
    """Answers that it is well until somebody else takes the memory."""

    def __init__(self, role: Role, memory: Path) -> None:
        self._role = role
        self._memory = memory

    def start(self) -> None:
        """Take the memory, if that is scarce."""
        if self._memory.exists():
            self._memory.write_text(self._role, encoding="utf-8")

    def answer(self, request: Request) -> Answer:  # noqa: ARG002  as above
        """Say that all is well."""
        return _WELL

    def watch(self) -> None:
        """End once another has the memory."""
        while True:
            owner = self._memory.read_text(encoding="utf-8") if self._memory.exists() else ""
            if owner not in {"", self._role}:
                _die(f"out of memory: {owner} has taken it")
            time.sleep(LOOK_EVERY_SECONDS)


_WELL = Answer(HTTPStatus.OK, {"well": True})


def _die(why: str) -> None:
    sys.stdout.write(f"{why}\n")
    sys.stdout.flush()
    os._exit(1)


def main() -> None:
    """Serve until it dies."""
    parser = argparse.ArgumentParser(prog="ailing", description="A service that does not last.")
    parser.add_argument("ailment", choices=(LEAK, RIVALRY))
    parser.add_argument("role", choices=ROLES)
    parser.add_argument("--dir", type=Path, required=True, help="the directory it lives in")
    arguments = parser.parse_args()
    shop, role = ShopDirectory(arguments.dir.absolute()), arguments.role
    if arguments.ailment == LEAK:
        open_for_business(role, Leaking(), shop)
    else:
        rival = Rival(role, memory_of(shop))
        rival.start()
        in_background(rival.watch)
        open_for_business(role, rival, shop)


if __name__ == "__main__":
    main()
