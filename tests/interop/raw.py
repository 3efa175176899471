"""Packets by hand over a bare socket: bytes in hex out, bytes in hex in."""

import asyncio
import contextlib
import socket

from report import ANSWER_SECONDS, Mismatch


class Connection:
    """A TCP connection that sends and expects packets written in hex."""

    def __init__(self, plain_socket):
        self._socket = plain_socket
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def open(cls, port, receive_buffer_bytes=None):
        plain_socket = socket.socket()
        plain_socket.setblocking(False)
        if receive_buffer_bytes:
            plain_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        connection = cls(plain_socket)
        loop = connection._loop
        await asyncio.wait_for(loop.sock_connect(plain_socket, ("127.0.0.1", port)), ANSWER_SECONDS)
        return connection

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exception):
        self._socket.close()

    async def send(self, *parts):
        """Parts are hex (spaces allowed) or bytes."""
        data = b"".join(bytes.fromhex(part) if isinstance(part, str) else part for part in parts)
        await asyncio.wait_for(self._loop.sock_sendall(self._socket, data), ANSWER_SECONDS)

    async def _receive_exactly(self, count):
        data = b""
        while len(data) < count:
            more = await asyncio.wait_for(
                self._loop.sock_recv(self._socket, count - len(data)), ANSWER_SECONDS
            )
            if not more:
                raise Mismatch(f"{count} bytes", f"{data.hex(' ')} and the end")
            data += more
        return data

    async def packet(self):
        """The next packet: its first byte and its body."""
        first = (await self._receive_exactly(1))[0]
        length, shift = 0, 0
        while True:
            byte = (await self._receive_exactly(1))[0]
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return first, await self._receive_exactly(length)

    async def expect(self, what, hex_bytes):
        """The very next bytes are these."""
        expected = bytes.fromhex(hex_bytes)
        got = await self._receive_exactly(len(expected))
        if got != expected:
            raise Mismatch(f"{what} {expected.hex(' ')}", got.hex(" "))

    async def next_bytes(self):
        """Whatever comes next, at most 4 KB of it; nothing if the broker closes."""
        try:
            return await asyncio.wait_for(self._loop.sock_recv(self._socket, 4096), ANSWER_SECONDS)
        except ConnectionError:
            return b""

    async def until_closed(self, seconds=ANSWER_SECONDS):
        """Everything that comes before the broker closes; the case fails if it does not."""
        data = b""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(seconds):
                while more := await self._loop.sock_recv(self._socket, 65536):
                    data += more
        return data


def text(string):
    """A string with its two bytes of length."""
    data = string.encode() if isinstance(string, str) else string
    return len(data).to_bytes(2, "big") + data


def packet(first, *parts):
    """A packet from its first byte and the parts of its body."""
    body = b"".join(bytes.fromhex(part) if isinstance(part, str) else part for part in parts)
    length, remaining = b"", len(body)
    while True:
        remaining, digit = divmod(remaining, 128)
        length += bytes([digit | (0x80 if remaining else 0)])
        if not remaining:
            return bytes.fromhex(first) + length + body


def connect(version, client_id, clean=True, session_expiry=None):
    """CONNECT with a keep-alive of 60 s; `version` is `3.1.1` or `5.0`."""
    level, properties = ("05", "00") if version == "5.0" else ("04", "")
    if session_expiry is not None:
        properties = f"0511{session_expiry:08x}"
    flags = "02" if clean else "00"
    return packet("10", text("MQTT"), level, flags, "003c", properties, text(client_id))


async def open_connected(port, version, client_id, **arguments):
    """A connection past its CONNACK."""
    connection = await Connection.open(port, **arguments)
    await connection.send(connect(version, client_id))
    first, body = await connection.packet()
    if (first, body[:2]) != (0x20, b"\0\0"):
        raise Mismatch("CONNACK 00 00", bytes([first]).hex() + " " + body.hex(" "))
    return connection


async def until_away(port, client_id, session_expiry):
    """Returns once the broker knows that the client of this 5.0 session is gone.

    A client that has sent DISCONNECT does not know when the broker reads it: what another
    connection sends meanwhile may still be sent to it. This takes the session over, leaves, and
    waits for the broker to close.
    """
    async with await Connection.open(port) as connection:
        await connection.send(connect("5.0", client_id, False, session_expiry))
        first, body = await connection.packet()
        if (first, body[:2]) != (0x20, b"\1\0"):
            raise Mismatch("CONNACK 01 00", bytes([first]).hex() + " " + body.hex(" "))
        await connection.send("e000")
        await connection.until_closed()
