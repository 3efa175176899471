"""The loop of the Python adapters: commands in, replies and events out (see `script.py`)."""

import asyncio
import json
import os
import sys
import threading


class Adapter:
    """Reads commands in order and hands each to a peer made by `new_peer(emit)`."""

    def __init__(self, client, versions, lacks, new_peer):
        self._hello = {"client": client, "versions": versions, "lacks": lacks}
        self._new_peer = new_peer
        self._peers = {}
        self._tasks = set()

    def run(self):
        asyncio.run(self._run())
        # A library's threads may still hold a connection; nothing is left to be saved.
        os._exit(0)

    def _say(self, said):
        sys.stdout.buffer.write(json.dumps(said).encode() + b"\n")
        sys.stdout.buffer.flush()

    async def _run(self):
        loop = asyncio.get_running_loop()
        commands = asyncio.Queue()

        def read():
            for line in sys.stdin.buffer:
                loop.call_soon_threadsafe(commands.put_nowait, json.loads(line))
            loop.call_soon_threadsafe(commands.put_nowait, None)

        threading.Thread(target=read, daemon=True).start()
        self._say({"hello": self._hello})
        while (command := await commands.get()) is not None:
            # Tasks begin in the order in which they are made, which keeps publishes in order.
            task = asyncio.create_task(self._carry_out(command))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, command):
        name = command["peer"]
        try:
            if command["do"] == "connect":
                self._peers[name] = self._new_peer(lambda event: self._say({**event, "peer": name}))
            reply = await getattr(self._peers[name], command["do"])(command)
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        self._say({"id": command["id"], **(reply or {})})


def message(topic, payload, qos, retain, properties, mid=None):
    """The event for an application message."""
    return {
        "event": "message",
        "topic": topic,
        "payload": bytes(payload).hex(),
        "qos": qos,
        "retain": bool(retain),
        "properties": properties,
        "mid": mid,
    }
