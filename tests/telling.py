"""Recoveries at random: whatever rows a ledger may hold, in an order in which they may come."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from hypothesis import strategies as st

from flow_story import FlowStory
from guarded_story import Limit
from trace_story import Fact, Run

_GROUPS = ("orders-db.restore", "orders-api.restart", "web.reopen", "pager.page", "a.<b>&\"c'")
_TYPES = ("service.failed", "database.restored", "cache.warmed", "odd.<type>")
_SUBJECTS = (
    "orders-db",
    "web",
    "",
    "<script>alert(1)</script>",
    "ünïcode 数据库 \x1b[31m",
    "x" * 90,
)
_ERRORS = ("ConnectionError: refused", "ValueError: <&>\x00\x07", "boom\nsecond line", "")
_PAUSES = (0.0, 0.001, 0.4, 3.0, 90.0, 7200.0, 200_000.0)


class _Teller:
    """Tells a story step by step, each drawn from what can follow."""

    def __init__(self, chance: Random) -> None:
        self._chance, self._one = chance, chance.choice
        self.story = FlowStory()
        self.facts: list[Fact] = [self.story.opens("service.failed", self._one(_SUBJECTS))]
        self.running: list[Run] = []
        self.done: list[Run] = []

    def go_on(self) -> None:
        self.story.after(self._one(_PAUSES))
        moves: list[Callable[[], None]] = [self._start, self._settle, self._hold, self._suppress]
        if self.running:
            moves += [self._complete, self._complete, self._retry, self._die, self._release]
        if self.done:
            moves += [self._undo, self._put_off, self._child]
        self._one(moves)()

    def close(self) -> None:
        if self.done and self._chance.random() < 1 / 2:
            self.story.closes(self.done[-1], self._one(("completed", "failed")), done=1)

    def _start(self) -> None:
        attempt = self._one((1, 2, 7))
        run = self.story.starts(
            self._one(_GROUPS), self._one(self.facts), self._one(("w", "v")), attempt=attempt
        )
        self.running.append(run)

    def _complete(self) -> None:
        run = self.running.pop()
        count = self._one((0, 0, 1, 2))
        what = [(self._one(_TYPES), self._one(_SUBJECTS)) for _ in range(count)]
        self.facts += self.story.completes(run, *what)
        self.done.append(run)

    def _retry(self) -> None:
        self.story.retries(self.running.pop(), self._one(_ERRORS), due_in=self._one(_PAUSES))

    def _die(self) -> None:
        self.story.dies(self.running.pop(), self._one(_ERRORS))

    def _release(self) -> None:
        self.story.releases(self.running.pop())

    def _settle(self) -> None:
        group, fact = self._one(_GROUPS), self._one(self.facts)
        match self._one(("skip", "join", "late", "duplicate")):
            case "skip":
                self.story.skips(group, fact)
            case "join":
                self.story.joins(group, fact, 1, 2)
            case "late":
                self.story.comes_late(group, fact)
            case _:
                self.story.finds_duplicate(group, fact, f"x|1-1|{group}")

    def _hold(self) -> None:
        self.story.holds(self._one(_GROUPS), self._one(self.facts), Limit("rate", "<what>"))

    def _suppress(self) -> None:
        limit = Limit("budget", "restart:web")
        self.story.suppresses(self._one(_GROUPS), self._one(self.facts), limit, "spent")

    def _undo(self) -> None:
        run = self._one(self.done)
        self.running.append(self.story.starts(run.group, self.story.orders_undo(run), "w"))

    def _put_off(self) -> None:
        run = self._one(self.done)
        later = self.story.puts_off(run, self._one(_TYPES), "web", due_in=60)
        if self._chance.random() < 1 / 2:
            self.facts.append(self.story.after(1).publishes(later, run.group))

    def _child(self) -> None:
        run = self._one(self.done)
        child = self.story.starts_child(run, "service.failed", self._one(_SUBJECTS))
        if self._chance.random() < 1 / 2:
            self.facts.append(self.story.after(1).hears_of(child, run, "completed"))


@st.composite
def stories(draw: st.DrawFn, most: int = 25) -> FlowStory:
    """Tell a recovery of up to `most` happenings, which may be over or go on."""
    teller = _Teller(draw(st.randoms(use_true_random=False)))
    for _ in range(draw(st.integers(0, most))):
        teller.go_on()
    teller.close()
    return teller.story
