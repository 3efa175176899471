"""The cases that every foreign library is put through, in the protocol's words.

A case is a script: connect, subscribe, publish, receive. It proves an absence by a fence: a later
message that would have come second if the absent one existed. `CASES` at the end of the module
is filled by the decorator.
"""

import asyncio
import random
import time

import raw
from report import expect, expect_that, shown_code

V3 = ("3.1", "3.1.1")
V5 = ("5.0",)
ALL = V3 + V5

SESSION_TAKEN_OVER = 0x8E
NO_MATCHING_SUBSCRIBERS = 0x10
# A session that outlives every case.
LONG_SESSION = 300

# (name, versions, function, whether it subscribes to so much that it needs a quiet broker)
CASES = []


def case(name, versions=ALL, quiet=False):
    def register(function):
        CASES.append((name, versions, function, quiet))
        return function

    return register


# Round trips ------------------------------------------------------------------------------------

PAYLOADS = {
    "empty": b"",
    "utf8": "colibrí, Грицько, 蜂鳥, 𝔐𝔔𝔗𝔗, 🐦".encode(),
    "1mb": random.Random("colibri").randbytes(1024 * 1024),
}


def round_trip(qos, payload):
    async def run(c):
        subscriber = await c.connect()
        expect("SUBACK", qos, await subscriber.subscribe(c.topic(), qos))
        publisher = await c.connect()
        await publisher.publish(c.topic(), payload, qos)
        await expect_message(subscriber, payload, qos=qos, topic=c.topic())
        # A second copy would come before the fence.
        await publisher.publish(c.topic(), "fence", qos)
        await expect_message(subscriber, b"fence", qos=qos)

    return run


for _qos in (0, 1, 2):
    for _kind, _payload in PAYLOADS.items():
        case(f"qos{_qos}-{_kind}")(round_trip(_qos, _payload))


async def expect_message(peer, payload, **fields):
    """The next message is this one; returns it."""
    payload = payload.encode() if isinstance(payload, str) else payload
    message = await peer.receive()
    expect("payload", payload, message.payload)
    for field, value in fields.items():
        expect(f"{field} of {payload[:20]!r}", value, getattr(message, field))
    return message


# Both versions ----------------------------------------------------------------------------------


@case("wildcards")
async def wildcards(c):
    publisher = await c.connect()
    # Filter, and which of the topics it matches, in the order of their publication.
    topics = ["/a", "/a/b", "/a/b/c", "/b", "/a/", "/a//c"]
    expected = {
        "/+": ["/a", "/b"],
        "/a/+": ["/a/b", "/a/"],
        "/a/#": ["/a", "/a/b", "/a/b/c", "/a/", "/a//c"],
        "/+/b/#": ["/a/b", "/a/b/c"],
        "/a/+/c": ["/a/b/c", "/a//c"],
        "/#": topics,
    }
    subscribers = {}
    for filter in expected:
        subscribers[filter] = await c.connect()
        await subscribers[filter].subscribe(c.topic(filter), 1)
        await subscribers[filter].subscribe(c.topic("-fence"), 1)
    for topic in [*topics, "-fence"]:
        await publisher.publish(c.topic(topic), topic, 1)
    for filter, matching in expected.items():
        for topic in [*matching, "-fence"]:
            await expect_message(subscribers[filter], topic, topic=c.topic(topic))


@case("dollar-topics-hidden", quiet=True)
async def dollar_topics_hidden(c):
    """A filter that begins with a wildcard does not match `$SYS`: whatever topic the broker keeps
    there, the same filter with `+` or `#` in the place of `$SYS` does not bring it."""
    observer = await c.connect()
    await observer.subscribe("$SYS/#", 0)
    shown = (await observer.receive()).topic
    for filter in ("#", "+/" + shown.split("/", 1)[1]):
        subscriber = await c.connect()
        await subscriber.subscribe(filter, 0)
        fence = filter.replace("+", c.token) if "+" in filter else c.topic()
        await observer.publish(fence, "fence")
        while (topic := (await subscriber.receive()).topic) != fence:
            expect_that(not topic.startswith("$"), f"no topic with $ for {filter}", topic)
        await subscriber.disconnect()


