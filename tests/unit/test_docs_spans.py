"""The reference of spans says what the code records: no name more, none less."""

from __future__ import annotations

import ast
import re
from typing import get_args

from antiphon.telemetry import attributes
from antiphon.telemetry.metrics import Ending
from documents import ROOT, code, page, rows, section

TELEMETRY = ROOT / "core/antiphon/telemetry"
RECORDERS = [TELEMETRY / "spans.py", TELEMETRY / "sending.py"]
NAMES = {
    name: value
    for name, value in vars(attributes).items()
    if name.isupper() and isinstance(value, str)
}


def _first(heading: str, title: str) -> set[str]:
    """What the first column of the table with this title names."""
    text = section("reference/spans.md", heading)
    table = text[text.index(f"| {title} |") :].partition("\n\n")[0]
    return {code(row[0])[0] for row in rows(table)}


def _used() -> set[str]:
    """The attributes that code which records spans speaks of."""
    nodes = (node for path in RECORDERS for node in ast.walk(ast.parse(path.read_text("utf-8"))))
    return {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "a"
    }


def test_every_attribute_is_listed() -> None:
    """The table has each name of the code, and the code sets each name of the table."""
    listed = _first("## Attributes", "attribute")
    assert listed | {attributes.LINK} == set(NAMES.values())
    assert _used() == set(NAMES)


def test_no_attribute_is_named_elsewhere() -> None:
    """What records spans names attributes by constants, so that the table can be held to them."""
    for path in RECORDERS:
        assert not re.search(r'"(antiphon|messaging|error)\.[a-z_.]+"', path.read_text("utf-8"))


def test_every_span_is_listed() -> None:
    """The names begin with what the code says."""
    listed = {
        code(row[0])[0].split()[0] for row in rows(page("reference/spans.md").split("## ")[0])
    }
    told = {
        name for path in RECORDERS for name in re.findall(r'f"(\w+) \{', path.read_text("utf-8"))
    }
    assert listed == told


def test_every_outcome_is_listed() -> None:
    """The outcomes are the endings of an attempt."""
    assert _first("## Attributes", "`antiphon.outcome` | status") == set(get_args(Ending))


def test_every_decision_is_listed() -> None:
    """The decisions are those that the code tells of."""
    told = set(re.findall(r'return \(?"(\w+)",', RECORDERS[0].read_text("utf-8")))
    executor = (ROOT / "core/antiphon/executor.py").read_text("utf-8")
    told |= set(re.findall(r'decided\(delivery, "(\w+)"\)', executor))
    assert _first("## Attributes", "`antiphon.decision` | says") == told


def test_every_link_is_listed() -> None:
    """The reasons of links are those of the code."""
    source = "".join(path.read_text("utf-8") for path in RECORDERS)
    listed = _first("## Links", "`antiphon.link`")
    told = set(re.findall(r"for why in \(([^)]+)\)", source)[0].replace('"', "").split(", "))
    assert listed == told | set(re.findall(r'a\.LINK: "(\w+)"', source))
