"""Templates, and the words they need. Everything that is not a template is escaped."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup, escape

from antiphon.instants import iso
from antiphon.trace.words import clock, plain, spell

_HERE = Path(__file__).parent
STATIC = _HERE / "static"

VERDICT_MARKS = {
    "open": "◔",
    "completed": "✓",
    "partial": "◐",
    "failed": "✕",
    "halted": "■",
    "cancelled": "⊘",
}
"""A mark for each state, so that colour is not all that tells them apart."""


@lru_cache(maxsize=1)
def templates() -> jinja2.Environment:
    """The templates, ready to render."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        finalize=_clean,
    )
    environment.filters |= {
        "at": _at,
        "ago": _ago,
        "badge": _badge,
        "spell": _spell,
        "path": _path,
        "lines": _lines,
    }
    environment.globals |= {"static": static}
    return environment


def render(name: str, context: Mapping[str, Any]) -> str:
    """Render a template."""
    return templates().get_template(name).render(context)


@lru_cache(maxsize=16)
def static(name: str) -> str:
    """The address of a file that comes with the console; another one when its content changes."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


def _clean(value: Any) -> Any:
    """Let no control character and no change of direction into a page."""
    if value is None:
        return ""
    if isinstance(value, Markup | int | jinja2.Undefined):
        return value
    text = str(value)
    return text if text.isprintable() else plain(text)


def _lines(text: str) -> Markup:
    """Text that keeps its lines and blanks, made safe."""
    kept = "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)
    return escape(kept)


def _at(moment: datetime | None, now: datetime) -> Markup:
    """An instant, short to read and exact for who looks closer."""
    return _time(moment, clock(moment, now)) if moment else Markup("")


def _ago(moment: datetime | None, now: datetime) -> Markup:
    """How long ago or ahead an instant is."""
    if moment is None:
        return Markup("")
    words = f"{spell(now - moment)} ago" if moment <= now else f"in {spell(moment - now)}"
    return _time(moment, words)


def _time(moment: datetime, words: str) -> Markup:
    """Mark an instant. Digits and units alone: formatting by `Markup` would cost most of a list."""
    exact = iso(moment)
    return Markup(f'<time datetime="{exact}" title="{exact}">{words}</time>')  # noqa: S704


@lru_cache(maxsize=64)
def _badge(state: str) -> Markup:
    """The state of a recovery, as a word with a mark."""
    mark = VERDICT_MARKS.get(state, "·")
    return Markup('<span class="verdict {}"><span aria-hidden="true">{}</span> {}</span>').format(
        state, mark, plain(state)
    )


def _spell(length: timedelta | None) -> str:
    return "" if length is None else spell(length)


def _path(text: str) -> str:
    """A value within an address."""
    return quote(text, safe="")
