"""What tests see in a drawing: elements by class, their places, and the text in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from xml.etree import ElementTree as ET

_NUMBER = r"-?\d+(?:\.\d+)?"
_ABSOLUTE = re.compile(rf"[MLC]((?:\s*{_NUMBER}[ ,]*)+)")


@dataclass(frozen=True)
class Svg:
    """A drawing that was parsed: if it is not well-formed, there is none."""

    text: str

    @cached_property
    def root(self) -> ET.Element:
        return ET.fromstring(self.text)

    @property
    def size(self) -> tuple[float, float]:
        _, _, width, height = map(float, self.root.attrib["viewBox"].split())
        return width, height

    @property
    def names(self) -> set[str]:
        """The tags in it."""
        return {tag_of(element) for element in self.root.iter()}

    @property
    def description(self) -> str:
        return next(e.text or "" for e in self.root if tag_of(e) == "desc")

    def by_id(self) -> dict[str, ET.Element]:
        return {e.attrib["data-id"]: e for e in self.root.iter() if "data-id" in e.attrib}

    def words(self) -> list[str]:
        return [e.text or "" for e in self.root.iter() if tag_of(e) == "text"]

    def looks(self, look: str) -> list[ET.Element]:
        return [e for e in self.root.iter() if look in e.attrib.get("class", "").split()]

    def points(self) -> Iterator[tuple[float, float]]:
        """Every place that is named absolutely; text counts where it is anchored."""
        for element in self.root.iter():
            yield from places(element)


def tag_of(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def titles(element: ET.Element) -> str:
    """All that is shown when the pointer rests somewhere on it."""
    return "\n".join(e.text or "" for e in element.iter() if tag_of(e) == "title")


def places(element: ET.Element) -> Iterator[tuple[float, float]]:
    """The corners of an element of its own, without what is in it."""
    given = element.attrib
    match tag_of(element):
        case "text":
            yield float(given["x"]), float(given["y"])
        case "line":
            yield float(given["x1"]), float(given["y1"])
            yield float(given["x2"]), float(given["y2"])
        case "rect":
            x, y = float(given.get("x", 0)), float(given.get("y", 0))
            yield x, y
            yield x + float(given["width"]), y + float(given["height"])
        case "path":
            for listed in _ABSOLUTE.findall(given["d"]):
                numbers = [float(number) for number in re.findall(_NUMBER, listed)]
                yield from zip(numbers[::2], numbers[1::2], strict=True)
