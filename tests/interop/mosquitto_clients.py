"""Debian's mosquitto_pub, mosquitto_sub and mosquitto_rr against the broker under test.

They are programs, not libraries, so that their cases are written apart; the names are those of
`cases.py`. A subscriber runs with `-d`, whose line `Subscribed` says that the SUBACK has come;
messages are told from debug lines by the prefix `MSG`.
"""

import asyncio
import secrets
from pathlib import Path

import obtain
import programs
import raw
from cases import ALL, PAYLOADS, V5, pass_seconds
from programs import run_well
from report import expect, expect_that

CLIENT = "mosquitto-clients"
CASES_AT_ONCE = 4
CASES = []


def case(name, versions=ALL):
    def register(function):
        CASES.append((name, versions, function))
        return function

    return register


async def run(run):
    programs_by_name = {}
    try:
        for name in ("mosquitto_pub", "mosquitto_sub", "mosquitto_rr"):
            programs_by_name[name] = await obtain.debian_program(name, "mosquitto-clients")
    except obtain.Unobtainable as reason:
        run.report.line("SKIP", CLIENT, str(reason))
        return
    broker = await run.broker(CLIENT)
    slots = asyncio.Semaphore(CASES_AT_ONCE)

    async def run_case(name, version, function):
        async with slots:
            case = Case(programs_by_name, broker.port, version, run.directory)
            await run.report.run(CLIENT, version, name, lambda: function(case))

    await asyncio.gather(
        *(
            run_case(name, version, function)
            for name, versions, function in CASES
            for version in versions
        )
    )


class Case:
    """One run of a case: the programs, a version, topics of its own."""

    def __init__(self, programs_by_name, port, version, directory):
        self._programs = programs_by_name
        self.port = port
        self._common = ["-p", str(port), "-V", programs.VERSION_FLAGS[version]]
        self.version = version
        self.directory = directory
        self.token = secrets.token_hex(4)

    @property
    def v5(self):
        return self.version == "5.0"

    def topic(self, suffix=""):
        return f"interop/{self.token}{suffix}"

    def command(self, program, *arguments):
        return [self._programs[f"mosquitto_{program}"], *self._common, *arguments]

    async def pub(self, topic, payload, *arguments):
        """Publishes one message and waits until the program has ended well."""
        given = ["-n"] if payload == "" else ["-m", payload]
        await run_well(*self.command("pub", "-t", topic, *given, *arguments))

    async def sub(self, *arguments):
        """What a subscriber that ends by itself (`-C`, `-E`) printed."""
        return (await run_well(*self.command("sub", *arguments))).lines()

    def subscriber(self, *arguments, shown="%p", filters=1):
        return Subscriber(filters, *self.command("sub", "-d", "-F", f"MSG {shown}", *arguments))

    def session(self, client_id):
        """The arguments of a session that outlives its connection."""
        expiry = ["-x", "300"] if self.v5 else []
        return ["-c", "-i", client_id, *expiry]


class Subscriber(programs.Running):
    """A running mosquitto_sub, entered only when its subscriptions stand."""

    def __init__(self, filters, *command):
        super().__init__(*command)
        self._filters = filters

    async def _until_ready(self):
        granted = await self.line_after("Subscribed (mid: ")
        expect("granted filters", self._filters, len(granted.split(": ", 1)[1].split(", ")))

    async def message(self):
        return await self.line_after("MSG ")


def round_trip(qos, kind, payload):
    async def run(c):
        path = Path(c.directory) / f"{c.token}.payload"
        path.write_bytes(payload)
        subscriber = c.subscriber("-t", c.topic(), "-q", f"{qos}", shown="%t|%q|%r|%x")
        async with subscriber:
            await run_well(*c.command("pub", "-t", c.topic(), "-q", f"{qos}", "-f", path))
            message = await subscriber.message()
            expect("message", f"{c.topic()}|{qos}|0|{payload.hex()}", message)
            await c.pub(c.topic(), "fence", "-q", f"{qos}")
            expect("fence", f"{c.topic()}|{qos}|0|{b'fence'.hex()}", await subscriber.message())
        path.unlink()

    async def run_empty(c):
        async with c.subscriber("-t", c.topic(), "-q", f"{qos}", shown="%t|%q|%r|%x") as sub:
            await c.pub(c.topic(), "", "-q", f"{qos}")
            expect("message", f"{c.topic()}|{qos}|0|", await sub.message())

    return run_empty if kind == "empty" else run


