"""Handlers that misbehave: each is judged like any error, and its worker and neighbours go on."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import pytest

from antiphon import Publisher, Recovery, Retry, Service, Settings
from antiphon_events import Event, ServiceFailed
from witness import Witness, changed, rows, running


class BlobStored(Event):
    """Data that cannot be JSON unless the bytes happen to be UTF-8."""

    type = "blob.stored"
    blob: bytes = b""


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


async def _cancels_itself(_: Recovery) -> object:
    helper = asyncio.create_task(asyncio.Event().wait())
    helper.cancel()
    await helper
    return None


async def _exits(_: Recovery) -> object:
    sys.exit("bye")


async def _raises_a_group(_: Recovery) -> object:
    raise ExceptionGroup("two", [OSError("one"), OSError("other")])


async def _raises_the_unspeakable(_: Recovery) -> object:
    raise Unspeakable


async def _raises_the_unwritable(_: Recovery) -> object:
    raise OSError("no such file: caf\udce9")


async def _says_the_unwritable(recovery: Recovery) -> object:
    await recovery.progress(0.5, "copying caf\udce9")
    raise OSError("copied")


async def _returns_no_event(_: Recovery) -> object:
    return {"type": "service.restarted"}


async def _returns_what_cannot_be_written(_: Recovery) -> object:
    return BlobStored(subject="disk", blob=b"\xff")


@pytest.mark.parametrize(
    ("unruly", "error"),
    [
        (_cancels_itself, "CancelledError"),
        (_exits, "SystemExit: bye"),
        (_raises_a_group, "ExceptionGroup: two (2 sub-exceptions)"),
        (_raises_the_unspeakable, "Unspeakable"),
        (_raises_the_unwritable, r"OSError: no such file: caf\udce9"),
        (_says_the_unwritable, "OSError: copied"),
        (_returns_no_event, "PermanentError: ops.restart returned {'type': 'service.restarted'}"),
        (_returns_what_cannot_be_written, "blob.stored"),
    ],
)
async def test_it_dies_by_its_own_fault(
    settings: Settings, witness: Witness, unruly: Callable[[Recovery], Any], error: str
) -> None:
    """The delivery dies with an error that says why, without waiting for its lease to end."""
    settings = changed(settings, lease="10m")
    ops = Service("ops", settings=settings)

    @ops.on(ServiceFailed.about("api"), retry=Retry(attempts=1))
    async def restart(failed: ServiceFailed, recovery: Recovery) -> BlobStored:
        blob: BlobStored = await unruly(recovery)
        return blob

    @ops.on(ServiceFailed.about("neighbour"))
    async def serve(failed: ServiceFailed) -> None: ...

    async with running(ops), Publisher(settings) as publisher:
        receipt, neighbour = [
            await publisher.publish(ServiceFailed(subject=subject))
            for subject in ("api", "neighbour")
        ]
        await witness.closed(neighbour.correlation_id)
        record = await witness.closed(receipt.correlation_id, verdict="failed")
    [died] = rows(record, "died")
    assert error in died.text("error")
    assert len(rows(record, "started")) == 1


async def test_a_thread_cannot_end_the_worker(settings: Settings, witness: Witness) -> None:
    """SystemExit in a sync handler is its error too."""
    ops = Service("ops", settings=changed(settings, lease="10m"))

    @ops.on(ServiceFailed, retry=Retry(attempts=1))
    def restart(failed: ServiceFailed) -> None:
        sys.exit(3)

    async with running(ops):
        receipt = await ops.publish(ServiceFailed(subject="api"))
        record = await witness.closed(receipt.correlation_id, verdict="failed")
    assert rows(record, "died")[0].text("error") == "SystemExit: 3"


async def test_an_effect_without_a_writable_name(settings: Settings, witness: Witness) -> None:
    """A key function's error, or a key nobody can write, ends the delivery, not the worker."""
    ops = Service("ops", settings=changed(settings, lease="10m"))

    @ops.on(ServiceFailed, key=lambda failed: failed.reason or "caf\udce9")
    async def restart(failed: ServiceFailed) -> None: ...

    @ops.on(ServiceFailed, key=lambda failed: failed.missing)
    async def note_down(failed: ServiceFailed) -> None: ...

    async with running(ops):
        receipt = await ops.publish(ServiceFailed(subject="api"))
        record = await witness.closed(receipt.correlation_id, verdict="failed")
        named = await ops.publish(ServiceFailed(subject="api", reason="disk"))
        await witness.closed(named.correlation_id, verdict="partial")
    errors = {row.text("group"): row.text("error") for row in rows(record, "died")}
    assert "missing" in errors["ops.note_down"]
    assert r"caf\udce9" in errors["ops.restart"]
