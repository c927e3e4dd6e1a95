"""Steps that wait for people, for the tests of approvals."""

from __future__ import annotations

from antiphon import Approval
from antiphon.broker.replies import (
    Admission,
    OnHold,
)
from antiphon.delivery import Delivery
from antiphon.handler import Handler
from antiphon_events import ServiceFailed
from flowing import FlowCell
from scripted import Sent, handler

FAILED = ServiceFailed(subject="orders-db")


def gate(
    *names: str, within: str | None = "1h", name: str = "orders.restore", **more: object
) -> Handler:
    key = more.pop("key", None)
    return handler(
        ServiceFailed,
        name=name,
        key=key,  # type: ignore[arg-type]
        undo=more.pop("undo", None),
        approval=Approval(names, within=within, **more),  # type: ignore[arg-type]
    )


async def asked(flow: FlowCell, h: Handler) -> tuple[Sent, Delivery, OnHold]:
    """One delivery that waits for people."""
    await flow.deploy(h)
    sent = await flow.publish(FAILED)
    delivery = await flow.read_one(h)
    reply = await flow.admit(delivery)
    assert isinstance(reply, OnHold)
    return sent, delivery, reply


async def over(flow: FlowCell, d: Delivery) -> Admission:
    """Look at it again when its time is over."""
    key = flow.keys.approval(await only(flow))
    await flow.client.hset(key, "due", 1)
    return await flow.admit(d)


async def only(flow: FlowCell) -> str:
    (one,) = await flow.asked()
    return one


async def kinds(flow: FlowCell, *names: str) -> list[str]:
    """The ids of the events of these types."""
    return [
        fields[b"id"].decode()
        for name in names
        for _, fields in await flow.client.xrange(flow.keys.events(f"approval.{name}"))
    ]
