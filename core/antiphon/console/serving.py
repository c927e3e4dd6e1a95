"""Serving the console: to this machine alone, unless it is told otherwise and safe to."""

from __future__ import annotations

import ipaddress
import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from antiphon.console.app import application
from antiphon.console.tokens import FixedTokens, Holder, TokenFile, Tokens, digest, new_token
from antiphon.errors import ConfigurationError
from antiphon.settings import Settings
from antiphon.telemetry.logging import get_logger


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How to serve the console."""

    host: str
    port: int
    """0 for any that is free."""

    tokens: Path | None
    """The tokens file; None: one operator, for this run."""

    operator: str
    """The name of that operator."""

    certificate: Path | None
    key: Path | None
    insecure: bool
    """Serve others than this machine without TLS."""

    trusted_proxy: str = ""
    """The address of the proxy whose `X-Forwarded-For` and `-Proto` are believed; none if empty."""

    logs: tuple[Path, ...]


def serve(settings: Settings, how: Serving, say: Callable[[str], None]) -> None:
    """Serve the console until SIGTERM or Ctrl-C.

    Args:
        settings: Where the cell is.
        how: To whom.
        say: Tells whoever started it where to look.

    Raises:
        ConfigurationError: it would not be safe, the address is taken, or a file cannot be used.
    """
    _refuse_unsafe(how)
    tokens, invitations, token, code = _tokens(how)
    app = application(settings, tokens, logs=how.logs, invitations=invitations)
    listening = _listen(how)
    with listening:
        base = _address(listening, tls=how.certificate is not None)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="on",
            ws="none",
            ssl_certfile=how.certificate,
            ssl_keyfile=how.key,
            timeout_graceful_shutdown=3,
            proxy_headers=bool(how.trusted_proxy),
            forwarded_allow_ips=how.trusted_proxy,
        )
        _load_certificate(config)
        say(f"The console of the cell {settings.cell} is at {base}")
        if token:
            say(f"Sign in once as {how.operator}, operator: {base}/login?code={code}")
            say(f"Or with the token of this run: {token}")
        get_logger().info("console.ready", url=base, cell=settings.cell)
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])
        get_logger().info("console.stopped")


def is_loopback(host: str) -> bool:
    """Whether an address to listen at is this machine's alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _refuse_unsafe(how: Serving) -> None:
    if how.trusted_proxy and not _is_address(how.trusted_proxy):
        raise ConfigurationError(
            f"--trusted-proxy takes one IP address, not {how.trusted_proxy!r}: that of the proxy, "
            "such as 127.0.0.1"
        )
    if (how.certificate is None) != (how.key is None):
        raise ConfigurationError("--tls-cert and --tls-key go together: give both, or neither")
    if is_loopback(how.host):
        return
    if how.certificate is None and not how.insecure:
        raise ConfigurationError(
            f"refusing to serve {how.host} without TLS: anyone on the way could read tokens and "
            "act. Give --tls-cert and --tls-key, or serve 127.0.0.1 behind a proxy that ends TLS, "
            "or say --insecure"
        )
    if how.tokens is None:
        raise ConfigurationError(
            f"refusing to serve {how.host} without tokens of its people: make a file with "
            "`antiphon console token`, and name it with --tokens or ANTIPHON_CONSOLE_TOKENS"
        )


def _tokens(how: Serving) -> tuple[Tokens, dict[str, Holder], str, str]:
    """Read the tokens file, or make one operator for this run, with a token and a code."""
    if how.tokens is not None:
        file = TokenFile(how.tokens)
        if not file.load():
            raise ConfigurationError(
                f"the tokens file {str(how.tokens)!r} lets nobody in: `antiphon console token` "
                "makes a token and its line"
            )
        return file, {}, "", ""
    token, code = new_token(), secrets.token_urlsafe(16)
    holder = Holder.of(how.operator, "operator", token)
    return FixedTokens((holder,)), {digest(code): holder}, token, code


def _listen(how: Serving) -> socket.socket:
    try:
        family = socket.getaddrinfo(how.host, how.port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((how.host, how.port), family=family)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen at {how.host} port {how.port}: {error.strerror or error}. Choose "
            "another with --port"
        ) from error


def _load_certificate(config: uvicorn.Config) -> None:
    try:
        config.load()
    except OSError as error:  # what `ssl` raises is one as well
        raise ConfigurationError(
            f"the certificate {str(config.ssl_certfile)!r} or its key cannot be used: {error}"
        ) from error


def _address(listening: socket.socket, *, tls: bool) -> str:
    host, port = listening.getsockname()[:2]
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