for _qos in (0, 1, 2):
    for _kind, _payload in PAYLOADS.items():
        case(f"qos{_qos}-{_kind}")(round_trip(_qos, _kind, _payload))


@case("wildcards")
async def wildcards(c):
    topics = ["/a", "/a/b", "/a/b/c", "/b"]
    expected = {"/+": ["/a", "/b"], "/a/#": ["/a", "/a/b", "/a/b/c"], "/+/b": ["/a/b"]}
    for filter, matching in expected.items():
        filters = ("-t", c.topic(filter), "-t", c.topic("-fence"), "-q", "1")
        async with c.subscriber(*filters, shown="%t", filters=2) as sub:
            for topic in [*topics, "-fence"]:
                await c.pub(c.topic(topic), "x", "-q", "1")
            for topic in [*matching, "-fence"]:
                expect(f"topic for {filter}", c.topic(topic), await sub.message())


@case("retained")
async def retained(c):
    await c.pub(c.topic(), "kept", "-r", "-q", "1")
    lines = await c.sub("-t", c.topic(), "-C", "1", "-F", "%p %r")
    expect("replayed", ["kept 1"], lines)
    async with c.subscriber("-t", c.topic(), "-q", "1", shown="%p %r") as sub:
        expect("replayed", "kept 1", await sub.message())
        await c.pub(c.topic(), "", "-r", "-q", "1")
        expect("cleared", " 0", await sub.message())
    async with c.subscriber("-t", c.topic(), "-q", "1", shown="%p %r") as sub:
        await c.pub(c.topic(), "fence", "-q", "1")
        expect("after clearing", "fence 0", await sub.message())


@case("will-after-kill")
async def will_after_kill(c):
    async with c.subscriber("-t", c.topic("/will"), "-q", "1", shown="%p %q %r") as observer:
        will = ["--will-topic", c.topic("/will"), "--will-payload", "gone", "--will-qos", "1"]
        async with c.subscriber("-t", c.topic("/other"), *will) as doomed:
            doomed.kill()
            expect("will", "gone 1 0", await observer.message())


@case("persistent-session")
async def persistent_session(c):
    session = c.session(f"p{c.token}")
    await c.sub(*session, "-t", c.topic(), "-q", "2", "-E")
    for number in range(10):
        await c.pub(c.topic(), f"{number}", "-q", f"{1 + number % 2}")
    arguments = ["-t", c.topic(), "-q", "2", "-C", "10", "-F", "%q %p"]
    lines = await c.sub(*session, *arguments)
    for qos in (1, 2):
        expected = [f"{qos} {number}" for number in range(10) if 1 + number % 2 == qos]
        expect(f"QoS {qos}", expected, [line for line in lines if line.startswith(f"{qos} ")])


@case("unsubscribe")
async def unsubscribe(c):
    session = c.session(f"u{c.token}")
    both = ["-t", c.topic("/a"), "-t", c.topic("/b"), "-q", "1"]
    await c.sub(*session, *both, "-E")
    await c.sub(*session, "-t", c.topic("/b"), "-q", "1", "-U", c.topic("/a"), "-E")
    await c.pub(c.topic("/a"), "unsubscribed", "-q", "1")
    await c.pub(c.topic("/b"), "fence", "-q", "1")
    lines = await c.sub(*session, "-t", c.topic("/b"), "-q", "1", "-C", "1")
    expect("messages", ["fence"], lines)


@case("takeover")
async def takeover(c):
    """mosquitto_sub connects again when it is cut off, and ends when a DISCONNECT tells it why."""
    arguments = ("-i", f"t{c.token}", "-t", c.topic(), "-q", "1")
    async with c.subscriber(*arguments) as older, c.subscriber(*arguments):
        if c.v5:
            await older.line_after("Received DISCONNECT (142)")
        else:
            await older.line_after(f"Client t{c.token} sending CONNECT")


