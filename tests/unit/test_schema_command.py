"""``antiphon schema``: what events hold, told without a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from antiphon import Settings
from antiphon_events import ServiceRestarted, catalogue, json_schema
from program import antiphon

_SHOP = '''
from antiphon import Service
from antiphon_events import Event, ServiceFailed

class TillClosed(Event):
    """A till closed."""
    type = "till.closed"
    takings: int = 0

shop = Service("shop")

@shop.on(ServiceFailed.about("till"))
async def close(failed: ServiceFailed) -> TillClosed:
    """Close the till."""
    return TillClosed(subject=failed.subject)
'''


@pytest.fixture
def _shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module in the folder the command is run in."""
    (tmp_path / "corner_shop.py").write_text(_SHOP)
    monkeypatch.chdir(tmp_path)


async def told(*arguments: str, settings: Settings | None = None) -> Any:
    ended = await antiphon(settings or Settings(), "schema", *arguments)
    assert (ended.status, ended.err) == (0, "")
    return ended.document


async def test_one_type_is_its_json_schema() -> None:
    """What a writer in another language needs is one document, ready for its tools."""
    assert await told("service.restarted") == json_schema(ServiceRestarted)
    assert await told("service.restarted", "--json-schema") == json_schema(ServiceRestarted)


async def test_all_types_are_a_list_or_a_catalogue() -> None:
    """People read a line for each type, programs every schema."""
    known = json.loads(json.dumps(catalogue()))  # and whatever other tests have defined
    schemas = await told("--json")
    assert schemas == {name: known[name] for name in schemas}
    assert "recovery.completed" in schemas
    lines = (await antiphon(Settings(), "schema")).out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(schemas)
    assert any("A service stopped working." in line for line in lines)


@pytest.mark.usefixtures("_shop")
async def test_types_of_ones_own_are_imported() -> None:
    """A module of the current folder can be named, and defines its types."""
    schema = await told("till.closed", "--import", "corner_shop")
    assert schema["$id"] == "urn:antiphon:till.closed:1"
    assert schema["properties"].keys() == {"takings"}


@pytest.mark.usefixtures("_shop")
async def test_a_service_is_an_asyncapi_document() -> None:
    """It says what the service reads and publishes in its cell, though no server runs."""
    document = await told("--asyncapi", "corner_shop:shop", "--cell", "lab")
    assert document["asyncapi"].startswith("3.")
    assert document["info"]["title"] == "shop"
    addresses = {channel["address"] for channel in document["channels"].values()}
    assert addresses == {"{lab}:events:service.failed", "{lab}:events:till.closed"}
    assert {"ServiceFailed", "TillClosed"} <= document["components"]["schemas"].keys()


@pytest.mark.usefixtures("_shop")
async def test_an_asyncapi_document_holds_no_secret() -> None:
    """It names the server in force, without the password."""
    settings = Settings(redis_url="rediss://me:hush@redis.example:6380/2")
    document = await told("--asyncapi", "corner_shop:shop", settings=settings)
    [server] = document["servers"].values()
    assert server["host"] == "redis.example:6380"
    assert "hush" not in str(document)


_YAML = """
def dump(document, file, **_):
    file.write("dumped: " + document["info"]["title"])
"""


@pytest.mark.usefixtures("_shop")
async def test_yaml_needs_pyyaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no dependency of ours: without it, the one line says how to get it."""
    shadow = tmp_path / "shadow"
    shadow.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(shadow))
    arguments = ("schema", "--asyncapi", "corner_shop:shop", "--yaml")

    (shadow / "yaml.py").write_text("raise ModuleNotFoundError('No module named yaml')")
    ended = await antiphon(Settings(), *arguments)
    assert ended.status == 2
    assert ended.complaint.startswith("YAML needs PyYAML: pip install pyyaml")

    (shadow / "yaml.py").write_text(_YAML)
    ended = await antiphon(Settings(), *arguments)
    assert (ended.status, ended.out) == (0, "dumped: shop\n")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["till.burnt"], "no event of type 'till.burnt' is defined"),
        (["--import", "no_such_module"], "no module 'no_such_module' can be imported"),
        (["--asyncapi", "no_such_module:shop"], "no module 'no_such_module' can be imported"),
        (["--asyncapi", "corner_shop"], "'corner_shop' is not of the form module:service"),
        (["--asyncapi", "corner_shop:till"], "corner_shop has no service 'till'; it has: shop"),
        (["service.failed", "--asyncapi", "corner_shop:shop"], "--asyncapi goes with --yaml"),
        (["service.failed", "--yaml"], "--yaml goes with --asyncapi"),
    ],
)
@pytest.mark.usefixtures("_shop")
async def test_a_mistake_is_one_line(arguments: list[str], complaint: str) -> None:
    """It names what was asked for, and what there is."""
    ended = await antiphon(Settings(), "schema", *arguments)
    assert ended.status == 2
    assert ended.complaint.startswith(complaint)
