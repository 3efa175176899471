"""The adapter for aiomqtt: `async with Client(...)` and its iterator of messages."""

import asyncio
from importlib.metadata import version

import aiomqtt
from paho.mqtt.reasoncodes import ReasonCode

import paho_properties
from adapter import Adapter, message

VERSIONS = {"3.1.1": aiomqtt.ProtocolVersion.V311, "5.0": aiomqtt.ProtocolVersion.V5}


class AiomqttPeer:
    """One `aiomqtt.Client`, entered on connect and left on disconnect."""

    def __init__(self, emit):
        self._emit = emit

    async def connect(self, command):
        self._v5 = command["version"] == "5.0"
        will = command.get("will")
        if will:
            will = aiomqtt.Will(
                will["topic"],
                bytes.fromhex(will["payload"]),
                will["qos"],
                will["retain"],
                paho_properties.will_properties(will) if self._v5 else None,
            )
        arguments = {"clean_session": command["clean"]}
        if self._v5:
            arguments = {
                "clean_start": command["clean"],
                "properties": paho_properties.connect_properties(command),
            }
        self._client = aiomqtt.Client(
            "127.0.0.1",
            command["port"],
            identifier=command["client_id"],
            protocol=VERSIONS[command["version"]],
            keepalive=command.get("keep_alive", 60),
            will=will,
            timeout=25,
            **arguments,
        )
        self._client.pending_calls_threshold = 1000
        await self._client.__aenter__()
        self._reading = asyncio.create_task(self._read())
        # The library keeps the CONNACK to itself.
        return {"session_present": None, "properties": {}}

    async def _read(self):
        code = None
        try:
            async for received in self._client.messages:
                properties = paho_properties.shown_properties(received.properties)
                self._emit(
                    message(
                        str(received.topic),
                        received.payload,
                        received.qos,
                        received.retain,
                        properties,
                    )
                )
        except aiomqtt.MqttError as error:
            reason = getattr(error.__cause__, "rc", None)
            # The reason codes of its own making have no number on the wire.
            if isinstance(reason, ReasonCode) and reason.value not in (0, 0x80):
                code = reason.value
        self._emit({"event": "closed", "code": code})

    async def subscribe(self, command):
        if self._v5:
            arguments = paho_properties.subscribe_arguments(command)
        else:
            arguments = {"qos": command["qos"]}
        codes = await self._client.subscribe(command["filter"], **arguments)
        return {"code": getattr(codes[0], "value", codes[0])}

    async def unsubscribe(self, command):
        await self._client.unsubscribe(command["filter"])

    async def publish(self, command):
        await self._client.publish(
            command["topic"],
            bytes.fromhex(command["payload"]),
            command["qos"],
            command["retain"],
            paho_properties.publish_properties(command["properties"]) if self._v5 else None,
        )

    async def disconnect(self, command):
        await self._client.__aexit__(None, None, None)
        await self._reading


if __name__ == "__main__":
    lacks = {
        "manual_ack": "aiomqtt acknowledges by itself",
        "session_present": "aiomqtt does not show the CONNACK",
        "connack_properties": "aiomqtt does not show the CONNACK",
        "topic_alias_maximum": "aiomqtt does not resolve the aliases of a server",
        "disconnect_session_expiry": "aiomqtt sends DISCONNECT without properties",
    }
    Adapter(f"aiomqtt {version('aiomqtt')}", list(VERSIONS), lacks, AiomqttPeer).run()
