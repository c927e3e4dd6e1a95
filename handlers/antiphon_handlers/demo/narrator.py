"""Telling what the demo does: live in a terminal, line by line elsewhere, not at all for JSON."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Protocol

from rich.console import Console
from rich.live import Live

from antiphon.cli.guardlist import draw
from antiphon.guards.state import GuardState
from antiphon.trace import Trace
from antiphon.trace.picture import Picture
from antiphon_handlers.demo.facts import Fact, facts


class Narrator(Protocol):
    """Who tells the story."""

    def say(self, line: str) -> None:
        """Tell one thing the demo itself did."""

    def recovering(self) -> AbstractContextManager[None]:
        """Surround the part in which `show` is called."""

    def show(self, trace: Trace) -> None:
        """Tell how far the recovery has come; called again and again."""

    def conclude(self, trace: Trace) -> None:
        """Show the recovery as a whole, once it is over."""

    def guards(self, state: GuardState) -> None:
        """Show what the guards know, as ``antiphon guards`` does."""


class Silent:
    """Tells nothing: the result speaks for itself."""

    def say(self, line: str) -> None:
        """Tell nothing."""

    @contextmanager
    def recovering(self) -> Iterator[None]:
        """Surround nothing."""
        yield

    def show(self, trace: Trace) -> None:
        """Tell nothing."""

    def conclude(self, trace: Trace) -> None:
        """Tell nothing."""

    def guards(self, state: GuardState) -> None:
        """Tell nothing."""


class Lines:
    """One line per fact, each told once, for pipes and logs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: set[Fact] = set()

    def say(self, line: str) -> None:
        """Print a line."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def recovering(self) -> Iterator[None]:
        """Surround nothing: a line printed stays printed."""
        yield

    def show(self, trace: Trace) -> None:
        """Print what has happened since the last time."""
        for fact in facts(trace):
            if fact not in self._told:
                self._told.add(fact)
                self.say(f"  {fact.words}")

    def conclude(self, trace: Trace) -> None:
        """Print the whole trace."""
        self._console.print()
        self._console.print(Picture(trace))

    def guards(self, state: GuardState) -> None:
        """Print the tables."""
        self._console.print()
        draw(state)


class Terminal(Lines):
    """The trace itself, redrawn as it grows."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._live: Live | None = None

    @contextmanager
    def recovering(self) -> Iterator[None]:
        """Keep a part of the screen for the growing trace, and clear it at the end."""
        with ExitStack() as stack:
            # Redrawn by `show` alone: a refreshing thread would draw between two writes.
            live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live = stack.enter_context(live)
            try:
                yield
            finally:
                self._live = None

    def show(self, trace: Trace) -> None:
        """Draw the trace as it is now."""
        if self._live is not None:
            self._live.update(Picture(trace), refresh=True)
