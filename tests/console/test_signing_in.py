"""Who gets in: tokens, sessions, links that work once, and those who try."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from antiphon import ConfigurationError, Settings
from antiphon.console.sessions import Sessions
from antiphon.console.throttle import Throttle
from antiphon.console.tokens import FixedTokens, Holder, TokenFile, digest, new_token
from consoles import ORIGIN, House, words

COOKIE = "antiphon_session"  # with the port, where there is one

PAGES = (
    "/", "/recoveries", "/recovery?id=x", "/recovery/ledger?id=x", "/recovery/logs?id=x",
    "/approvals", "/letters", "/letter?id=1-1", "/guards", "/pauses", "/escalations", "/map",
    "/audit",
)  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
async def test_a_stranger_is_asked_to_sign_in(house: House, path: str) -> None:
    """No page says anything to somebody who is not signed in."""
    response = await house.stranger().get(path)
    assert response.status_code == 303
    if path != "/":
        assert response.headers["location"].startswith("/login?next=%2F")
    assert response.text == ""


async def test_a_token_lets_its_holder_in(house: House) -> None:
    """The cookie is out of reach of scripts and other sites; one goes on to where one was going."""
    stranger = house.stranger()
    fields = {"token": house.tokens["ana"], "next": "/approvals?x=1"}
    response = await stranger.post("/login", fields)
    assert (response.status_code, response.headers["location"]) == (303, "/approvals?x=1")
    cookie = response.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert house.tokens["ana"] not in cookie
    assert "ana (operator)" in " ".join((await stranger.page("/approvals")).split()).replace(
        '<span class="dim">', ""
    )


@pytest.mark.parametrize("next_", ["//evil.example", "https://evil.example", "/\\evil", "evil"])
async def test_nobody_is_led_elsewhere(house: House, next_: str) -> None:
    """Signing in leads to a page of the console, whatever the address says."""
    fields = {"token": house.tokens["ana"], "next": next_}
    response = await house.stranger().post("/login", fields)
    assert response.headers["location"] == "/recoveries"


async def test_a_wrong_token_gets_nothing(house: House) -> None:
    """It is refused and told nothing; soon who is wrong has to wait, and who is right never."""
    stranger = house.stranger()
    for token in ("", "ana", "antiphon_", house.tokens["ana"][:-1], digest(house.tokens["ana"])):
        response = await stranger.post("/login", {"token": token})
        assert response.status_code == 401
        assert "set-cookie" not in response.headers
        assert words(response.text).startswith("Antiphon This token is not known here.")
    for _ in range(5):
        await stranger.post("/login", {"token": "x"})
    refused = await stranger.post("/login", {"token": "x"})
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 60
    admitted = await stranger.post("/login", {"token": house.tokens["ana"]})
    assert admitted.status_code == 303


async def test_over_tls_the_cookie_stays_on_it(house: House) -> None:
    """No browser sends it where others could read it on its way."""
    for scheme in ("http", "https"):
        base = f"{scheme}://console.test"
        fields = {"token": house.tokens["ana"]}
        response = await house.stranger().post(f"{base}/login", fields, {"Origin": base})
        assert ("; secure" in response.headers["set-cookie"].lower()) == (scheme == "https")


def test_who_was_wrong_may_try_again_after_a_while() -> None:
    """Each failure counts for a minute, and for one address alone."""
    now = [0.0]
    throttle = Throttle(limit=2, clock=lambda: now[0])
    throttle.failed("one")
    now[0] = 20
    throttle.failed("one")
    assert (throttle.wait_s("one"), throttle.wait_s("another")) == (40, 0)
    now[0] = 60
    assert throttle.wait_s("one") == 0
    throttle.failed("one")
    assert throttle.wait_s("one") == 20


def test_many_who_try_take_no_more_memory() -> None:
    """The addresses that were wrong longest ago are forgotten."""
    throttle = Throttle(limit=1)
    for number in range(1100):
        throttle.failed(f"address {number}")
    assert len(throttle._failures) == 1024
    assert (throttle.wait_s("address 0"), throttle.wait_s("address 1099") > 0) == (0, True)


async def test_a_link_signs_in_once(settings: Settings) -> None:
    """The code in it shows a button; pressing it a second time does nothing."""
    holder = Holder.of("ana", "operator", new_token())
    async with House.open(
        settings, tokens=FixedTokens((holder,)), invitations={digest("code"): holder}
    ) as house:
        for _ in range(2):  # looking at it, as mail programs do, uses nothing up
            assert "Sign in as ana, operator" in await house.stranger().page("/login?code=code")
        first, second = house.stranger(), house.stranger()
        assert (await first.post("/login", {"code": "code"})).status_code == 303
        assert "Recoveries" in await first.words("/recoveries")
        refused = await second.post("/login", {"code": "code"})
        assert refused.status_code == 401
        assert "has been used" in words(refused.text)
        assert (await second.post("/login", {"code": "", "token": ""})).status_code == 401


async def test_signing_out_ends_the_session(house: House) -> None:
    """Whoever kept the cookie has nothing left."""
    ana = await house.visitor("ana")
    cookie = ana.client.cookies[COOKIE]
    left = await ana.post("/logout", {"csrf": await ana.csrf()})
    assert left.headers["location"] == "/login"
    thief = house.stranger()
    thief.client.cookies.set(COOKIE, cookie)
    assert (await thief.get("/recoveries")).status_code == 303


async def test_signing_in_again_ends_the_session_before(house: House) -> None:
    """A browser has one."""
    ana = await house.visitor("ana")
    cookie = ana.client.cookies[COOKIE]
    await ana.post("/login", {"token": house.tokens["ben"]})
    thief = house.stranger()
    thief.client.cookies.set(COOKIE, cookie)
    assert (await thief.get("/recoveries")).status_code == 303
    assert (await ana.get("/recoveries")).status_code == 200


async def test_consoles_at_two_ports_of_a_host_know_their_own(house: House) -> None:
    """A browser sends cookies to every port: signing in at one signs nobody out of the other."""
    ana = house.stranger()
    for port in (8420, 8421):
        base = f"http://console.test:{port}"
        fields = {"token": house.tokens["ana"]}
        assert (await ana.post(f"{base}/login", fields, {"Origin": base})).status_code == 303
    for port in (8420, 8421):
        assert (await ana.get(f"http://console.test:{port}/recoveries")).status_code == 200
    names = {cookie.name for cookie in ana.client.cookies.jar}
    assert names == {f"{COOKIE}_8420", f"{COOKIE}_8421"}


async def test_a_changed_cookie_is_nobodys(house: House) -> None:
    """A session is signed."""
    ana = await house.visitor("ana")
    cookie = ana.client.cookies[COOKIE]
    for forged in (cookie[:-1], cookie.partition(".")[0], "x" + cookie, ""):
        stranger = house.stranger()
        stranger.client.cookies.set(COOKIE, forged)
        assert (await stranger.get("/recoveries")).status_code == 303


def test_a_session_expires() -> None:
    """However often it was used."""
    now = [0.0]
    holder = Holder.of("ana", "operator", new_token())
    sessions = Sessions(FixedTokens((holder,)), clock=lambda: now[0])
    cookie = sessions.open(holder)
    now[0] = 12 * 3600 - 1
    assert sessions.find(cookie)
    now[0] = 12 * 3600
    assert sessions.find(cookie) is None
    sessions.open(replace(holder, name="ben", digest="0" * 64))
    assert len(sessions._sessions) == 1  # what has expired is forgotten, whoever signs in next


def test_who_signs_in_often_ends_sessions_of_their_own() -> None:
    """One token has twenty at most; nobody else is signed out for it."""
    ana, cleo = Holder.of("ana", "operator", new_token()), Holder.of("cleo", "viewer", new_token())
    sessions = Sessions(FixedTokens((ana, cleo)))
    kept = sessions.open(ana)
    opened = [sessions.open(cleo) for _ in range(1001)]
    assert sessions.find(kept)
    assert [bool(sessions.find(cookie)) for cookie in opened[-21:]] == [False] + [True] * 20


async def test_a_token_that_is_taken_away_ends_its_sessions(
    settings: Settings, tmp_path: Path
) -> None:
    """The tokens file is read again when it changes; while it makes no sense nobody is let in."""
    ana, cleo = new_token(), new_token()
    lines = [Holder.of("ana", "operator", ana).line, Holder.of("cleo", "viewer", cleo).line]
    path = tmp_path / "tokens"
    path.write_text("# who may\n\n" + "\n".join(lines))
    async with House.open(settings, tokens=TokenFile(path)) as house:
        visitors = [house.stranger(), house.stranger()]
        for visitor, token in zip(visitors, (ana, cleo), strict=True):
            assert (await visitor.post("/login", {"token": token})).status_code == 303
        path.write_text(lines[1])
        assert [(await v.get("/audit")).status_code for v in visitors] == [303, 200]
        path.write_text("cleo viewer")
        assert (await visitors[1].get("/audit")).status_code == 303
        path.write_text("\n".join(lines))
        assert [(await v.get("/audit")).status_code for v in visitors] == [200, 200]


async def test_a_tokens_file_that_comes_back_lets_its_people_in(
    settings: Settings, tmp_path: Path
) -> None:
    """Moved away and back unchanged, as a remounted volume does; and so after a wrong mode."""
    token = new_token()
    path, away = tmp_path / "tokens", tmp_path / "away"
    path.write_text(Holder.of("ana", "operator", token).line)
    async with House.open(settings, tokens=TokenFile(path)) as house:
        ana = house.stranger()
        assert (await ana.post("/login", {"token": token})).status_code == 303
        path.rename(away)
        assert (await ana.get("/audit")).status_code == 303
        away.rename(path)
        assert (await ana.get("/audit")).status_code == 200
        path.chmod(0o646)
        assert (await ana.get("/audit")).status_code == 303
        path.chmod(0o600)
        assert (await ana.get("/audit")).status_code == 200


@pytest.mark.parametrize(
    "text",
    [
        "ana operator",
        "ana boss sha256:" + "0" * 64,
        "ana operator sha256:xyz",
        "ana operator antiphon_secret",
        "ana viewer sha256:" + "0" * 64 + "\nana viewer sha256:" + "1" * 64,
        "ana viewer sha256:" + "0" * 64 + "\nben viewer sha256:" + "0" * 64,
    ],
)
def test_a_wrong_line_is_named_and_not_repeated(tmp_path: Path, text: str) -> None:
    """It may hold a token."""
    path = tmp_path / "tokens"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"^line [12] of ") as refused:
        TokenFile(path).load()
    assert "secret" not in str(refused.value)


def test_a_file_that_everybody_may_write_is_refused(tmp_path: Path) -> None:
    """Whoever could add a line could let themselves in."""
    path = tmp_path / "tokens"
    path.write_text(Holder.of("ana", "operator", new_token()).line)
    path.chmod(0o646)
    with pytest.raises(ConfigurationError, match="chmod o-w"):
        TokenFile(path).load()


async def test_a_forged_sign_in_is_refused(house: House) -> None:
    """Another site cannot sign somebody in as somebody else."""
    fields = {"token": house.tokens["ana"]}
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        response = await house.stranger().post("/login", fields, headers)
        assert response.status_code == 403
    assert (await house.stranger().post("/login", fields, ORIGIN)).status_code == 303
