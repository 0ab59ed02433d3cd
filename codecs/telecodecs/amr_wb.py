"""Splits an RTP payload of AMR-WB into its speech frames. `packets` decodes them to samples.

Source: RFC 4867, sections 4.3 (bandwidth-efficient), 4.4 (octet-aligned) and 5.3 (frames in a file); 3GPP TS 26.201
(frame types and their bits). Each frame is 20 ms. Interleaving and CRCs have to be agreed on by SDP and are not read.

Nothing on the wire says which of the two ways a payload is packed, so each payload is recognised by itself: it is read
as bandwidth-efficient first, then as octet-aligned, and its frames must end exactly where the payload ends. This is not
ambiguous in practice: in an octet-aligned payload bits 4 to 7 are zero, which read as bandwidth-efficient means one
frame of the two lowest rates, 18 or 24 bytes; an octet-aligned payload of that length holds at least six frames, and
senders do not put as many into one packet.
"""

from collections.abc import Iterator

SPEECH_LOST = b"\x74"
"""A frame of type 14, speech lost (3GPP TS 26.201): the decoder conceals one frame."""

_MOST_FRAMES = 50  # in one payload: a second of audio, more than any sender collects

_BITS = {0: 132, 1: 177, 2: 253, 3: 285, 4: 317, 5: 365, 6: 397, 7: 461, 8: 477, 9: 40, 14: 0, 15: 0}
"""Bits in a frame by its type: 0 to 8 speech at 6.6 to 23.85 kbit/s, 9 comfort noise, 14 speech lost, 15 no data."""


def amr_wb_frames(payload: bytes) -> list[bytes]:
    """The frames of one payload, in the file format of RFC 4867, section 5.3: a header byte, then the padded frame.

    A frame that the sender marked as damaged (its quality bit is 0) becomes `SPEECH_LOST`. Raises ValueError if the
    bytes are not a payload of either packing.
    """
    frames = _bandwidth_efficient(payload) or _octet_aligned(payload)
    if not frames:
        raise ValueError(
            f"{len(payload)} bytes are not an AMR-WB payload; expected one octet-aligned or bandwidth-efficient"
        )
    return frames


def _bandwidth_efficient(payload: bytes) -> list[bytes]:
    """RFC 4867, section 4.3; empty if the payload is not packed so.

    Mode request (4 bits); for each frame: more follow (1), type (4), quality (1); the frames bit by bit; zero padding.
    """
    bits, left = int.from_bytes(payload), 8 * len(payload) - 4
    contents: list[tuple[int, int]] = []
    more = True
    while more:
        left -= 6
        if left < 0 or len(contents) == _MOST_FRAMES:
            return []
        entry = bits >> left
        kind = entry >> 1 & 0x0F
        if kind not in _BITS:
            return []
        contents.append((kind, entry & 1))
        more = bool(entry & 0x20)
    padding = left - sum(_BITS[kind] for kind, _ in contents)
    if not 0 <= padding < 8 or bits & (1 << padding) - 1:
        return []
    return list(_cut(bits, left, contents))


def _cut(bits: int, left: int, contents: list[tuple[int, int]]) -> Iterator[bytes]:
    for kind, quality in contents:
        left -= _BITS[kind]
        length = -(-_BITS[kind] // 8)
        frame = (bits >> left & (1 << _BITS[kind]) - 1) << 8 * length - _BITS[kind]
        yield _frame(kind, quality, frame.to_bytes(length))


def _octet_aligned(payload: bytes) -> list[bytes]:
    """RFC 4867, section 4.4; empty if the payload is not packed so.

    Mode request (4 bits), 4 zeros; for each frame: more follow (1), type (4), quality (1), 2 zeros; the frames, each in
    whole bytes.
    """
    if not payload or payload[0] & 0x0F:
        return []
    at = 1
    while at < len(payload) and payload[at] & 0x80:
        at += 1
    contents = payload[1 : at + 1]
    if len(contents) > _MOST_FRAMES:
        return []
    at += 1
    frames = []
    for entry in contents:
        kind = entry >> 3 & 0x0F
        if entry & 0x03 or kind not in _BITS:
            return []
        length = -(-_BITS[kind] // 8)
        frames.append(_frame(kind, entry & 0x04, payload[at : at + length]))
        at += length
    return frames if at == len(payload) else []


def _frame(kind: int, quality: int, data: bytes) -> bytes:
    return bytes([kind << 3 | 0x04]) + data if quality else SPEECH_LOST