@case("retained")
async def retained(c):
    publisher = await c.connect()
    live = await c.connect()
    await live.subscribe(c.topic(), 1)
    await publisher.publish(c.topic(), "first", 1, retain=True)
    await publisher.publish(c.topic(), "second", 1, retain=True)
    # An established subscription sees them as ordinary messages.
    await expect_message(live, "first", retain=False)
    await expect_message(live, "second", retain=False)
    late = await c.connect()
    await late.subscribe(c.topic("/#"), 1)
    await expect_message(late, "second", retain=True, topic=c.topic(), qos=1)
    await publisher.publish(c.topic(), "", 1, retain=True)
    await expect_message(live, "", retain=False)
    later = await c.connect()
    await later.subscribe(c.topic(), 1)
    await publisher.publish(c.topic(), "fence", 1)
    await expect_message(later, "fence", retain=False)


@case("will-after-kill")
async def will_after_kill(c):
    observer = await c.connect()
    await observer.subscribe(c.topic("/#"), 1)
    doomed = await c.another_process()
    will = {"topic": c.topic("/killed"), "payload": b"gone", "qos": 1, "retain": True}
    await c.connect(adapter=doomed, will=will)
    # One that says goodbye has no will. Its next connection has the same home in the broker, so
    # that a will of the first would have been published by then.
    polite_id = c.new_id()
    polite_will = {"topic": c.topic("/polite"), "payload": b"no", "qos": 1, "retain": False}
    polite = await c.connect(client_id=polite_id, will=polite_will)
    await polite.disconnect()
    polite = await c.connect(client_id=polite_id)
    await polite.publish(c.topic("/fence"), "fence", 1)
    await expect_message(observer, "fence")
    doomed.kill()
    await expect_message(observer, "gone", topic=c.topic("/killed"), qos=1, retain=False)
    late = await c.connect()
    await late.subscribe(c.topic("/killed"), 1)
    await expect_message(late, "gone", retain=True)
    await late.publish(c.topic("/killed"), "", 1, retain=True)


@case("persistent-session")
async def persistent_session(c):
    session = {"client_id": c.new_id()}
    lasting = {"session_expiry": LONG_SESSION} if c.v5 else {}
    subscriber = await c.connect(**session, clean=False, **lasting)
    expect_present(subscriber, False)
    await subscriber.subscribe(c.topic(), 2)
    await subscriber.disconnect()
    publisher = await c.connect()
    for number in range(20):
        await publisher.publish(c.topic(), f"{number}", 1 + number % 2)
    subscriber = await c.connect(**session, clean=False, **lasting)
    expect_present(subscriber, True)
    # QoS 1 is shown on arrival and QoS 2 by some clients only after the release: the order is
    # that of each QoS.
    received = {1: [], 2: []}
    for _ in range(20):
        message = await subscriber.receive()
        received[message.qos].append(message.payload.decode())
    expect("QoS 1 messages", [f"{number}" for number in range(0, 20, 2)], received[1])
    expect("QoS 2 messages", [f"{number}" for number in range(1, 20, 2)], received[2])
    await publisher.publish(c.topic(), "fence", 2)
    await expect_message(subscriber, "fence")
    await subscriber.disconnect()
    subscriber = await c.connect(**session, clean=True)
    expect_present(subscriber, False)
    await publisher.publish(c.topic(), "nobody is subscribed", 1)
    await subscriber.subscribe(c.topic("/fence"), 1)
    await publisher.publish(c.topic("/fence"), "fence", 1)
    await expect_message(subscriber, "fence")


def expect_present(peer, expected):
    """Compares Session Present, where the version has it and the client shows it."""
    if peer.session_present is not None:
        expect("Session Present", expected, bool(peer.session_present))


@case("unsubscribe")
async def unsubscribe(c):
    subscriber = await c.connect()
    await subscriber.subscribe(c.topic("/a"), 1)
    await subscriber.subscribe(c.topic("/b"), 1)
    publisher = await c.connect()
    await publisher.publish(c.topic("/a"), "subscribed", 1)
    await expect_message(subscriber, "subscribed")
    code = await subscriber.unsubscribe(c.topic("/a"))
    expect_that(code in (None, 0), "UNSUBACK 0", code)
    await publisher.publish(c.topic("/a"), "unsubscribed", 1)
    await publisher.publish(c.topic("/b"), "fence", 1)
    await expect_message(subscriber, "fence")


@case("takeover")
async def takeover(c):
    client_id = c.new_id()
    older = await c.connect(client_id=client_id)
    newer = await c.connect(client_id=client_id)
    code = await older.closed()
    if c.v5 and (code is not None or "short_disconnect" not in c.adapter.lacks):
        # mosquitto 2.0.11 fails this: it closes the connection without the DISCONNECT of
        # [v5 MQTT-3.1.4-3].
        expect("DISCONNECT", hex(SESSION_TAKEN_OVER), shown_code(code))
    await newer.subscribe(c.topic(), 1)
    await newer.publish(c.topic(), "still here", 1)
    await expect_message(newer, "still here")


