"""``antiphon console`` and ``antiphon console token``: what they make, and what they refuse."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import httpx
import pytest

from antiphon import ConfigurationError, Settings
from antiphon.cli.console import serve
from antiphon.console.serving import is_loopback
from antiphon.console.tokens import TokenFile, digest
from browsing import end, run_console, tokens_file
from program import antiphon


async def test_a_token_is_made(settings: Settings, tmp_path: Path) -> None:
    """The token goes to standard error, once; its line, which holds no secret, is for the file."""
    made = await antiphon(settings, "console", "token", "--as", "ana", "--role", "operator")
    assert made.status == 0
    token = made.err.split()[-1]
    assert made.err == f"The token of ana, shown this once: {token}\n"
    assert made.out == f"ana operator sha256:{digest(token)}\n"
    path = tmp_path / "tokens"
    path.write_text(made.out)
    [holder] = TokenFile(path).load()
    assert (holder.name, holder.role) == ("ana", "operator")
    assert len(token) > 43


@pytest.mark.parametrize("name", ["", "two words", "a:b", "#ana", "x" * 65])
async def test_a_name_must_be_one(settings: Settings, name: str) -> None:
    """It stands in a line of the tokens file, and in the audit."""
    refused = await antiphon(settings, "console", "token", "--as", name, "--role", "viewer")
    assert refused.status == 2
    assert f"{name!r} is no name for a token" in refused.complaint


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--host", "0.0.0.0"], "refusing to serve 0.0.0.0 without TLS"),
        (["--host", "::"], "refusing to serve :: without TLS"),
        (["--host", "0.0.0.0", "--insecure"], "without tokens of its people"),
        (["--tls-cert", "x.pem"], "--tls-cert and --tls-key go together"),
        (["--tls-cert", "none.pem", "--tls-key", "none.key"], "cannot be used"),
        (["--tokens", "no-such-file"], "'no-such-file' cannot be read"),
        (["--host", "192.0.2.1", "--insecure", "--tokens", "TOKENS"], "cannot listen at 192.0.2.1"),
        (["--tokens", "EMPTY"], "lets nobody in"),
        (["--trusted-proxy", "*"], "--trusted-proxy takes one IP address, not '*'"),
    ],
)
async def test_what_is_not_safe_or_cannot_be_is_refused(
    settings: Settings, tmp_path: Path, arguments: list[str], complaint: str
) -> None:
    """One line says what, and what to do instead."""
    made = await antiphon(settings, "console", "token", "--as", "ana", "--role", "viewer")
    files = {"TOKENS": tmp_path / "tokens", "EMPTY": tmp_path / "empty"}
    files["TOKENS"].write_text(made.out)
    files["EMPTY"].write_text("# nobody yet\n")
    given = [str(files.get(one, one)) for one in arguments]
    refused = await antiphon(settings, "console", "--port", "0", *given)
    assert refused.status == 2, refused
    assert complaint in refused.complaint
    assert "token of this run" not in refused.out


async def test_only_a_trusted_proxy_says_who_asks(settings: Settings, tmp_path: Path) -> None:
    """Anybody can send `X-Forwarded-For`; nobody is believed but whom it is told to."""
    forwarded = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    path, made = tokens_file(tmp_path)
    for proxy, believed in (("", False), ("127.0.0.2", False), ("127.0.0.1", True)):
        given = ["--trusted-proxy", proxy] if proxy else []
        folder = tmp_path / f"proxy-{proxy}"
        folder.mkdir()
        console = await asyncio.to_thread(
            run_console, settings, folder, "--tokens", str(path), *given
        )
        try:
            async with httpx.AsyncClient(base_url=console.base, headers=forwarded) as client:
                await client.post("/login", data={"token": "x"})
                signed_in = await client.post("/login", data={"token": made["ana"]})
        finally:
            await asyncio.to_thread(end, console.process)
        assert signed_in.status_code == 303
        assert ("secure" in signed_in.headers["set-cookie"].lower()) == believed
        assert ("127.0.0.1" if not believed else "203.0.113.9") in console.log.read_text()
        assert ("203.0.113.9" in console.log.read_text()) == believed


def test_what_is_this_machines_alone() -> None:
    """A name that may mean another machine is none of them."""
    assert all(map(is_loopback, ("127.0.0.1", "127.8.8.8", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "example.org", "")))


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever installed Antiphon without it learns how to get it."""
    # The package remembers what is imported here; it is to forget it when this is over.
    monkeypatch.setattr("antiphon.console", sys.modules["antiphon.console"])
    for name in [name for name in sys.modules if name.startswith("antiphon.console")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)

    class Context:
        invoked_subcommand = None

    with pytest.raises(ConfigurationError, match=r"pip install 'antiphon\[console\]'"):
        serve(Context())  # type: ignore[arg-type]
