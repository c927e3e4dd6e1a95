"""The source of a handler: what it publishes and starts through its recovery, where that is plain.

`recovery.publish(CacheLost(…))` and `recovery.start(ServiceFailed(…))` are in no signature.
They are found where they are written in the handler's own function, with the class at the call, or
in a variable or parameter that can hold nothing else.
What a function calls in turn is not looked into.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from antiphon_events import Event

_METHODS = {"publish", "start"}


@dataclass(frozen=True, slots=True)
class Mention:
    """One call of a method of the recovery."""

    method: str
    """``publish`` or ``start``."""
    event: type[Event] | None
    """The class of the event; None when it cannot be read."""
    later: bool = False
    """Whether it is put off."""
    after: str = ""
    """For how long, when that is written as text."""


def mentions(function: Callable[..., Any], recovery: str | None) -> tuple[Mention, ...]:
    """Read the calls in a function's source; none when there is no source, or no recovery in it.

    Args:
        function: the handler's.
        recovery: the name of the parameter that holds its recovery.
    """
    inner = inspect.unwrap(function)
    tree = _tree(inner) if recovery else None
    if tree is None:
        return ()
    names = _Names(inner, tree)
    found = (
        _mention(node, names)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == recovery
        and node.func.attr in _METHODS
    )
    return tuple(dict.fromkeys(found))


def _tree(function: Callable[..., Any]) -> ast.AST | None:
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return None


def _mention(call: ast.Call, names: _Names) -> Mention:
    method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    given = call.args[0] if call.args else keywords.get("event")
    after = keywords.get("after", ast.Constant(None))
    constant = after.value if isinstance(after, ast.Constant) else ""
    return Mention(
        method,
        names.event(given) if given else None,
        later=method == "publish" and constant is not None,
        after=constant if isinstance(constant, str) else "",
    )


class _Names:
    """What the names in a function stand for."""

    def __init__(self, function: Callable[..., Any], tree: ast.AST) -> None:
        self._outside = {**getattr(function, "__globals__", {}), **dict(_closure(function))}
        self._made: dict[str, list[ast.expr | None]] = {}
        self._stored: Counter[str] = Counter()
        for node in ast.walk(tree):
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    self._made.setdefault(name, []).append(value)
                case ast.AnnAssign(target=ast.Name(id=name), value=value) if value:
                    self._made.setdefault(name, []).append(value)
                case ast.arg(arg=name, annotation=annotation):
                    self._made.setdefault(name, []).append(annotation and _as_call(annotation))
                    self._stored[name] += 1
                case ast.Name(id=name, ctx=ast.Store()):
                    self._stored[name] += 1

    def event(self, given: ast.expr) -> type[Event] | None:
        """The class of the event that an expression makes, or that a variable can only hold."""
        if isinstance(given, ast.Call):
            return _event_class(self._value(given.func))
        if isinstance(given, ast.Name):
            made = self._made.get(given.id, [])
            if self._stored[given.id] > len(made):  # by a loop, a pattern, several at once
                return None
            classes = {self.event(one) if isinstance(one, ast.Call) else None for one in made}
            return classes.pop() if len(classes) == 1 else None
        return None

    def _value(self, named: ast.expr) -> object:
        match named:
            case ast.Name(id=name):
                return self._outside.get(name)
            case ast.Attribute(value=base, attr=attribute):
                return getattr(self._value(base), attribute, None)
            case ast.Constant(value=str(name)):  # an annotation in quotes
                return self._outside.get(name)
        return None


def _as_call(annotation: ast.expr) -> ast.Call:
    """A parameter holds what its annotation would make."""
    return ast.Call(func=annotation, args=[], keywords=[])


def _event_class(value: object) -> type[Event] | None:
    known = isinstance(value, type) and issubclass(value, Event) and hasattr(value, "type")
    return value if known else None  # type: ignore[return-value]


def _closure(function: Callable[..., Any]) -> Iterator[tuple[str, object]]:
    code = getattr(function, "__code__", None)
    cells = getattr(function, "__closure__", None) or ()
    for name, cell in zip(code.co_freevars if code else (), cells, strict=False):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not filled yet
            continue
