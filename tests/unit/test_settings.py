"""Settings: read once, checked as a whole, and plain about what is wrong."""

from __future__ import annotations

import traceback
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from antiphon.errors import ConfigurationError
from antiphon.guards.quota import Quota
from antiphon.settings import Settings


def test_nothing_need_be_set() -> None:
    """The documented defaults hold when nothing is given."""
    expected = {
        "redis_url": None,
        "cell": "antiphon",
        "consumer": None,
        "concurrency": 100,
        "lease": timedelta(seconds=30),
        "claim_every": timedelta(seconds=15),
        "block": timedelta(seconds=10),
        "drain": timedelta(seconds=30),
        "unheard_after": timedelta(hours=1),
        "key_retention": timedelta(hours=24),
        "record_retention": timedelta(days=7),
        "max_payload_bytes": 262_144,
        "log_format": "json",
        "log_level": "info",
    }
    assert Settings().model_dump(include=set(expected)) == expected


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every setting can be given as ANTIPHON_ and its name."""
    monkeypatch.setenv("ANTIPHON_REDIS_URL", "redis://db:6379/3")
    monkeypatch.setenv("ANTIPHON_LEASE", "1.5s")
    monkeypatch.setenv("ANTIPHON_CONCURRENCY", "7")
    monkeypatch.setenv("ANTIPHON_LOG_LEVEL", "WARNING")
    settings = Settings()
    assert settings.redis_url == "redis://db:6379/3"
    assert settings.lease == timedelta(seconds=1.5)
    assert settings.concurrency == 7
    assert settings.log_level == "warning"


def test_an_argument_beats_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the code says is what happens."""
    monkeypatch.setenv("ANTIPHON_CELL", "outside")
    assert Settings(cell="inside").cell == "inside"


