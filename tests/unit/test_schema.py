"""Schemas: what a writer in another language may put into data."""

from __future__ import annotations

import json

import pytest

from antiphon_events import (
    Envelope,
    ServiceRestarted,
    catalogue,
    decode,
    event_class,
    event_types,
    json_schema,
)

CATALOGUE = {
    "cache.lost",
    "cache.warmed",
    "database.failed",
    "database.restored",
    "dependency.unavailable",
    "recovery.completed",
    "recovery.escalated",
    "recovery.failed",
    "recovery.halted",
    "recovery.partial",
    "recovery.stalled",
    "service.degraded",
    "service.failed",
    "service.recovered",
    "service.restarted",
    "service.unhealthy",
}


def test_a_schema_names_its_dialect_and_itself() -> None:
    """The id is the URN that entries carry as their dataschema."""
    schema = json_schema(ServiceRestarted)

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == "urn:antiphon:service.restarted:1"
    assert schema["title"] == "ServiceRestarted"


def test_a_schema_describes_the_data_only() -> None:
    """The subject is an attribute of the entry, so the schema does not allow it in data."""
    schema = json_schema(ServiceRestarted)

    assert schema["properties"].keys() == {"pid", "url"}
    assert schema["additionalProperties"] is False
    assert schema["properties"]["pid"]["description"].startswith("The new process")


def test_the_catalogue_has_every_event() -> None:
    """Every event Antiphon defines is in it under its type, and every schema is plain JSON."""
    schemas = catalogue()

    assert schemas.keys() >= CATALOGUE
    assert schemas.keys() == set(event_types())
    assert json.loads(json.dumps(schemas)) == schemas


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_empty_data_is_valid_for_every_event_of_the_catalogue(name: str) -> None:
    """An entry written by hand needs no data at all."""
    cls = event_class(name)
    fields = {b"type": name.encode(), b"subject": b"orders-db"}
    envelope = Envelope.from_fields(
        fields, stream="{antiphon}:events:x", entry_id="1-0", default_type=name
    )

    event = decode(cls, envelope, b"{}")

    assert event == cls(subject="orders-db")
    assert json_schema(cls).get("required", []) == []


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_event_and_field_of_the_catalogue_is_described(name: str) -> None:
    """A reader of the schema alone learns what each field means."""
    schema = json_schema(event_class(name))

    assert schema["description"]
    assert all(field["description"] for field in schema["properties"].values())
