"""The adapter for paho-mqtt: its threaded network loop, driven through callbacks."""

import asyncio
from importlib.metadata import version

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

import paho_properties
from adapter import Adapter, message

VERSIONS = {"3.1": mqtt.MQTTv31, "3.1.1": mqtt.MQTTv311, "5.0": mqtt.MQTTv5}


class PahoPeer:
    """One `paho.mqtt.client.Client`. Its thread's callbacks are carried over to the event loop."""

    def __init__(self, emit):
        self._emit = emit
        self._loop = asyncio.get_running_loop()
        self._waiting = {}

    def _on_loop(self, function, *arguments):
        self._loop.call_soon_threadsafe(function, *arguments)

    def _resolve(self, key, value):
        waiting = self._waiting.pop(key, None)
        if waiting and not waiting.done():
            waiting.set_result(value)

    def _wait(self, key):
        return self._waiting.setdefault(key, self._loop.create_future())

    async def connect(self, command):
        self._v5 = command["version"] == "5.0"
        self._client = client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=command["client_id"],
            protocol=VERSIONS[command["version"]],
            clean_session=None if self._v5 else command["clean"],
            reconnect_on_failure=False,
            manual_ack=command.get("manual_ack", False),
        )
        if will := command.get("will"):
            client.will_set(
                will["topic"],
                bytes.fromhex(will["payload"]),
                will["qos"],
                will["retain"],
                paho_properties.will_properties(will) if self._v5 else None,
            )
        client.on_connect = lambda c, u, flags, code, properties: self._on_loop(
            self._resolve, "connect", (flags, code, properties)
        )
        client.on_disconnect = lambda c, u, flags, code, properties: self._on_loop(
            self._on_disconnect, flags, code
        )
        client.on_subscribe = lambda c, u, mid, codes, properties: self._on_loop(
            self._resolve, ("subscribe", mid), codes
        )
        client.on_unsubscribe = lambda c, u, mid, codes, properties: self._on_loop(
            self._resolve, ("unsubscribe", mid), codes
        )
        client.on_publish = lambda c, u, mid, code, properties: self._on_loop(
            self._resolve, ("publish", mid), code
        )
        client.on_message = lambda c, u, received: self._on_loop(self._on_message, received)
        answer = self._wait("connect")
        arguments = {}
        if self._v5:
            arguments = {
                "clean_start": command["clean"],
                "properties": paho_properties.connect_properties(command),
            }
        await asyncio.to_thread(
            client.connect,
            "127.0.0.1",
            command["port"],
            command.get("keep_alive", 60),
            **arguments,
        )
        client.loop_start()
        flags, code, properties = await answer
        if code.is_failure:
            raise ConnectionError(f"CONNACK {code}")
        return {
            "session_present": flags.session_present,
            "properties": {
                "assigned_client_id": getattr(properties, "AssignedClientIdentifier", None),
                "server_keep_alive": getattr(properties, "ServerKeepAlive", None),
                "topic_alias_maximum": getattr(properties, "TopicAliasMaximum", None),
            },
        }

    def _on_disconnect(self, flags, code):
        self._resolve("disconnect", None)
        self._resolve("connect", (None, code, None))
        by_server = flags.is_disconnect_packet_from_server
        self._emit({"event": "closed", "code": code.value if by_server else None})

    def _on_message(self, received):
        properties = paho_properties.shown_properties(getattr(received, "properties", None))
        self._emit(
            message(
                received.topic,
                received.payload,
                received.qos,
                received.retain,
                properties,
                received.mid,
            )
        )

    async def subscribe(self, command):
        if self._v5:
            arguments = paho_properties.subscribe_arguments(command)
        else:
            arguments = {"qos": command["qos"]}
        result, mid = self._client.subscribe(command["filter"], **arguments)
        if result != mqtt.MQTT_ERR_SUCCESS:
            raise ConnectionError(mqtt.error_string(result))
        codes = await self._wait(("subscribe", mid))
        return {"code": codes[0].value}

    async def unsubscribe(self, command):
        _, mid = self._client.unsubscribe(command["filter"])
        codes = await self._wait(("unsubscribe", mid))
        return {"code": codes[0].value if codes else None}

    async def publish(self, command):
        properties = paho_properties.publish_properties(command["properties"]) if self._v5 else None
        info = self._client.publish(
            command["topic"],
            bytes.fromhex(command["payload"]),
            command["qos"],
            command["retain"],
            properties,
        )
        if info.rc not in (mqtt.MQTT_ERR_SUCCESS, mqtt.MQTT_ERR_QUEUE_SIZE):
            raise ConnectionError(mqtt.error_string(info.rc))
        code = await self._wait(("publish", info.mid))
        return {"code": code.value}

    async def ack(self, command):
        self._client.ack(command["mid"], command["qos"])

    async def disconnect(self, command):
        properties = None
        if "session_expiry" in command:
            properties = Properties(PacketTypes.DISCONNECT)
            properties.SessionExpiryInterval = command["session_expiry"]
        ended = self._wait("disconnect")
        self._client.disconnect(properties=properties)
        await ended
        await asyncio.to_thread(self._client.loop_stop)


if __name__ == "__main__":
    lacks = {
        "topic_alias_maximum": "paho-mqtt does not resolve the aliases of a server",
        "many": "one thread per connection; aiomqtt carries the 200",
    }
    Adapter(f"paho-mqtt {version('paho-mqtt')}", list(VERSIONS), lacks, PahoPeer).run()
