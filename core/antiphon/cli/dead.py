"""``antiphon dead``: look at dead letters, deliver them again, or throw them away."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from antiphon.cli.options import CellOption, JsonOption, UrlOption, YesOption, settings_from
from antiphon.cli.output import print_json
from antiphon.cli.who import AsOption, who
from antiphon.errors import AntiphonError, ConfigurationError

if TYPE_CHECKING:
    from antiphon.broker.deadletters import DeadLetters
    from antiphon.deadletter import Choice, DeadLetter
    from antiphon.settings import Settings

dead = typer.Typer(add_completion=False, no_args_is_help=True)

GroupOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Only those that died in this group.")
]
SubjectOption = Annotated[str | None, typer.Option(help="Only those about this.")]
CorrelationOption = Annotated[
    str | None, typer.Option(metavar="ID", help="Only those of this recovery.")
]
IdsArgument = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Which ones.")]
ReasonOption = Annotated[str, typer.Option(metavar="TEXT", help="Why, for whoever wonders.")]
AllOption = Annotated[bool, typer.Option("--all", help="All of them, or all that match.")]

_ID = re.compile(r"[0-9]+-[0-9]+")
_NONE = "There is no such dead letter."


@dead.callback()
def about() -> None:
    """Look at dead letters, deliver them again, or throw them away.

    A dead letter is an entry that a handler gave up on, kept with the reason.
    """


@dead.command("list")
def list_(
    *,
    group: GroupOption = None,
    subject: SubjectOption = None,
    correlation_id: CorrelationOption = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    json: JsonOption = False,
    url: UrlOption = None,
    cell: CellOption = None,
) -> None:
    """List dead letters, the newest first."""
    from antiphon.cli.letter import list_letters  # noqa: PLC0415  keep `--help` quick

    choice = _choice(group, subject, correlation_id)
    found = asyncio.run(_newest(settings_from(url, cell), choice, limit))
    if json:
        print_json([letter.to_dict() for letter in found])
    elif found:
        list_letters(found)
    else:
        typer.echo(_NONE)


@dead.command()
def show(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="Which one.")],
    *,
    json: JsonOption = False,
    url: UrlOption = None,
    cell: CellOption = None,
) -> None:
    """Show one dead letter: what it was, why it died, and what to do about it."""
    from antiphon.cli.letter import describe_letter, trace_command  # noqa: PLC0415  as above

    (found,) = asyncio.run(_collected(settings_from(url, cell), [letter_id]))
    if json:
        print_json({**found.to_dict(), "trace": trace_command(found)})
    else:
        describe_letter(found)


@dead.command()
def replay(
    ids: IdsArgument = None,
    *,
    all_: AllOption = False,
    group: GroupOption = None,
    subject: SubjectOption = None,
    correlation_id: CorrelationOption = None,
    as_: AsOption = None,
    reason: ReasonOption = "",
    json: JsonOption = False,
    url: UrlOption = None,
    cell: CellOption = None,
) -> None:
    """Deliver dead letters again, each to the group it died in and to no other.

    The recovery is open until that delivery is settled; one that was closed closes again, with a
    new verdict. Ends with status 1 when a letter could not be delivered again.
    """
    from antiphon.telemetry.logging import configure  # noqa: PLC0415  keep `--help` quick

    wanted = _wanted(ids, _choice(group, subject, correlation_id), all_=all_)
    settings, by = settings_from(url, cell), who(as_)
    # A person at a terminal reads the sentences; what collects the log gets its lines.
    configure(settings.log_format, "error" if sys.stderr.isatty() else settings.log_level)
    told = asyncio.run(_replay(settings, wanted, by, reason, quiet=json))
    if json:
        print_json(told)
    elif not told:
        typer.echo(_NONE)
    if any(one["refused"] for one in told):
        raise typer.Exit(1)


@dead.command()
def drop(
    ids: IdsArgument = None,
    *,
    all_: AllOption = False,
    group: GroupOption = None,
    subject: SubjectOption = None,
    correlation_id: CorrelationOption = None,
    as_: AsOption = None,
    reason: ReasonOption = "",
    yes: YesOption = False,
    json: JsonOption = False,
    url: UrlOption = None,
    cell: CellOption = None,
) -> None:
    """Throw dead letters away for good; the records of their recoveries keep who did, and why.

    Verdicts stay as they are.
    """
    from antiphon.cli.letter import counted  # noqa: PLC0415  as above
    from antiphon.telemetry.logging import configure  # noqa: PLC0415

    wanted = _wanted(ids, _choice(group, subject, correlation_id), all_=all_)
    settings = settings_from(url, cell)
    # A person at a terminal reads the sentence; what collects the log gets its line.
    configure(settings.log_format, "error" if sys.stderr.isatty() else settings.log_level)
    found = asyncio.run(_collected(settings, wanted))
    if found and not yes:
        typer.confirm(f"Throw {counted(len(found))} away for good?", abort=True, err=True)
    dropped = asyncio.run(_drop(settings, found, who(as_), reason))
    if json:
        print_json({"dropped": dropped})
    else:
        typer.echo(f"Dropped {counted(dropped)}." if found else _NONE)


def _choice(group: str | None, subject: str | None, correlation_id: str | None) -> Choice:
    from antiphon.deadletter import Choice  # noqa: PLC0415  as above

    return Choice(group=group, subject=subject, correlation_id=correlation_id)


def _wanted(ids: list[str] | None, choice: Choice, *, all_: bool) -> list[str] | Choice:
    """Refuse what could mean other letters than its user thinks."""
    if bool(ids) == all_:
        raise ConfigurationError("say which: give the ids of dead letters, or --all")
    if not ids:
        return choice
    if choice.narrows:
        raise ConfigurationError("--group, --subject and --correlation-id go with --all, not ids")
    return ids


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[DeadLetters]:
    from antiphon.broker.deadletters import DeadLetters  # noqa: PLC0415  as above
    from antiphon.broker.errand import Errand  # noqa: PLC0415

    async with Errand.begin(settings) as errand:
        yield DeadLetters(errand)


async def _newest(settings: Settings, choice: Choice, limit: int) -> list[DeadLetter]:
    found: list[DeadLetter] = []
    async with _opened(settings) as letters:
        async for letter in letters.newest_first(choice):
            found.append(letter)
            if len(found) == limit:
                break
    return found


async def _collected(settings: Settings, wanted: list[str] | Choice) -> list[DeadLetter]:
    async with _opened(settings) as letters:
        return [letter async for letter in _each(letters, wanted)]


async def _each(letters: DeadLetters, wanted: list[str] | Choice) -> AsyncIterator[DeadLetter]:
    if not isinstance(wanted, list):
        async for letter in letters.oldest_first(wanted):
            yield letter
        return
    # All must be there before anything happens to one.
    for letter in [await _found(letters, letter_id) for letter_id in dict.fromkeys(wanted)]:
        yield letter


async def _found(letters: DeadLetters, letter_id: str) -> DeadLetter:
    letter = await letters.find(letter_id) if _ID.fullmatch(letter_id) else None
    if letter is None:
        raise AntiphonError(
            f"there is no dead letter {letter_id!r} in the cell {letters.errand.keys.cell!r}: "
            "`antiphon dead list` shows those there are"
        )
    return letter


async def _replay(
    settings: Settings, wanted: list[str] | Choice, by: str, reason: str, *, quiet: bool
) -> list[dict[str, Any]]:
    from antiphon.broker.deadletters import NotReplayable  # noqa: PLC0415  as above
    from antiphon.cli.letter import replayed, trace_command  # noqa: PLC0415

    told: list[dict[str, Any]] = []
    async with _opened(settings) as letters:
        async for letter in _each(letters, wanted):
            entry, refused = None, None
            try:
                entry = await letters.replay(letter, by=by, reason=reason)
            except NotReplayable as error:
                refused = str(error)
                typer.echo(f"antiphon: {refused}", err=True)
            if not (quiet or refused):
                typer.echo(replayed(letter))
            told.append(
                {
                    "id": letter.id,
                    "group": letter.group,
                    "correlation_id": letter.correlation_id,
                    "entry": entry,
                    "refused": refused,
                    "trace": trace_command(letter),
                }
            )
    return told


async def _drop(settings: Settings, found: list[DeadLetter], by: str, reason: str) -> int:
    async with _opened(settings) as letters:
        return await letters.drop(found, by=by, reason=reason)
