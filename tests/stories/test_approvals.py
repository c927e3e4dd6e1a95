"""Approvals: a step runs when people have agreed, once, and for the very event it was about."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from antiphon import Approval, Recovery, Service, Settings
from antiphon.broker.approvals import Approvals, Ask
from antiphon.broker.cancelling import Cancelling
from antiphon.broker.errand import Errand
from antiphon.errors import AntiphonError, ConfigurationError
from antiphon_events import DatabaseFailed, DatabaseRestored
from support import until
from witness import Witness, rows, running

FAILED = DatabaseFailed(subject="orders-db")


class Desk:
    """A service whose restore needs approval, and the people who give it."""

    def __init__(self, settings: Settings, approval: Approval) -> None:
        self.service = Service("shop", settings=settings)
        self.ran: list[str] = []

        @self.service.on(DatabaseFailed, approval=approval)
        async def restore(failed: DatabaseFailed, recovery: Recovery) -> DatabaseRestored:
            self.ran.append(recovery.correlation_id)
            return DatabaseRestored(subject=failed.subject)


async def asked(errand: Errand, *, tier: int = 1) -> Ask:
    """Wait for the one request."""

    async def found() -> list[Ask]:
        return [ask for ask in await Approvals(errand).waiting() if ask.tier >= tier]

    [ask] = await until(found, 20)
    return ask


async def answer(errand: Errand, ask: Ask, by: str, *, grant: bool = True) -> Any:
    return await Approvals(errand).answer(ask.id, by=by, grant=grant, reason="seen it")


async def test_a_step_runs_once_it_is_approved(settings: Settings, witness: Witness) -> None:
    """Nothing runs before; the request says what is asked of whom; the answer is in the record."""
    desk = Desk(settings, Approval(("ana", "ben")))
    async with running(desk.service), Errand.begin(settings) as errand:
        receipt = await desk.service.publish(FAILED)
        ask = await asked(errand)
        assert (ask.step, ask.subject, ask.event_type) == (
            "shop.restore", "orders-db", "database.failed",
        )  # fmt: skip
        assert (ask.who, ask.quorum, ask.votes, ask.requester) == (("ana", "ben"), 1, (), "shop")
        assert (ask.correlation_id, ask.event_id) == (receipt.correlation_id, receipt.event_id)
        assert desk.ran == []
        granted = await answer(errand, ask, "ana")
        assert (granted.state, granted.votes, granted.quorum) == ("granted", 1, 1)
        record = await witness.closed(receipt.correlation_id)
        assert await Approvals(errand).waiting() == ()
    assert desk.ran == [receipt.correlation_id]
    assert rows(record, "asked", approval=ask.id, who="ana,ben")
    assert rows(record, "approved", by="ana", reason="seen it")
    [requested] = await witness.entries("approval.requested")
    assert ask.id in requested["data"]
    assert len(await witness.entries("approval.granted")) == 1


async def test_one_who_denies_is_enough(settings: Settings, witness: Witness) -> None:
    """The step is given up, and the verdict names who refused and why."""
    desk = Desk(settings, Approval(("ana", "ben"), quorum=2))
    async with running(desk.service), Errand.begin(settings) as errand:
        receipt = await desk.service.publish(FAILED)
        ask = await asked(errand)
        assert (await answer(errand, ask, "ana")).state == "pending"
        assert (await answer(errand, ask, "ben", grant=False)).state == "denied"
        record = await witness.closed(receipt.correlation_id, verdict="failed")
    assert desk.ran == []
    assert any("denied by ben: seen it" in reason for reason in record.summary.reasons)
    assert len(await witness.entries("approval.denied")) == 1


async def test_a_quorum_counts_people_not_answers(settings: Settings, witness: Witness) -> None:
    """One person counts once."""
    desk = Desk(settings, Approval(("ana", "ben", "cleo"), quorum=2))
    async with running(desk.service), Errand.begin(settings) as errand:
        receipt = await desk.service.publish(FAILED)
        ask = await asked(errand)
        await answer(errand, ask, "ana")
        with pytest.raises(AntiphonError, match="ana has answered already"):
            await answer(errand, ask, "ana")
        assert desk.ran == []
        await answer(errand, ask, "cleo")
        record = await witness.closed(receipt.correlation_id)
    assert [row.text("votes") for row in rows(record, "approved")] == ["1", "2"]


@pytest.mark.parametrize(
    ("by", "why"),
    [
        ("dora", "dora may not answer for shop.restore: ask ana or shop"),
        ("shop", "shop asked for this recovery"),
    ],
)
async def test_the_wrong_person_is_refused(
    settings: Settings, witness: Witness, by: str, why: str
) -> None:
    """Neither a stranger nor the requester decides, whatever they say."""
    desk = Desk(settings, Approval(("ana", "shop")))
    async with running(desk.service), Errand.begin(settings) as errand:
        receipt = await desk.service.publish(FAILED)
        ask = await asked(errand)
        for grant in (True, False):
            with pytest.raises(AntiphonError, match=why):
                await answer(errand, ask, by, grant=grant)
        await answer(errand, ask, "ana")
        record = await witness.closed(receipt.correlation_id)
    assert len(rows(record, "approved")) == 1


async def test_anybody_else_may_answer_when_nobody_is_named(
    settings: Settings, witness: Witness
) -> None:
    """Without names only the requester is left out."""
    desk = Desk(settings, Approval())
    async with running(desk.service), Errand.begin(settings) as errand:
        receipt = await desk.service.publish(FAILED)
        ask = await asked(errand)
        with pytest.raises(AntiphonError, match="shop asked for this recovery"):
            await answer(errand, ask, "shop")
        await answer(errand, ask, "somebody")
        await witness.closed(receipt.correlation_id)


async def test_a_late_answer_is_refused_with_who_was_first(
    settings: Settings, witness: Witness
) -> None:
    """A decided request cannot be decided again, neither way."""
    desk = Desk(settings, Approval(("ana", "ben")))
    async with running(desk.service), Errand.begin(settings) as errand:
        receipt = await desk.service.publish(FAILED)
        ask = await asked(errand)
        await answer(errand, ask, "ana")
        await witness.closed(receipt.correlation_id)
        with pytest.raises(AntiphonError, match=r"too late: shop.restore about orders-db has run"):
            await answer(errand, ask, "ben", grant=False)
        with pytest.raises(AntiphonError, match=r"no step of the cell .* waits"):
            await Approvals(errand).answer("abc", by="ana", grant=True, reason="")


async def test_nobody_answers_and_the_step_is_denied(settings: Settings, witness: Witness) -> None:
    """Expired with ``deny``: given up, and said so."""
    desk = Desk(settings, Approval(("ana",), within="300ms", otherwise="deny"))
    async with running(desk.service), Errand.begin(settings) as errand:
        receipt = await desk.service.publish(FAILED)
        ask = await asked(errand)
        record = await witness.closed(receipt.correlation_id, verdict="failed")
        with pytest.raises(AntiphonError, match=r"too late.*denied by nobody"):
            await answer(errand, ask, "ana")
    assert desk.ran == []
    assert any("nobody answered in time" in reason for reason in record.summary.reasons)
    assert rows(record, "expired", otherwise="deny")
    assert len(await witness.entries("approval.expired")) == 1


async def test_nobody_answers_and_the_step_proceeds(
    settings: Settings, witness: Witness, capsys: pytest.CaptureFixture[str]
) -> None:
    """Expired with ``proceed``: it runs, and record and log say that nobody had agreed."""
    desk = Desk(settings, Approval(("ana",), within="300ms", otherwise="proceed"))
    async with running(desk.service):
        receipt = await desk.service.publish(FAILED)
        record = await witness.closed(receipt.correlation_id)
    assert desk.ran == [receipt.correlation_id]
    assert rows(record, "expired", otherwise="proceed")
    assert not rows(record, "approved")
    (said,) = [line for line in capsys.readouterr().out.splitlines() if "approval.expired" in line]
    assert "otherwise=proceed" in said


async def test_nobody_answers_and_people_are_told(settings: Settings, witness: Witness) -> None:
    """Expired with ``escalate``: it goes on waiting, and can still be approved."""
    desk = Desk(settings, Approval(("ana",), within="300ms", otherwise="escalate"))
    async with running(desk.service), Errand.begin(settings) as errand:
        receipt = await desk.service.publish(FAILED)
        await witness.told(receipt.correlation_id, "escalated", guard="approval")
        ask = await asked(errand)
        assert ask.expires is None
        await answer(errand, ask, "ana")
        record = await witness.closed(receipt.correlation_id)
    assert len(rows(record, "escalated")) == 1


async def test_the_next_tier_may_answer_once_the_first_has_not(
    settings: Settings, witness: Witness
) -> None:
    """A tier more may answer each time nobody did; those of before still may."""
    desk = Desk(settings, Approval(("ana",), then=[("ben",)], within="1s"))
    async with running(desk.service), Errand.begin(settings) as errand:
        receipt = await desk.service.publish(FAILED)
        ask = await asked(errand)
        with pytest.raises(AntiphonError, match="ben may not answer"):
            await answer(errand, ask, "ben")
        ask = await asked(errand, tier=2)
        assert ask.who == ("ana", "ben")
        await answer(errand, ask, "ben")
        record = await witness.closed(receipt.correlation_id)
    assert [row.text("tier") for row in rows(record, "asked")] == ["1", "2"]
    assert rows(record, "expired", otherwise="next tier")


async def test_an_approval_is_for_one_event_alone(settings: Settings, witness: Witness) -> None:
    """What was approved for one failure is asked again for the next."""
    desk = Desk(settings.model_copy(update={"coalesce": False}), Approval(("ana",)))
    async with running(desk.service), Errand.begin(settings) as errand:
        first = await desk.service.publish(FAILED)
        one = await asked(errand)
        await answer(errand, one, "ana")
        await witness.closed(first.correlation_id)
        second = await desk.service.publish(FAILED)
        other = await asked(errand)
        assert other.id != one.id
        assert len(desk.ran) == 1
        await answer(errand, other, "ana")
        await witness.closed(second.correlation_id)


async def test_a_worker_that_dies_while_it_waits_changes_nothing(
    settings: Settings, witness: Witness
) -> None:
    """The request is the cell's: another worker runs the step, and it is asked for once."""
    first, second = (Desk(settings, Approval(("ana",))) for _ in range(2))
    async with Errand.begin(settings) as errand:
        async with running(first.service):
            receipt = await first.service.publish(FAILED)
            ask = await asked(errand)
        await answer(errand, ask, "ana")
        async with running(second.service):
            record = await witness.closed(receipt.correlation_id)
    assert (first.ran, second.ran) == ([], [receipt.correlation_id])
    assert len(rows(record, "asked")) == 1


