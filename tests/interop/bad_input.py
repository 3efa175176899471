"""What must not bring a broker down: bytes that are no MQTT, packets that break its rules, a
client that stops reading. After each, the broker still serves an ordinary round trip."""

import asyncio
import random
import secrets

import raw
from report import Inapplicable, expect, expect_that

CLIENT = "bad-input"
MALFORMED_PACKET = 0x81
PROTOCOL_ERROR = 0x82
TOPIC_FILTER_INVALID = 0x8F
TOPIC_NAME_INVALID = 0x90
PACKET_TOO_LARGE = 0x95

# How long a broker may wait for the rest of a CONNECT.
CONNECT_SECONDS = 30

FLOOD_BYTES = 64 * 1024 * 1024
FLOOD_PAYLOAD_BYTES = 16 * 1024
# What one client that does not read may cost the broker.
GROWTH_BYTES = 64 * 1024 * 1024


async def run(run):
    broker = await run.broker(CLIENT)

    async def run_case(version, name, function):
        async def and_then_serves():
            await function(broker.port, version)
            await round_trip(broker.port)

        await run.report.run(CLIENT, version, name, and_then_serves)

    # The one that takes its time waits beside all others.
    unfinished = [
        asyncio.create_task(run_case(version, name, function))
        for version in ("3.1.1", "5.0")
        for name, function in (("unfinished-connect", unfinished_connect), ("silence", silence))
    ]
    for name, function in CASES:
        for version in ("3.1.1", "5.0"):
            await run_case(version, name, function)
    # A broker of its own, so that its memory is its own too.
    flooded = await run.broker("flooded")
    await run.report.run(CLIENT, "3.1.1", "stops-reading", lambda: stops_reading(flooded))
    await asyncio.gather(*unfinished)


async def round_trip(port):
    token = secrets.token_hex(4)
    topic = raw.text(f"bad/{token}")
    async with await raw.open_connected(port, "3.1.1", f"r{token}") as client:
        await client.send(raw.packet("82", "0001", topic, "01"))
        await client.expect("SUBACK", "90 03 0001 01")
        await client.send(raw.packet("30", topic, b"alive"))
        await client.expect("PUBLISH", raw.packet("30", topic, b"alive").hex())


async def closes_without_an_answer(port, *parts, seconds=None):
    async with await raw.Connection.open(port) as client:
        await send_until_refused(client, *parts)
        data = await (client.until_closed(seconds) if seconds else client.until_closed())
        # A CONNACK or DISCONNECT that names the error is an answer too.
        accepted = data == b"" or (data[0] in (0x20, 0xE0) and data[2:4] != b"\0\0")
        expect_that(accepted, "a close, with at most an error", data[:64].hex(" "))


async def send_until_refused(client, *parts):
    try:
        await client.send(*parts)
    except ConnectionError:
        return


async def random_bytes(port, version):
    chance = random.Random(f"colibri {version}")
    noises = [chance.randbytes(chance.randrange(8, 4096)) for _ in range(20)]
    # The bit keeps the first byte from being that of a CONNECT. What reads as the beginning of a
    # long packet may be waited for as long as a CONNECT is.
    await asyncio.gather(
        *(
            closes_without_an_answer(
                port, bytes([noise[0] | 0x20]) + noise[1:], seconds=CONNECT_SECONDS
            )
            for noise in noises
        )
    )


async def http(port, version):
    """`GET ` reads as a SUBACK of 69 bytes, so that the request is long enough to be one."""
    head = b"GET /index.html HTTP/1.1\r\nHost: localhost\r\nUser-Agent: a browser\r\n"
    await closes_without_an_answer(port, head + b"Accept: text/html\r\n\r\n" + b" " * 128)


async def unfinished_connect(port, version):
    """mosquitto 2.0.11 fails this and the next: it waits for 90 s."""
    whole = raw.connect(version, "unfinished")
    await closes_without_an_answer(port, whole[:-4], seconds=CONNECT_SECONDS)


async def silence(port, version):
    await closes_without_an_answer(port, b"", seconds=CONNECT_SECONDS)


async def broken_rule(port, version, *parts, codes):
    """A connected client breaks a rule: 5.0 is told by DISCONNECT; both are closed."""
    async with await raw.open_connected(port, version, secrets.token_hex(6)) as client:
        await send_until_refused(client, *parts)
        data = await client.until_closed()
    if version == "5.0":
        expect_that(data[:1] == b"\xe0" and len(data) > 2, "DISCONNECT", data[:64].hex(" "))
        expected = ", ".join(map(hex, codes))
        expect_that(data[2] in codes, f"reason code {expected}", hex(data[2]))
    else:
        expect("bytes before the end", b"", data)


async def too_large(port, version):
    """The limit is announced to 5.0 clients and holds for all; the fixed header is enough."""
    async with await raw.Connection.open(port) as client:
        await client.send(raw.connect("5.0", secrets.token_hex(6)))
        _, body = await client.packet()
    limit = maximum_packet_size(body)
    if limit is None:
        raise Inapplicable("the broker announces no Maximum Packet Size")
    length, remaining = b"", limit + 1
    while remaining:
        remaining, digit = divmod(remaining, 128)
        length += bytes([digit | (0x80 if remaining else 0)])
    header = b"\x30" + length
    await broken_rule(port, version, header, raw.text("bad/large"), codes=[PACKET_TOO_LARGE])


