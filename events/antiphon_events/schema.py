"""Schemas: the data of every event as JSON Schema, for writers in any language."""

from __future__ import annotations

from typing import Any

from antiphon_events.event import Event
from antiphon_events.fields import data_schema
from antiphon_events.registry import event_class, event_types

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(cls: type[Event]) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of an event's data.

    Its ``$id`` is what the envelope's ``dataschema`` says. The subject is no part of it.
    """
    return {
        "$schema": DIALECT,
        "$id": data_schema(cls.type, cls.version),
        **cls.model_json_schema(),
    }


def catalogue() -> dict[str, dict[str, Any]]:
    """Return the schema of every event defined so far, by type, each in its newest version."""
    return {name: json_schema(event_class(name)) for name in event_types()}
