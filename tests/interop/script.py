"""The words that a case is written in: connect, subscribe, publish, receive.

A foreign library lives in a process of its own, its adapter, which knows nothing about cases: it
carries out the commands that arrive on its standard input and writes replies and events to its
standard output, one JSON object a line. So every case stands once, in `cases.py`, and is the same
for every library and language.

Commands: `connect`, `subscribe`, `unsubscribe`, `publish`, `ack`, `disconnect`, each with an `id`
and, except for the process itself, the `peer` (a name chosen here) that it is about. A reply has
the `id` and either its results or `error`. Events: `message` and `closed`, each with its `peer`.
The first line of an adapter is `hello`: the client's name, its versions, and what it `lacks`.
Payloads and correlation data are hex.
"""

import asyncio
import json
import secrets
import signal
from dataclasses import dataclass

from programs import send_signal
from report import ANSWER_SECONDS, Inapplicable, Mismatch

# A line holds at most one 1 MB payload in hex and its properties.
LINE_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class Message:
    """An application message as the client showed it."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    properties: dict
    mid: int | None


class Adapter:
    """One adapter process and the peers that live in it."""

    def __init__(self, process, log_path):
        self._process = process
        self._log_path = log_path
        self._replies = {}
        self._peers = {}
        self._next_id = 0
        self.client = ""
        self.versions = []
        self.lacks = {}

    @classmethod
    async def start(cls, command, log_path):
        with open(log_path, "ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=LINE_BYTES,
                start_new_session=True,
            )
        adapter = cls(process, log_path)
        line = await asyncio.wait_for(process.stdout.readline(), ANSWER_SECONDS)
        if not line:
            raise Mismatch("the adapter to say hello", adapter.log_tail())
        hello = json.loads(line)["hello"]
        adapter.client = hello["client"]
        adapter.versions = hello["versions"]
        adapter.lacks = hello["lacks"]
        adapter._reader = asyncio.create_task(adapter._read())
        return adapter

    def log_tail(self):
        with open(self._log_path, encoding="utf-8", errors="replace") as log:
            return log.read()[-2000:]

    async def _read(self):
        while line := await self._process.stdout.readline():
            said = json.loads(line)
            if "event" in said:
                if peer := self._peers.get(said["peer"]):
                    peer._on_event(said)
            elif (reply := self._replies.pop(said["id"], None)) and not reply.done():
                reply.set_result(said)
        for reply in self._replies.values():
            if not reply.done():
                reply.set_result({"error": "the adapter's process ended"})
        for peer in self._peers.values():
            peer._on_event({"event": "closed", "code": None})

    def send(self, do, peer, **arguments):
        """Sends a command at once, in the order of the calls; returns the awaitable reply."""
        self._next_id += 1
        reply = asyncio.get_running_loop().create_future()
        self._replies[self._next_id] = reply
        command = {"id": self._next_id, "do": do, "peer": peer.name, **arguments}
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        return self._answer(do, reply)

    async def _answer(self, do, reply):
        try:
            await self._process.stdin.drain()
        except ConnectionError:
            raise Mismatch(f"{do} to succeed", "an adapter that has ended") from None
        said = await asyncio.wait_for(reply, ANSWER_SECONDS)
        if "error" in said:
            raise Mismatch(f"{do} to succeed", said["error"])
        return said

    def kill(self):
        """Ends the process as a power cut would: every connection in it dies without DISCONNECT."""
        send_signal(self._process, signal.SIGKILL)

    async def stop(self):
        if self._process.returncode is None:
            self._process.stdin.close()
            try:
                await asyncio.wait_for(self._process.wait(), 5)
            except TimeoutError:
                self.kill()
                await self._process.wait()
        await self._reader


class Peer:
    """One connection of a foreign client."""

    def __init__(self, adapter):
        self._adapter = adapter
        self._messages = asyncio.Queue()
        self._closed = asyncio.get_running_loop().create_future()
        self.name = secrets.token_hex(6)
        self.client_id = ""
        self.session_present = None
        self.properties = {}
        adapter._peers[self.name] = self

    def _on_event(self, event):
        if event["event"] == "closed":
            if not self._closed.done():
                self._closed.set_result(event["code"])
            return
        message = Message(
            topic=event["topic"],
            payload=bytes.fromhex(event["payload"]),
            qos=event["qos"],
            retain=bool(event["retain"]),
            properties={
                key: bytes.fromhex(value) if key == "correlation_data" else value
                for key, value in event["properties"].items()
                if value is not None
            },
            mid=event.get("mid"),
        )
        self._messages.put_nowait(message)

    async def subscribe(self, filter, qos=0, **options):
        """Options: `no_local`, `retain_as_published`, `retain_handling`, `identifier`."""
        options = self._adapter_options(options, "subscribe")
        reply = await self._adapter.send("subscribe", self, filter=filter, qos=qos, **options)
        return reply.get("code")

    async def unsubscribe(self, filter):
        reply = await self._adapter.send("unsubscribe", self, filter=filter)
        return reply.get("code")

    def publish(self, topic, payload, qos=0, retain=False, **properties):
        """Sends at once; the awaitable ends when the client regards the message as delivered."""
        for key in properties:
            if key in self._adapter.lacks:
                raise Inapplicable(self._adapter.lacks[key])
        if "correlation_data" in properties:
            properties["correlation_data"] = properties["correlation_data"].hex()
        payload = payload.encode() if isinstance(payload, str) else payload
        return self._published(
            self._adapter.send(
                "publish",
                self,
                topic=topic,
                payload=payload.hex(),
                qos=qos,
                retain=retain,
                properties=properties,
            )
        )

    async def _published(self, reply):
        return (await reply).get("code")

    async def receive(self):
        """The next message, in the order in which the client showed them."""
        return await asyncio.wait_for(self._messages.get(), ANSWER_SECONDS)

    def unread(self):
        """How many messages have come and were not received yet."""
        return self._messages.qsize()

    async def ack(self, message):
        """Acknowledges by hand; the connection was opened with `manual_ack`."""
        await self._adapter.send("ack", self, mid=message.mid, qos=message.qos)

    async def disconnect(self, **options):
        """Sends DISCONNECT and closes; option: `session_expiry`."""
        options = self._adapter_options(options, "disconnect")
        await self._adapter.send("disconnect", self, **options)

    async def closed(self):
        """Waits for the end of the connection; the reason code the server gave, if it is shown."""
        return await asyncio.wait_for(asyncio.shield(self._closed), ANSWER_SECONDS)

    def _adapter_options(self, options, do):
        for key in options:
            for lacked in (key, f"{do}_{key}"):
                if lacked in self._adapter.lacks:
                    raise Inapplicable(self._adapter.lacks[lacked])
        return options

    async def connect(self, **options):
        options = self._adapter_options(options, "connect")
        if "will" in options:
            if "delay" in options["will"] and "will_delay" in self._adapter.lacks:
                raise Inapplicable(self._adapter.lacks["will_delay"])
            options["will"] = {**options["will"], "payload": options["will"]["payload"].hex()}
        self.client_id = options["client_id"]
        reply = await self._adapter.send("connect", self, **options)
        # 3.1 has no Session Present: the byte is reserved there.
        self.session_present = None if options["version"] == "3.1" else reply["session_present"]
        self.properties = reply["properties"]


class Case:
    """What one run of a case has in its hands: an adapter, a version, topics of its own."""

    def __init__(self, adapter, start_adapter, port, version):
        self._start_adapter = start_adapter
        self.port = port
        self._own_adapters = []
        self._peers = []
        # Unique to this run of the case, and short enough for the 23 bytes of a 3.1 client id.
        self.token = secrets.token_hex(6)
        self.adapter = adapter
        self.version = version

    @property
    def v5(self):
        return self.version == "5.0"

    def topic(self, suffix=""):
        return f"interop/{self.token}{suffix}"

    def new_id(self, suffix=""):
        return f"i{self.token}{suffix or secrets.token_hex(3)}"

    def needs(self, feature):
        """Ends the case as inapplicable where the client lacks `feature`."""
        if feature in self.adapter.lacks:
            raise Inapplicable(self.adapter.lacks[feature])

    async def connect(self, adapter=None, client_id=None, clean=True, **options):
        """Options: `session_expiry`, `keep_alive`, `receive_maximum`, `topic_alias_maximum`,
        `manual_ack`, `will` (a dict: `topic`, `payload`, `qos`, `retain`, `delay`)."""
        peer = Peer(adapter or self.adapter)
        self._peers.append(peer)
        await peer.connect(
            port=self.port,
            version=self.version,
            client_id=self.new_id() if client_id is None else client_id,
            clean=clean,
            **options,
        )
        return peer

    async def another_process(self):
        """A second process of the same client, to be killed."""
        adapter = await self._start_adapter()
        self._own_adapters.append(adapter)
        return adapter

    async def finish(self):
        """Disconnects whatever the case left open."""
        for adapter in self._own_adapters:
            adapter.kill()
            await adapter.stop()
        for peer in self._peers:
            if not peer._closed.done():
                try:
                    await peer.disconnect()
                except (Mismatch, TimeoutError):
                    # The case has its verdict already; this only tidies up after it.
                    continue
