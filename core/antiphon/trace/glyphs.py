"""The marks a picture is drawn with, for terminals that know Unicode and for those that do not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One mark for each thing; guides are two columns wide, the others one."""

    fork: str
    last: str
    through: str
    gap: str
    publishes: str
    undoes: str
    ellipsis: str
    event: str
    working: str
    wasted: str
    going_on: str
    waiting: str
    settled: str
    cut: str


UNICODE = Glyphs(
    fork="├─",
    last="└─",
    through="│ ",
    gap="  ",
    publishes="→ ",
    undoes="← ",
    ellipsis="…",
    event="◆",
    working="█",
    wasted="▒",
    going_on="▶",
    waiting="·",
    settled="○",
    cut="≈",
)

ASCII = Glyphs(
    fork="|-",
    last="`-",
    through="| ",
    gap="  ",
    publishes="> ",
    undoes="< ",
    ellipsis="~",
    event="o",
    working="#",
    wasted="x",
    going_on=">",
    waiting=".",
    settled="-",
    cut="/",
)
