"""The other way round: `colibri pub` and `colibri sub` against Debian's mosquitto broker.

The two are put to the same tests against each other and against mosquitto_sub and mosquitto_pub.
When a subscription stands is read from the log of the broker, not asked of the program under test.
"""

import asyncio
import secrets
from pathlib import Path

import brokers
import obtain
import programs
from cases import PAYLOADS, V5
from programs import run_to_end, run_well
from report import ANSWER_SECONDS, Mismatch, expect, expect_that

CLIENT = "reverse"
CASES_AT_ONCE = 3
VERSIONS = ("3.1.1", "5.0")
CASES = []


def case(name, versions=VERSIONS):
    def register(function):
        CASES.append((name, versions, function))
        return function

    return register


async def run(run):
    if run.colibri is None:
        run.report.line("SKIP", CLIENT, "no program was given with --colibri")
        return
    foreign = {}
    try:
        for verb in ("pub", "sub"):
            foreign[verb] = [await obtain.debian_program(f"mosquitto_{verb}", "mosquitto-clients")]
        broker = await run.mosquitto(CLIENT)
    except obtain.Unobtainable as reason:
        run.report.line("SKIP", CLIENT, str(reason))
        return
    ours = {verb: [run.colibri, verb] for verb in ("pub", "sub")}
    slots = asyncio.Semaphore(CASES_AT_ONCE)

    async def run_case(name, version, function, pub, sub):
        async with slots:
            case = Case(pub, sub, broker, version, run.directory)
            await run.report.run(CLIENT, version, name, lambda: function(case))

    pairs = {
        "pub-and-sub": (ours["pub"], ours["sub"]),
        "pub-to-mosquitto_sub": (ours["pub"], foreign["sub"]),
        "sub-from-mosquitto_pub": (foreign["pub"], ours["sub"]),
    }
    await asyncio.gather(
        *(
            run_case(f"{pair} {name}", version, function, pub, sub)
            for name, versions, function in CASES
            for version in versions
            for pair, (pub, sub) in pairs.items()
        ),
        *(
            run.report.run(CLIENT, "-", name, lambda f=function: f(run.colibri, broker.port))
            for name, function in FAILURES.items()
        ),
    )


class Case:
    """One run of a case: a publishing and a subscribing program, a version, its own topics."""

    def __init__(self, pub, sub, broker, version, directory):
        self._pub = pub
        self._sub = sub
        self._broker = broker
        self._common = ["-p", str(broker.port), "-V", programs.VERSION_FLAGS[version]]
        self.version = version
        self.directory = directory
        self.token = secrets.token_hex(4)

    def topic(self, suffix=""):
        return f"interop/{self.token}{suffix}"

    async def pub(self, *arguments, given=b"", topic=None):
        """Publishes and waits until the program has ended well."""
        command = [*self._pub, *self._common, "-t", topic or self.topic(), *arguments]
        await run_well(*command, given=given)

    async def sub_to_end(self, *arguments):
        """What a subscriber that ends by itself printed."""
        return (await run_well(*self._sub, *self._common, *arguments)).stdout

    def subscriber(self, *arguments, topic=None):
        client_id = f"c{secrets.token_hex(5)}"
        topic = topic or self.topic()
        command = [*self._sub, *self._common, "-i", client_id, "-t", topic, *arguments]
        return Subscriber(self._broker, f": {client_id} ", topic, command)

    def file(self, content):
        path = Path(self.directory) / f"{self.token}.payload"
        path.write_bytes(content)
        return path


class Subscriber(programs.Running):
    """A running subscriber, entered only when the broker has logged its subscription."""

    def __init__(self, broker, client, topic, command):
        super().__init__(*command)
        self._logged = lambda log: any(
            client in line and line.endswith(f" {topic}") for line in log.splitlines()
        )
        self._broker = broker

    async def _until_ready(self):
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                while not self._logged(self._broker.log()):
                    if self._process.returncode is not None:
                        raise Mismatch("a subscription", await self._complaint())
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise Mismatch("a subscription", "none in the broker's log") from None

    async def _complaint(self):
        return (await self._process.stderr.read()).decode(errors="replace")


def round_trip(qos, payload):
    async def run(c):
        path = c.file(payload)
        async with c.subscriber("-q", f"{qos}", "-F", "%t %q %r %x", "-C", "1") as sub:
            await c.pub("-q", f"{qos}", *(["-f", path] if payload else ["-n"]))
            expect("message", f"{c.topic()} {qos} 0 {payload.hex()}", await sub.line())
            expect("exit code after -C 1", 0, await sub.ended())

    return run


for _qos in (0, 1, 2):
    for _kind, _payload in PAYLOADS.items():
        case(f"qos{_qos}-{_kind}")(round_trip(_qos, _payload))


@case("message")
async def message(c):
    async with c.subscriber("-q", "1") as sub:
        await c.pub("-q", "1", "-m", "hola, colibrí 🐦")
        expect("line", "hola, colibrí 🐦", await sub.line())


@case("verbose")
async def verbose(c):
    async with c.subscriber("-q", "1", "-v") as sub:
        await c.pub("-q", "1", "-m", "hola")
        expect("line", f"{c.topic()} hola", await sub.line())
        await c.pub("-q", "1", "-n")
        # The manual's rule: an empty payload shows as (null) with -v.
        expect("line of an empty message", f"{c.topic()} (null)", await sub.line())


