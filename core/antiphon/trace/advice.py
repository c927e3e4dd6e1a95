"""What a person can do about a recovery, with the exact commands; what comes by itself, too."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

from antiphon.advised import command
from antiphon.guards.scope import Scope
from antiphon.trace import approvals, pending
from antiphon.trace.decisions import Hold
from antiphon.trace.history import NOBODY
from antiphon.trace.news import NEWS
from antiphon.trace.parts import Outstanding, Step, StepOutcome
from antiphon.trace.words import clock, named

if TYPE_CHECKING:
    from antiphon.trace.model import Trace

_LETTERS = 3
"""Dead letters that are named one by one."""

_WHY = "--reason TEXT"
_BY_ITSELF = "comes by itself"


def advice(trace: Trace) -> Iterator[str]:
    """Say what to do next, the most urgent first; never nothing."""
    name = trace.correlation_id
    said = list(dict.fromkeys((*_acknowledge(trace), *_owed(trace), *_remedies(trace))))
    yield from said
    if trace.closed is None:
        if trace.summary.stalled or trace.stall:
            yield f"It is past its deadline; to end it: {command('cancel', name, _WHY)}"
        if trace.source == "logs":
            yield f"See what is owed, which log lines do not tell: {command('explain', name)}"
        elif not trace.outstanding:
            yield "It waits for nothing that is recorded and has not closed: antiphon doctor"
        yield f"Follow it: {command('watch', name)}"
    elif not said and trace.verdict == "completed":
        yield "Nothing is to be done."
    elif not said:
        yield f"See what happened: {command('trace', name)}"


def _acknowledge(trace: Trace) -> Iterator[str]:
    summary = trace.summary
    told = bool(trace.escalations) or summary.escalated is not None
    if told and trace.acknowledgement is None and summary.acked is None:
        known = command("ack", trace.correlation_id)
        yield f"People were told and nobody has acknowledged it: {known}"


def _owed(trace: Trace) -> Iterator[str]:
    """Say of each thing it waits for who can end the waiting, or that nobody need."""
    steps = {step.id: step for step in trace.steps}
    for owed in trace.outstanding:
        match owed.type:
            case pending.LATER | pending.JOIN:
                yield from _instant(owed)
            case pending.UNDO:
                yield "Undoing goes on by itself, step after step; if it does not: antiphon doctor"
            case pending.CHILD:
                yield f"See what its child waits for: {command('explain', owed.entry)}"
            case _ if owed.group == NOBODY:
                yield (
                    f"Deploy a handler of {owed.type}, or wait until it is given up "
                    "(ANTIPHON_UNHEARD_AFTER); what handlers there are: antiphon groups list"
                )
            case _ if owed.id in steps:
                yield from _step(steps[owed.id], trace)
            case _:
                yield from _unbegun(owed)


def _instant(owed: Outstanding) -> Iterator[str]:
    if "has waited beyond" in owed.words:
        yield "An instant has passed and no worker has seen it; does any run? antiphon doctor"


def _unbegun(owed: Outstanding) -> Iterator[str]:
    service = owed.group.rpartition(".")[0]
    retire = command("groups retire", owed.group)
    yield (
        f"{owed.group} has not been taken up; does a worker of {service} run? antiphon groups "
        f"list; if the handler is gone for good: {retire}"
    )


def _step(step: Step, trace: Trace) -> Iterator[str]:
    service = shlex.quote(step.service)
    match step.outcome:
        case StepOutcome.HELD:
            yield from _hold(step.holds[-1], step, trace)
        case StepOutcome.RETRYING if step.due and step.due >= trace.as_of:
            at = clock(step.due, trace.as_of)
            yield (
                f"The next attempt of {step.group} {_BY_ITSELF} at {at}; repair what it needs "
                "meanwhile."
            )
        case StepOutcome.RETRYING | StepOutcome.RELEASED | StepOutcome.OWED:
            yield f"{named(step)} is due; does a worker of {service} run? antiphon groups list"
        case StepOutcome.WAITING:
            yield f"{named(step)} {_BY_ITSELF}, when the other delivery has ended."
        case _:
            yield f"{named(step)} is being worked on: wait, or look at the log of {service}."


def _hold(hold: Hold, step: Step, trace: Trace) -> Iterator[str]:
    kind = hold.guard.kind
    if kind == approvals.GUARD:
        yield from _answer(hold.guard.name, trace)
    elif kind == "pause":
        option = Scope(hold.guard.name).option
        yield f"When it is safe to go on with {step.group}: {f'antiphon resume {option}'.rstrip()}"
    elif kind == "storm":
        yield "When the storm is over: antiphon resume --storm"
    elif kind == "breaker":
        yield (
            f"The breaker {hold.guard.name} probes by itself; repair what is behind it. "
            "antiphon guards; to close it by hand: "
            f"{command('guards reset breaker', hold.guard.name, _WHY)}"
        )
    else:
        yield f"The turn of {step.group} {_BY_ITSELF} ({hold.guard}); the queue: antiphon guards"


def _answer(name: str, trace: Trace) -> Iterator[str]:
    asked = next((it for it in trace.approvals if it.id == name), None)
    who = approvals.people(asked) if asked else "somebody who may"
    other = f", but not {asked.requester}, who asked for it" if asked and asked.requester else ""
    yield (
        f"{who} must answer{other}: {command('approve', name, _WHY)}, "
        f"or {command('deny', name, _WHY)}"
    )


def _remedies(trace: Trace) -> Iterator[str]:
    """Say what to do about what went wrong for good."""
    yield from _letters(trace)
    for step in trace.steps:
        why = step.suppression
        if why is None or step.event_type in NEWS:
            continue
        if why.guard.kind == "budget":
            times = why.guard.value or "so many"
            yield (
                f"Find out why {step.group} did not help {times} times; then: "
                f"{command('guards reset budget', why.guard.name, _WHY)}, and publish the "
                "failure anew if it is still there"
            )
        elif why.guard.kind == "staleness":
            yield (
                "The failure was too old to act on; if it is still there, publish it anew: "
                "antiphon publish"
            )
    if trace.halt or trace.summary.halted:
        path = command("trace", trace.correlation_id, "--path end")
        yield f"Break the loop that halted it: {path}; antiphon check"
    in_vain = any(s.undo_of and s.outcome == StepOutcome.DIED for s in trace.steps)
    if trace.summary.notundone or in_vain:
        yield "Take back by hand what could not be undone, which is named above."
    if trace.summary.unanswered:
        yield "Something was answered by nobody: antiphon groups list; antiphon check"


def _letters(trace: Trace) -> Iterator[str]:
    settled = {step.replay_of for step in trace.steps} | {it.dead for it in trace.discards}
    died = [step for step in trace.steps if step.outcome == StepOutcome.DIED]
    dead = [step for step in died if not step.dead or step.dead not in settled]
    # Who threw a letter away without keeping the log did so unseen.
    unless = ", unless its letter was dropped" if trace.source == "logs" else ""
    for step in dead[:_LETTERS]:
        if step.dead:
            yield (
                f"Repair what killed {named(step)}, then{unless}: antiphon dead replay {step.dead}"
            )
    if len(dead) > _LETTERS or any(not step.dead for step in dead[:_LETTERS]):
        name = shlex.quote(trace.correlation_id)
        yield f"Look at its dead letters: antiphon dead list --correlation-id {name}"
