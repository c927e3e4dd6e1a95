"""A report as one HTML page that needs nothing else: no script, no font, no second file."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from antiphon.report.document import Bullets, Code, Document, Figure, Paragraph, Table, runs


def page(document: Document) -> str:
    """Write a report as HTML.

    Every text is escaped by the template; only drawings, which escape what they show themselves,
    are taken over as they are.
    """
    return _template().render(document=document, drawing_style=_drawing_style())


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("antiphon.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_harmless,
    )
    kinds = (("paragraph", Paragraph), ("bullets", Bullets), ("table", Table), ("figure", Figure))
    environment.tests.update({name: _is(kind) for name, kind in kinds})
    environment.tests["code"] = _is(Code)
    environment.filters["runs"] = runs
    return environment.get_template("report.html")


def _harmless(value: object) -> object:
    """Take control characters out of text, which turn lines round, or a terminal would obey."""
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    return "".join(c if c.isprintable() or c == "\n" else _stand_in(c) for c in value)


def _stand_in(c: str) -> str:
    return " " if c.isspace() else "\ufffd"


def _is(kind: type) -> Callable[[object], bool]:
    return lambda it: isinstance(it, kind)


def _drawing_style() -> str:
    from antiphon.drawing import STYLE  # noqa: PLC0415

    return STYLE
