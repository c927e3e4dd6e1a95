"""A program that a test needs is found, installed, or named as missing."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

import debian

_APT = """#!/bin/sh
echo "$@" >>{folder}/calls
test -e {policy} && echo kept >>{folder}/calls
case "$*" in
  *update*) touch {folder}/updated ;;
  *install*)
    test -e {folder}/updated || {{ echo "E: Unable to locate package"; exit 100; }}
    {works} && printf '#!/bin/sh\\n' >{folder}/chromium && chmod +x {folder}/chromium
    echo "E: Broken" ;;
esac
"""


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose programs are those of one folder, /bin for the shell apart."""
    monkeypatch.setattr(debian, "_POLICY", tmp_path / "policy-rc.d")
    monkeypatch.setattr(debian, "_LOCK", tmp_path / "lock")
    monkeypatch.setattr(shutil, "which", lambda name: _in(tmp_path, name))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return tmp_path


def _in(folder: Path, name: str) -> str | None:
    path = folder / name
    return str(path) if path.exists() else None


def _apt(folder: Path, *, works: bool) -> None:
    path = folder / "apt-get"
    text = _APT.format(
        folder=folder, policy=folder / "policy-rc.d", works="true" if works else "false"
    )
    path.write_text(text, encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def _calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text(encoding="utf-8").splitlines()


def test_what_is_there_is_used(bare: Path) -> None:
    """Nothing is installed, and a program goes by Debian's name for it too."""
    _apt(bare, works=True)
    (bare / "prometheus-alertmanager").touch()
    assert debian.program("alertmanager") == bare / "prometheus-alertmanager"
    assert not (bare / "calls").exists()


def test_what_is_missing_is_installed_once(bare: Path) -> None:
    """The lists of apt are fetched when they are needed, and no service may start meanwhile."""
    _apt(bare, works=True)
    assert debian.program("chromium") == bare / "chromium"
    before = _calls(bare)
    assert [line.split()[3] for line in before[::2]] == ["install", "update", "install"]
    assert before[1::2] == ["kept"] * 3
    assert before[0].endswith("install -y --no-install-recommends chromium")
    assert not (bare / "policy-rc.d").exists()
    assert debian.program("chromium") == bare / "chromium"
    assert _calls(bare) == before


def test_a_policy_that_is_there_stays(bare: Path) -> None:
    """The machine's own answer about services is kept."""
    _apt(bare, works=True)
    (bare / "policy-rc.d").write_text("own", encoding="ascii")
    debian.program("chromium")
    assert (bare / "policy-rc.d").read_text(encoding="ascii") == "own"


def test_what_cannot_be_installed_is_named(bare: Path) -> None:
    """The test fails, with what apt said and what to run."""
    _apt(bare, works=False)
    with pytest.raises(pytest.fail.Exception, match=r"E: Broken.*run as root: apt-get install"):
        debian.program("chromium")


def test_without_root_the_test_says_what_to_run(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails: it is never skipped."""
    _apt(bare, works=True)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(pytest.fail.Exception, match=r"apt-get install .* prometheus$"):
        debian.program("promtool")
    assert not (bare / "calls").exists()
