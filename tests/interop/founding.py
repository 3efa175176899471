"""The founding document's rows over bare sockets, in bytes: what a broker does at the least."""

import asyncio
import secrets

import raw
from report import expect

CLIENT = "founding"
CLIENTS_AT_ONCE = 500


async def run(run):
    broker = await run.broker(CLIENT)
    for name, version, function in [
        ("listen-accept-connect", "3.1.1", accepts),
        ("connect-connack", "3.1.1", connack_3),
        ("connect-connack", "5.0", connack_5),
        ("publish-delivered", "3.1.1", publish_delivered),
        ("puback-arrives", "3.1.1", puback_arrives),
        ("subscribe-suback", "3.1.1", subscribe_suback),
        ("disconnect-closes", "3.1.1", disconnect_closes),
        ("disconnect-closes", "5.0", disconnect_closes_5),
        ("500-clients", "3.1.1", many_clients),
    ]:
        await run.report.run(CLIENT, version, name, lambda f=function: f(broker.port))


async def accepts(port):
    """Three connections stand at the same time before any of them has said a word."""
    connections = [await raw.Connection.open(port) for _ in range(3)]
    for number, connection in enumerate(connections):
        async with connection:
            await connection.send(raw.connect("3.1.1", f"accept{number}{secrets.token_hex(4)}"))
            await connection.expect("CONNACK", "20 02 00 00")


async def connack_3(port):
    async with await raw.Connection.open(port) as client:
        # CONNECT, 18 bytes, "MQTT", level 4, Clean Session, 60 s, client id "colibr".
        await client.send("10 12 0004 4d515454 04 02 003c 0006 636f6c696272")
        await client.expect("CONNACK", "20 02 00 00")


async def connack_5(port):
    async with await raw.Connection.open(port) as client:
        # The same with level 5, without properties.
        await client.send("10 13 0004 4d515454 05 02 003c 00 0006 636f6c356272")
        first, body = await client.packet()
        expect("first byte", 0x20, first)
        expect("flags and reason code", b"\0\0", body[:2])


async def publish_delivered(port):
    token = secrets.token_hex(4)
    topic = raw.text(f"founding/{token}")
    subscriber = await raw.open_connected(port, "3.1.1", f"s{token}")
    publisher = await raw.open_connected(port, "3.1.1", f"p{token}")
    async with subscriber, publisher:
        await subscriber.send(raw.packet("82", "0001", topic, "00"))
        await subscriber.expect("SUBACK", "90 03 0001 00")
        await publisher.send(raw.packet("30", topic, b"hola"))
        await subscriber.expect("PUBLISH", raw.packet("30", topic, b"hola").hex())


async def puback_arrives(port):
    token = secrets.token_hex(4)
    async with await raw.open_connected(port, "3.1.1", f"p{token}") as client:
        await client.send(raw.packet("32", raw.text(f"founding/{token}"), "1234", b"hola"))
        await client.expect("PUBACK", "40 02 1234")


async def subscribe_suback(port):
    token = secrets.token_hex(4)
    async with await raw.open_connected(port, "3.1.1", f"s{token}") as client:
        filters = [raw.text(f"founding/{token}/{qos}") + bytes([qos]) for qos in (0, 1, 2)]
        await client.send(raw.packet("82", "0007", *filters))
        await client.expect("SUBACK", "90 05 0007 00 01 02")


async def disconnect_closes(port):
    async with await raw.open_connected(port, "3.1.1", secrets.token_hex(4)) as client:
        await client.send("e0 00")
        expect("bytes before the end", b"", await client.until_closed())


async def disconnect_closes_5(port):
    async with await raw.open_connected(port, "5.0", secrets.token_hex(4)) as client:
        await client.send("e0 00")
        expect("bytes before the end", b"", await client.until_closed())


async def many_clients(port):
    """All are connected and subscribed at the same time; then each publishes to the next."""
    token = secrets.token_hex(4)
    topics = [raw.text(f"founding/{token}/{number}") for number in range(CLIENTS_AT_ONCE)]
    clients = await asyncio.gather(
        *(
            raw.open_connected(port, "3.1.1", f"c{token}{number}")
            for number in range(CLIENTS_AT_ONCE)
        )
    )
    for client, topic in zip(clients, topics, strict=True):
        await client.send(raw.packet("82", "0001", topic, "01"))
    for client in clients:
        await client.expect("SUBACK", "90 03 0001 01")
    for number, client in enumerate(clients):
        topic = topics[(number + 1) % CLIENTS_AT_ONCE]
        await client.send(raw.packet("30", topic, str(number).encode()))
    for number, client in enumerate(clients):
        payload = str((number - 1) % CLIENTS_AT_ONCE).encode()
        await client.expect("PUBLISH", raw.packet("30", topics[number], payload).hex())
    for client in clients:
        await client.send("e0 00")
    for client in clients:
        async with client:
            expect("bytes before the end", b"", await client.until_closed())