@case("overlapping-subscriptions")
async def overlapping_subscriptions(c):
    subscriber = await c.connect()
    await subscriber.subscribe(c.topic("/+"), 0)
    await subscriber.subscribe(c.topic("/#"), 2)
    await subscriber.subscribe(c.topic("/a"), 1)
    await subscriber.subscribe(c.topic("-fence"), 2)
    publisher = await c.connect()
    await publisher.publish(c.topic("/a"), "message", 2)
    await publisher.publish(c.topic("-fence"), "fence", 2)
    copies = []
    # mosquitto 2.0.11 fails this with 3.x clients: it sends one copy, of the first subscription
    # that it comes upon, which breaks [v3.1.1 MQTT-3.3.5-1].
    while (message := await subscriber.receive()).payload != b"fence":
        expect("payload", b"message", message.payload)
        copies.append(message.qos)
    expect_that(1 <= len(copies) <= 3, "one to three copies", copies)
    expect("highest QoS of the copies", 2, max(copies))


@case("ordering-5000")
async def ordering(c):
    total = 5000
    # A broker may limit what waits for a slow client; less than this is never outstanding.
    window = 500
    subscriber = await c.connect()
    await subscriber.subscribe(c.topic(), 1)
    publisher = await c.connect()
    for first in range(0, total, window):
        numbers = range(first, first + window)
        pending = [publisher.publish(c.topic(), f"{number}", 1) for number in numbers]
        await asyncio.gather(*pending)
        received = [(await subscriber.receive()).payload.decode() for _ in numbers]
        expect("order of arrival", [f"{number}" for number in numbers], received)


@case("200-clients")
async def many_clients(c):
    c.needs("many")
    count = 200
    peers = await asyncio.gather(*(c.connect() for _ in range(count)))
    await asyncio.gather(
        *(peer.subscribe(c.topic(f"/{number}"), 1) for number, peer in enumerate(peers))
    )
    await asyncio.gather(
        *(
            peer.publish(c.topic(f"/{(number + 1) % count}"), f"from {number}", 1)
            for number, peer in enumerate(peers)
        )
    )
    for number, peer in enumerate(peers):
        await expect_message(peer, f"from {(number - 1) % count}")
    await asyncio.gather(*(peer.disconnect() for peer in peers))


@case("shared-subscription")
async def shared_subscription(c):
    total = 40
    members = [await c.connect() for _ in range(2)]
    for member in members:
        code = await member.subscribe(f"$share/{c.token}/{c.topic()}", 1)
        expect("SUBACK", 1, code)
        await member.subscribe(c.topic("-fence"), 1)
    publisher = await c.connect()
    for number in range(total):
        await publisher.publish(c.topic(), f"{number}", 1)
    await publisher.publish(c.topic("-fence"), "fence", 1)
    received = []
    for member in members:
        while (message := await member.receive()).payload != b"fence":
            received.append(int(message.payload))
    expect("messages over both members", list(range(total)), sorted(received))


@case("assigned-client-id", ("3.1.1", "5.0"))
async def assigned_client_id(c):
    c.needs("empty_client_id")
    peers = [await c.connect(client_id="") for _ in range(2)]
    if c.v5 and "connack_properties" not in c.adapter.lacks:
        names = {peer.properties["assigned_client_id"] for peer in peers}
        expect_that(None not in names and "" not in names, "an Assigned Client Identifier", names)
        expect("different identifiers", 2, len(names))
    for peer in peers:
        await peer.subscribe(c.topic(), 1)
    await peers[0].publish(c.topic(), "hello", 1)
    for peer in peers:
        await expect_message(peer, "hello")


# 5.0 --------------------------------------------------------------------------------------------


@case("user-properties", V5)
async def user_properties(c):
    subscriber, publisher = await connected_pair(c, 1)
    pairs = [["name", "first"], ["name", "second"], ["птах", "🐦"], ["empty", ""]]
    await publisher.publish(c.topic(), "x", 1, user_properties=pairs)
    message = await expect_message(subscriber, "x")
    expect("user properties", pairs, message.properties.get("user_properties"))


async def connected_pair(c, qos, **options):
    subscriber = await c.connect()
    await subscriber.subscribe(c.topic(), qos, **options)
    return subscriber, await c.connect()


@case("content-type", V5)
async def content_type(c):
    subscriber, publisher = await connected_pair(c, 1)
    sent = {"content_type": "application/json", "payload_format": 1}
    await publisher.publish(c.topic(), "{}", 1, **sent)
    message = await expect_message(subscriber, "{}")
    expect("properties", sent, message.properties)