def test_an_empty_variable_is_an_absent_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compose file that passes an unset variable on changes nothing."""
    monkeypatch.setenv("ANTIPHON_REDIS_URL", "")
    assert Settings().redis_url is None


def test_claiming_follows_the_lease() -> None:
    """Claiming is twice as frequent as the lease unless it is set."""
    assert Settings(lease="8s").claim_every == timedelta(seconds=4)
    assert Settings(lease="8s", claim_every="1s").claim_every == timedelta(seconds=1)


def test_settings_never_change() -> None:
    """A running process cannot be reconfigured under its own feet."""
    settings = Settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.cell = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"lease": "10 parsecs"}, ["lease (ANTIPHON_LEASE)", "'10 parsecs'", "'250ms'"]),
        ({"lease": "199ms"}, ["lease (ANTIPHON_LEASE)", "199ms", "at least 200ms"]),
        ({"block": "0s"}, ["block (ANTIPHON_BLOCK)", "0s", "at least 1ms"]),
        ({"concurrency": 0}, ["concurrency (ANTIPHON_CONCURRENCY)", "0", "1"]),
        ({"log_format": "xml"}, ["log_format (ANTIPHON_LOG_FORMAT)", "'xml'", "'json'"]),
        ({"cell": "a:b"}, ["cell (ANTIPHON_CELL)", "'a:b'", "A-Z a-z 0-9"]),
        ({"cell": "a\n"}, ["cell (ANTIPHON_CELL)", r"'a\n'"]),
        ({"consumer": ""}, ["consumer (ANTIPHON_CONSUMER)", "''"]),
        ({"laese": "1s"}, ["laese", "no such setting"]),
        ({"key_retention": "10s"}, ["key_retention 10s", "lease 30s"]),
        ({"rate": "often"}, ["rate (ANTIPHON_RATE)", "'often'", "'30/1m'"]),
        ({"rate": "0/1m"}, ["rate (ANTIPHON_RATE)", "0", "from 1 to 100,000"]),
        ({"storm": "9/0s"}, ["storm (ANTIPHON_STORM)", "'0s'", "1ms or more"]),
        ({"relapses": "off"}, ["relapses (ANTIPHON_RELAPSES)", "'off'", "'3/10m'"]),
        ({"max_hops": 0}, ["max_hops (ANTIPHON_MAX_HOPS)", "0", "1"]),
        ({"max_age": "0s"}, ["max_age (ANTIPHON_MAX_AGE)", "0s", "at least 1ms"]),
        (
            {"escalate_after": "5m,soon"},
            ["escalate_after.1 (ANTIPHON_ESCALATE_AFTER)", "'soon'", "'250ms'"],
        ),
        (
            {"handlers": {"shop.restart": {"max_visits": "many"}}},
            ["handlers.shop.restart.max_visits (ANTIPHON_HANDLERS)", "'many'"],
        ),
        (
            {"claim_every": "2h", "key_retention": "1h"},
            ["claim_every 2h", "key_retention 1h"],
        ),
    ],
)
def test_a_wrong_value_is_named(wrong: dict[str, Any], words: list[str]) -> None:
    """One line says which settings, which values, and what is allowed."""
    with pytest.raises(ConfigurationError) as refusal:
        Settings(**wrong)
    message = str(refusal.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_every_wrong_value_is_named() -> None:
    """Two mistakes are told at once, and only those."""
    with pytest.raises(ConfigurationError) as refusal:
        Settings(lease="never", concurrency=-1)
    message = str(refusal.value)
    assert "lease" in message
    assert "concurrency" in message
    assert "claim_every" not in message


@pytest.mark.parametrize("url", ["http://:secret@db", "db:6379/secret", "redis:/secret", b"secret"])
def test_a_refused_url_keeps_its_password(url: object) -> None:
    """The message says which schemes there are and never repeats the URL."""
    with pytest.raises(ConfigurationError, match="redis_url") as refusal:
        Settings(redis_url=url)
    assert "secret" not in "".join(traceback.format_exception(refusal.value, limit=0))


def test_settings_can_be_shown() -> None:
    """Printing settings does not print a password."""
    assert "secret" not in repr(Settings(redis_url="redis://:secret@db"))


def test_guards_have_defaults() -> None:
    """Nothing need be set to be safe."""
    expected = {
        "coalesce": True,
        "max_age": timedelta(hours=1),
        "max_hops": 16,
        "max_events": 256,
        "max_visits": 3,
        "rate": None,
        "hold": timedelta(minutes=10),
        "relapses": Quota(3, per="1h"),
        "storm": Quota(50, per="1m"),
        "escalate_after": (timedelta(minutes=15), timedelta(minutes=30)),
        "handlers": {},
        "services": {},
    }
    settings = Settings()
    assert {name: getattr(settings, name) for name in expected} == expected


@pytest.mark.parametrize("name", ["max_age", "rate", "hold", "storm"])
@pytest.mark.parametrize("off", ["off", "OFF"])
def test_a_guard_can_be_turned_off(name: str, off: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the word, in the environment as in code."""
    assert getattr(Settings(**{name: off}), name) is None  # type: ignore[arg-type]
    monkeypatch.setenv(f"ANTIPHON_{name.upper()}", off)
    assert getattr(Settings(), name) is None


