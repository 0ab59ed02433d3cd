"""What the supervisor reads of a request: when it has enough, what it says of the worker, and what it refuses."""

import pytest

from bridge.shell.front_door import HEAD_BYTES
from bridge.shell.supervisor.request import Destination, Request, RequestReader, TooLong, destination
from bridge.shell.tokens import Tokens

TOKENS = Tokens({"twilio": [b"k" * 32]}, "0wner")
TOKEN = TOKENS.sign(TOKENS.new("twilio", "media", "CA1", "", 0.0))


def post(path: str, body: bytes, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def get(target: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {target} HTTP/1.1", "Host: x", *headers]).encode() + b"\r\n\r\n"


def read(data: bytes) -> Request:
    request = RequestReader().feed(data)
    assert request is not None
    return request


FORM, JSON = b"CallStatus=ringing&CallSid=CA1", b'{"data":{"payload":{"call_control_id":"v3:x"}}}'

HANDLE = "0a1b2c3d-" + "5" * 32

DESTINATIONS = [
    ("a token names its owner", get(f"/twilio/media/{TOKEN}"), Destination(owner="0wner")),
    ("with a query and a slash", get(f"/twilio/media/{TOKEN}/?x=1"), Destination(owner="0wner")),
    ("percent-encoded", get(f"/twilio/%6dedia/{TOKEN}"), Destination(owner="0wner")),
    ("as a whole address", get(f"http://x/twilio/media/{TOKEN}"), Destination(owner="0wner")),
    ("in either kind of stream", get(f"/telnyx/listen/{TOKEN}"), Destination(owner="0wner")),
    ("a token of nobody's", get("/twilio/media/AAAA"), Destination()),
    ("a media socket without a token", get("/twilio/media"), Destination(may_begin_call=True)),
    ("Twilio's form", post("/twilio/voice", FORM), Destination("", ("twilio", "CA1"), True)),
    ("with a word and a query", post("/twilio/voice/sales?a=b", FORM), Destination("", ("twilio", "CA1"), True)),
    ("a handle names its owner", post(f"/twilio/next/{HANDLE}", FORM), Destination("0a1b2c3d", ("twilio", "CA1"), True)),
    ("of a person's leg", post(f"/telnyx/leg/{HANDLE}?a=b", JSON), Destination("0a1b2c3d", ("telnyx", "v3:x"), True)),
    ("TeXML", post("/telnyx/texml", FORM), Destination("", ("telnyx", "CA1"), True)),
    ("Call Control", post("/telnyx/webhook", JSON), Destination("", ("telnyx", "v3:x"), True)),
    ("without its wrapper", post("/telnyx/webhook", b'{"call_control_id":"v3:x"}'), Destination("", ("telnyx", "v3:x"), True)),
    ("no JSON", post("/telnyx/webhook", b"{"), Destination()),
    ("JSON of another shape", post("/telnyx/webhook", b'{"data":[],"call_control_id":7}'), Destination()),
    ("too many fields", post("/twilio/voice", b"a&" * 300 + b"CallSid=CA1"), Destination()),
    ("a webhook's path with GET", get("/twilio/voice"), Destination()),
    ("a call from the page", post("/phone/calls", b"{}"), Destination(may_begin_call=True)),
    ("its trace", get(f"/phone/calls/{HANDLE}/trace"), Destination(owner="0a1b2c3d")),
    ("a call that is watched", get("/calls/v3%3Ax/events"), Destination(call_id="v3:x")),
    ("an id that has slashes", post("/calls/v3%3Aa%2Fb%2B%3D/hold", b"{}"), Destination(call_id="v3:a/b+=")),
    ("a call that is steered", post("/calls/CA1/hold", b"{}"), Destination(call_id="CA1")),
    ("a call that is placed", post("/calls", b"{}"), Destination(is_pinned=True)),
    ("another path", post("/elsewhere", FORM), Destination()),
    ("the request's target is malformed", get("http://[x/"), Destination()),
    ("no path at all", b"GET\r\n\r\n", Destination()),
]  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), [row[1:] for row in DESTINATIONS], ids=[row[0] for row in DESTINATIONS])  # fmt: skip
def test_says_who_shall_have_it(data: bytes, expected: Destination) -> None:
    assert destination(read(data)) == expected


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_a_webhook_in_pieces_is_complete_with_its_body(piece: int) -> None:
    reader, data = RequestReader(), post("/twilio/voice", FORM)
    found = [reader.feed(data[start : start + piece]) for start in range(0, len(data), piece)]
    assert found[:-1] == [None] * (len(found) - 1)
    assert found[-1] is not None
    assert (found[-1].body, found[-1].read) == (FORM, data)


HEAD_ALONE = [
    ("not a webhook's path", post("/elsewhere", FORM)),
    ("a body that is too long", post("/twilio/voice", b"x" * 65_537)),
    ("a length that is no number", b"POST /twilio/voice HTTP/1.1\r\nContent-Length: 1e3\r\n\r\n"),
    ("a body in chunks", post("/twilio/voice", b"", "Transfer-Encoding: chunked")),
    ("the peer waits to be told to go on", post("/twilio/voice", FORM, "Expect: 100-continue")),
]


@pytest.mark.parametrize("data", [row[1] for row in HEAD_ALONE], ids=[row[0] for row in HEAD_ALONE])
def test_no_body_is_waited_for(data: bytes) -> None:
    head = data[: data.index(b"\r\n\r\n") + 4]
    assert read(head).read == head


def test_empty_lines_before_the_request_are_skipped() -> None:
    reader = RequestReader()
    assert reader.feed(b"\r\n\r\n") is None  # it is no whole head
    assert reader.feed(b"\r\n" + get("/healthz")) == read(get("/healthz"))


@pytest.mark.parametrize(
    "data",
    [b"\r\n" * HEAD_BYTES, b"x" * (HEAD_BYTES + 1), get("/", "X: " + "y" * HEAD_BYTES)],
    ids=["empty lines", "no end of a line", "a long header"],
)
def test_a_head_that_is_too_long_is_refused(data: bytes) -> None:
    reader = RequestReader()
    with pytest.raises(TooLong):
        [reader.feed(data[start : start + 1000]) for start in range(0, len(data), 1000)]
    with pytest.raises(TooLong):
        RequestReader().feed(data)


def test_headers_are_in_lower_case() -> None:
    headers = read(get("/healthz", "X-Forwarded-For:  1.2.3.4 ", "malformed")).headers
    assert headers == {"host": "x", "x-forwarded-for": "1.2.3.4"}
