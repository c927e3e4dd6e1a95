"""The judge: holds a trace to the truth, and says everything in which they differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from antiphon.trace import Attempt, Step, Trace
from seeing.truth import Delivery, Place, Run, Truth, Truths

_VAIN = {"taken_over", "unknown"}


def judge(trace: Trace, truth: Truth, all_of_them: Truths) -> list[str]:
    """Say what the trace of a ledger lacks, and what it has made up."""
    return [f"{truth.id} ({truth.root['subject']}): {said}"
            for said in _Judge(trace, truth, all_of_them).all()]  # fmt: skip


class _Judge:
    def __init__(self, trace: Trace, truth: Truth, truths: Truths) -> None:
        self.trace = trace
        self.truth = truth
        self.truths = truths
        self.steps = {(s.group, s.event_id, s.entry): s for s in trace.steps}

    def all(self) -> Iterator[str]:
        yield from (f"the ledger lacks {gap}" for gap in self.trace.missing)
        for place in {*self.truth.deliveries, *self.steps}:
            step, delivery = self.steps.get(place), self.truth.deliveries.get(place, Delivery())
            yield from (f"{place[0]} on {place[1]}: {it}" for it in self._delivery(step, delivery))
        yield from self._events()
        yield from self._recovery()

    def _delivery(self, step: Step | None, d: Delivery) -> Iterator[str]:
        if step is None:
            if d.runs or d.held or d.decided:
                yield f"not traced, though {d}"
            return
        yield from self._attempts(step, d)
        extra = len(d.unheard)
        holds = Counter((h.guard.kind, h.guard.name) for h in step.holds)
        truly = Counter(d.held)
        if missed := truly - holds:
            yield f"holds not traced: {dict(missed)}"
        if (invented := holds - truly) and sum(invented.values()) > extra:
            yield f"holds made up: {dict(invented)}"
        yield from self._decisions(step, d)

    def _decisions(self, step: Step, d: Delivery) -> Iterator[str]:
        final = [it for it in d.decided if it[0] != "waiting"]
        if len({kind for kind, _ in final}) > 1:
            yield f"more than one end: {final}"
        kinds = {"duplicate", "joined", "suppressed", "outrun", "late", "skipped"}
        if final:
            kind, what = final[0]
            if step.outcome.value != kind:
                yield f"{kind} traced as {step.outcome.value}"
            elif kind == "duplicate" and step.of != what[0]:
                yield f"duplicate of {what[0]} traced as of {step.of}"
            elif kind == "suppressed" and (
                step.suppression is None
                or (step.suppression.guard.kind, step.suppression.guard.name, step.suppression.why)
                != what
            ):
                yield f"suppressed by {what}, traced as by {step.suppression}"
        elif step.outcome.value in kinds and not d.unheard:
            yield f"made up that it was {step.outcome.value}"
        waits = Counter(what[0] for kind, what in d.decided if kind == "waiting")
        traced = Counter(wait.of for wait in step.key_waits)
        if set(waits) - set(traced):
            yield f"waits not traced: {waits - traced}"
        if set(traced) - set(waits) and not d.unheard:
            yield f"waits made up: {traced - waits}"

    def _attempts(self, step: Step, d: Delivery) -> Iterator[str]:
        left = list(step.attempts)
        for position, run in enumerate(d.runs):
            found = next((a for a in left if (a.no, a.consumer) == (run.no, run.consumer)), None)
            if found is None:
                yield f"attempt {run.no} on {run.consumer} is not traced"
                continue
            left.remove(found)
            yield from self._attempt(found, run, d.runs[position + 1 :])
        for attempt in left:
            if not any(n["consumer"] == attempt.consumer for n in d.unheard):
                yield f"attempt {attempt.no} on {attempt.consumer} is made up"

    def _attempt(self, told: Attempt, run: Run, later: list[Run]) -> Iterator[str]:
        which = f"attempt {run.no} on {run.consumer}"
        outcome = told.outcome.value
        if run.outcome and run.outcome != "refused":
            if outcome != run.outcome:
                yield f"{which} ended as {run.outcome}, traced as {outcome}"
            if run.outcome in {"retried", "died"} and told.error != run.error:
                yield f"{which} failed with {run.error!r}, traced with {told.error!r}"
        elif outcome not in _VAIN | {run.doubtful}:
            yield f"{which} ended in vain, traced as {outcome}"
        elif outcome == run.doubtful and later and outcome == "completed":
            yield f"{which} is traced as completed, and it was begun again"
        if run.outcome == "refused" and told.refused is None:
            yield f"{which} came too late with its outcome, which is not traced"
        lost = run.ended is not None and run.ended.get("kind") == "LeaseLost"
        if told.refused is not None and run.outcome != "refused" and not (run.doubtful or lost):
            yield f"{which} is said to have come too late"
        if told.reckoned:
            yield f"{which}: when it began is reckoned"
        if (told.taken_over_from or "") != run.previous:
            yield f"{which} took over from {run.previous!r}, traced {told.taken_over_from!r}"
        yield from (f"{which}: {it}" for it in self._life(run))

    def _life(self, run: Run) -> Iterator[str]:
        """Hold what was asked of the server to what the handler did."""
        dead = run.consumer in self.truths.dead
        if run.began is None:
            # Nobody calls a handler under which so many workers have died.
            if not dead and "workers died" not in run.error and run.outcome != "refused":
                yield f"was let run and never began: {run}"
            return
        end = run.ended["what"] if run.ended else "nothing"
        outcome = run.outcome or run.doubtful
        allowed = {
            "completed": {"returned"},
            "retried": {"raised", "interrupted"},
            "died": {"raised", "interrupted"},
            "released": {"interrupted"},
            "held": {"raised"},
            "refused": {"returned", "raised", "interrupted"},
            "": {"nothing", "returned", "raised", "interrupted"},
        }
        if end not in allowed[outcome]:
            yield f"the handler {end}, and it was settled as {outcome!r}"
        if end == "raised" and outcome in {"retried", "died"} and run.ended:
            said = f"{run.ended['kind']}: {run.ended['error']}"
            if said != run.error:
                yield f"the handler raised {said!r}, and {run.error!r} was noted"

    def _committed(self) -> Iterator[tuple[Place, Run]]:
        for place, delivery in self.truth.deliveries.items():
            for run in delivery.runs:
                step = self.steps.get(place)
                attempts = step.attempts if step else ()
                told = [a.outcome.value for a in attempts if a.no == run.no]
                doubtful = run.doubtful == "completed" and "completed" in told
                if run.outcome == "completed" or doubtful:
                    yield place, run

    def _events(self) -> Iterator[str]:
        root = self.truth.root
        expected = Counter({(root["type"], root["subject"], root.get("cause", ""), ""): 1})
        later, children = Counter[Any](), set[Any]()
        for (group, event, _), run in self._committed():
            if run.ended is None or run.ended["undo"]:
                continue
            for kind, subject in run.ended["events"]:
                expected[kind, subject, event, group] += 1
            for kind, subject in run.ended["later"]:
                later[kind, subject, event, group] += 1
            children |= {(child, kind, subject) for child, kind, subject in run.ended["children"]}
        told = Counter(
            (e.type, e.subject, e.cause, e.by)
            for e in self.trace.events
            if e.type not in {"join.timed_out", "child.closed"}
        )
        put_off = Counter((s.type, s.subject, s.cause, s.by) for s in self.trace.scheduled)
        if put_off != later:
            yield f"put off {dict(later)}, traced {dict(put_off)}"
        published = told - expected
        if told & expected != expected:
            yield f"events not traced: {dict(expected - told)}"
        if published - later:
            yield f"events made up: {dict(published - later)}"
        fired = sum(n["script"] == "later" and n["reply"][0] == 1 for n in self.truth.timers)
        if sum(published.values()) != fired and not self.truth.unheard:
            yield f"{fired} delayed events were published, {dict(published)} traced"
        if children != {(c.id, c.type, c.subject) for c in self.trace.children}:
            yield f"children {children}, traced {self.trace.children}"

    def _recovery(self) -> Iterator[str]:
        truth, trace = self.truth, self.trace
        counts = {
            "coalesced": (truth.coalesced, trace.summary.coalesced),
            "told": (truth.told, len(trace.escalations)),
            "relapse": (truth.relapse_of, trace.relapse.of if trace.relapse else ""),
            "halt": (truth.halted, trace.halt.path if trace.halt else ""),
            "stalls": (self._fired("stall"), int(trace.stall is not None)),
            "joins given up": (self._fired("timeout"), len(trace.timeouts)),
            "undos": (self._undone(), sum(bool(s.undo_of) for s in trace.steps)),
            "children told": (self._fired("child"), sum(bool(c.closed) for c in trace.children)),
        }
        for what, (truly, told) in counts.items():
            if truly != told and not truth.doubtful:
                yield f"{what}: {truly}, traced {told}"
        yield from self._people()
        yield from self._verdict()

    def _fired(self, script: str) -> int:
        return sum(n["script"] == script and n["reply"][0] == 1 for n in self.truth.timers)

    def _undone(self) -> int:
        return sum(
            n["script"] == "undo" and n["reply"][0] == 1 and n["reply"][2] != ""
            for n in self.truth.timers
        )

    def _people(self) -> Iterator[str]:
        answers = Counter((n["by"], n["grant"]) for n in self._did("answering"))
        votes = Counter((v.by, True) for a in self.trace.approvals for v in a.votes)
        votes += Counter((a.denial.by, False) for a in self.trace.approvals if a.denial)
        if answers != votes:
            yield f"answers {dict(answers)}, traced {dict(votes)}"
        cancelled, it = self._cancelled(), self.trace.cancellation
        if cancelled != (it is not None) or (it and (it.by, it.reason) != ("cleo", "enough")):
            yield f"cancelled: {cancelled}, traced {it}"
        known = bool(self._did("acknowledged"))
        if known != (self.trace.acknowledgement is not None) and not self.truth.unheard:
            yield f"acknowledged: {known}, traced {self.trace.acknowledgement}"
        replays = {n["dead"] for n in self._did("replaying")}
        if replays != {s.replay_of for s in self.trace.steps if s.replay_of}:
            yield f"replayed {replays}, traced otherwise"

    def _cancelled(self) -> bool:
        if self.truth.unheard and self._did("cancelling"):
            # The answer to a repetition is only that it is over.
            return self.trace.cancellation is not None
        return bool(self._did("cancelled"))

    def _did(self, what: str) -> list[dict[str, Any]]:
        return [note for note in self.truth.notes if note["what"] == what]

    def _verdict(self) -> Iterator[str]:
        trace = self.trace
        if trace.status != "closed":
            yield "it is said to be open"
        elif self._cancelled() and trace.verdict != "cancelled":
            yield f"cancelled, and the verdict is {trace.verdict}"
        elif not self._cancelled() and trace.verdict == "cancelled":
            yield "nobody cancelled it"
