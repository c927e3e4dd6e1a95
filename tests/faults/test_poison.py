"""Entries nobody can read: each becomes a dead letter that says why, and its neighbours go on."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from antiphon import PermanentError, Publisher, Service, Settings
from antiphon_events import ServiceFailed, derived_id
from witness import Witness, running

MINE = "the-writers-own"


@dataclass(frozen=True)
class Poison:
    """What a careless or hostile writer puts into a stream."""

    fields: dict[str | bytes, str | bytes]
    error: str
    """How the dead letter's error goes on after `UndecodableEvent: `."""

    subject: str = "api"
    """Under which the dead letter is filed."""

    keeps_its_id: bool = True
    """Whether the correlation id it brings can be read."""


POISONS = {
    "bad JSON": Poison({"data": "{"}, "service.failed version 1: Invalid JSON"),
    "no JSON object": Poison(
        {"data": "[1]"}, "service.failed version 1: Input should be an object"
    ),
    "unknown type": Poison(
        {"type": "service.exploded"},
        "the entry is of type 'service.exploded', not 'service.failed'",
    ),
    "wrong schema": Poison(
        {"data": '{"reason":5}'},
        "service.failed version 1: field 'reason': Input should be a valid string",
    ),
    "unknown field": Poison(
        {"data": '{"colour":"red"}'},
        "service.failed version 1: unknown field 'colour' (known: reason)",
    ),
    "newer version": Poison(
        {"dataschema": "urn:antiphon:service.failed:9"},
        "service.failed version 9 is newer than the version 1 known here",
    ),
    "too large": Poison(
        {"data": '{"reason":"' + "x" * 5_000_000 + '"}'},
        "its data is 5,000,013 bytes, and 262,144 are allowed",
    ),
    "too deep": Poison(
        {"data": '{"reason":' * 20_000 + "1" + "}" * 20_000},
        "service.failed version 1: Invalid JSON",
    ),
    "binary data": Poison({"data": b"\xff\x00\xfe"}, "service.failed version 1: Invalid JSON"),
    "binary attributes": Poison(
        {"correlationid": b"\xff\xfe", "source": b"\x80", "hops": b"\x00"},
        "source b'\\x80' is not UTF-8",
        keeps_its_id=False,
    ),
    "endless id": Poison({"correlationid": "x" * 100_000}, "correlationid", keeps_its_id=False),
    "a key's worth of line breaks": Poison(
        {"correlationid": "a\nb"},
        "correlationid 'a\\nb' holds a control character",
        keeps_its_id=False,
    ),
    "bad time": Poison({"time": "yesterday"}, "time b'yesterday' is no RFC 3339 instant"),
    "bad hops": Poison({"hops": "-1"}, "hops b'-1' is no decimal number of hops"),
    "other specification": Poison({"specversion": "0.3"}, "specversion b'0.3' is not 1.0"),
    "missing subject": Poison({"subject": ""}, "subject is missing", subject="unknown"),
    "binary subject": Poison(
        {"subject": b"\xc3\x28"}, "subject b'\\xc3(' is not UTF-8", subject="unknown"
    ),
}


@pytest.mark.parametrize("poison", POISONS.values(), ids=POISONS)
async def test_poison_is_buried_with_its_reason(
    settings: Settings, witness: Witness, poison: Poison
) -> None:
    """It dies at once, under its correlation id, with its fields kept, and disturbs nobody."""
    ops = Service("ops", settings=settings)
    answered: list[str] = []

    @ops.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> None:
        answered.append(failed.subject)

    async with Publisher(settings) as publisher, running(ops):
        before = await publisher.publish(ServiceFailed(subject="before"))
        entry = await witness.xadd(
            "service.failed", {"subject": "api", "correlationid": MINE, **poison.fields}
        )
        after = await publisher.publish(ServiceFailed(subject="after"))
        for receipt in (before, after):
            await witness.closed(receipt.correlation_id)
        derived = derived_id(witness.keys.events("service.failed"), entry)
        correlation_id = MINE if poison.keeps_its_id else derived
        record = await witness.closed(correlation_id, verdict="failed")

    assert answered == ["before", "after"]
    [dead] = await witness.dead_letters()
    assert dead["deaderror"].startswith(f"UndecodableEvent: {poison.error}")
    assert len(dead["deaderror"]) < 600
    assert (dead["deadcorrelation"], dead["deadentry"]) == (correlation_id, entry)
    assert (dead["deadattempts"], dead["deadgroup"]) == ("1", "ops.restart")
    assert record.summary.subject == dead["deadsubject"] == poison.subject
    for name, value in poison.fields.items():
        kept = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        assert dead[str(name)] == kept
    assert await witness.pending("ops.restart", "service.failed") == 0


async def test_poison_for_a_handler_of_one_subject(settings: Settings, witness: Witness) -> None:
    """An entry whose subject cannot be read may be anybody's: whoever reads its type buries it."""
    ops = Service("ops", settings=settings)

    @ops.on(ServiceFailed.about("api"))
    async def restart(failed: ServiceFailed) -> None:
        raise AssertionError(failed)

    async with running(ops):
        entry = await witness.xadd("service.failed", {"data": "{}"})
        correlation_id = derived_id(witness.keys.events("service.failed"), entry)
        await witness.closed(correlation_id, verdict="failed")
    [dead] = await witness.dead_letters()
    assert dead["deaderror"].startswith("UndecodableEvent: subject is missing")


async def test_an_entry_of_many_fields_is_buried(settings: Settings, witness: Witness) -> None:
    """More fields than a script can copy are cut, and the dead letter says how many values."""
    ops = Service("ops", settings=settings)

    @ops.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> None: ...

    async with running(ops):
        fields = {"subject": "api", "data": "{"} | {f"field-{n}": "" for n in range(10_000)}
        entry = await witness.xadd("service.failed", fields)
        correlation_id = derived_id(witness.keys.events("service.failed"), entry)
        await witness.closed(correlation_id, verdict="failed")
    [dead] = await witness.dead_letters()
    assert int(dead["deadomitted"]) > 10_000
    assert dead["data"] == "{"


async def test_an_event_too_large_is_refused_where_it_is_written(settings: Settings) -> None:
    """A publisher is told at once, with the limit, rather than by a dead letter later."""
    async with Publisher(settings) as publisher:
        with pytest.raises(PermanentError, match="ANTIPHON_MAX_PAYLOAD_BYTES"):
            await publisher.publish(ServiceFailed(subject="api", reason="x" * 300_000))


async def test_an_answer_too_large_dies_where_it_was_made(
    settings: Settings, witness: Witness
) -> None:
    """The handler that returned it is at fault, so its delivery dies and nothing is published."""
    ops = Service("ops", settings=settings)

    @ops.on(ServiceFailed)
    async def report(failed: ServiceFailed) -> ServiceFailed:
        return ServiceFailed(subject="report", reason="x" * 300_000)

    async with running(ops), Publisher(settings) as publisher:
        receipt = await publisher.publish(ServiceFailed(subject="api"))
        await witness.closed(receipt.correlation_id, verdict="failed")
    [dead] = await witness.dead_letters()
    assert dead["deaderror"].startswith("PermanentError: it returned service.failed with 300,")
    assert len(await witness.entries("service.failed")) == 1
