"""The event model of the contenders that bring none of their own."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Fact(BaseModel):
    """Something that happened to a subject; as strict as an Antiphon event."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    subject: str
    reason: str = ""
