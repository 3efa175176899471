"""An MQTT client over a bare, non-blocking socket, with the session state that the standard asks of it,
kept exactly over connections: open Packet Identifiers, what they wait for, and QoS 2 messages received."""

import errno
import socket

OLD_LEVEL, NEW_LEVEL = 4, 5
WINDOW = 50
# How long sessions of 5.0 are kept, in seconds.
EXPIRY_SECONDS = 86400
READ_BYTES = 1 << 18


def text(string):
    data = string.encode()
    return len(data).to_bytes(2, "big") + data


def packet(first, body):
    length, remaining = bytearray(), len(body)
    while True:
        remaining, digit = divmod(remaining, 128)
        length.append(digit | (0x80 if remaining else 0))
        if not remaining:
            return bytes([first]) + bytes(length) + body


def variable_length(data, at):
    """The number at a place and where it ends; None if it is not there whole."""
    value = shift = 0
    while at < len(data):
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    return None


class Session:
    """One client. Roles override the `on_` methods; `world` is told of breaches."""

    def __init__(self, world, client_id, level, clean=False):
        self.world, self.client_id, self.level, self.clean = world, client_id, level, clean
        self.socket = None
        self.connected = False
        self.wanted = True
        self.acknowledged = False  # Whether a CONNACK of this session was received, so that it is stored.
        self.out = bytearray()
        self.data = bytearray()
        self.open = {}  # Packet Identifier -> [state, what]; in the order of sending.
        self.received = set()
        self.window = WINDOW
        self._next = 0

    # Connecting.

    def connect(self, port):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.socket.connect(("127.0.0.1", port))
        except OSError:
            self.close()
            return False
        self.socket.setblocking(False)
        properties = b"" if self.level < NEW_LEVEL else b"\x05\x11" + EXPIRY_SECONDS.to_bytes(4, "big")
        if self.clean and self.level == NEW_LEVEL:
            properties = b"\x00"
        flags = b"\x02" if self.clean else b"\x00"
        body = text("MQTT") + bytes([self.level]) + flags + b"\x00\x00" + properties + text(self.client_id)
        self.out += packet(0x10, body)
        self.flush()
        return True

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket, self.connected = None, False
        self.out.clear()
        self.data.clear()

    def leave(self):
        """Goes away with DISCONNECT."""
        if self.connected:
            self.out += b"\xe0\x00"
            self.flush()
        self.close()

    # Input and output.

    def flush(self):
        while self.out and self.socket:
            try:
                sent = self.socket.send(self.out)
            except BlockingIOError:
                return
            except OSError:
                self.close()
                return
            del self.out[:sent]

    def read(self):
        """Deals with all that has come, also with what came before the broker was killed."""
        while self.socket:
            try:
                more = self.socket.recv(READ_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno not in (errno.ECONNRESET, errno.EPIPE, errno.ETIMEDOUT):
                    raise
                more = b""
            if not more:
                self.close()
                return
            self.data += more
            self._parse()
            if len(more) < READ_BYTES:
                return

    def _parse(self):
        at, data = 0, self.data
        while at < len(data):
            length = variable_length(data, at + 1)
            if length is None or length[1] + length[0] > len(data):
                break
            first, start, end = data[at], length[1], length[1] + length[0]
            at = end
            self._packet(first, bytes(data[start:end]))
            if self.socket is None:
                return
        del data[:at]

    def _packet(self, first, body):
        kind = first >> 4
        if kind == 3:
            self._publish(first, body)
        elif kind in (4, 5, 7, 9, 11):
            self._acknowledged(kind, body)
        elif kind == 6:
            self.received.discard(body[:2])
            self.out += b"\x70\x02" + body[:2]
        elif kind == 2:
            self._connack(body)
        elif kind == 14:
            self.world.note(f"{self.client_id} got DISCONNECT {body.hex()}")
            self.close()
        elif kind != 13:
            self.world.breach(f"{self.client_id} got a packet of type {kind}")

    def _connack(self, body):
        if body[1] != 0:
            self.on_refused(body[1])
            self.close()
            return
        present = body[0] & 1
        if self.acknowledged and not present:
            self.world.breach(f"{self.client_id}: Session Present 0 for a session that was acknowledged")
        self.acknowledged = not self.clean
        if not present:
            self.received.clear()
        if self.level == NEW_LEVEL:
            self.window = min(WINDOW, receive_maximum(body))
        self.connected = True
        if self.clean:
            self.open.clear()
        for identifier, (state, what) in self.open.items():
            if state == "rel":
                self.out += b"\x62\x02" + identifier.to_bytes(2, "big")
            elif state == "pub":
                self.out += self._encoded(identifier, what, 0x08)
            else:
                self.out += what
        if not present:
            self.on_new()

    def _publish(self, first, body):
        qos = first >> 1 & 3
        end = 2 + int.from_bytes(body[:2], "big")
        topic = body[2:end].decode()
        identifier = body[end : end + 2]
        if qos:
            end += 2
        if self.level == NEW_LEVEL:
            length, end = variable_length(body, end)
            end += length
        if qos == 2:
            self.out += b"\x50\x02" + identifier
            if identifier in self.received:
                return
            self.received.add(identifier)
        elif qos == 1:
            self.out += b"\x40\x02" + identifier
        self.on_message(topic, body[end:], qos, first & 1, first >> 3 & 1)

    def _acknowledged(self, kind, body):
        identifier = int.from_bytes(body[:2], "big")
        entry = self.open.get(identifier)
        expected = {"pub": (4, 5), "rel": (5, 7), "sub": (9,), "unsub": (11,)}
        if entry is None or kind not in expected[entry[0]]:
            self.world.breach(f"{self.client_id}: acknowledgement {kind} of {identifier}, which is {entry}")
            return
        code = 0
        if kind in (9, 11):
            # The codes are last.
            code = body[-1] if len(body) > 2 else 0
        elif len(body) > 2:
            code = body[2]
        state, what = entry
        if kind == 5 and code < 0x80:
            self.out += b"\x62\x02" + body[:2]
            if state == "pub":
                # PUBRELs are sent again in the order of the PUBRECs.
                del self.open[identifier]
                self.open[identifier] = ["rel", what]
                self.on_taken(what, code)
            return
        del self.open[identifier]
        if kind in (4, 5):
            self.on_taken(what, code)
        elif kind in (9, 11):
            self.on_subscribed(identifier, state, code)

    # What roles do.

    def has_room(self):
        return self.connected and len(self.open) < self.window

    def identifier(self):
        while True:
            self._next = self._next % 0xFFFF + 1
            if self._next not in self.open:
                return self._next

    def publish(self, message):
        """`message` is (topic, payload, qos, retain, note)."""
        identifier = self.identifier()
        self.open[identifier] = ["pub", message]
        self.out += self._encoded(identifier, message, 0)

    def _encoded(self, identifier, message, dup):
        topic, payload, qos, retain, _ = message
        properties = b"\x00" if self.level == NEW_LEVEL else b""
        body = text(topic) + identifier.to_bytes(2, "big") + properties + payload
        return packet(0x30 | dup | qos << 1 | retain, body)

    def subscribe(self, topic_filter, qos):
        """A SUBSCRIBE without SUBACK is sent again on the next connection."""
        return self._ask(0x82, "sub", text(topic_filter) + bytes([qos]))

    def unsubscribe(self, topic_filter):
        return self._ask(0xA2, "unsub", text(topic_filter))

    def _ask(self, first, state, rest):
        identifier = self.identifier()
        properties = b"\x00" if self.level == NEW_LEVEL else b""
        whole = packet(first, identifier.to_bytes(2, "big") + properties + rest)
        self.open[identifier] = [state, whole]
        self.out += whole
        return identifier

    def on_new(self):
        """The broker has no session; subscriptions are to be made."""

    def on_refused(self, code):
        """The broker did not accept the connection."""
        self.world.breach(f"{self.client_id} got CONNACK with code {code:#x}")

    def on_message(self, topic, payload, qos, retain, dup):
        """A message that was not received before, as far as the standard tells."""

    def on_taken(self, message, code):
        """PUBACK or PUBREC came for a message."""

    def on_subscribed(self, identifier, state, code):
        """SUBACK or UNSUBACK came."""


def receive_maximum(connack):
    """Out of the properties of a CONNACK, of which it is enough to know the lengths of those before it."""
    length, at = variable_length(connack, 2)
    end = at + length
    sizes = {0x11: 4, 0x21: 2, 0x24: 1, 0x25: 1, 0x27: 4, 0x22: 2, 0x28: 1, 0x29: 1, 0x2A: 1, 0x13: 2}
    while at < end:
        if connack[at] == 0x21:
            return int.from_bytes(connack[at + 1 : at + 3], "big")
        at += 1 + sizes.get(connack[at], end)
    return 0xFFFF
