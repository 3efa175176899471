"""Properties between the adapters' JSON and the classes of paho-mqtt, which aiomqtt shares."""

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

_PUBLISH_NAMES = {
    "content_type": "ContentType",
    "response_topic": "ResponseTopic",
    "expiry": "MessageExpiryInterval",
    "payload_format": "PayloadFormatIndicator",
    "topic_alias": "TopicAlias",
}


def publish_properties(wanted):
    properties = Properties(PacketTypes.PUBLISH)
    for name, paho_name in _PUBLISH_NAMES.items():
        if name in wanted:
            setattr(properties, paho_name, wanted[name])
    if "correlation_data" in wanted:
        properties.CorrelationData = bytes.fromhex(wanted["correlation_data"])
    if "user_properties" in wanted:
        properties.UserProperty = [tuple(pair) for pair in wanted["user_properties"]]
    return properties


def shown_properties(properties):
    """What a received PUBLISH carried."""
    shown = {}
    if properties is None:
        return shown
    for name, paho_name in _PUBLISH_NAMES.items():
        if hasattr(properties, paho_name):
            shown[name] = getattr(properties, paho_name)
    if hasattr(properties, "CorrelationData"):
        shown["correlation_data"] = properties.CorrelationData.hex()
    if hasattr(properties, "UserProperty"):
        shown["user_properties"] = [list(pair) for pair in properties.UserProperty]
    if hasattr(properties, "SubscriptionIdentifier"):
        shown["subscription_identifiers"] = list(properties.SubscriptionIdentifier)
    return shown


def connect_properties(command):
    properties = Properties(PacketTypes.CONNECT)
    if "session_expiry" in command:
        properties.SessionExpiryInterval = command["session_expiry"]
    if "receive_maximum" in command:
        properties.ReceiveMaximum = command["receive_maximum"]
    return properties


def will_properties(will):
    properties = Properties(PacketTypes.WILLMESSAGE)
    if "delay" in will:
        properties.WillDelayInterval = will["delay"]
    return properties


def subscribe_arguments(command):
    """The keyword arguments `options` and `properties` of a 5.0 subscribe."""
    options = SubscribeOptions(
        qos=command["qos"],
        noLocal=command.get("no_local", False),
        retainAsPublished=command.get("retain_as_published", False),
        retainHandling=command.get("retain_handling", 0),
    )
    properties = Properties(PacketTypes.SUBSCRIBE)
    if "identifier" in command:
        properties.SubscriptionIdentifier = command["identifier"]
    return {"options": options, "properties": properties}
