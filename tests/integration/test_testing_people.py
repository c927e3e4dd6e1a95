"""The test kit and people: they approve, deny and cancel in a test, and are expected to have."""

from __future__ import annotations

import pytest

from antiphon import Approval, Service
from antiphon.errors import AntiphonError
from antiphon.testing import Cell, Unmet, expect
from antiphon_events import ServiceFailed, ServiceRestarted

pytestmark = pytest.mark.usefixtures("shared_server")

FAILED = ServiceFailed(subject="api")


@pytest.fixture
def asking() -> Service:
    """A service whose restart two people may allow."""
    service = Service("api")

    @service.on(ServiceFailed, approval=Approval(("ana", "ben"), quorum=2))
    async def restart(failed: ServiceFailed) -> ServiceRestarted:
        return ServiceRestarted(subject=failed.subject)

    return service


async def test_people_approve_in_a_test(kit: Cell, asking: Service) -> None:
    """By the step or by the approval's id; the wait until it asks is part of it."""
    async with kit.running(asking):
        receipt = await kit.publish(FAILED)
        first = await kit.approve("api.restart", by="ana", reason="I have looked")
        assert (first.state, first.votes, first.quorum) == ("pending", 1, 2)
        (ask,) = await kit.approvals()
        assert (ask.step, ask.votes, ask.requester) == ("api.restart", ("ana",), "test")
        second = await kit.approve(ask.id, by="ben")
        trace = await kit.settled(receipt)
    assert second.state == "granted"
    expect(trace).completed().held_by("approval", "api.restart").ran("api.restart", times=1)
    assert await kit.approvals() == ()


async def test_people_deny_in_a_test(kit: Cell, asking: Service) -> None:
    """One is enough."""
    async with kit.running(asking):
        receipt = await kit.publish(FAILED)
        assert (await kit.deny("api.restart", by="ben", reason="not now")).state == "denied"
        trace = await kit.settled(receipt)
    expect(trace).failed().suppressed_by("approval", "api.restart").did_not_run("api.restart")


async def test_an_answer_that_nobody_asked_for_is_named(kit: Cell, asking: Service) -> None:
    """A wrong name, a wrong person, and one step that asks twice."""
    async with kit.running(asking):
        with pytest.raises(LookupError, match=r"api\.restart does not wait .*; these do: none"):
            await kit.approve("api.restart", by="ana", within="10ms")
        one = await kit.publish(FAILED)
        await kit.until(one, lambda it: it.held_by("approval"))
        with pytest.raises(LookupError, match=r"not within 10ms; these do: api\.restart"):
            await kit.deny("api.reload", by="ana", within="10ms")
        with pytest.raises(AntiphonError, match="test asked for this recovery"):
            await kit.approve("api.restart", by="test")
        other = await kit.publish(ServiceFailed(subject="web"))
        await kit.until(other, lambda it: it.held_by("approval"))
        with pytest.raises(LookupError, match=r"several approvals: say which of .* about api, "):
            await kit.approve("api.restart", by="ana")


async def test_a_recovery_is_cancelled_in_a_test(kit: Cell, asking: Service) -> None:
    """No further step of it begins; once it is over there is nothing to cancel."""
    async with kit.running(asking):
        receipt = await kit.publish(FAILED)
        await kit.until(receipt, lambda it: it.held_by("approval"))
        cancelled = await kit.cancel(receipt, by="ana", reason="a drill")
        trace = await kit.settled(receipt)
        assert not cancelled.repeated
        assert trace.verdict == "cancelled"
        expect(trace).did_not_run("api.restart")
        with pytest.raises(AntiphonError, match="is over, as cancelled"):
            await kit.cancel(receipt.correlation_id, by="ana")


async def test_people_are_expected(kit: Cell, asking: Service) -> None:
    """Who agreed and who refused, or that nobody did."""
    async with kit.running(asking):
        one = await kit.publish(FAILED)
        await kit.approve("api.restart", by="ana")
        trace = await kit.until(one, lambda it: it.held_by("approval"))
        with pytest.raises(
            Unmet, match=r"api\.restart to be approved; its approvals: waiting by ana"
        ):
            expect(trace).approved("api.restart")
        await kit.approve("api.restart", by="ben")
        granted = await kit.settled(one)
        other = await kit.publish(ServiceFailed(subject="web"))
        await kit.deny("api.restart", by="ben")
        denied = await kit.settled(other)
    expect(granted).approved("api.restart").approved("api.restart", by="ana")
    expect(denied).denied("api.restart").denied("api.restart", by="ben")
    with pytest.raises(Unmet, match=r"to be denied; its approvals: granted by ana by ben"):
        expect(granted).denied("api.restart")
    with pytest.raises(Unmet, match=r"to be denied by ana; its approvals: denied by ben"):
        expect(denied).denied("api.restart", by="ana")
    with pytest.raises(Unmet, match=r"to be approved; its approvals: none"):
        expect(granted).approved("api.reload")
    with pytest.raises(ValueError, match="names no handler"):
        expect(granted).approved("restart")