@pytest.mark.parametrize("name", ["rate", "relapses", "storm"])
def test_a_quota_is_text(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number, a slash and a duration: no JSON."""
    expected = Quota(600, per="1m30s")
    monkeypatch.setenv(f"ANTIPHON_{name.upper()}", " 600 / 1m30s ")
    assert getattr(Settings(), name) == expected
    assert getattr(Settings(**{name: "600/90s"}), name) == expected  # type: ignore[arg-type]
    assert getattr(Settings(**{name: expected}), name) is expected  # type: ignore[arg-type]


def test_durations_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """One for each tier, as many as there are; in code also a tuple."""
    monkeypatch.setenv("ANTIPHON_ESCALATE_AFTER", "5m, 10m,1h")
    minutes = [wait / timedelta(minutes=1) for wait in Settings().escalate_after]
    assert minutes == [5, 10, 60]
    assert Settings(escalate_after=()).escalate_after == ()
    assert Settings(escalate_after=("90s",)).escalate_after == (timedelta(seconds=90),)


def test_guards_of_a_handler_are_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left out stays as the code says, which is told apart from what is turned off."""
    monkeypatch.setenv(
        "ANTIPHON_HANDLERS", '{"shop.restart": {"budget": "5/1h", "rate": "off", "max_visits": 2}}'
    )
    monkeypatch.setenv("ANTIPHON_SERVICES", '{"shop": {"rate": "100/1m"}}')
    settings = Settings()
    guards = settings.handlers["shop.restart"]
    assert (guards.budget, guards.rate, guards.max_visits) == (Quota(5, per="1h"), None, 2)
    assert guards.model_fields_set == {"budget", "rate", "max_visits"}
    assert settings.services["shop"].rate == Quota(100, per="1m")


TOML = """\
cell = "from-the-file"
max_age = "2h"
rate = "600/1m"
hold = "off"
escalate_after = ["5m", "10m"]
max_hops = 8

[handlers."shop.restart"]
budget = "5/1h"
max_age = "off"

[services.shop]
rate = "100/1m"
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of settings, and the variable that names it."""
    path = tmp_path / "antiphon.toml"
    path.write_text(TOML)
    monkeypatch.setenv("ANTIPHON_CONFIG", str(path))
    return path


@pytest.mark.usefixtures("config")
def test_settings_may_stand_in_a_file() -> None:
    """TOML, with the names and the values of everywhere else."""
    settings = Settings()
    assert (settings.cell, settings.max_hops, settings.hold) == ("from-the-file", 8, None)
    assert settings.max_age == timedelta(hours=2)
    assert settings.rate == Quota(600, per="1m")
    assert settings.escalate_after == (timedelta(minutes=5), timedelta(minutes=10))
    assert settings.handlers["shop.restart"].budget == Quota(5, per="1h")
    assert settings.handlers["shop.restart"].model_fields_set == {"budget", "max_age"}
    assert settings.services["shop"].rate == Quota(100, per="1m")


@pytest.mark.usefixtures("config")
def test_the_nearer_source_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """An argument beats the environment, and the environment the file."""
    assert Settings().cell == "from-the-file"
    monkeypatch.setenv("ANTIPHON_CELL", "from-the-environment")
    assert Settings().cell == "from-the-environment"
    assert Settings(cell="from-the-code").cell == "from-the-code"
    assert Settings().max_hops == 8


@pytest.mark.usefixtures("config")
def test_guards_of_handlers_are_put_together_from_all_sources(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What one source says of a handler does not hide what another says."""
    monkeypatch.setenv(
        "ANTIPHON_HANDLERS", '{"shop.restart": {"budget": "1/1h"}, "web.open": {"max_visits": 9}}'
    )
    handlers = Settings().handlers
    assert handlers["shop.restart"].budget == Quota(1, per="1h")
    assert handlers["shop.restart"].model_fields_set == {"budget", "max_age"}
    assert handlers["web.open"].max_visits == 9


def test_no_file_need_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable names none."""
    monkeypatch.setenv("ANTIPHON_CONFIG", "")
    assert Settings().cell == "antiphon"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        (b"cell =", "Invalid value"),
        (b'cell = "\xff"', "utf-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    content: bytes | None, words: str, config: Path
) -> None:
    """A file somebody named and that is not understood is no empty file."""
    if content is None:
        config.unlink()
    else:
        config.write_bytes(content)
    with pytest.raises(ConfigurationError) as refusal:
        Settings()
    assert str(refusal.value).startswith(f"ANTIPHON_CONFIG: '{config}' cannot be read: ")
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("max_hop = 3", "max_hop: there is no such setting"),
        (
            '[handlers."shop.restart"]\nbudgt = "3/10m"',
            "handlers.shop.restart.budgt: there is no such setting",
        ),
        (
            "[services.shop]\nrate = 30",
            (
                "services.shop.rate (ANTIPHON_SERVICES): 30 is not a quota: write it like '30/1m' "
                "or '3/10m'"
            ),
        ),
    ],
)
def test_a_slip_in_the_file_is_named(content: str, message: str, config: Path) -> None:
    """With the way to it: a typing error must not switch a guard off unseen."""
    config.write_text(content)
    with pytest.raises(ConfigurationError) as refusal:
        Settings()
    assert str(refusal.value) == f"wrong settings: {message}"


@pytest.mark.parametrize("text", ['{"shop.restart": ', "shop.restart=3/10m"])
def test_json_that_is_none_is_named(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says which variable, and what it holds."""
    monkeypatch.setenv("ANTIPHON_HANDLERS", text)
    with pytest.raises(ConfigurationError) as refusal:
        Settings()
    message = str(refusal.value)
    assert message.startswith(
        f"wrong settings: handlers (ANTIPHON_HANDLERS): {text!r} is not JSON: "
    )
    assert "\n" not in message
