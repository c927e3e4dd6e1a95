"""What a page of the console links to, asks for and names."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser


class Links(HTMLParser):
    """What a page links to, loads, asks and names."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.count: dict[str, int] = {}
        self.fields = set[str]()
        self.labels = set[str]()
        self.ids = set[str]()
        self.doubled = set[str]()

    @classmethod
    def read(cls, page: str) -> Links:
        found = cls()
        found.feed(page)
        return found

    @classmethod
    def named(cls, page: str, name: str) -> str:
        """Where the link of an id leads; empty when there is none."""
        found = re.search(rf'id="{name}" href="([^"]*)"', page)
        return unescape(found[1]) if found else ""

    @classmethod
    def of(cls, page: str) -> list[str]:
        return cls.read(page).links

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.count[tag] = self.count.get(tag, 0) + 1
        self.links += [v for n in ("href", "src", "action") if (v := given.get(n)) is not None]
        name = given.get("id") or ""
        if name:
            (self.doubled if name in self.ids else self.ids).add(name)
        if tag == "label" and given.get("for"):
            self.labels.add(given["for"] or "")
        hidden = given.get("type") in {"hidden", "radio"}
        if tag in {"input", "select", "textarea"} and not hidden:
            self.fields.add(name)
