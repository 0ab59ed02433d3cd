"""The cases of the Autobahn test suite for a server: what is sent, what must come back, and how it ends.

Source: autobahntestsuite 25.10.1, cases 1 to 7, 9 and 10. The cases 12 and 13 are of compression, which is never
offered. Where the suite has sizes up to 16 MiB and times in seconds, these are small.
"""

from itertools import pairwise
from typing import NamedTuple

TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
NORMAL, PROTOCOL_ERROR, NOT_UTF8 = 1000, 1002, 1007

Received = tuple[int, bytes]
"""Opcode and payload of a frame from the server."""


class Case(NamedTuple):
    """`sent`: raw bytes in a row. `back`: the frames before the close. `code`: of the server's close frame."""

    number: str
    sent: bytes
    back: tuple[Received, ...] = ()
    code: int = NORMAL
    chop: int = 0
    """Send so many bytes at a time."""


def frame(
    payload: str | bytes = b"",
    opcode: int = TEXT,
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes = b"\x11\x22\x33\x44",
) -> bytes:
    data = payload.encode() if isinstance(payload, str) else payload
    size = len(data)
    head = bytes([fin << 7 | rsv << 4 | opcode])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65_536:
        head += b"\xfe" + size.to_bytes(2, "big")
    else:
        head += b"\xff" + size.to_bytes(8, "big")
    return head + mask + bytes(one ^ mask[at % 4] for at, one in enumerate(data))


def close(code: int | None = NORMAL, reason: bytes = b"") -> bytes:
    return frame(b"" if code is None else code.to_bytes(2, "big") + reason, CLOSE)


def pieces(payload: bytes, size: int, opcode: int = TEXT) -> bytes:
    """A message in fragments of `size` bytes."""
    cuts = [*range(0, len(payload), size), len(payload)]
    return b"".join(
        frame(payload[begin:end], opcode if begin == 0 else CONTINUATION, fin=end == len(payload))
        for begin, end in pairwise(cuts)
    )


def echoed(
    number: str, payload: str | bytes, opcode: int = TEXT, *, chop: int = 0, sent: bytes = b""
) -> Case:
    """A message that comes back; then a close that is answered."""
    data = payload.encode() if isinstance(payload, str) else payload
    return Case(number, (sent or frame(data, opcode)) + close(), ((opcode, data),), NORMAL, chop)


HELLO = "Hello, world!"
ECHO = ((TEXT, HELLO.encode()),)
KOSME = "κόσμε".encode()
BAD = KOSME + b"\xf4\x90\x80\x80" + b"edited"
BAD_REASON = KOSME + b"\xed\xa0\x80" + b"edited"
UTF8 = "Hello-µ@ßöäüàá-UTF-8!!"

SIZES = (0, 125, 126, 127, 128, 65_535, 65_536)

MESSAGES = [
    *(echoed(f"1.1.{n}", "*" * size) for n, size in enumerate(SIZES, 1)),
    echoed("1.1.8", "*" * 65_536, chop=997),
    *(echoed(f"1.2.{n}", b"\xfe" * size, BINARY) for n, size in enumerate(SIZES, 1)),
    echoed("1.2.8", b"\xfe" * 65_536, BINARY, chop=997),
]


def pinged(number: str, payload: bytes, *, before: bytes = b"", chop: int = 0) -> Case:
    return Case(number, before + frame(payload, PING) + close(), ((PONG, payload),), chop=chop)


TEN_PINGS = [f"payload-{n}".encode() for n in range(10)]