@case("request-response", V5)
async def request_response(c):
    requester, responder = await c.connect(), await c.connect()
    await responder.subscribe(c.topic("/request"), 1)
    await requester.subscribe(c.topic("/reply"), 1)
    correlation = bytes(range(256))
    await requester.publish(
        c.topic("/request"),
        "question",
        1,
        response_topic=c.topic("/reply"),
        correlation_data=correlation,
    )
    question = (await expect_message(responder, "question")).properties
    expect("response topic", c.topic("/reply"), question.get("response_topic"))
    expect("correlation data", correlation, question.get("correlation_data"))
    await responder.publish(
        question["response_topic"], "answer", 1, correlation_data=question["correlation_data"]
    )
    answer = await expect_message(requester, "answer")
    expect("correlation data", correlation, answer.properties.get("correlation_data"))


@case("message-expiry", V5)
async def message_expiry(c):
    subscriber, publisher = await connected_pair(c, 1)
    await publisher.publish(c.topic(), "live", 1, expiry=60)
    remaining = (await expect_message(subscriber, "live")).properties.get("expiry")
    expect_that(remaining in range(1, 61), "a remaining interval of 1 to 60", remaining)
    client_id = c.new_id()
    away = await c.connect(client_id=client_id, clean=False, session_expiry=LONG_SESSION)
    await away.subscribe(c.topic(), 1)
    await away.disconnect()
    await raw.until_away(c.port, client_id, LONG_SESSION)
    await publisher.publish(c.topic(), "short", 1, expiry=1)
    await publisher.publish(c.topic(), "long", 1, expiry=100)
    await publisher.publish(c.topic(), "fence", 1)
    await pass_seconds(2.5)
    away = await c.connect(client_id=client_id, clean=False, session_expiry=LONG_SESSION)
    remaining = (await expect_message(away, "long")).properties.get("expiry")
    expect_that(remaining in range(90, 99), "100 less the 2 s and more of waiting", remaining)
    await expect_message(away, "fence")