# The bytes that follow the identifier of each property a CONNACK may carry; None for strings.
CONNACK_PROPERTY_BYTES = {
    0x11: 4, 0x12: None, 0x13: 2, 0x15: None, 0x16: None, 0x1A: None, 0x1C: None, 0x1F: None,
    0x21: 2, 0x22: 2, 0x24: 1, 0x25: 1, 0x27: 4, 0x28: 1, 0x29: 1, 0x2A: 1,
}  # fmt: skip
MAXIMUM_PACKET_SIZE = 0x27


def maximum_packet_size(connack):
    """The property's value in the body of a CONNACK with less than 128 bytes of properties."""
    expect_that(connack[2] < 128, "a short property length", connack.hex(" "))
    at = 3
    while at < len(connack):
        identifier = connack[at]
        size = CONNACK_PROPERTY_BYTES[identifier]
        if size is None:
            size = 2 + int.from_bytes(connack[at + 1 : at + 3], "big")
        if identifier == MAXIMUM_PACKET_SIZE:
            return int.from_bytes(connack[at + 1 : at + 1 + size], "big")
        at += 1 + size
    return None


# mosquitto 2.0.11 fails this and the next for 5.0: it closes without the DISCONNECT.
async def five_byte_length(port, version):
    await broken_rule(port, version, "30 80 80 80 80 01", codes=[MALFORMED_PACKET])


async def second_connect(port, version):
    again = raw.connect(version, secrets.token_hex(6))
    await broken_rule(port, version, again, codes=[PROTOCOL_ERROR])


async def publish_before_connect(port, version):
    await closes_without_an_answer(port, raw.packet("30", raw.text("bad/early"), b"x"))


def properties(version):
    return "00" if version == "5.0" else ""


async def wildcard_in_topic_name(port, version):
    codes = [TOPIC_NAME_INVALID, MALFORMED_PACKET, PROTOCOL_ERROR]
    for topic in ("bad/+/x", "bad/#"):
        bad = raw.packet("30", raw.text(topic), properties(version), b"x")
        await broken_rule(port, version, bad, codes=codes)


async def invalid_filter(port, version):
    """Refused in the SUBACK or by closing: 4.7 has the rule but not what follows from it."""
    subscribe = raw.packet("82", "0001", properties(version), raw.text("a/#/b"), "00")
    async with await raw.open_connected(port, version, secrets.token_hex(6)) as client:
        await client.send(subscribe, "c0 00")
        first, body = await first_packet_or_end(client)
    if first is None:
        expect("version that is closed without a word", "3.1.1", version)
    elif first == 0x90:
        codes = [0x80] if version == "3.1.1" else [TOPIC_FILTER_INVALID, 0x80]
        expect_that(body[-1] in codes, f"SUBACK with {[hex(code) for code in codes]}", body.hex())
    else:
        expect("DISCONNECT", 0xE0, first)
        codes = [TOPIC_FILTER_INVALID, MALFORMED_PACKET, PROTOCOL_ERROR]
        expect_that(body[0] in codes, f"one of {[hex(code) for code in codes]}", hex(body[0]))


async def first_packet_or_end(client):
    data = await client.next_bytes()
    return (data[0], data[2 : 2 + data[1]]) if data else (None, b"")


async def packet_id_zero(port, version):
    topic = raw.text("bad/zero")
    codes = [PROTOCOL_ERROR, MALFORMED_PACKET]
    for bad in (
        raw.packet("32", topic, "0000", properties(version), b"x"),
        raw.packet("82", "0000", properties(version), topic, "00"),
        raw.packet("a2", "0000", properties(version), topic),
    ):
        await broken_rule(port, version, bad, codes=codes)


CASES = [
    ("random-bytes", random_bytes),
    ("http-get", http),
    ("packet-too-large", too_large),
    ("remaining-length-of-5-bytes", five_byte_length),
    ("second-connect", second_connect),
    ("publish-before-connect", publish_before_connect),
    ("wildcard-in-topic-name", wildcard_in_topic_name),
    ("filter-a-hash-b", invalid_filter),
    ("packet-id-0", packet_id_zero),
]


async def stops_reading(broker):
    """64 MB of QoS 0 for a client that reads nothing, while a third pair goes on exchanging."""
    before = broker.resident_bytes()
    if before is None:
        raise Inapplicable("the memory of a broker that runs elsewhere is not known")
    token = secrets.token_hex(4)
    topic = raw.text(f"bad/{token}/flood")
    deaf = await raw.open_connected(broker.port, "3.1.1", f"d{token}", receive_buffer_bytes=4096)
    publisher = await raw.open_connected(broker.port, "3.1.1", f"p{token}")
    async with deaf, publisher:
        await deaf.send(raw.packet("82", "0001", topic, "00"))
        await deaf.expect("SUBACK", "90 03 0001 00")
        message = raw.packet("30", topic, bytes(FLOOD_PAYLOAD_BYTES))
        flood = asyncio.create_task(send_repeatedly(publisher, message))
        exchanged = 0
        while not flood.done() or exchanged < 20:
            await round_trip(broker.port)
            exchanged += 1
        await flood
        # The publisher's answer to a ping: the broker has taken in all that it sent.
        await publisher.send("c0 00")
        await publisher.expect("PINGRESP", "d0 00")
        await round_trip(broker.port)
        growth = broker.resident_bytes() - before
        expect_that(growth <= GROWTH_BYTES, f"growth up to {GROWTH_BYTES}", growth)


async def send_repeatedly(publisher, message):
    for _ in range(FLOOD_BYTES // FLOOD_PAYLOAD_BYTES):
        await publisher.send(message)
