"""Something around a handler's function: what calls it, how often, and with what.

It is written once, as a generator, for functions that are async and for those that are not.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

from antiphon.handler import Handler, read_signature

Given = dict[str, Any]
"""The arguments of one call, by name."""

Calls = Generator[Given, object, object]
"""Yields the arguments of each call, and there gets what the function returned or raised.

What it returns or raises itself is what the worker sees.
"""


Routine = Callable[[Given], Calls]


def around(handler: Handler, routine_of: Callable[[Handler], Routine]) -> Handler:
    """A handler whose function is called as a routine says, and so is the one that undoes it.

    Their names, their parameters and whether they are async stay as they are.

    Args:
        handler: stays untouched.
        routine_of: makes the routine of a handler; that of `undo` is made of a handler which has
            it as its function.
    """
    undo = handler.course.undo
    if undo is None:
        return _around(handler, routine_of(handler))
    undoing = replace(handler, function=undo, signature=read_signature(undo))
    undone = _around(undoing, routine_of(undoing)).function
    return _around(
        replace(handler, course=replace(handler.course, undo=undone)), routine_of(handler)
    )


def _around(handler: Handler, routine: Routine) -> Handler:
    conduct = _in_the_loop if handler.signature.is_async else _in_a_thread
    function = functools.wraps(handler.function)(conduct(handler.function, routine))
    return replace(handler, function=function)


def _in_the_loop(function: Callable[..., Any], routine: Routine) -> Callable[..., Any]:
    async def conducted(**given: object) -> object:
        calls = routine(given)
        try:
            arguments = next(calls)
            while True:
                try:
                    result = await function(**arguments)
                except BaseException as error:  # noqa: BLE001  the routine gets it, and decides
                    arguments = calls.throw(error)
                else:
                    arguments = calls.send(result)
        except StopIteration as ended:
            return ended.value

    return conducted


def _in_a_thread(function: Callable[..., Any], routine: Routine) -> Callable[..., Any]:
    def conducted(**given: object) -> object:
        calls = routine(given)
        try:
            arguments = next(calls)
            while True:
                try:
                    result = function(**arguments)
                except BaseException as error:  # noqa: BLE001  as above
                    arguments = calls.throw(error)
                else:
                    arguments = calls.send(result)
        except StopIteration as ended:
            return ended.value

    return conducted
