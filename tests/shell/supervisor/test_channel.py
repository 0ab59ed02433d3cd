"""Messages and sockets between two processes: in order, whole, and without waiting for who does not read."""

import asyncio
import os
import socket

import pytest

from bridge.shell.supervisor import channel as channels
from bridge.shell.supervisor.channel import Channel, closed, pair, receive


class Reader:
    def __init__(self, end: socket.socket) -> None:
        self.messages: asyncio.Queue[tuple[bytes, int | None]] = asyncio.Queue()
        self.lost = asyncio.Event()
        self.channel = Channel(end, lambda *message: self.messages.put_nowait(message), self.lost.set)


async def test_a_socket_comes_with_its_message_and_is_closed_here() -> None:
    ours, theirs = pair()
    sender, reader = Channel(ours, lambda *_: None), Reader(theirs)
    passed, peer = socket.socketpair()
    assert sender.send(b"first")
    assert sender.send(b"second", passed)
    assert await reader.messages.get() == (b"first", None)
    message, descriptor = await reader.messages.get()
    assert message == b"second"
    assert descriptor is not None
    assert passed.fileno() == -1
    with socket.socket(fileno=descriptor) as received:
        received.send(b"hello")
        assert peer.recv(9) == b"hello"
    peer.close()
    sender.close()
    await reader.lost.wait()


async def test_what_is_not_read_waits_and_then_comes_in_order() -> None:
    ours, theirs = pair()
    sender = Channel(ours, lambda *_: None)
    messages = [bytes([number]) * 50_000 for number in range(30)]
    assert all(sender.send(message) for message in messages)  # far more than the sockets' buffers take
    reader = Reader(theirs)
    assert [(await reader.messages.get())[0] for _ in messages] == messages
    sender.close()
    await reader.lost.wait()


async def test_who_does_not_read_for_long_gets_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "MOST_WAITING", 2)
    ours, theirs = pair()
    sender = Channel(ours, lambda *_: None)
    while sender.send(b"x" * 50_000):
        pass
    passed, peer = socket.socketpair()
    assert not sender.send(b"more", passed)
    assert passed.fileno() != -1, "it stays the caller's"
    for one in (passed, peer, theirs):
        one.close()
    sender.close()


async def test_the_end_of_the_other_side_is_told_once() -> None:
    ours, theirs = pair()
    reader = Reader(ours)
    theirs.close()
    await reader.lost.wait()
    passed, peer = socket.socketpair()
    assert not reader.channel.send(b"late", passed)
    passed.close()
    peer.close()


async def test_sockets_that_wait_are_closed_with_the_channel() -> None:
    ours, theirs = pair()
    sender = Channel(ours, lambda *_: None)
    passed, peer = socket.socketpair()
    for _ in range(30):
        sender.send(b"x" * 50_000)
    assert sender.send(b"last", passed)
    sender.close()
    assert passed.fileno() == -1
    assert peer.recv(1) == b""
    peer.close()
    theirs.close()


def test_a_descriptor_that_nobody_wants_is_closed() -> None:
    ours, theirs = pair()
    read, write = os.pipe()
    socket.send_fds(ours, [b"message"], [write])
    os.close(write)
    found = receive(theirs)
    assert found is not None
    closed(found[1])
    assert os.read(read, 1) == b""
    os.close(read)
    ours.close()
    assert receive(theirs) is None
    theirs.close()