@case("ordering-5000")
async def ordering(c):
    total = 5000
    # A broker may limit what waits for a slow client; less than this is never outstanding.
    window = 500
    publisher = programs.Running(*c.command("pub", "-t", c.topic(), "-q", "1", "-l"))
    async with c.subscriber("-t", c.topic(), "-q", "1") as sub, publisher:
        for first in range(0, total, window):
            expected = [f"{number}" for number in range(first, first + window)]
            publisher.give("".join(f"{number}\n" for number in expected))
            received = [await sub.message() for _ in expected]
            expect("order of arrival", expected, received)


@case("shared-subscription")
async def shared_subscription(c):
    filters = ("-t", f"$share/g/{c.topic()}", "-t", c.topic("-fence"), "-q", "1")
    async with c.subscriber(*filters, filters=2) as one, c.subscriber(*filters, filters=2) as two:
        given = "".join(f"{number}\n" for number in range(40)).encode()
        await run_well(*c.command("pub", "-t", c.topic(), "-q", "1", "-l"), given=given)
        await c.pub(c.topic("-fence"), "fence", "-q", "1")
        received = []
        for member in (one, two):
            while (message := await member.message()) != "fence":
                received.append(int(message))
        expect("messages over both members", list(range(40)), sorted(received))


@case("request-response", ("3.1.1", "5.0"))
async def request_response(c):
    """mosquitto_rr asks; a subscriber and mosquitto_pub answer."""
    shown = "%R|%D|%p" if c.v5 else "||%p"
    async with c.subscriber("-t", c.topic("/request"), "-q", "1", shown=shown) as responder:
        properties = ["-D", "publish", "correlation-data", "number 1"] if c.v5 else []
        command = c.command("rr", "-t", c.topic("/request"), "-e", c.topic("/reply"), "-q", "1")
        asking = run_well(*command, "-m", "question", *properties, "-F", "%t|%p")
        asking = asyncio.create_task(asking)
        reply_to, correlation, question = (await responder.message()).split("|")
        expect("question", "question", question)
        if c.v5:
            expect("response topic", c.topic("/reply"), reply_to)
            expect("correlation data", "number 1", correlation)
            properties = ["-D", "publish", "correlation-data", correlation]
        await c.pub(c.topic("/reply"), "answer", "-q", "1", *properties)
        expect("answer", [f"{c.topic('/reply')}|answer"], (await asking).lines())


@case("user-properties", V5)
async def user_properties(c):
    pairs = [("name", "first"), ("name", "second"), ("птах", "🐦")]
    flags = [word for pair in pairs for word in ("-D", "publish", "user-property", *pair)]
    async with c.subscriber("-t", c.topic(), "-q", "1", shown="%P") as sub:
        await c.pub(c.topic(), "x", "-q", "1", *flags)
        shown = " ".join(f"{key}:{value}" for key, value in pairs)
        expect("user properties", shown, (await sub.message()).strip())


@case("content-type", V5)
async def content_type(c):
    flags = ["-D", "publish", "content-type", "text/plain"]
    flags += ["-D", "publish", "payload-format-indicator", "1"]
    async with c.subscriber("-t", c.topic(), "-q", "1", shown="%C|%F") as sub:
        await c.pub(c.topic(), "x", "-q", "1", *flags)
        expect("content type and payload format", "text/plain|1", await sub.message())


@case("message-expiry", V5)
async def message_expiry(c):
    session = c.session(f"e{c.token}")
    await c.sub(*session, "-t", c.topic(), "-q", "1", "-E")
    await raw.until_away(c.port, f"e{c.token}", 300)
    expiry = ["-q", "1", "-D", "publish", "message-expiry-interval"]
    await c.pub(c.topic(), "short", *expiry, "1")
    await c.pub(c.topic(), "long", *expiry, "100")
    await pass_seconds(2.5)
    lines = await c.sub(*session, "-t", c.topic(), "-q", "1", "-C", "1", "-F", "%p %E")
    text, remaining = lines[0].split()
    expect("message", "long", text)
    expect_that(int(remaining) in range(90, 99), "100 less the seconds of waiting", remaining)


@case("subscription-identifiers", V5)
async def subscription_identifiers(c):
    identifier = ["-D", "subscribe", "subscription-identifier", "1234"]
    async with c.subscriber("-t", c.topic(), "-q", "1", *identifier, shown="%S") as sub:
        await c.pub(c.topic(), "x", "-q", "1")
        expect("subscription identifier", "1234", await sub.message())
