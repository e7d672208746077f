"""Who may look, and what is said to the others."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.errors import SinkError, UsageError
from edge.live.listen import Address, address
from tests.serve.conftest import Live

pytest.importorskip("aiohttp", reason="ferlite serve needs aiohttp: pip install 'ferlite[serve]'")

Start = Callable[..., Live]
TOKEN = "correct-horse-battery"


def test_without_the_token_nothing_is_shown_and_with_it_all(start: Start) -> None:
    live = start(token=TOKEN)
    for path in ("/", "/page.js", "/video", "/events", "/metrics"):
        answer, body = live.ask("GET", path)
        assert answer.status == 401 and answer.headers["WWW-Authenticate"] == "Bearer"
        assert "a token is needed" in json.loads(body)["error"]
    assert live.ask("POST", "/read", b"x")[0].status == 401
    answer, body = live.ask("GET", "/", Authorization="Bearer wrong-wrong-wrong-wrong")
    assert answer.status == 401 and "the token is wrong" in json.loads(body)["error"]
    assert live.ask("GET", "/", Authorization=f"Bearer {TOKEN}")[0].status == 200


def test_the_token_goes_from_the_address_into_a_cookie(start: Start) -> None:
    live = start(token=TOKEN)
    assert live.ask("GET", "/?token=wrong-wrong-wrong")[0].status == 401
    answer, _ = live.ask("GET", f"/?token={TOKEN}")
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie
    assert live.ask("GET", "/", Cookie=cookie.split(";")[0])[0].status == 200
    assert live.ask("POST", f"/read?token={TOKEN}", b"x")[0].status == 401  # a form of another site could


def test_other_websites_are_kept_out(start: Start) -> None:
    live = start()
    assert live.ask("GET", "/", Host="evil.example")[0].status == 403  # DNS rebinding
    for host in ("localhost:1", "127.0.0.1", "[::1]:9"):
        assert live.ask("GET", "/", Host=host)[0].status == 200
    assert live.ask("POST", "/read", b"x", Origin="http://evil.example")[0].status == 403
    assert live.ask("GET", "/video", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors")[0].status == 403
    # A link to the page is no attack.
    assert live.ask("GET", "/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")[0].status == 200
    assert live.ask("POST", "/read", b"", Origin=f"http://127.0.0.1:{live.port}")[0].status == 400


def test_nothing_foreign_is_loaded(start: Start) -> None:
    answer, body = start().ask("GET", "/")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "http" not in policy
    assert b"://" not in body


def test_a_port_that_is_taken_is_one_sentence(start: Start) -> None:
    from edge.live.vitals import Vitals
    from edge.serve.film import Newest
    from edge.serve.server import Server, Show
    from edge.serve.stills import Stills

    taken = Address("127.0.0.1", start().port)
    show = Show(Newest(False), Vitals(), Stills(lambda: pytest.fail("nothing is read")), None)
    with pytest.raises(SinkError, match=rf"cannot serve at '{taken}': "):
        Server(taken, "", show)


def test_a_host_that_no_name_can_have_is_one_sentence() -> None:
    from edge.live.vitals import Vitals
    from edge.serve.film import Newest
    from edge.serve.server import Server, Show
    from edge.serve.stills import Stills

    show = Show(Newest(False), Vitals(), Stills(lambda: pytest.fail("nothing is read")), None)
    told: list[str] = []

    def begin() -> None:
        try:
            Server(Address("a..b", 0), TOKEN, show)
        except SinkError as error:
            told.append(str(error))

    beginning = threading.Thread(target=begin, daemon=True)
    beginning.start()
    beginning.join(30)
    assert len(told) == 1 and told[0].startswith("cannot serve at 'a..b:0': ")


@pytest.mark.parametrize(
    ("text", "host", "port", "loopback"),
    [
        ("8600", "127.0.0.1", 8600, True),
        (":0", "127.0.0.1", 0, True),
        ("localhost:80", "localhost", 80, True),
        ("[::1]:80", "::1", 80, True),
        ("0.0.0.0:80", "0.0.0.0", 80, False),
        ("192.168.1.4:8600", "192.168.1.4", 8600, False),
        ("board.local:8600", "board.local", 8600, False),
    ],
)
def test_addresses(text: str, host: str, port: int, loopback: bool) -> None:
    found = address(text, "--listen")
    assert (found.host, found.port, found.loopback) == (host, port, loopback)


@pytest.mark.parametrize(
    "text",
    [
        *("", "localhost", "a:b", "1.2.3.4:70000", "::1:80", "http://x:80", "x:"),
        *("a..b:8600", f"{'l' * 64}.local:8600"),
    ],
)
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="must be HOST:PORT or PORT"):
        address(text, "--listen")


def test_a_token_from_a_file(tmp_path: Path) -> None:
    from edge.serve.access import new_token, token_from

    (tmp_path / "token").write_text(f"{TOKEN}\n")
    assert token_from(tmp_path / "token") == TOKEN
    (tmp_path / "made").write_text(new_token())
    assert len(token_from(tmp_path / "made")) >= 16
    for bad in ("", "short", "with spaces in the middle", "ümlaut-ümlaut-ümlaut"):
        (tmp_path / "bad").write_text(bad)
        with pytest.raises(UsageError, match="must be 16 or more letters"):
            token_from(tmp_path / "bad")
    with pytest.raises(UsageError, match="cannot read the token"):
        token_from(tmp_path / "nowhere")
