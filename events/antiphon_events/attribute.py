"""One attribute of an event: the text rules every attribute keeps.

Attributes become parts of Redis keys, log lines and terminal output.
So each is short, printable on one line, and never empty.
"""

from __future__ import annotations

import unicodedata

MAX_ATTRIBUTE_BYTES = 256
"""The longest an attribute may be, in bytes of UTF-8."""

SURELY_SHORT = MAX_ATTRIBUTE_BYTES // 4
"""Characters that fit the limit whatever they are: UTF-8 spends at most four bytes on one."""

_SHOWN_CHARACTERS = 48
"""How much of a bad value an error message repeats."""

_FORBIDDEN_CATEGORIES = {"Cc": "control character", "Cs": "lone surrogate"}


class InvalidAttribute(ValueError):
    """An attribute of an event breaks the rules.

    Attributes:
        attribute: The name of the attribute, as written on the wire.
        problem: What is wrong with it, in one line.
    """

    def __init__(self, attribute: str, problem: str) -> None:
        super().__init__(f"{attribute} {problem}")
        self.attribute = attribute
        self.problem = problem

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.attribute, self.problem)


def check_text(attribute: str, value: str) -> None:
    """Let a well-formed attribute pass.

    Raises:
        InvalidAttribute: The value is no string, is empty, is longer than
            `MAX_ATTRIBUTE_BYTES`, or holds a control character or a lone surrogate.
    """
    if not isinstance(value, str):
        raise InvalidAttribute(attribute, f"must be a string, not {type(value).__name__}")
    if 0 < len(value) <= SURELY_SHORT and value.isprintable():
        return
    if not value:
        raise InvalidAttribute(attribute, "is empty; give it at least one character")
    # The length comes first: nobody's megabyte is walked character by character.
    if (size := len(value.encode(errors="surrogatepass"))) > MAX_ATTRIBUTE_BYTES:
        raise InvalidAttribute(
            attribute, f"{shown(value)} is {size} bytes long; at most {MAX_ATTRIBUTE_BYTES} fit"
        )
    for character in value:
        if kind := _FORBIDDEN_CATEGORIES.get(unicodedata.category(character)):
            raise InvalidAttribute(attribute, f"{shown(value)} holds a {kind}; remove it")


def shown(value: str | bytes) -> str:
    """Return the value as an error message may repeat it: quoted, escaped, shortened."""
    text = repr(value[:_SHOWN_CHARACTERS])
    return text if len(value) <= _SHOWN_CHARACTERS else f"{text}…"