@case("format")
async def message_format(c):
    async with c.subscriber("-q", "2", "-F", "%t %q %r %p", topic=c.topic("/#")) as sub:
        await c.pub("-q", "2", "-m", "hola", topic=c.topic("/a"))
        expect("line", f"{c.topic('/a')} 2 0 hola", await sub.line())
        await c.pub("-q", "0", "-m", "100 %", topic=c.topic("/b"))
        expect("line", f"{c.topic('/b')} 0 0 100 %", await sub.line())


@case("retained")
async def retained(c):
    await c.pub("-q", "1", "-r", "-m", "kept")
    output = await c.sub_to_end("-t", c.topic(), "-C", "1", "-F", "%t %q %r %p")
    expect("replayed", f"{c.topic()} 0 1 kept\n".encode(), output)
    await c.pub("-r", "-n", "-q", "1")
    async with c.subscriber("-q", "1", "-F", "%r %p") as sub:
        await c.pub("-q", "1", "-m", "fence")
        expect("after clearing", "0 fence", await sub.line())


@case("lines")
async def lines(c):
    count = 300
    given = "".join(f"line {number}\n" for number in range(count))
    async with c.subscriber("-q", "1", "-C", f"{count}") as sub:
        await c.pub("-q", "1", "-l", given=given.encode())
        received = [await sub.line() for _ in range(count)]
        expect("lines", given.splitlines(), received)
        expect("exit code after -C", 0, await sub.ended())


@case("standard-input")
async def standard_input(c):
    async with c.subscriber("-q", "1", "-F", "%x", "-C", "1") as sub:
        await c.pub("-q", "1", "-s", given=b"two\nlines\n")
        expect("message", b"two\nlines\n".hex(), await sub.line())


@case("no-newline")
async def no_newline(c):
    async with c.subscriber("-q", "1", "-N", "-C", "3") as sub:
        for payload in ("one, ", "two, ", "three\n"):
            await c.pub("-q", "1", "-m", payload)
        expect("output", "one, two, three", await sub.line())


@case("filter-out")
async def filter_out(c):
    async with c.subscriber("-q", "1", "-T", c.topic("/no"), topic=c.topic("/+")) as sub:
        await c.pub("-q", "1", "-m", "filtered", topic=c.topic("/no"))
        await c.pub("-q", "1", "-m", "fence", topic=c.topic("/yes"))
        expect("line", "fence", await sub.line())


@case("persistent-session")
async def persistent_session(c):
    session = ["-c", "-i", f"p{c.token}", "-t", c.topic(), "-q", "1"]
    if c.version == "5.0":
        session += ["-x", "300"]
    expect("output with -E", b"", await c.sub_to_end(*session, "-E"))
    for number in range(5):
        await c.pub("-q", "1", "-m", f"{number}")
    output = await c.sub_to_end(*session, "-C", "5")
    expect("what was kept", b"0\n1\n2\n3\n4\n", output)


@case("user-properties", V5)
async def user_properties(c):
    properties = ["-D", "publish", "user-property", "name", "value"]
    properties += ["-D", "publish", "content-type", "text/plain"]
    async with c.subscriber("-q", "1", "-F", "%P|%C|%p") as sub:
        await c.pub("-q", "1", "-m", "hola", *properties)
        shown = [part.strip() for part in (await sub.line()).split("|")]
        expect("line", ["name:value", "text/plain", "hola"], shown)


@case("interrupt")
async def interrupt(c):
    async with c.subscriber("-q", "1") as sub:
        await c.pub("-q", "1", "-m", "hola")
        await sub.line()
        sub.interrupt()
        expect("exit code after Ctrl-C", 0, await sub.ended())


# What goes wrong: a non-zero exit code and one sentence ----------------------------------------


async def expect_refusal(*command):
    ended = await run_to_end(*command)
    expect_that(ended.code not in (0, None), "a non-zero exit code", ended.code)
    said = ended.stderr.strip()
    expect_that(said, "a sentence on stderr", "nothing")
    expect_that(len(said.splitlines()) == 1, "one sentence", said)


async def closed_port(colibri, port):
    nobody = str(brokers.free_port())
    await expect_refusal(colibri, "pub", "-p", nobody, "-t", "interop/x", "-m", "x")
    await expect_refusal(colibri, "sub", "-p", nobody, "-t", "interop/x", "-C", "1")


async def unknown_host(colibri, port):
    """`.invalid` is promised never to resolve."""
    host = ["-h", "colibri.invalid", "-p", str(port)]
    await expect_refusal(colibri, "pub", *host, "-t", "interop/x", "-m", "x")
    await expect_refusal(colibri, "sub", *host, "-t", "interop/x", "-C", "1")


async def missing_file(colibri, port):
    """mosquitto_pub 2.0.11 fails this: it says it twice."""
    await expect_refusal(colibri, "pub", "-p", str(port), "-t", "interop/x", "-f", "/no/such/file")


async def timeout_option(colibri, port):
    """`-W` ends a subscriber that gets nothing; mosquitto_sub's exit code for it is 27."""
    topic = f"interop/{secrets.token_hex(4)}"
    ended = await run_to_end(colibri, "sub", "-p", str(port), "-t", topic, "-W", "1")
    expect("exit code", 27, ended.code)


FAILURES = {
    "closed-port": closed_port,
    "unknown-host": unknown_host,
    "missing-file": missing_file,
    "timeout": timeout_option,
}
