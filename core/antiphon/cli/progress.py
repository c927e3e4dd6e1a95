"""Progress of what takes long, for people: on standard error, and only on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Callable[..., None]]:
    """Show how far something has come, and take that away again when it is over.

    Args:
        what: What is done, as in `Reading records`.
        total: How many pieces it has; None while that is not known.

    Yields:
        A function to call after each piece; its argument `total` says how many there are.
    """
    from rich.console import Console  # noqa: PLC0415  keep `--help` quick
    from rich.progress import Progress  # noqa: PLC0415

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda total=None: None  # noqa: ARG005
        return
    with Progress(console=console, transient=True) as shown:
        task = shown.add_task(what, total=total)

        def step(total: int | None = None) -> None:
            if total is None:
                shown.advance(task)
            else:
                shown.update(task, total=total)

        yield step
