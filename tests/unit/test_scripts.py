"""Every Lua script keeps to its own header, and to the rules all scripts share."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache, cached_property

import pytest

from antiphon.broker import scripts
from antiphon.broker.scripts import script

_LONGEST_LINES = 60
_FORBIDDEN = {"KEYS", "SCAN", "RANDOMKEY", "FLUSHALL", "FLUSHDB", "SELECT", "EVAL"}
_KEYLESS = {"TIME"}

_LISTED = re.compile(r"\b(KEYS|ARGV)\[(\d+)(?:\.\.(\d+)|(\.{3}))?\]")
_USED = re.compile(r"\b(KEYS|ARGV)\[(\d+)\]")
_USED_BY_NAME = re.compile(r"\b(KEYS|ARGV)\b(?!\[\d+\])")
_NUMBER = re.compile(r"(?<![\w.])\d+\b")
_INCLUDE = re.compile(r"^-- include (\w+(?:, \w+)*)$", re.MULTILINE)
_BUILT_ON = re.compile(r"Included after (\w+)\.lua")
_CALL = re.compile(
    r"""redis\.p?call\(\s*'(?P<command>[A-Z]+)'
        (?:,\s*'(?:GROUPS|CONSUMERS|STREAM|CREATE|DELCONSUMER|GROUP'.*?'STREAMS)')?
        (?:,\s*(?P<key>[^,()]+))?""",
    re.VERBOSE,
)

Place = tuple[str, int]
"""`KEYS` or `ARGV`, and the number in its brackets."""


@dataclass(frozen=True)
class Source:
    """A script as it is written: the header's promises, and the code."""

    header: str
    code: str

    @cached_property
    def includes(self) -> list[str]:
        return [name for names in _INCLUDE.findall(self.header) for name in names.split(", ")]

    @cached_property
    def listed(self) -> set[Place]:
        """The places the header names one by one, or in a range with two ends."""
        return {
            (kind, number)
            for kind, first, last, endless in _LISTED.findall(self.header)
            if not endless
            for number in range(int(first), int(last or first) + 1)
        }

    @cached_property
    def listed_from(self) -> set[Place]:
        """Where the ranges without an end begin."""
        found = _LISTED.findall(self.header)
        return {(kind, int(first)) for kind, first, _, endless in found if endless}

    @cached_property
    def used(self) -> set[Place]:
        return {(kind, int(number)) for kind, number in _USED.findall(self.code)}

    @cached_property
    def reached(self) -> set[Place]:
        """What is used, or may be through a variable: then its number is somewhere in the code."""
        kinds = set(_USED_BY_NAME.findall(self.code))
        numbers = {1, *map(int, _NUMBER.findall(self.code))}
        return self.used | {(kind, number) for kind in kinds for number in numbers}

    def lists(self, place: Place) -> bool:
        kind, number = place
        begins = [first for ranged, first in self.listed_from if ranged == kind]
        return place in self.listed or any(number >= first for first in begins)


@cache
def source(name: str) -> Source:
    lines = (scripts._FOLDER / f"{name}.lua").read_text(encoding="utf-8").splitlines()
    length = next(number for number, line in enumerate(lines) if not line.startswith("--"))
    code = [re.sub(r"\s*--.*", "", line) for line in lines[length:]]
    return Source("\n".join(lines[:length]), "\n".join(code))


FILES = sorted(path.stem for path in scripts._FOLDER.glob("*.lua"))
FRAGMENTS = sorted({included for name in FILES for included in source(name).includes})
SCRIPTS = sorted(set(FILES) - set(FRAGMENTS))


@cache
def composed(name: str) -> Source:
    """The script's own header, over all the code that runs."""
    own = source(name)
    code = [source(part).code for part in own.includes]
    return Source(own.header, "\n".join([*code, own.code]))


def listed_by(names: list[str]) -> set[Place]:
    return set[Place]().union(*(source(name).listed for name in names))


def foundation(fragment: str) -> list[str]:
    """The fragments that a fragment says it comes after, the nearest first."""
    found = _BUILT_ON.search(source(fragment).header)
    return [found[1], *foundation(found[1])] if found else []


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_header_lists_every_key_and_argument_the_script_uses(name: str) -> None:
    """Who calls a script reads its header alone, and passes what it uses, fragments included."""
    whole = composed(name)
    assert not {place for place in whole.used if not whole.lists(place)}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_header_lists_no_key_or_argument_that_nothing_uses(name: str) -> None:
    """A header asks for nothing in vain; only a fragment's places are passed as a whole."""
    whole = composed(name)
    assert not whole.listed - whole.reached - listed_by(whole.includes)
    assert not whole.listed_from - whole.reached


@pytest.mark.parametrize("name", FRAGMENTS)
def test_a_fragment_lists_what_it_adds_to_those_it_comes_after(name: str) -> None:
    """A fragment uses what it lists and what is listed below it, and lists what someone uses."""
    own, below = source(name), listed_by(foundation(name))
    assert not own.used - own.listed - below
    assert not own.listed & below
    users = [composed(user) for user in SCRIPTS if name in source(user).includes]
    assert not own.listed - set[Place]().union(*(user.reached for user in users))


@pytest.mark.parametrize("name", SCRIPTS)
def test_fragments_come_after_what_they_are_built_on(name: str) -> None:
    """Lua knows a local function only below its definition."""
    included = source(name).includes
    for position, fragment in enumerate(included):
        assert set(foundation(fragment)) <= set(included[:position])


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_says_what_it_returns(name: str) -> None:
    """The header of a script is its whole contract."""
    assert "-- Returns " in source(name).header


@pytest.mark.parametrize("name", FILES)
def test_a_script_is_one_small_step(name: str) -> None:
    """A script stops the whole server while it runs, so that each must be plain at a glance."""
    text = (scripts._FOLDER / f"{name}.lua").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= _LONGEST_LINES


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_refused_as_a_whole_or_not_at_all(name: str) -> None:
    """Behind ``#!lua`` the server refuses a script without memory before its first write."""
    loaded = script(name)
    assert loaded.text.startswith("#!lua\n")
    assert not _INCLUDE.search(loaded.text)
    assert loaded.sha == hashlib.sha1(loaded.text.encode()).hexdigest()


@pytest.mark.parametrize("name", FILES)
def test_a_script_touches_only_the_keys_it_is_given(name: str) -> None:
    """Keys that are all declared can be routed, guarded by ACLs, and read off the caller."""
    code = source(name).code
    calls = list(_CALL.finditer(code))
    assert len(calls) == len(re.findall(r"redis\.p?call", code)), "a command that is not literal"
    given = set(re.findall(r"for \w+, (\w+) in ipairs\(KEYS\)", code))
    for call in calls:
        command, key = call["command"], (call["key"] or "").strip()
        assert command not in _FORBIDDEN
        assert command in _KEYLESS or key in given or re.fullmatch(r"KEYS\[[^]]+\]", key), call[0]


@pytest.mark.parametrize("name", FILES)
def test_time_and_chance_come_from_the_server_alone(name: str) -> None:
    """A script asks TIME once; no clock or chance of its own, and none of the caller's."""
    code = composed(name).code
    assert not re.search(r"\bos\.|math\.random", code)
    assert code.count("'TIME'") <= 1
