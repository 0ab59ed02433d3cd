"""Heads of upgrades: rows of what a peer writes, and what is read in it. No socket is opened."""

from base64 import b64encode

import pytest

from bridge.shell.upgrade import (
    Refusal,
    UpgradeRequest,
    is_interim,
    lacks_body,
    plain_response,
    read_request,
    tokens,
)

KEY = b64encode(b"k" * 16).decode()

GOOD = {
    "Host": "voice.example.com",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}


def head(first: str = "GET /here?a=1 HTTP/1.1", *, without: str = "", **more: str | list[str]) -> bytes:
    """A request that is right but for `more`: headers by name, with _ for -; a list is a line for each value."""
    fields: dict[str, str | list[str]] = {
        **GOOD,
        **{name.replace("_", "-"): one for name, one in more.items()},
    }
    lines = [
        f"{name}: {value}"
        for name, values in fields.items()
        if name != without
        for value in ([values] if isinstance(values, str) else values)
    ]
    return "\r\n".join([first, *lines]).encode("latin-1")


GRANTED = {
    "as most write it": head(),
    "Firefox": head(Connection="keep-alive, Upgrade"),
    "the other order": head(Connection="Upgrade, keep-alive"),
    "two lines": head(Connection=["keep-alive", "Upgrade"]),
    "two lines, the other order": head(Connection=["Upgrade", "keep-alive"]),
    "capitals": head(Connection="KEEP-ALIVE,UPGRADE", Upgrade="WebSocket"),
    "no blanks": head(Connection="close,upgrade"),
    "tabs and empty members": head(Connection=",\t upgrade\t,,"),
    "names in lower case": head().lower().replace(KEY.lower().encode(), KEY.encode()).replace(b"get /here?a=1 http/1.1", b"GET /here?a=1 HTTP/1.1"),
    "another protocol too": head(Upgrade="h2c, websocket"),
    "other protocols in lines of their own": head(Upgrade=["h2c", "websocket"]),
    "no body": head(Content_Length="0"),
    "blanks around values": head(Connection="  Upgrade \t", Sec_WebSocket_Version=" 13 "),
}  # fmt: skip


@pytest.mark.parametrize("request_head", GRANTED.values(), ids=GRANTED.keys())
def test_what_can_be_granted(request_head: bytes) -> None:
    request = read_request(request_head)
    assert isinstance(request, UpgradeRequest), request
    assert (request.target, request.key) == ("/here?a=1", KEY)
    assert request.headers["sec-websocket-version"].strip() == "13"


REFUSED: dict[str, tuple[bytes, int, str]] = {
    # a request; the status, and a part of the reason
    "nothing": (b"", 400, "request line"),
    "two words": (head("GET /here"), 400, "request line"),
    "no path": (head("GET  HTTP/1.1"), 400, "request line"),
    "POST": (head("POST /here HTTP/1.1"), 405, "expected GET"),
    "get": (head("get /here HTTP/1.1"), 405, "expected GET"),
    "HTTP/1.0": (head("GET /here HTTP/1.0"), 505, "expected HTTP/1.1"),
    "HTTP/2": (head("GET /here HTTP/2.0"), 505, "expected HTTP/1.1"),
    "a blank before the colon": (head() + b"\r\nX-More : x", 400, "a header is malformed"),
    "no colon": (head() + b"\r\nX-More", 400, "a header is malformed"),
    "a line that goes on": (head() + b"\r\n more", 400, "a header is malformed"),
    "a control character": (head(X_More="a\x00b"), 400, "a header is malformed"),
    "blanks that cost time to go through again": (head(X_More=" " * 16_000 + "\x00"), 400, "a header is malformed"),
    "a body": (head(Content_Length="5"), 400, "body"),
    "a body in pieces": (head(Transfer_Encoding="chunked"), 400, "body"),
    "no Upgrade": (head(without="Upgrade"), 426, "expected websocket in Upgrade"),
    "another Upgrade": (head(Upgrade="h2c"), 426, "expected websocket in Upgrade"),
    "an Upgrade that begins so": (head(Upgrade="websocket2"), 426, "expected websocket in Upgrade"),
    "no Connection": (head(without="Connection"), 400, "upgrade is missing in Connection"),
    "another Connection": (head(Connection="keep-alive"), 400, "upgrade is missing in Connection"),
    "a Connection that begins so": (head(Connection="upgrade-insecure"), 400, "upgrade is missing"),
    "no version": (head(without="Sec-WebSocket-Version"), 400, "Sec-WebSocket-Version is missing"),
    "an older version": (head(Sec_WebSocket_Version="8"), 426, "expected Sec-WebSocket-Version: 13"),
    "two versions": (head(Sec_WebSocket_Version=["13", "8"]), 426, "expected Sec-WebSocket-Version: 13"),
    "no key": (head(without="Sec-WebSocket-Key"), 400, "Sec-WebSocket-Key is missing"),
    "an empty key": (head(Sec_WebSocket_Key=""), 400, "Sec-WebSocket-Key is not valid"),
    "a short key": (head(Sec_WebSocket_Key="AAAA"), 400, "expected 16 bytes in base64"),
    "a key that is not base64": (head(Sec_WebSocket_Key="?" * 24), 400, "Sec-WebSocket-Key is not valid"),
    "a key outside ASCII": (head(Sec_WebSocket_Key="\xe9" * 24), 400, "Sec-WebSocket-Key is not valid"),
    "two keys": (head(Sec_WebSocket_Key=[KEY, KEY]), 400, "Sec-WebSocket-Key is not valid"),
}  # fmt: skip


