"""``antiphon schema``: what events hold, for writers and readers in any language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from antiphon.cli.options import CellOption, ImportOption, UrlOption, export
from antiphon.cli.output import console, print_json, table
from antiphon.errors import ConfigurationError

if TYPE_CHECKING:
    from antiphon_events import Event

_SOME_URL = "redis://localhost:6379"


def schema(
    type_: Annotated[
        str | None, typer.Argument(metavar="[TYPE]", help="One type; every one unless given.")
    ] = None,
    *,
    json: Annotated[
        bool,
        typer.Option("--json", "--json-schema", help="Write JSON Schema, also for every type."),
    ] = False,
    import_: ImportOption = None,
    asyncapi: Annotated[
        str | None,
        typer.Option(
            "--asyncapi",
            metavar="MODULE:SERVICE",
            help="Write the AsyncAPI document of this service instead.",
        ),
    ] = None,
    yaml: Annotated[bool, typer.Option("--yaml", help="With --asyncapi: as YAML.")] = False,
    url: UrlOption = None,
    cell: CellOption = None,
) -> None:
    """Write the JSON Schema of an event's data, or the AsyncAPI document of a service.

    Without a type it lists the types, and with --json writes the schema of each.
    """
    if asyncapi is not None:
        if type_ is not None or json or import_:
            raise ConfigurationError("--asyncapi goes with --yaml, --url and --cell alone")
        export(url, cell)
        _write_asyncapi(asyncapi, yaml=yaml)
    elif yaml:
        raise ConfigurationError("--yaml goes with --asyncapi; a JSON Schema is JSON")
    else:
        _write_schema(type_, import_ or [], json=json)


def _write_schema(type_: str | None, modules: list[str], *, json: bool) -> None:
    from antiphon.loading import load_module  # noqa: PLC0415  keep `--help` quick
    from antiphon_events import catalogue, event_class, event_types, json_schema  # noqa: PLC0415

    for module in modules:
        load_module(module)
    if type_ is not None:
        try:
            print_json(json_schema(event_class(type_)))
        except LookupError as error:
            raise ConfigurationError(f"{error} (--import MODULE)") from error
    elif json:
        print_json(catalogue())
    else:
        _list([event_class(name) for name in event_types()])


def _list(classes: list[type[Event]]) -> None:
    from rich.text import Text  # noqa: PLC0415  as above

    rows = table("type", "version", "class", "what it says", wrapped="what it says")
    for cls in classes:
        said = (cls.__doc__ or "").strip().partition("\n")[0]
        rows.add_row(cls.type, str(cls.version), cls.__name__, Text(said))
    console().print(rows)


def _write_asyncapi(name: str, *, yaml: bool) -> None:
    from antiphon.broker.local import local_url  # noqa: PLC0415  as above
    from antiphon.loading import load_service  # noqa: PLC0415
    from antiphon.settings import Settings  # noqa: PLC0415

    if Settings().redis_url is None and local_url() is None:
        # A service's application names its server, and describing it should need none.
        export(_SOME_URL, None)
    specification: Any = load_service(name).app.schema.to_specification()
    if not yaml:
        print_json(specification.to_jsonable())
        return
    try:
        typer.echo(specification.to_yaml())
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "YAML needs PyYAML: pip install pyyaml; or leave --yaml out, for JSON"
        ) from error
