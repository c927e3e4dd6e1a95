"""``antiphon ack``: a person knows, and nobody further up is told."""

from __future__ import annotations

import getpass
import json

from antiphon import Publisher, Settings
from antiphon.broker.errand import Errand
from antiphon.instants import instant, iso
from antiphon_events import ServiceFailed
from escalating import giving_up
from program import antiphon
from witness import Witness


async def escalated(settings: Settings) -> str:
    """A recovery that people were told of."""
    async with Publisher(settings) as publisher, Errand.begin(settings) as errand:
        receipt = await publisher.publish(ServiceFailed(subject="orders-api"))
        await errand.gatherer.run(giving_up(errand.keys, settings, receipt.correlation_id))
    return receipt.correlation_id


async def test_an_escalation_is_acknowledged_once(settings: Settings, witness: Witness) -> None:
    """Who was first stays; whoever repeats it learns who and when, and does no harm."""
    recovery = await escalated(settings)
    first = await antiphon(settings, "ack", recovery, "--as", "ada", "--reason", "on my way")
    assert first.status == 0, first.err
    assert first.out == "Acknowledged by ada: nobody further up is told.\n"
    row = await witness.told(recovery, "acknowledged", by="ada", why="on my way")
    assert await witness.client.zcard(witness.keys.escalations) == 0

    again = await antiphon(settings, "ack", recovery, "--as", "bob")
    assert again.status == 0
    summary = await witness.client.hgetall(witness.keys.recovery(recovery))
    acked = iso(instant(int(summary[b"acked"])))
    assert again.out == f"ada had acknowledged it already, at {acked}.\n"
    assert abs((row.at - instant(int(summary[b"acked"]))).total_seconds()) < 1


async def test_the_log_says_who_acknowledged(settings: Settings) -> None:
    """Where standard error is no terminal it is a log, and gets one line for the first of them.

    Who repeats it gets a line again: the first may have been lost with the answer.
    """
    recovery = await escalated(settings)
    first = await antiphon(settings, "ack", recovery, "--as", "ada", "--reason", "on my way")
    logged = json.loads(first.err)
    assert (logged.pop("event"), logged.pop("level")) == ("escalation.acknowledged", "info")
    assert logged.pop("timestamp")
    assert logged == {"correlation_id": recovery, "by": "ada", "reason": "on my way"}
    assert (await antiphon(settings, "ack", recovery)).err == ""
    again = json.loads((await antiphon(settings, "ack", recovery, "--as", "ada")).err)
    assert again["repeated"] is True


async def test_programs_read_json(settings: Settings) -> None:
    """The one who acknowledges is the user who runs it, unless told otherwise."""
    recovery = await escalated(settings)
    first = (await antiphon(settings, "ack", recovery, "--json")).document
    again = (await antiphon(settings, "ack", recovery, "--json", "--as", "bob")).document
    assert (first["correlation_id"], first["by"]) == (recovery, getpass.getuser())
    assert (first["repeated"], again["repeated"]) == (False, True)
    assert {**again, "repeated": False} == first


async def test_there_must_be_something_to_acknowledge(settings: Settings, witness: Witness) -> None:
    """An unknown recovery is a mistake, and so is one that nobody was told of."""
    unknown = await antiphon(settings, "ack", "no-such-recovery")
    assert unknown.status == 2
    assert unknown.complaint.startswith("no recovery 'no-such-recovery' is recorded in the cell")
    async with Publisher(settings) as publisher:
        receipt = await publisher.publish(ServiceFailed(subject="orders-api"))
    quiet = await antiphon(settings, "ack", receipt.correlation_id)
    assert quiet.status == 2
    assert "there is nothing to acknowledge; `antiphon trace" in quiet.complaint
    assert await witness.client.xlen(witness.keys.audit) == 0
