"""A recovery while it goes on: what is under way, how far it is, and what it waits for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from antiphon.trace import approvals, waiting
from antiphon.trace.model import Trace
from antiphon.trace.news import NEWS
from antiphon.trace.parts import Outstanding, Step, StepOutcome
from antiphon.trace.rows import name, workers
from antiphon.trace.words import percent, plain, spell

_BAR = 20
"""Columns of a progress bar."""

_HEAD, _FOOT = 3, 2
_FEWEST = 5
_STYLES = {
    StepOutcome.COMPLETED: "green",
    StepOutcome.DIED: "red",
    StepOutcome.SUPPRESSED: "red",
    StepOutcome.RUNNING: "cyan",
}


class OneView:
    """Draws one recovery to fit the console: what goes on first, then what ended last."""

    def __init__(self, trace: Trace, notice: str = "") -> None:
        self.trace = trace
        self.notice = notice
        """Something to say about the watching itself, such as that the server is away."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the head, a line for each step, and what else is waited for."""
        trace = self.trace
        verdict = (trace.verdict or trace.status).upper()
        yield Text(plain(f"Recovery {trace.correlation_id}: {verdict}"), style="bold")
        yield Text(plain(f"{trace.root_type} about {trace.subject}, {tally(trace)}"))
        yield ""
        others = [owed.words for owed in _others(trace)]
        height = options.height or options.max_height or console.height
        room = max(height - _HEAD - _FOOT - len(others), _FEWEST)
        shown = _ranked(trace)
        yield _steps(trace, shown[:room])
        if len(shown) > room:
            yield Text(f"and {len(shown) - room} more", style="dim")
        for words in others:
            yield Text(f"waits: {words}", no_wrap=True, overflow="ellipsis")
        if self.notice:
            yield Text(plain(self.notice), style="bold yellow")


class AllView:
    """Draws all open recoveries, a line for each."""

    def __init__(self, traces: Sequence[Trace], notice: str = "", *, there_are: int = 0) -> None:
        self.traces = traces
        self.notice = notice
        self.there_are = max(there_are, len(traces))
        """How many are open; these are the ones that are followed."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw a table; the longest open comes first."""
        height = options.height or options.max_height or console.height
        room = max(height - _FOOT - _FOOT, _FEWEST)
        count = len(self.traces)
        head = f"{self.there_are} open {'recovery' if self.there_are == 1 else 'recoveries'}"
        if self.there_are > count:
            head += f", the {count} longest open are followed"
        yield Text(head, style="bold")
        listed = Table(box=None, pad_edge=False)
        for column in ("id", "open for", "what", "done", "now"):
            listed.add_column(column, no_wrap=True, overflow="ellipsis")
        for trace in self.traces[:room]:
            done = sum(step.outcome == StepOutcome.COMPLETED for step in trace.steps)
            listed.add_row(
                Text(plain(trace.correlation_id)),
                spell(trace.duration),
                Text(plain(f"{trace.subject} {trace.root_type}")),
                f"{done}",
                _now(trace),
            )
        if count:
            yield listed
        if count > room:
            yield Text(f"and {self.there_are - room} more", style="dim")
        if self.notice:
            yield Text(plain(self.notice), style="bold yellow")


def tally(trace: Trace) -> str:
    """Count what is done, runs and waits."""
    counted = Counter(step.outcome for step in trace.steps if step.event_type not in NEWS)
    done, running = counted[StepOutcome.COMPLETED], counted[StepOutcome.RUNNING]
    lasted = "took" if trace.closed else "open for"
    waits = len(trace.outstanding)
    return f"{lasted} {spell(trace.duration)}: {done} done, {running} running, {waits} outstanding"


def _others(trace: Trace) -> list[Outstanding]:
    steps = {step.id for step in trace.steps}
    return [owed for owed in trace.outstanding if owed.id not in steps]


def _ranked(trace: Trace) -> list[Step]:
    """Put what has not ended first, then what ended last."""
    steps = [step for step in trace.steps if step.event_type not in NEWS]
    going_on = [step for step in steps if not step.outcome.is_final]
    ended = [step for step in steps if step.outcome.is_final]
    return [*going_on, *sorted(ended, key=lambda s: s.end or s.start, reverse=True)]


def _steps(trace: Trace, shown: Sequence[Step]) -> Table:
    listed = Table(box=None, pad_edge=False)
    for column in ("step", "outcome", "try", "on", "took"):
        listed.add_column(column, no_wrap=True, overflow="ellipsis")
    listed.add_column("", no_wrap=True, overflow="ellipsis", ratio=1)
    short = workers(trace)
    for step in shown:
        last = step.attempts[-1] if step.attempts else None
        listed.add_row(
            Text(name(step)),
            Text(step.outcome.value, style=_STYLES.get(step.outcome, "yellow")),
            f"{last.no}" if last else "",
            short[last.consumer] if last else "",
            spell(step.lasted(trace.as_of)) if last else "",
            _detail(step, trace),
        )
    return listed


def _detail(step: Step, trace: Trace) -> RenderableType:
    """Draw how far a step is; failing that, say what it waits for, or why it ended."""
    if step.progress and step.outcome == StepOutcome.RUNNING:
        return _bar(step)
    if not step.outcome.is_final:
        held = step.holds[-1].guard if step.holds else None
        asked = held and held.kind == approvals.GUARD
        approval = next((a for a in trace.approvals if asked and held and a.id == held.name), None)
        return Text(plain(waiting.standing(step, trace.as_of, approval)))
    errors = [attempt.error for attempt in step.attempts if attempt.error]
    done = step.outcome == StepOutcome.COMPLETED
    return Text(plain(step.note or ("" if done or not errors else errors[-1])))


def _bar(step: Step) -> RenderableType:
    progress = step.progress
    if progress is None:
        return Text()
    row = Table.grid(padding=(0, 1))
    bar = ProgressBar(total=1.0, completed=progress.fraction, width=_BAR)
    said = Text(plain(f"{percent(progress.fraction)} {progress.message}"))
    row.add_row(bar, said)
    return row


def _now(trace: Trace) -> RenderableType:
    """Say what one of many is at: a step with its progress, else what it has waited for longest."""
    running = [step for step in trace.steps if step.outcome == StepOutcome.RUNNING]
    told = next((step for step in running if step.progress), None)
    if told is not None:
        return _bar(told)
    return Text(plain(trace.outstanding[0].words if trace.outstanding else ""))
