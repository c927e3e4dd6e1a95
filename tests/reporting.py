"""Reports of stories, and a reader of HTML that takes nothing for granted."""

from __future__ import annotations

from html.parser import HTMLParser

from antiphon.report.incident import Incident, incident_report
from antiphon.report.markdown import markdown
from antiphon.report.page import page
from drawing import from_ledger
from trace_story import Story

_VOID = frozenset({"meta", "br", "hr", "img", "input", "link"})
_NO_TEXT = frozenset({"style", "script"})


def as_markdown(*stories: Story) -> str:
    traces = [from_ledger(story) for story in stories]
    return markdown(incident_report([Incident(it, None) for it in traces], traces[-1].as_of))


def as_html(*stories: Story) -> str:
    traces = [from_ledger(story) for story in stories]
    return page(incident_report([Incident(it, None) for it in traces], traces[-1].as_of))


class StrictReader(HTMLParser):
    """Reads a page; every element that is opened must be closed, in its order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        """Attributes that would run a script."""

        self._text: list[str] = []

    @classmethod
    def read(cls, html: str) -> StrictReader:
        reader = cls()
        reader.feed(html)
        reader.close()
        assert reader.open == [], f"never closed: {reader.open}"
        return reader

    @property
    def text(self) -> str:
        """What a person reads."""
        return " ".join(" ".join(self._text).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._see(tag, attrs)
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._see(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another element, at {self.getpos()}"

    def handle_data(self, data: str) -> None:
        if not (self.open and self.open[-1] in _NO_TEXT):
            self._text.append(data)

    def _see(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in {"href", "src", "action"}:
                self.links.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)