async def test_a_cancelled_recovery_asks_nobody_any_more(
    settings: Settings, witness: Witness
) -> None:
    """The request goes with the recovery, and an answer to it is refused."""
    desk = Desk(settings, Approval(("ana",)))
    async with running(desk.service), Errand.begin(settings) as errand:
        receipt = await desk.service.publish(FAILED)
        ask = await asked(errand)
        await Cancelling(errand).cancel(receipt.correlation_id, by="cleo", reason="a drill")
        await witness.closed(receipt.correlation_id, verdict="cancelled")
        assert await Approvals(errand).waiting() == ()
        with pytest.raises(AntiphonError, match=r"too late"):
            await answer(errand, ask, "ana")
    assert desk.ran == []


async def test_two_who_answer_at_once_decide_once(settings: Settings, witness: Witness) -> None:
    """Of a yes and a no at the same time one counts, and the other is told so."""
    desk = Desk(settings, Approval(("ana", "ben")))
    async with running(desk.service), Errand.begin(settings) as errand:
        await desk.service.publish(FAILED)
        ask = await asked(errand)
        answers = await asyncio.gather(
            answer(errand, ask, "ana"),
            answer(errand, ask, "ben", grant=False),
            return_exceptions=True,
        )
    assert sum(isinstance(a, AntiphonError) for a in answers) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Approval("ana"),
        lambda: Approval(("ana",), quorum=2),
        lambda: Approval(("ana",), quorum=0),
        lambda: Approval(("a,b",)),
        lambda: Approval((), then=[("ben",)]),
        lambda: Approval(("ana",), then=[("ben",)], within=None),
        lambda: Approval(("ana",), otherwise="shrug"),  # type: ignore[arg-type]
    ],
)
def test_an_approval_that_makes_no_sense_is_refused(wrong: Any) -> None:
    """A quorum nobody can reach, a name that is none, a tier that never has its turn."""
    with pytest.raises(ConfigurationError):
        wrong()
