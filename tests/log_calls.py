"""What the code says it writes, read off its source: log events, and rows of the ledger."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_LEVELS = {"debug", "info", "warning", "error"}
_EVENT = re.compile(r"[a-z_]+\.[a-z_]+")

_DELIVERY_ROW = ("group", "event", "entry", "attempt", "consumer", "ms")
"""What the function `tell` of fence.lua adds to every row."""


@dataclass
class LogCall:
    """Every call that logs one event, taken together."""

    levels: set[str] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)
    unpacks: bool = False
    """Whether some call passes fields that its source does not name."""

    chosen: bool = False
    """Whether a variable chooses the level."""


def of(folder: Path) -> dict[str, LogCall]:
    """The log events of all modules below a folder."""
    found: dict[str, LogCall] = defaultdict(LogCall)
    for path in sorted(folder.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for event, levels, call in _calls(tree):
            known, handed_on = found[event], _hands_on(call.func)
            known.levels |= levels
            known.fields |= {keyword.arg for keyword in call.keywords if keyword.arg}
            known.fields |= {"correlation_id"} if handed_on else set()
            known.unpacks |= any(keyword.arg is None for keyword in call.keywords)
            known.chosen |= handed_on or isinstance(call.func, ast.Name)
    return dict(found)


def _calls(tree: ast.AST) -> Iterator[tuple[str, set[str], ast.Call]]:
    named = dict(_choices(tree))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        levels = _levels(node.func, named)
        said = node.args if _hands_on(node.func) else node.args[:1]
        for event in set[str]().union(*(_events(argument, named) for argument in said)):
            if levels and _EVENT.fullmatch(event):
                yield event, levels, node


def _hands_on(function: ast.expr) -> bool:
    """Whether a call leaves the logging to a method that binds the recovery and picks a level."""
    return isinstance(function, ast.Attribute) and function.attr == "_say"


def _events(argument: ast.expr, named: dict[str, set[str]]) -> set[str]:
    """What an argument may hold: a text, one of two, or what a variable is given."""
    if isinstance(argument, ast.Name):
        return named.get(argument.id, set())
    if isinstance(argument, ast.IfExp):
        return _texts(argument.body) | _texts(argument.orelse)
    return _texts(argument)


def _levels(function: ast.expr, named: dict[str, set[str]]) -> set[str]:
    """The level of a call: its method's name, or those that a variable may hold."""
    if _hands_on(function):
        return {"info", "warning"}
    if isinstance(function, ast.Attribute) and function.attr in _LEVELS:
        return {function.attr}
    if isinstance(function, ast.Name):
        return named.get(function.id, set()) & _LEVELS
    return set()


def _choices(tree: ast.AST) -> Iterator[tuple[str, set[str]]]:
    """Variables that hold one of two things, as in ``event = "a.b" if lost else "c.d"``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.IfExp):
            (target,) = node.targets
            if isinstance(target, ast.Name):
                yield target.id, _texts(node.value.body) | _texts(node.value.orelse)


def _texts(node: ast.expr) -> set[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value}
    return {node.attr} if isinstance(node, ast.Attribute) else set()


def ledger_rows(folder: Path) -> dict[str, set[str]]:
    """The kinds of rows the scripts write, each with its fields."""
    found: dict[str, set[str]] = {}
    more: dict[str, set[str]] = {}
    for path in sorted(folder.glob("*.lua")):
        for name, arguments in _notes(path.read_text(encoding="utf-8")):
            kinds = _KINDS.get((path.stem, arguments[0])) or [arguments[0].strip("'")]
            fields = {a.strip("'") for a in arguments[1::2] if a.startswith("'")}
            if name == "tell":
                fields |= set(_DELIVERY_ROW)
            for kind in kinds:
                if (path.stem, kind) in _TELL_MORE:
                    more[kind] = more.get(kind, set()) | fields
                    continue
                assert found.setdefault(kind, fields) == fields, f"{path.name}: {kind}"
    for kind, fields in more.items():
        assert fields >= found.get(kind, set()), kind
        found[kind] = fields
    return found


_KINDS = {
    ("announce", "kind"): ["published", "adopted"],
    ("answer", "kind"): ["approved", "denied"],
    ("postpone", "ARGV[16]"): ["retried", "released"],
}
"""Which kinds a script writes where its source has a variable."""

_TELL_MORE = {("postpone", "held"), ("commit", "completed")}
"""Rows that may hold more than others of their kind: the handler had begun to run, or undid."""


def _notes(source: str) -> Iterator[tuple[str, list[str]]]:
    """The arguments of each call of `note` and `tell`, but for their own definitions."""
    for match in re.finditer(r"(?<!function )\b(note|tell)\(", source):
        arguments = _arguments(source, match.end())
        if "..." not in arguments:
            yield match[1], arguments


def _arguments(source: str, start: int) -> list[str]:
    """Split the arguments of a call at its commas, not at those within."""
    depth, argument, arguments = 1, "", []
    for character in source[start:]:
        depth += (character in "([{") - (character in ")]}")
        if depth == 0:
            break
        if character == "," and depth == 1:
            arguments.append(" ".join(argument.split()))
            argument = ""
        else:
            argument += character
    return [*arguments, " ".join(argument.split())]