@pytest.mark.parametrize(("request_head", "status", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_granted(request_head: bytes, status: int, reason: str) -> None:
    refusal = read_request(request_head)
    assert isinstance(refusal, Refusal)
    assert refusal.status == status
    assert reason in refusal.reason
    sent, _, body = refusal.response().decode().partition("\r\n\r\n")
    first, *lines = sent.split("\r\n")
    assert first == f"HTTP/1.1 {status} {refusal.status.phrase}"
    assert f"Content-Length: {len(body)}" in lines
    assert ("Upgrade: websocket" in lines) == (status == 426)  # RFC 9110, 15.5.22
    assert ("Connection: close, Upgrade" in lines) == (status == 426)
    assert ("Allow: GET" in lines) == (status == 405)


def test_another_version_is_told_ours() -> None:
    refusal = read_request(head(Sec_WebSocket_Version="8"))
    assert isinstance(refusal, Refusal)
    assert b"\r\nSec-WebSocket-Version: 13\r\n" in refusal.response()  # RFC 6455, 4.4


ANSWERED = b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\nServer: y\r\n"
PLAIN = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: x\r\nServer: y\r\n\r\nframes\r\n\r\n"
)


@pytest.mark.parametrize(
    "said",
    [
        b"Connection: Upgrade\r\nUpgrade: websocket",
        b"Connection: upgrade, keep-alive\r\nUpgrade: websocket",
        b"connection: keep-alive\r\nupgrade: WebSocket\r\nCONNECTION:UPGRADE",
        b"Connection: ,upgrade,\r\nUpgrade: websocket,",
    ],
)
def test_a_response_is_put_into_plain_form(said: bytes) -> None:
    assert plain_response(ANSWERED + said + b"\r\n\r\nframes\r\n\r\n") == PLAIN


@pytest.mark.parametrize(
    "read",
    [
        ANSWERED + b"Connection: keep-alive\r\nUpgrade: websocket\r\n\r\n",
        ANSWERED + b"Connection: upgrade\r\n\r\n",
        ANSWERED
        + b"Connection: upgrade\r\nUpgrade: websocket, h2c\r\n\r\n",  # RFC 6455, 4.1: not what was offered
        ANSWERED + b"Connection: upgrade\r\nUpgrade: websocket\r\nBroken\r\n\r\n",
        ANSWERED.replace(b"101", b"200") + b"Connection: upgrade, x\r\nUpgrade: websocket\r\n\r\n",
        b"hello\r\n\r\n",
        b"\r\n\r\n",
        b"",
    ],
)
def test_another_response_stays_as_it_is(read: bytes) -> None:
    assert plain_response(read) == read


@pytest.mark.parametrize(
    ("read", "interim"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\n", True),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", True),
        (b"HTTP/1.1 103\r\n", True),
        (b"HTTP/1.1 101 Switching Protocols\r\n", False),
        (b"HTTP/1.1 200 OK\r\n", False),
        (b"HTTP/1.1 1000 x\r\n", False),
        (b"HTTP/1.1 10", False),
    ],
)
def test_an_interim_response_is_known(read: bytes, interim: bool) -> None:
    assert is_interim(read) is interim


def test_tokens_of_all_lines() -> None:
    assert tokens(["Keep-Alive,  UPGRADE", "", "x"]) == ["keep-alive", "upgrade", "x"]


NO = b"HTTP/1.1 429 No\r\n"
BODIES = {
    # a response, and whether more of its body should come
    "an upgrade": (b"HTTP/1.1 101 Yes\r\nContent-Length: 9\r\n\r\n", False),
    "no length": (NO + b"A: b\r\n\r\n", False),
    "a length that is none": (NO + b"Content-Length: many\r\n\r\n", False),
    "nothing yet": (NO + b"Content-Length: 4\r\n\r\n", True),
    "a part": (NO + b"Content-Length: 4\r\n\r\nabc", True),
    "all": (NO + b"Content-Length: 4\r\n\r\nabcd", False),
    "enough": (NO + b"Content-Length: 400\r\n\r\n" + b"x" * 10, False),
    "chunks, begun": (NO + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", True),
    "chunks, all": (NO + b"Transfer-Encoding: Chunked\r\n\r\n2\r\na\r\n0\r\n\r\n", False),
}


@pytest.mark.parametrize(("read", "is_lacking"), BODIES.values(), ids=list(BODIES))
def test_how_much_of_a_refusal_is_still_to_come(read: bytes, *, is_lacking: bool) -> None:
    assert lacks_body(read, most=10) is is_lacking
