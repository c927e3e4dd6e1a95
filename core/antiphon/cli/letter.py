"""Dead letters, as a person reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import typer
from rich.text import Text

from antiphon.advised import command
from antiphon.cli.output import console, table
from antiphon.deadletter import DeadLetter
from antiphon.instants import iso
from antiphon.trace.words import plain, spell


def list_letters(letters: Sequence[DeadLetter]) -> None:
    """Print one line for each."""
    now = datetime.now(UTC)
    rows = table("id", "died", "group", "what", "attempts", "error", wrapped="error")
    for letter in letters:
        rows.add_row(
            letter.id,
            f"{spell(now - letter.died)} ago" if letter.died else "",
            Text(plain(letter.group)),
            Text(plain(f"{letter.subject} {letter.type}")),
            str(letter.attempts),
            Text(plain(letter.error)),
        )
    console().print(rows)


def describe_letter(letter: DeadLetter) -> None:
    """Print all that is known of one, and what can be done about it."""
    _print_pairs(
        {
            "dead letter": letter.id,
            "died": iso(letter.died) or "",
            "in group": letter.group,
            "attempts": str(letter.attempts),
            "error": letter.error,
            "event": letter.event,
            "recovery": letter.correlation_id,
            "read from": f"{letter.label} {letter.entry}",
        }
    )
    typer.echo("\nThe entry as it was:")
    _print_pairs(letter.original)
    typer.echo(f"\nWhat happened: {trace_command(letter)}")
    if letter.flaw:
        typer.echo(f"It cannot be delivered again: {letter.flaw}.")
    else:
        typer.echo(f"To deliver it again: antiphon dead replay {letter.id}")


def trace_command(letter: DeadLetter) -> str:
    """Return the command that shows the recovery a letter belongs to."""
    return command("trace", letter.correlation_id)


def replayed(letter: DeadLetter) -> str:
    """Say that a letter is on its way, and how to follow it."""
    return f"{letter.id} is on its way to {plain(letter.group)}: {trace_command(letter)}"


def counted(count: int) -> str:
    """Say how many letters."""
    return "1 dead letter" if count == 1 else f"{count} dead letters"


def _print_pairs(pairs: Mapping[str, str]) -> None:
    width = max(map(len, pairs), default=0)
    for name, value in pairs.items():
        typer.echo(f"  {plain(name):{width}}  {plain(value)}".rstrip())
