"""Settings: read once, checked as a whole, and plain about what is wrong."""

from __future__ import annotations

import traceback
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from antiphon.errors import ConfigurationError
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
