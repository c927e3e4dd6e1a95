"""The server that answers for a process: one request at a time, whatever it asks."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx
import pytest

from antiphon.address import Address
from antiphon.telemetry import serving
from antiphon.telemetry.health import Answer, Check, readiness
from antiphon.telemetry.serving import Application, Server


def broken() -> Answer:
    raise RuntimeError("no idea")


PROBES = {
    "/well": lambda: Answer(200, {"well": True}),
    "/ill": lambda: Answer(503, {"well": False}),
    "/broken": broken,
}


@pytest.fixture
def base() -> Iterator[str]:
    server = Server(Address("127.0.0.1", 0), Application(PROBES))
    server.start()
    yield f"http://{server.address}"
    server.stop()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/well", 200),
        ("GET", "/ill", 503),
        ("GET", "/broken", 500),
        ("GET", "/metrics", 200),
        ("GET", "/", 404),
        ("GET", "/metrics/", 404),
        ("GET", "/../etc/passwd", 404),
        ("POST", "/well", 405),
        ("DELETE", "/metrics", 405),
        ("OPTIONS", "/metrics", 405),
        ("POST", "/nowhere", 404),
    ],
)
def test_each_request_is_answered(base: str, method: str, path: str, status: int) -> None:
    """Known paths by GET and HEAD, everything else refused; HEAD says the same without a body."""
    said = httpx.request(method, base + path)
    assert said.status_code == status
    assert said.headers["server"] == "antiphon"
    assert "no idea" not in said.text
    if status == 405:
        assert said.headers["allow"] == "GET, HEAD"
    if method == "GET" and path != "/metrics":
        head = httpx.head(base + path)
        assert (head.status_code, head.content) == (status, b"")
        assert head.headers["content-length"] == said.headers["content-length"]


def test_metrics_come_in_the_format_that_is_asked_for(base: str) -> None:
    """The text format unless OpenMetrics is asked for; compressed for who takes it so."""
    plain = httpx.get(f"{base}/metrics", headers={"Accept-Encoding": "gzip"})
    assert plain.headers["content-type"].startswith("text/plain")
    assert plain.headers["content-encoding"] == "gzip"
    openmetrics = {"Accept": "application/openmetrics-text; version=1.0.0"}
    opened = httpx.get(f"{base}/metrics", headers=openmetrics)
    assert opened.headers["content-type"].startswith("application/openmetrics-text")
    assert opened.text.endswith("# EOF\n")
    head = httpx.head(f"{base}/metrics")
    assert (head.status_code, head.content) == (200, b"")


def test_who_says_nothing_keeps_nobody_waiting(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen that say nothing take every place, until they are hung up on."""
    monkeypatch.setattr(serving._Request, "timeout", 0.3)
    address = base.removeprefix("http://").split(":")
    silent = [socket.create_connection((address[0], int(address[1]))) for _ in range(16)]
    try:
        for one in silent:
            one.settimeout(10)
            assert one.recv(1) == b"", "it is hung up on"
        assert httpx.get(f"{base}/well").status_code == 200
    finally:
        for one in silent:
            one.close()


def test_what_is_no_http_is_survived(base: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever comes in over the wire, the next request is answered, and nothing is printed."""
    host, port = base.removeprefix("http://").split(":")
    for noise in (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"GET\r\n\r\n", b"x" * 70_000, b""):
        with socket.create_connection((host, int(port))) as raw:
            raw.sendall(noise)
    assert httpx.get(f"{base}/well").status_code == 200
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("127.0.0.1:9464", "127.0.0.1", 9464), ("[::1]:0", "::1", 0), ("localhost:1", "localhost", 1)],
)
def test_an_address_is_read_and_written_alike(text: str, host: str, port: int) -> None:
    """Host and port, IPv6 in brackets."""
    assert Address.parse(text) == Address(host, port)
    assert str(Address.parse(text)) == text


def test_readiness_names_every_check() -> None:
    """One that is not passed makes the whole not ready, and says why."""
    well, ill = Check("server"), Check("duties", "timers has not succeeded for 9.0 s")
    assert readiness([well]).status == 200
    said = readiness([well, ill])
    assert (said.status, said.document["ready"]) == (503, False)
    assert said.document["checks"] == {
        "server": {"ok": True},
        "duties": {"ok": False, "why": "timers has not succeeded for 9.0 s"},
    }


def test_a_client_that_dawdles_is_hung_up_on(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then does not keep a place that a probe needs."""
    monkeypatch.setattr(serving, "_LONGEST_S", 0.3)
    url = httpx.URL(base)
    with socket.create_connection((url.host, url.port or 0), timeout=5) as client:
        client.sendall(b"GET /we")
        assert client.recv(1) == b""
