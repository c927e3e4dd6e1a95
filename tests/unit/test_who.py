"""Who gives a command: a name that means somebody, or none at all."""

from __future__ import annotations

import getpass

import pytest

from antiphon.cli.publish import _source
from antiphon.cli.who import who
from antiphon.errors import ConfigurationError


def test_a_user_without_a_name_is_asked_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container the user may be a bare number, which tells nobody who it was."""

    def unknown() -> str:
        raise KeyError("uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", unknown)
    with pytest.raises(ConfigurationError, match="say who you are, --as WHO"):
        who(None)
    assert who("anna") == "anna"


def test_a_name_may_not_be_empty() -> None:
    """The audit would say that nobody did it."""
    with pytest.raises(ConfigurationError, match="--as is empty"):
        who("")


def test_a_user_without_a_name_may_publish(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container the user may be a bare number; the program asks for the recovery then."""

    def unknown() -> str:
        raise KeyError("uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", unknown)
    assert _source(None) == "antiphon publish"
    assert _source("carl") == "carl"
    with pytest.raises(ConfigurationError, match="--as is empty"):
        _source(" ")
