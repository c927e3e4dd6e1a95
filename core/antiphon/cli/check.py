"""``antiphon check``: what can be known to go wrong with services before they run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from antiphon.cli.choreography import LiveOption, ServicesArgument, find
from antiphon.cli.options import CellOption, JsonOption, UrlOption
from antiphon.cli.output import print_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from antiphon.choreography import Choreography, Finding


def check(
    services: ServicesArgument = None,
    *,
    live: LiveOption = False,
    json: JsonOption = False,
    url: UrlOption = None,
    cell: CellOption = None,
) -> None:
    """Look for faults in the choreography of services, as their handlers declare it.

    Of services that are named it needs no server, and it runs no handler. With --live it looks at
    what workers run now; files and lines are then those of the machines they run on. Ends with
    status 1 when it finds something that is not accepted in the code.
    """
    from antiphon.choreography import Code, examine  # noqa: PLC0415  keep `--help` quick
    from antiphon.choreography.document import findings_document  # noqa: PLC0415

    found = find(services, live=live, url=url, cell=cell)
    findings = examine(found.choreography)
    if found.running:  # a remark says it, and what it means there
        findings = tuple(one for one in findings if one.code != Code.SAME_NAME)
    if json:
        print_json(findings_document(findings))
    else:
        _tell(found.choreography, findings)
    found.remark()
    if any(finding.accepted is None for finding in findings):
        raise typer.Exit(1)


def _tell(choreography: Choreography, findings: Sequence[Finding]) -> None:
    from antiphon.choreography import Severity  # noqa: PLC0415  as above

    faults = [finding for finding in findings if finding.accepted is None]
    accepted = [finding for finding in findings if finding.accepted is not None]
    _list(faults)
    if accepted:
        typer.echo("Accepted:")
        _list(accepted)
    problems = sum(finding.severity is Severity.PROBLEM for finding in faults)
    handlers = len(choreography.parts)
    typer.echo(
        f"{handlers} handler{'' if handlers == 1 else 's'} examined. Problems: {problems}, "
        f"warnings: {len(faults) - problems}, accepted: {len(accepted)}."
    )


def _list(findings: Iterable[Finding]) -> None:
    from antiphon.trace.words import plain  # noqa: PLC0415  as above

    for one in findings:
        where = f"{one.file}:{one.line}: {one.severity}: {one.code}"
        typer.echo(plain(f"{where}: {one.group} {one.message}"))
        then = f"→ {one.remedy}" if one.accepted is None else f"accepted because: {one.accepted}"
        typer.echo(f"  {plain(then)}\n")
