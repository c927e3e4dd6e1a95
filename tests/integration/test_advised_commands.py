"""Advice can be pasted into a shell, also about a recovery whose id looks like an option."""

from __future__ import annotations

import re
import shlex

from antiphon import PermanentError, Service, Settings
from antiphon.publisher import Publisher
from antiphon_events import ServiceFailed, ServiceRestarted
from program import Ended, antiphon
from witness import Witness, running

ID = "-it's --help"


async def follow(settings: Settings, text: str, words: str) -> Ended:
    """Run the advised command that begins with these words."""
    (advised,) = set(re.findall(rf"antiphon {words} [^\n;`,]*", text))
    program, *arguments = shlex.split(advised.replace("TEXT", "'it is over'"))
    assert (program, ID in arguments) == ("antiphon", True)
    return await antiphon(settings, *arguments)


async def test_advice_about_an_id_with_a_dash_can_be_followed(
    settings: Settings, witness: Witness
) -> None:
    """Every command it gives finds that recovery: trace, watch, cancel, ack and dead list."""
    service = Service("orders", settings=settings)

    @service.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> ServiceRestarted:
        raise PermanentError(f"{failed.subject} has no disk")

    async with running(service), Publisher(settings, source="ana") as publisher:
        await publisher.publish(ServiceFailed(subject="api"), correlation_id=ID)
        await witness.closed(ID, verdict="failed")

    refused = await antiphon(settings, "cancel", "--reason", "no", "--", ID)
    assert "is over, as failed" in refused.err
    shown = await follow(settings, refused.err, "trace")
    assert (shown.status, "orders.restart" in shown.out) == (1, True)

    untold = await antiphon(settings, "ack", "--", ID)
    assert (await follow(settings, untold.err, "trace")).out == shown.out

    (letter,) = (await antiphon(settings, "dead", "list", "--json")).document
    described = await antiphon(settings, "dead", "show", letter["id"])
    assert (await follow(settings, described.out, "trace")).out == shown.out
    # The value of an option may begin with a dash without further ado.
    listed = await antiphon(settings, "dead", "list", "--json", "--correlation-id", ID)
    assert listed.document == [letter]


async def test_an_open_recovery_with_a_dash_can_be_followed_and_cancelled(
    settings: Settings,
) -> None:
    """What explain and cancel advise can be run as it is."""
    service = Service("orders", settings=settings)

    @service.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> ServiceRestarted:
        return ServiceRestarted(subject=failed.subject)

    async with running(service):
        pass  # it is registered, and gone
    async with Publisher(settings, source="ana") as publisher:
        await publisher.publish(ServiceFailed(subject="api"), correlation_id=ID)
    explained = await antiphon(settings, "explain", "--", ID)
    assert f"antiphon watch -- {shlex.quote(ID)}" in explained.out
    cancelled = await antiphon(settings, "cancel", "--as", "ana", "--reason", "no", "--", ID)
    assert cancelled.status == 0, cancelled.err
    shown = await follow(settings, cancelled.out, "trace")
    assert "cancelled by ana" in shown.out