async def pass_seconds(seconds):
    """Lets real time pass, for what the protocol itself counts in seconds on the broker's clock."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        await asyncio.sleep(left)


@case("subscription-identifiers", V5)
async def subscription_identifiers(c):
    subscriber = await c.connect()
    await subscriber.subscribe(c.topic("/a"), 1, identifier=1)
    await subscriber.subscribe(c.topic("/#"), 1, identifier=268_435_455)
    await subscriber.subscribe(c.topic("-fence"), 1)
    publisher = await c.connect()
    await publisher.publish(c.topic("/a"), "x", 1)
    await publisher.publish(c.topic("-fence"), "fence", 1)
    identifiers = []
    while (message := await subscriber.receive()).payload != b"fence":
        identifiers += message.properties.get("subscription_identifiers", [])
    expect("identifiers over all copies", [1, 268_435_455], sorted(identifiers))
    expect("identifiers of the fence", None, message.properties.get("subscription_identifiers"))


@case("no-local", V5)
async def no_local(c):
    subscriber, publisher = await connected_pair(c, 1, no_local=True)
    await subscriber.publish(c.topic(), "own", 1)
    await publisher.publish(c.topic(), "fence", 1)
    await expect_message(subscriber, "fence")


@case("retain-as-published", V5)
async def retain_as_published(c):
    publisher = await c.connect()
    for wanted in (True, False):
        subscriber = await c.connect()
        await subscriber.subscribe(c.topic(), 1, retain_as_published=wanted)
        await publisher.publish(c.topic(), "retained", 1, retain=True)
        await expect_message(subscriber, "retained", retain=wanted)
        await publisher.publish(c.topic(), "plain", 1)
        await expect_message(subscriber, "plain", retain=False)
        await publisher.publish(c.topic(), "", 1, retain=True)


@case("retain-handling", V5)
async def retain_handling(c):
    publisher = await c.connect()
    await publisher.publish(c.topic(), "retained", 1, retain=True)
    # Which of a first and a second subscription to the same filter bring the retained message.
    for handling, replayed in {0: (True, True), 1: (True, False), 2: (False, False)}.items():
        subscriber = await c.connect()
        for replay in replayed:
            await subscriber.subscribe(c.topic(), 1, retain_handling=handling)
            if replay:
                await expect_message(subscriber, "retained", retain=True)
            fence = f"fence {handling} {replay}"
            await publisher.publish(c.topic(), fence, 1)
            await expect_message(subscriber, fence, retain=False)
        await subscriber.disconnect()
    await publisher.publish(c.topic(), "", 1, retain=True)


@case("server-keep-alive", V5)
async def server_keep_alive(c):
    """May be absent; a broker that sends it says how often it wants to hear from the client."""
    c.needs("connack_properties")
    peer = await c.connect(keep_alive=30)
    interval = peer.properties["server_keep_alive"]
    expect_that(interval is None or interval in range(65536), "absent or two bytes", interval)


@case("topic-alias", V5)
async def topic_alias(c):
    subscriber, publisher = await connected_pair(c, 1)
    if "connack_properties" not in c.adapter.lacks:
        limit = publisher.properties["topic_alias_maximum"]
        expect_that(limit, "a Topic Alias Maximum above 0", limit)
    await publisher.publish(c.topic(), "full", 1, topic_alias=1)
    await publisher.publish("", "by alias", 1, topic_alias=1)
    for payload in ("full", "by alias"):
        await expect_message(subscriber, payload, topic=c.topic())


@case("topic-alias-from-server", V5)
async def topic_alias_from_server(c):
    """A client that allows two aliases gets three topics right, aliases used or not."""
    c.needs("topic_alias_resolution")
    subscriber = await c.connect(topic_alias_maximum=2)
    await subscriber.subscribe(c.topic("/#"), 1)
    publisher = await c.connect()
    for turn in range(3):
        for topic in ("/a", "/b", "/c"):
            await publisher.publish(c.topic(topic), f"{turn}{topic}", 1)
            await expect_message(subscriber, f"{turn}{topic}", topic=c.topic(topic))


@case("session-expiry", V5)
async def session_expiry(c):
    c.needs("session_present")
    short, long, shortened = c.new_id("s"), c.new_id("l"), c.new_id("d")
    for client_id, seconds in ((short, 1), (long, LONG_SESSION)):
        peer = await c.connect(client_id=client_id, clean=False, session_expiry=seconds)
        await peer.disconnect()
    if "disconnect_session_expiry" not in c.adapter.lacks:
        peer = await c.connect(client_id=shortened, clean=False, session_expiry=LONG_SESSION)
        await peer.disconnect(session_expiry=0)
    await pass_seconds(2.5)
    for client_id, present in ((short, False), (long, True), (shortened, False)):
        expect_present(await c.connect(client_id=client_id, clean=False), present)


@case("will-delay", V5)
async def will_delay(c):
    observer = await c.connect()
    await observer.subscribe(c.topic("/#"), 1)
    client_id = c.new_id("r")
    kept = {"session_expiry": LONG_SESSION, "clean": False}

    def will(name):
        return {
            "topic": c.topic(f"/{name}"),
            "payload": name.encode(),
            "qos": 1,
            "retain": False,
            "delay": 2,
        }

    returning = await c.another_process()
    await c.connect(adapter=returning, client_id=client_id, will=will("cancelled"), **kept)
    staying_away = await c.another_process()
    await c.connect(adapter=staying_away, will=will("published"), **kept)
    returning.kill()
    # The connection of the same identifier takes the dead one's place and cancels its will.
    await c.connect(client_id=client_id, clean=False, session_expiry=LONG_SESSION)
    killed = time.monotonic()
    staying_away.kill()
    # The cancelled will would be due before this one: it is the fence.
    await expect_message(observer, "published")
    elapsed = time.monotonic() - killed
    # One second of tolerance, since the protocol counts in whole seconds.
    expect_that(elapsed > 1.0, "the will after a delay of 2 s", f"after {elapsed:.2f} s")


@case("receive-maximum", V5)
async def receive_maximum(c):
    subscriber = await c.connect(receive_maximum=1, manual_ack=True)
    await subscriber.subscribe(c.topic(), 1)
    publisher = await c.connect()
    for number in range(5):
        await publisher.publish(c.topic(), f"{number}", 1)
    for number in range(5):
        message = await expect_message(subscriber, f"{number}", qos=1)
        # Two round trips: a second message, sent along with the first, is here after them.
        for fence in range(2):
            await subscriber.subscribe(c.topic(f"/fence/{fence}"), 0)
        expect("messages beyond Receive Maximum 1", 0, subscriber.unread())
        await subscriber.ack(message)


@case("puback-no-subscribers", V5)
async def puback_no_subscribers(c):
    publisher = await c.connect()
    for qos in (1, 2):
        code = await publisher.publish(c.topic(), "to nobody", qos)
        accepted = (None, 0, NO_MATCHING_SUBSCRIBERS)
        expect_that(code in accepted, "reason code 0 or 0x10", code)
