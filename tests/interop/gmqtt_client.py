"""The adapter for gmqtt: its own protocol implementation on asyncio, driven through callbacks."""

import asyncio
from importlib.metadata import version

import gmqtt
from gmqtt.mqtt.constants import MQTTv50, MQTTv311
from gmqtt.storage import PersistentStorage

from adapter import Adapter, message

VERSIONS = {"3.1.1": MQTTv311, "5.0": MQTTv50}
_PUBLISH_NAMES = {
    "content_type": "content_type",
    "response_topic": "response_topic",
    "expiry": "message_expiry_interval",
    "payload_format": "payload_format_id",
    "topic_alias": "topic_alias",
    "user_properties": "user_property",
}


# How many publishes may be unacknowledged: the library takes its packet identifiers from 1 to the
# broker's Receive Maximum, and raises an error when they are used up.
PUBLISHES_AT_ONCE = 16


class Store(PersistentStorage):
    """The library's store of unacknowledged messages, which also says when one leaves it: that is
    the only sign of an acknowledgement that the library gives."""

    def __init__(self):
        super().__init__()
        self._acknowledged = {}
        self.newest = None

    def push_message(self, mid, raw_package):
        # Also called when a PUBREC turns the message into its PUBREL.
        super().push_message(mid, raw_package)
        if mid not in self._acknowledged:
            self._acknowledged[mid] = asyncio.get_running_loop().create_future()
        self.newest = self._acknowledged[mid]

    def remove_message_by_mid(self, mid):
        super().remove_message_by_mid(mid)
        if (acknowledged := self._acknowledged.pop(mid, None)) and not acknowledged.done():
            acknowledged.set_result(None)


class GmqttPeer:
    """One `gmqtt.Client`."""

    def __init__(self, emit):
        self._emit = emit
        self._loop = asyncio.get_running_loop()
        self._waiting = {}
        self._session_present = False
        self._connack = {}
        self._slots = asyncio.Semaphore(PUBLISHES_AT_ONCE)

    def _resolve(self, key, value):
        waiting = self._waiting.pop(key, None)
        if waiting and not waiting.done():
            waiting.set_result(value)

    async def connect(self, command):
        v5 = command["version"] == "5.0"
        arguments = {}
        if will := command.get("will"):
            delay = {"will_delay_interval": will["delay"]} if "delay" in will else {}
            arguments["will_message"] = gmqtt.Message(
                will["topic"],
                bytes.fromhex(will["payload"]),
                qos=will["qos"],
                retain=will["retain"],
                **delay,
            )
        if v5:
            for name, its_name in (
                ("session_expiry", "session_expiry_interval"),
                ("receive_maximum", "receive_maximum"),
                ("topic_alias_maximum", "topic_alias_maximum"),
            ):
                if name in command:
                    arguments[its_name] = command[name]
        self._store = Store()
        self._client = client = gmqtt.Client(
            command["client_id"],
            clean_session=command["clean"],
            persistent_storage=self._store,
            **arguments,
        )
        # Any number below 0 but -1 (without limit): the library tries once more when it is 0.
        client.set_config({"reconnect_retries": -2})
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = lambda c, mid, codes, properties: self._resolve(mid, codes)
        client.on_unsubscribe = lambda c, mid, codes: self._resolve(mid, codes)
        await client.connect(
            "127.0.0.1",
            command["port"],
            keepalive=command.get("keep_alive", 60),
            version=VERSIONS[command["version"]],
        )
        first = {key: values[0] for key, values in self._connack.items() if _is_list(values)}
        return {
            "session_present": self._session_present,
            "properties": {
                "assigned_client_id": first.get("assigned_client_identifier"),
                "server_keep_alive": first.get("server_keep_alive"),
                "topic_alias_maximum": first.get("topic_alias_maximum"),
            },
        }

    def _on_connect(self, client, flags, code, properties):
        self._session_present = bool(flags)
        self._connack = properties

    def _on_disconnect(self, client, packet, error=None):
        code = packet[0] if isinstance(packet, bytes) and packet else None
        if not self._client._is_active:
            code = None
        self._emit({"event": "closed", "code": code})

    def _on_message(self, client, topic, payload, qos, properties):
        shown = {}
        for name, its_name in _PUBLISH_NAMES.items():
            if its_name in properties and name != "user_properties":
                shown[name] = _text(properties[its_name][0])
        if "correlation_data" in properties:
            shown["correlation_data"] = bytes(properties["correlation_data"][0]).hex()
        if "user_property" in properties:
            shown["user_properties"] = [
                [_text(key), _text(value)] for key, value in properties["user_property"]
            ]
        if "subscription_identifier" in properties:
            shown["subscription_identifiers"] = properties["subscription_identifier"]
        self._emit(message(topic, payload, qos, properties["retain"], shown))
        return 0

    async def subscribe(self, command):
        identifier = {}
        if "identifier" in command:
            identifier = {"subscription_identifier": command["identifier"]}
        mid = self._client.subscribe(
            gmqtt.Subscription(
                command["filter"],
                qos=command["qos"],
                no_local=command.get("no_local", False),
                retain_as_published=command.get("retain_as_published", False),
                retain_handling_options=command.get("retain_handling", 0),
            ),
            **identifier,
        )
        codes = await self._waiting.setdefault(mid, self._loop.create_future())
        return {"code": codes[0]}

    async def unsubscribe(self, command):
        mid = self._client.unsubscribe(command["filter"])
        codes = await self._waiting.setdefault(mid, self._loop.create_future())
        return {"code": codes[0] if codes else None}

    async def publish(self, command):
        properties = {
            its_name: command["properties"][name]
            for name, its_name in _PUBLISH_NAMES.items()
            if name in command["properties"]
        }
        if "correlation_data" in command["properties"]:
            properties["correlation_data"] = bytes.fromhex(
                command["properties"]["correlation_data"]
            )
        async with self._slots:
            self._client.publish(
                command["topic"],
                bytes.fromhex(command["payload"]),
                qos=command["qos"],
                retain=command["retain"],
                **properties,
            )
            if command["qos"]:
                await self._store.newest

    async def disconnect(self, command):
        properties = {}
        if "session_expiry" in command:
            properties["session_expiry_interval"] = command["session_expiry"]
        await self._client.disconnect(**properties)


def _is_list(value):
    return isinstance(value, list) and value


def _text(value):
    return value.decode() if isinstance(value, bytes) else value


if __name__ == "__main__":
    lacks = {
        "manual_ack": "gmqtt acknowledges by itself",
        "many": "one library is enough; aiomqtt carries the 200",
        "empty_client_id": "gmqtt makes up a client identifier of its own",
    }
    Adapter(f"gmqtt {version('gmqtt')}", list(VERSIONS), lacks, GmqttPeer).run()