PINGS = [
    pinged("2.1", b""),
    pinged("2.2", b"Hello, world!"),
    pinged("2.3", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"),
    pinged("2.4", b"\xfe" * 125),
    Case("2.5", frame(b"\xfe" * 126, PING), code=PROTOCOL_ERROR),
    pinged("2.6", b"\xfe" * 125, chop=1),
    Case("2.7", frame(b"", PONG) + close()),
    Case("2.8", frame(b"unsolicited pong payload", PONG) + close()),
    pinged("2.9", b"ping payload", before=frame(b"unsolicited pong payload", PONG)),
    *(
        Case(
            f"2.1{n}",
            b"".join(frame(one, PING) for one in TEN_PINGS) + close(),
            tuple((PONG, one) for one in TEN_PINGS),
            chop=n,
        )
        for n in (0, 1)
    ),
]


def refused(number: str, bad: bytes, *, after: str = "", chop: int = 0) -> Case:
    """A frame that ends the connection; a ping behind it is not answered."""
    before, back = (frame(after), ((TEXT, after.encode()),)) if after else (b"", ())
    return Case(number, before + bad + frame(b"", PING), back, PROTOCOL_ERROR, chop)


RESERVED = [
    refused("3.1", frame(HELLO, rsv=1)),
    refused("3.2", frame(HELLO, rsv=2), after=HELLO),
    refused("3.3", frame(HELLO, rsv=3), after=HELLO),
    refused("3.4", frame(HELLO, rsv=4), after=HELLO, chop=1),
    refused("3.5", frame(HELLO, BINARY, rsv=5)),
    refused("3.6", frame(HELLO, BINARY, rsv=6)),
    refused("3.7", frame(b"", CLOSE, rsv=7)),
    *(
        refused(
            f"4.{kind}.{n}",
            frame(HELLO if n in (2, 4, 5) else b"", first + n - 1),
            after=HELLO if n > 2 else "",
            chop=int(n == 5),
        )
        for kind, first in ((1, 3), (2, 11))
        for n in range(1, 6)
    ),
]

A, B = "fragment1", "fragment2"
AB = ((TEXT, (A + B).encode()),)
IN_TWO = frame(A, fin=False) + frame(B, CONTINUATION)
WITH_PING = frame(A, fin=False) + frame(b"ping payload", PING) + frame(B, CONTINUATION)
NOTHING_TO_CONTINUE = [frame("non-continuation payload", CONTINUATION, fin=fin) for fin in (True, False)]
FIVE = [f"fragment{n}" for n in range(1, 6)]
TWO_PINGS = (
    frame(FIVE[0], fin=False)
    + frame(FIVE[1], CONTINUATION, fin=False)
    + frame(b"pongme 1!", PING)
    + frame(FIVE[2], CONTINUATION, fin=False)
    + frame(FIVE[3], CONTINUATION, fin=False)
    + frame(b"pongme 2!", PING)
    + frame(FIVE[4], CONTINUATION)
)
FIVE_BACK = ((PONG, b"pongme 1!"), (PONG, b"pongme 2!"), (TEXT, "".join(FIVE).encode()))

FRAGMENTS = [
    Case("5.1", frame(A, PING, fin=False) + frame(B, CONTINUATION), code=PROTOCOL_ERROR),
    Case("5.2", frame(A, PONG, fin=False) + frame(B, CONTINUATION), code=PROTOCOL_ERROR),
    *(Case(f"5.{3 + n}", IN_TWO + close(), AB, chop=chop) for n, chop in enumerate((0, 9, 1))),
    *(
        Case(f"5.{6 + n}", WITH_PING + close(), ((PONG, b"ping payload"), *AB), chop=chop)
        for n, chop in enumerate((0, 9, 1))
    ),
    *(
        Case(f"5.{9 + 3 * kind + n}", bad + frame(HELLO), code=PROTOCOL_ERROR, chop=chop)
        for kind, bad in enumerate(NOTHING_TO_CONTINUE)
        for n, chop in enumerate((0, 9, 1))
    ),
    Case(
        "5.15", IN_TWO + frame("fragment3", CONTINUATION, fin=False) + frame("fragment4"), AB, PROTOCOL_ERROR
    ),
    *(
        Case(f"5.{16 + n}", 2 * (frame(A, CONTINUATION, fin=fin) + IN_TWO), code=PROTOCOL_ERROR)
        for n, fin in enumerate((False, True))
    ),
    Case("5.18", frame(A, fin=False) + frame(B), code=PROTOCOL_ERROR),
    Case("5.19", TWO_PINGS + close(), FIVE_BACK),
    Case("5.20", TWO_PINGS + close(), FIVE_BACK, chop=3),
]

SEQUENCES: list[tuple[int, list[bytes]]] = [
    (
        5,
        [
            b"hello$world",
            "hello¢world".encode(),
            "hello€world".encode(),
            b"hello\xf0\xa4\xad\xa2world",
            KOSME,
        ],
    ),
    (6, [KOSME[:n] for n in range(1, len(KOSME) + 1)]),
    (7, [b"\x00", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80"]),
    (8, [b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"]),
    (9, [b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf"]),
    (10, [b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"]),
    (11, [b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xf4\x8f\xbf\xbf", b"\xf4\x90\x80\x80"]),
    (12, [b"\x80", b"\xbf", *((b"\x80\xbf" * 3)[:n] for n in range(2, 7)), bytes(range(0x80, 0xC0))]),
    (
        13,
        [
            b"".join(bytes([n]) + b" " for n in span)
            for span in (
                range(0xC0, 0xE0),
                range(0xE0, 0xF0),
                range(0xF0, 0xF8),
                range(0xF8, 0xFC),
                range(0xFC, 0xFE),
            )
        ],
    ),
    (
        14,
        incomplete := [
            b"\xc0",
            b"\xe0\x80",
            b"\xf0\x80\x80",
            b"\xf8\x80\x80\x80",
            b"\xfc\x80\x80\x80\x80",
            b"\xdf",
            b"\xef\xbf",
            b"\xf7\xbf\xbf",
            b"\xfb\xbf\xbf\xbf",
            b"\xfd\xbf\xbf\xbf\xbf",
        ],
    ),
    (15, [b"".join(incomplete)]),
    (16, [b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"]),
    (
        17,
        [
            b"\xc0\xaf",
            b"\xe0\x80\xaf",
            b"\xf0\x80\x80\xaf",
            b"\xf8\x80\x80\x80\xaf",
            b"\xfc\x80\x80\x80\x80\xaf",
        ],
    ),
    (
        18,
        [
            b"\xc1\xbf",
            b"\xe0\x9f\xbf",
            b"\xf0\x8f\xbf\xbf",
            b"\xf8\x87\xbf\xbf\xbf",
            b"\xfc\x83\xbf\xbf\xbf\xbf",
        ],
    ),
    (
        19,
        [
            b"\xc0\x80",
            b"\xe0\x80\x80",
            b"\xf0\x80\x80\x80",
            b"\xf8\x80\x80\x80\x80",
            b"\xfc\x80\x80\x80\x80\x80",
        ],
    ),
    (
        20,
        [
            b"\xed" + bytes([high, low])
            for high, low in (
                (0xA0, 0x80),
                (0xAD, 0xBF),
                (0xAE, 0x80),
                (0xAF, 0xBF),
                (0xB0, 0x80),
                (0xBE, 0x80),
                (0xBF, 0xBF),
            )
        ],
    ),
    (
        21,
        [
            b"\xed" + high + b"\xed" + low
            for high in (b"\xa0\x80", b"\xad\xbf", b"\xae\x80", b"\xaf\xbf")
            for low in (b"\xb0\x80", b"\xbf\xbf")
        ],
    ),
    (
        22,
        [
            *(bytes([0xEF, 0xBF, n]) for n in (0xBE, 0xBF)),
            *(chr(plane << 16 | 0xFFFE | n).encode() for plane in range(1, 17) for n in (0, 1)),
        ],
    ),
    (23, [bytes([0xEF, 0xBF, n]) for n in range(0xB9, 0xC0)]),
]
"""Of Markus Kuhn's file, as the suite has them: the section, and its sequences."""


def text_case(number: str, text: bytes, sent: bytes = b"") -> Case:
    """A text that comes back if Python's strict decoder takes it, or else ends the connection."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return Case(number, sent or frame(text), code=NOT_UTF8)
    return echoed(number, text, sent=sent)


TEXTS = [
    echoed("6.1.1", ""),
    echoed(
        "6.1.2", "", sent=frame("", fin=False) + frame("", CONTINUATION, fin=False) + frame("", CONTINUATION)
    ),
    echoed(
        "6.1.3",
        "middle frame payload",
        sent=frame("", fin=False)
        + frame("middle frame payload", CONTINUATION, fin=False)
        + frame("", CONTINUATION),
    ),
    echoed("6.2.1", UTF8),
    echoed("6.2.2", UTF8, sent=pieces(UTF8.encode(), 13)),
    echoed("6.2.3", UTF8, sent=pieces(UTF8.encode(), 1)),
    echoed("6.2.4", KOSME, sent=pieces(KOSME, 1)),
    text_case("6.3.1", BAD_REASON),
    text_case("6.3.2", BAD_REASON, pieces(BAD_REASON, 1)),
    *(text_case(f"6.{section}.{n}", text) for section, texts in SEQUENCES for n, text in enumerate(texts, 1)),
]

FAIL_FAST = [
    (
        "6.4.1",
        frame(BAD[:11], fin=False) + frame(BAD[11:15], CONTINUATION, fin=False),
        frame(BAD[15:], CONTINUATION),
    ),
    (
        "6.4.2",
        frame(BAD[:12], fin=False) + frame(BAD[12:13], CONTINUATION, fin=False),
        frame(BAD[13:], CONTINUATION),
    ),
    ("6.4.3", frame(BAD)[:-6], frame(BAD)[-6:]),
    ("6.4.4", frame(BAD)[:-9], frame(BAD)[-9:]),
]
"""A text that cannot become valid any more, and the rest of it."""

GOOD_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
BAD_CODES = (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999)

CLOSES = [
    echoed("7.1.1", HELLO),
    Case("7.1.2", close() + close()),
    Case("7.1.3", close() + frame(b"", PING)),
    Case("7.1.4", close() + frame(HELLO)),
    Case("7.1.5", frame(A, fin=False) + close() + frame(B, CONTINUATION)),
    Case(
        "7.1.6",
        frame("BAsd7&jh23" * 26_214) + frame(HELLO) + close() + frame(b"", PING),
        ((TEXT, b"BAsd7&jh23" * 26_214), *ECHO),
    ),
    Case("7.3.1", close(None)),
    Case("7.3.2", frame(b"a", CLOSE), code=PROTOCOL_ERROR),
    Case("7.3.3", close()),
    Case("7.3.4", close(NORMAL, b"Hello World!")),
    Case("7.3.5", close(NORMAL, b"*" * 123)),
    Case("7.3.6", close(NORMAL, b"*" * 124), code=PROTOCOL_ERROR),
    Case("7.5.1", close(NORMAL, BAD_REASON), code=NOT_UTF8),
    *(Case(f"7.7.{n}", close(code), code=code) for n, code in enumerate(GOOD_CODES, 1)),
    *(Case(f"7.9.{n}", close(code), code=PROTOCOL_ERROR) for n, code in enumerate(BAD_CODES, 1)),
]

K64, K256, M1 = 65_536, 262_144, 1_048_576

LARGE = [
    *(echoed(f"9.1.{n}", b"*" * size) for n, size in enumerate((K64, K256, M1), 1)),
    *(echoed(f"9.2.{n}", b"\xfe" * size, BINARY) for n, size in enumerate((K64, K256, M1), 1)),
    *(
        echoed(f"9.3.{n}", b"*" * K256, sent=pieces(b"*" * K256, size))
        for n, size in enumerate((64, 256, 1024, 4096, 16_384, K64, K256), 1)
    ),
    *(
        echoed(f"9.4.{n}", b"\xfe" * K256, BINARY, sent=pieces(b"\xfe" * K256, size, BINARY))
        for n, size in enumerate((64, 256, 1024, 4096, 16_384, K64, K256), 1)
    ),
    *(echoed(f"9.5.{n}", b"*" * K64, chop=size) for n, size in enumerate((64, 128, 256, 512, 1024, 2048), 1)),
    *(
        echoed(f"9.6.{n}", b"\xfe" * K64, BINARY, chop=size)
        for n, size in enumerate((64, 128, 256, 512, 1024, 2048), 1)
    ),
    *(
        Case(
            f"9.{7 + opcode - TEXT}.{n}",
            200 * frame(b"*" * size, opcode) + close(),
            200 * ((opcode, b"*" * size),),
        )
        for opcode in (TEXT, BINARY)
        for n, size in enumerate((0, 16, 64, 256, 1024, 4096), 1)
    ),
    echoed("10.1.1", b"*" * K64, sent=pieces(b"*" * K64, 1300)),
]

CASES = [*MESSAGES, *PINGS, *RESERVED, *FRAGMENTS, *TEXTS, *CLOSES, *LARGE]
