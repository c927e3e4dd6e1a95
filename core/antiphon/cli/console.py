"""``antiphon console``: a cell in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from antiphon.cli.options import CellOption, UrlOption, settings_from
from antiphon.cli.who import who
from antiphon.errors import ConfigurationError

console = typer.Typer(add_completion=False)

_EXTRA = frozenset({"starlette", "uvicorn", "itsdangerous", "anyio"})
"""What the extra brings."""


@console.callback(invoke_without_command=True)
def serve(
    ctx: typer.Context,
    *,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="At which port; 0 for any that is free.")
    ] = 8420,
    tokens: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            envvar="ANTIPHON_CONSOLE_TOKENS",
            show_envvar=False,
            help="Who may sign in, instead of ANTIPHON_CONSOLE_TOKENS's.",
        ),
    ] = None,
    logs: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Show its lines about a recovery. Repeatable."),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Serve by TLS with this certificate.")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The certificate's private key.")
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Serve other machines without TLS.")
    ] = False,
    trusted_proxy: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS", help="Believe X-Forwarded-For and -Proto from this address alone."
        ),
    ] = "",
    url: UrlOption = None,
    cell: CellOption = None,
) -> None:
    """Show a cell in a browser: its recoveries, what they wait for, and what can be done.

    Without a tokens file it prints a link that signs you in once, for this run. It runs until
    Ctrl-C.
    """
    if ctx.invoked_subcommand is not None:
        return
    from antiphon.telemetry.logging import configure  # noqa: PLC0415  keep `--help` quick

    try:
        from antiphon.console.serving import Serving  # noqa: PLC0415  as above
        from antiphon.console.serving import serve as run  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    settings = settings_from(url, cell)
    configure(settings.log_format, settings.log_level)
    how = Serving(
        host=host,
        port=port,
        tokens=tokens,
        operator="" if tokens is not None else who(None),
        certificate=tls_cert,
        key=tls_key,
        insecure=insecure,
        logs=tuple(logs or ()),
        trusted_proxy=trusted_proxy,
    )
    run(settings, how, typer.echo)


@console.command()
def token(
    *,
    as_: Annotated[str, typer.Option("--as", metavar="WHO", help="Whose token it is.")],
    role: Annotated[
        Literal["viewer", "operator"],
        typer.Option(help="A viewer reads; an operator acts as well."),
    ],
) -> None:
    """Make a token for one person, and the line that lets them in.

    The token is shown this once, on standard error. The line, on standard output, is for the file
    that ANTIPHON_CONSOLE_TOKENS names; it holds no secret.
    """
    try:
        from antiphon.console.tokens import Holder, new_token  # noqa: PLC0415  as above
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    made = new_token()
    holder = Holder.of(as_, role, made)
    typer.echo(f"The token of {holder.name}, shown this once: {made}", err=True)
    typer.echo(holder.line)


def _missing(error: ModuleNotFoundError) -> Exception:
    if (error.name or "").partition(".")[0] not in _EXTRA:
        return error
    return ConfigurationError(
        f"the console needs {error.name}, which the extra brings: pip install 'antiphon[console]'"
    )
