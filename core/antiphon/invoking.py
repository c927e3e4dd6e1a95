"""How a handler's function is called."""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Awaitable, Callable
from dataclasses import replace

from antiphon.delivery import Delivery
from antiphon.flow.join import Joined
from antiphon.handler import Handler, read_signature
from antiphon.recovery import Recovery
from antiphon.threads import Threads
from antiphon_events import Event

Invoke = Callable[[Event | Joined, Recovery, Delivery], Awaitable[object]]
"""Calls a handler's function, directly or through FastStream."""

_THREADS = 64
"""The most threads a sync handler gets."""


def direct(handler: Handler) -> Callable[[Event | Joined, Recovery, Delivery], Awaitable[object]]:
    """Call a handler's function with nothing in between; a sync one in a thread."""
    signature, function = handler.signature, awaitable(handler)

    async def invoke(argument: Event | Joined, recovery: Recovery, _: Delivery) -> object:
        if signature.recovery is None:
            return await function(**{signature.event: argument})
        return await function(**{signature.event: argument, signature.recovery: recovery})

    return invoke


def awaitable(handler: Handler) -> Callable[..., Awaitable[object]]:
    """A handler's function as something to await; a sync one runs in a thread."""
    if handler.signature.is_async:
        return handler.function
    threads = Threads(min(handler.concurrency or _THREADS, _THREADS), handler.group)

    @functools.wraps(handler.function)
    async def in_thread(*args: object, **kwargs: object) -> object:
        call = functools.partial(contextvars.copy_context().run, handler.function, *args, **kwargs)
        return await threads.run(call)

    return in_thread


def undoer(handler: Handler) -> Invoke | None:
    """Call what undoes a handler's function; None when nothing does."""
    undo = handler.course.undo
    if undo is None:
        return None
    return direct(replace(handler, function=undo, signature=read_signature(undo)))
