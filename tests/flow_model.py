"""What the flow of a recovery should be, in plain Python: what waits, times out, is undone.

It goes on where `quiescence_model` ends, and knows no more of Redis than that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from antiphon.broker.asks import approval_id
from antiphon.broker.replies import (
    Admission,
    Arrived,
    Late,
    OnHold,
    Outrun,
    Run,
    Suppressed,
    Waiting,
)
from antiphon.delivery import INBOX, Delivery
from antiphon.flow.join import Join, branch_name
from antiphon_events import ChildClosed, JoinTimedOut
from approval_model import ApprovalModel
from flow_recovery_model import FlowRecovery, Timer
from quiescence_model import (
    UNHEARD,
    Brought,
    Grip,
    Member,
    Model,
    RecoveryModel,
    Written,
    about_undo,
    member_of,
)


class FlowModel(Model):
    """All of a cell whose recoveries have a flow."""

    def __init__(self) -> None:
        super().__init__()
        self.timers: dict[Timer, bool] = {}
        self.flows: dict[str, FlowRecovery] = self.recoveries  # type: ignore[assignment]
        self.parents: dict[str, str] = {}
        self.stopped: set[str] = set()
        """Children that were cancelled before they began."""
        self.approvals: dict[str, ApprovalModel] = {}
        self.on_hold: set[str] = set()
        self.accepting: set[str] = set()
        """Types of event whose partial recoveries are accepted."""

    def _new(self, e: Written) -> FlowRecovery:
        cid = e.correlation_id
        return FlowRecovery(
            cid=cid,
            subject=e.subject,
            type=e.type,
            parent=self.parents.get(cid, ""),
            rolls_back=e.type not in self.accepting,
            cancelled=cid in self.stopped,
            timers=self.timers,
        )

    # Beginning

    def admit(self, d: Delivery, consumer: str, owner: str) -> Admission:
        name = "|".join(member_of(d))
        held = name in self.on_hold
        reply = super().admit(d, consumer, owner)
        if held and not isinstance(reply, OnHold | Waiting):
            self.on_hold.discard(name)
            if not isinstance(reply, Run) and name in self.approvals:
                asked = self.approvals[name]
                asked.state = "over" if asked.state == "pending" else asked.state
        if isinstance(reply, Run) and name in self.approvals and self.approvals[name].unanswered:
            return replace(reply, unapproved=approval_id(d))
        return reply

    def _branches(self, d: Delivery) -> dict[str, bytes]:
        return {} if d.undo else super()._branches(d)

    def _stopped(self, d: Delivery, recovery: RecoveryModel, *, mine: bool) -> Admission | None:
        assert isinstance(recovery, FlowRecovery)
        join = d.handler.join if d.undo is None else None
        if join and (early := self._gather(d, join, recovery)):
            return early
        if (refusal := self._limited(d, recovery)) or (refusal := self._ask(d, recovery, mine)):
            if not isinstance(refusal, OnHold):
                self._forget_key(d)
            return refusal
        if join and not mine:
            self._win(d, join, recovery)
        return None

    def _forget_key(self, d: Delivery) -> None:
        key = d.handler.group, d.key
        if self.keys[key].holder == "|".join(member_of(d)):
            del self.keys[key]

    def _gather(self, d: Delivery, join: Join, recovery: FlowRecovery) -> Admission | None:
        group, cid = d.handler.group, d.envelope.correlation_id
        if group in recovery.timed_out:
            self._acknowledge(d)
            return Late(recovery.settle())
        arrived = self.joins[group, cid]
        if len(arrived | {d.branch}) >= join.needed:
            recovery.drop("join", group, group)
            return self._arrive(d, recovery)
        waits = ("join", group, group) in recovery.outstanding or recovery.stopped
        if d.handler.course.within and not waits and not arrived - {d.branch}:
            recovery.await_("join", group, last=group)
        reply = self._arrive(d, recovery)
        assert isinstance(reply, Arrived)
        return reply

    def _limited(self, d: Delivery, recovery: FlowRecovery) -> Admission | None:
        if d.label == INBOX:
            return None
        if recovery.stopped:
            return self._suppress(d, recovery, "undo" if recovery.undoing else "cancel")
        brings, by = d.handler.signature.completions, ""
        for kind in brings:
            places = (f"{kind.type}@*", f"{kind.type}@{d.envelope.subject}")
            by, at_ms = next((recovery.outrun[p] for p in places if p in recovery.outrun), ("", 0))
            if by in {"", d.handler.group} or int(d.entry_id.split("-")[0]) > at_ms:
                return None
        if not brings:
            return None
        self._acknowledge(d)
        return Outrun(by, recovery.settle())

    def _suppress(self, d: Delivery, recovery: FlowRecovery, guard: str) -> Admission:
        recovery.suppressed += 1
        self._acknowledge(d)
        return Suppressed(guard, "", 0, 0, 0, "", recovery.settle(), told=False, path="")

    def _win(self, d: Delivery, join: Join, recovery: FlowRecovery) -> None:
        arrived = self.joins[d.handler.group, d.envelope.correlation_id]
        if join.losers != "cancel" or join.needed >= len(join.branches):
            return
        for branch in join.branches:
            if branch_name(branch) not in arrived:
                for subject in sorted(branch.subjects) or ["*"]:
                    recovery.outrun[f"{branch.event.type}@{subject}"] = (d.handler.group, 0)

    # Approvals

    def _ask(self, d: Delivery, recovery: FlowRecovery, mine: bool) -> Admission | None:  # noqa: FBT001
        approval, name = d.handler.course.approval, "|".join(member_of(d))
        if approval is None or d.undo:
            return None
        asked = self.approvals.get(name)
        if asked is None or asked.state == "over" or (asked.state == "used" and not mine):
            asked = self.approvals[name] = ApprovalModel.of(approval)
        match asked.look():
            case "runs":
                return None
            case "given up":
                return self._suppress(d, recovery, "approval")
        self.due[member_of(d)] = False
        fresh = name not in self.on_hold
        self.on_hold.add(name)
        return OnHold("approval", "", asked.quorum, asked.agreed, 0, fresh)

    def answer(self, d: Delivery, by: str, *, grant: bool, requester: str) -> str | None:
        """Somebody answers; returns what the request is then, or None when it does not count."""
        member = member_of(d)
        recovery = self.flows[d.envelope.correlation_id]
        if not recovery.open or recovery.cancelled or by == requester:
            return None
        state = self.approvals["|".join(member)].answer(by, grant=grant)
        if state in {"granted", "denied"} and member in self.due:
            self.due[member] = True
        return state

    # Ending

    def finish(self, grip: Grip, brought: Sequence[Brought]) -> str:
        """Commit with all that a step may bring."""
        d, recovery = grip.delivery, self._ended(grip, "done")
        if d.undo:
            recovery.undone += 1
            recovery.taken_back.add(d.handler.group)
            self.keys.pop((d.handler.group, d.undo.key), None)
            if recovery.faults.pop(about_undo(d), None):
                recovery.notundone -= 1
        else:
            recovery.done += 1
            if d.handler.course.undo is not None:
                recovery.taken_back.discard(d.handler.group)
                undo_id = f"{d.envelope.id}:undo:{grip.lease.token}"
                recovery.undos.append((d.handler.group, undo_id))
        return self._bring(recovery, brought)

    def give_up_on(self, grip: Grip, brought: Sequence[Brought], *, answered: bool) -> str:
        """Bury; when an event answers for it, it is no fault."""
        d, recovery = grip.delivery, self._ended(grip, "dead")
        if d.undo:
            recovery.notundone += 1
            recovery.faults[about_undo(d)] = "notundone"
        elif not answered:
            recovery.dead += 1
            recovery.faults[f"{d.handler.group}:{d.envelope.id}"] = "dead"
        return self._bring(recovery, brought)

    def _ended(self, grip: Grip, state: str) -> FlowRecovery:
        self._conclude(grip, state)
        self._acknowledge(grip.delivery)
        return self.flows[grip.delivery.envelope.correlation_id]

    def _bring(self, recovery: FlowRecovery, brought: Sequence[Brought]) -> str:
        stopped = recovery.stopped
        for one in brought:
            if stopped and one.how != "now":
                continue
            if one.how == "later":
                recovery.later[one.event_id] = one.event
                recovery.await_("later", one.event_id, last=one.event.type)
            else:
                self.entries[one.event.type].append(one.event)
                if one.how == "child":
                    self.parents[one.event_id] = recovery.cid
                    recovery.outstanding.add(("child", one.event_id, one.event.type))
                else:
                    self._announce(one.event)
        return recovery.settle()

    def replay(self, d: Delivery, entry_id: str) -> None:
        recovery = self.flows[d.envelope.correlation_id]
        if not d.undo:
            recovery.drop("undo", str(len(recovery.undos)), "")
            recovery.cancelled, recovery.undoing = False, ""
        super().replay(d, entry_id)

    def cancel(self, cid: str) -> tuple[int, int, str] | None:
        """Returns how many children and plans were ended, and the verdict; None when refused."""
        return self._cancel(self.flows[cid]) if self.flows[cid].open else None

    def _cancel(self, recovery: FlowRecovery) -> tuple[int, int, str]:
        dropped, children = 0, 0
        if not recovery.cancelled:  # or it is repeated: who was first may have been interrupted
            recovery.cancelled = True
            recovery.undoing = "cancelled" if recovery.undoing else ""
        for kind, name, last in list(recovery.outstanding):
            if kind in {"later", "join"} or last == UNHEARD:
                recovery.drop(kind, name, last)
                recovery.later.pop(name, None)
                dropped += 1
        left = list(recovery.outstanding)
        verdict = recovery.settle()
        for kind, name, last in left:
            if kind == "child" and (child := self.flows.get(name)) is None:
                self.stopped.add(name)
                children += 1
                recovery.outstanding.discard((kind, name, last))
                recovery.settle()
            elif kind == "child" and child and child.open:
                children += (not child.cancelled) + self._cancel(child)[0]
        self.due.update({m: True for m in left if m in self.due})
        return children, dropped, verdict

    # Timers

    def will_fire(self, timer: Timer) -> str:
        """Returns the id of the event that a timer publishes, or nothing."""
        kind, name, cid = timer
        match kind:
            case "later":
                return name
            case "join":
                return f"{cid}:timeout:{name}"
            case "undo":
                return self.flows[cid].undos[-1][1]
            case "child":
                child = self.flows[cid]
                waited = ("child", cid, child.type) in self.flows[name].outstanding
                return f"{cid}:closed:{len(child.closings)}" if waited and not child.open else ""
        return ""

    def fire(self, timer: Timer, entry_id: str) -> None:
        """A timer is due and somebody noticed; what it publishes has this entry."""
        kind, name, cid = timer
        recovery = self.flows[name if kind == "child" else cid]
        del self.timers[timer]
        match kind:
            case "deadline":
                recovery.stalled = True
            case "later":
                event = recovery.later.pop(name)
                recovery.outstanding.discard(("later", name, event.type))
                self._publish(recovery, replace(event, entry_id=entry_id))
            case "join":
                recovery.outstanding.discard(("join", name, name))
                recovery.timed_out.add(name)
                self._publish(recovery, self._told(JoinTimedOut.type, recovery, entry_id))
            case "undo":
                group, _ = recovery.undos.pop()
                recovery.outstanding.discard(("undo", name, ""))
                member: Member = (INBOX, entry_id, group)
                recovery.outstanding.add(member)
                self.pending[member], self.due[member] = "undo", True
            case "child" if entry_id:
                child = self.flows[cid]
                recovery.outstanding.discard(("child", cid, child.type))
                told = self._told(ChildClosed.type, recovery, entry_id, child.subject)
                if not self.subscribers(told) and child.closings[-1][0] != "completed":
                    recovery.unanswered += 1
                self._publish(recovery, told)

    def _declined(self, d: Delivery, recovery: RecoveryModel) -> bool:
        assert isinstance(recovery, FlowRecovery)
        return super()._declined(d, recovery) and not recovery.suppressed

    def _told(self, kind: str, r: FlowRecovery, entry_id: str, subject: str = "") -> Written:
        return Written(kind, subject or r.subject, entry_id, r.cid, failure=False, recorded=True)

    def _publish(self, recovery: FlowRecovery, e: Written) -> None:
        self.entries[e.type].append(e)
        self._announce(e)
        recovery.settle()

    def planned(self, recovery: FlowRecovery) -> set[str]:
        """What the plan of a recovery names."""
        cid = recovery.cid
        waits = {f"{k}:{n}" for k, n, of in self.timers if of == cid and k in {"later", "join"}}
        waits |= {f"child:{name}" for kind, name, _ in recovery.outstanding if kind == "child"}
        return waits | {f"undo:{n}" for n in range(1, len(recovery.undos) + 1)}
