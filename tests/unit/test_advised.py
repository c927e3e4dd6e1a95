"""Commands that people are advised to run survive whatever the names in them are."""

from __future__ import annotations

import shlex

import pytest

from antiphon.advised import command


@pytest.mark.parametrize(
    ("name", "advised"),
    [
        ("01934f00-0000", "antiphon cancel 01934f00-0000 --reason TEXT"),
        ("two words", "antiphon cancel 'two words' --reason TEXT"),
        ("-rf", "antiphon cancel --reason TEXT -- -rf"),
        ("--help", "antiphon cancel --reason TEXT -- --help"),
        ("-; rm -r .", "antiphon cancel --reason TEXT -- '-; rm -r .'"),
        ("", "antiphon cancel '' --reason TEXT"),
    ],
)
def test_a_name_is_quoted_and_kept_from_being_an_option(name: str, advised: str) -> None:
    """What begins with a dash comes last, behind two; other names stand where people expect."""
    assert command("cancel", name, "--reason TEXT") == advised
    assert name in shlex.split(advised)


def test_a_command_may_have_no_options() -> None:
    """Then nothing but the name follows."""
    assert command("trace", "r1") == "antiphon trace r1"
    assert command("trace", "-r1") == "antiphon trace -- -r1"
