"""A graph to be laid out: boxes, links between them, and where each came to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Point = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Something with room of its own, in pixels."""

    id: str
    width: float
    height: float
    lane: int = 0
    """Boxes of one lane stand below one another, beside those of the next."""


@dataclass(frozen=True, slots=True)
class Link:
    """From one box to another, by their ids."""

    start: str
    end: str


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything is, in pixels from the upper left corner."""

    places: Mapping[str, Point]
    """By box: the middle of its upper edge."""

    routes: tuple[tuple[Point, ...], ...]
    """For each link, in the order given: points in pairs, between which it bends; a link to
    nowhere, or to where it began, has none."""

    lanes: tuple[tuple[float, float], ...]
    """From where to where each lane goes, from left to right."""

    width: float
    height: float
