//! A 5.0 connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rumqttc::v5::mqttbytes::v5::{
    ConnAckProperties, ConnectProperties, Filter, LastWill, LastWillProperties, PubAckReason, Publish,
    PublishProperties, RetainForwardRule, SubscribeProperties, SubscribeReasonCode, UnsubAckReason,
};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, Incoming, MqttOptions, StateError};
use rumqttc::Outgoing;
use serde_json::{json, Value};

use crate::{flag, from_hex, number, text, to_hex, Kind, Peer, MAX_PACKET_BYTES, REQUESTS};

pub struct Client {
    client: AsyncClient,
    peer: Peer,
    withheld: Withheld,
}

type Withheld = Arc<Mutex<HashMap<u16, Publish>>>;

pub fn connect(peer: Peer, command: &Value) -> Client {
    let port = number(command, "port").unwrap();
    let mut options = MqttOptions::new(text(command, "client_id"), "127.0.0.1", port);
    let mut properties = ConnectProperties::new();
    properties.session_expiry_interval = number(command, "session_expiry");
    properties.receive_maximum = number(command, "receive_maximum");
    properties.topic_alias_max = number(command, "topic_alias_maximum");
    properties.max_packet_size = Some(MAX_PACKET_BYTES);
    options
        .set_keep_alive(Duration::from_secs(number(command, "keep_alive").unwrap_or(60)))
        .set_clean_start(flag(command, "clean"))
        .set_manual_acks(flag(command, "manual_ack"))
        .set_connect_properties(properties);
    if let Some(will) = command["will"].as_object().map(|_| &command["will"]) {
        let properties = LastWillProperties {
            delay_interval: number(will, "delay"),
            payload_format_indicator: None,
            message_expiry_interval: None,
            content_type: None,
            response_topic: None,
            correlation_data: None,
            user_properties: Vec::new(),
        };
        options.set_last_will(LastWill::new(
            text(will, "topic"),
            from_hex(&text(will, "payload")),
            qos(will),
            flag(will, "retain"),
            Some(properties),
        ));
    }
    let (client, events) = AsyncClient::new(options, REQUESTS);
    peer.on_connect_requested(command);
    let withheld = Withheld::default();
    tokio::spawn(poll(events, peer.clone(), flag(command, "manual_ack").then(|| withheld.clone())));
    Client { client, peer, withheld }
}

async fn poll(mut events: EventLoop, peer: Peer, withheld: Option<Withheld>) {
    let mut left = false;
    loop {
        match events.poll().await {
            Ok(Event::Incoming(incoming)) => on_incoming(&peer, incoming, withheld.as_ref()),
            Ok(Event::Outgoing(Outgoing::Publish(id))) => peer.on_sent(Kind::Publish, id),
            Ok(Event::Outgoing(Outgoing::Subscribe(id))) => peer.on_sent(Kind::Subscribe, id),
            Ok(Event::Outgoing(Outgoing::Unsubscribe(id))) => peer.on_sent(Kind::Unsubscribe, id),
            // Polling on until the broker closes; polling past that would connect again.
            Ok(Event::Outgoing(Outgoing::Disconnect)) => left = true,
            Ok(Event::Outgoing(_)) => {}
            Err(_) if left => return peer.on_closed(None, "closed"),
            Err(error) => {
                let code = match &error {
                    ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, .. }) => {
                        Some(*reason_code as u8)
                    }
                    _ => None,
                };
                return peer.on_closed(code, &error.to_string());
            }
        }
    }
}

fn on_incoming(peer: &Peer, incoming: Incoming, withheld: Option<&Withheld>) {
    match incoming {
        Incoming::ConnAck(connack) => {
            let properties = connack.properties.as_ref().map_or(json!({}), connack_properties);
            peer.on_connected(connack.session_present, properties);
        }
        Incoming::Publish(publish) => {
            let properties = publish.properties.as_ref().map_or(json!({}), shown_properties);
            let topic = String::from_utf8_lossy(&publish.topic);
            let qos = publish.qos as u8;
            let (retain, id) = (publish.retain, publish.pkid);
            peer.on_message(&topic, &publish.payload, qos, retain, id, properties);
            if let Some(withheld) = withheld {
                withheld.lock().unwrap().insert(publish.pkid, publish);
            }
        }
        Incoming::PubAck(ack) => {
            let code = match ack.reason {
                PubAckReason::Success => 0,
                PubAckReason::NoMatchingSubscribers => 0x10,
                _ => 0x80,
            };
            peer.on_acknowledged(Kind::Publish, ack.pkid, Some(code));
        }
        Incoming::PubComp(ack) => peer.on_acknowledged(Kind::Publish, ack.pkid, None),
        Incoming::SubAck(ack) => {
            let code = match ack.return_codes[0] {
                SubscribeReasonCode::Success(qos) => qos as u8,
                _ => 0x80,
            };
            peer.on_acknowledged(Kind::Subscribe, ack.pkid, Some(code));
        }
        Incoming::UnsubAck(ack) => {
            let code = match ack.reasons.first() {
                Some(UnsubAckReason::Success) => Some(0),
                Some(UnsubAckReason::NoSubscriptionExisted) => Some(0x11),
                Some(_) => Some(0x80),
                None => None,
            };
            peer.on_acknowledged(Kind::Unsubscribe, ack.pkid, code);
        }
        _ => {}
    }
}

fn connack_properties(properties: &ConnAckProperties) -> Value {
    json!({
        "assigned_client_id": properties.assigned_client_identifier,
        "server_keep_alive": properties.server_keep_alive,
        "topic_alias_maximum": properties.topic_alias_max,
    })
}

fn shown_properties(properties: &PublishProperties) -> Value {
    let mut shown = json!({
        "content_type": properties.content_type,
        "response_topic": properties.response_topic,
        "expiry": properties.message_expiry_interval,
        "payload_format": properties.payload_format_indicator,
        "topic_alias": properties.topic_alias,
        "correlation_data": properties.correlation_data.as_ref().map(|data| to_hex(data)),
    });
    if !properties.user_properties.is_empty() {
        shown["user_properties"] = json!(properties.user_properties);
    }
    if !properties.subscription_identifiers.is_empty() {
        shown["subscription_identifiers"] = json!(properties.subscription_identifiers);
    }
    shown
}

impl Client {
    pub async fn carry_out(&mut self, command: &Value) -> Result<(), String> {
        let done = match command["do"].as_str().unwrap() {
            "publish" => {
                self.peer.on_requested(Kind::Publish, command);
                let properties = publish_properties(&command["properties"]);
                let payload = from_hex(&text(command, "payload"));
                let (topic, retain) = (text(command, "topic"), flag(command, "retain"));
                self.client.publish_with_properties(topic, qos(command), retain, payload, properties).await
            }
            "subscribe" => {
                self.peer.on_requested(Kind::Subscribe, command);
                let identifier = number(command, "identifier");
                match identifier {
                    None => self.client.subscribe_many([filter(command)]).await,
                    id => {
                        let properties = SubscribeProperties { id, user_properties: Vec::new() };
                        let filters = [filter(command)];
                        self.client.subscribe_many_with_properties(filters, properties).await
                    }
                }
            }
            "unsubscribe" => {
                self.peer.on_requested(Kind::Unsubscribe, command);
                self.client.unsubscribe(text(command, "filter")).await
            }
            "ack" => {
                let packet_id = number(command, "mid").unwrap_or(0);
                let publish = self.withheld.lock().unwrap().remove(&packet_id);
                let publish = publish.ok_or("no such message")?;
                crate::say(json!({"id": command["id"]}));
                self.client.ack(&publish).await
            }
            _ => {
                self.peer.on_disconnect_requested(command);
                self.client.disconnect().await
            }
        };
        done.map_err(|error| error.to_string())
    }
}

fn filter(command: &Value) -> Filter {
    Filter {
        path: text(command, "filter"),
        qos: qos(command),
        nolocal: flag(command, "no_local"),
        preserve_retain: flag(command, "retain_as_published"),
        retain_forward_rule: match number(command, "retain_handling") {
            Some(2_u8) => RetainForwardRule::Never,
            Some(1) => RetainForwardRule::OnNewSubscribe,
            _ => RetainForwardRule::OnEverySubscribe,
        },
    }
}

fn publish_properties(wanted: &Value) -> PublishProperties {
    let pairs = wanted["user_properties"].as_array().into_iter().flatten();
    PublishProperties {
        payload_format_indicator: number(wanted, "payload_format"),
        message_expiry_interval: number(wanted, "expiry"),
        topic_alias: number(wanted, "topic_alias"),
        response_topic: wanted["response_topic"].as_str().map(str::to_owned),
        correlation_data: wanted["correlation_data"].as_str().map(|hex| from_hex(hex).into()),
        user_properties: pairs
            .map(|pair| {
                let side = |at: usize| pair[at].as_str().unwrap_or_default().to_owned();
                (side(0), side(1))
            })
            .collect(),
        subscription_identifiers: Vec::new(),
        content_type: wanted["content_type"].as_str().map(str::to_owned),
    }
}

fn qos(command: &Value) -> QoS {
    rumqttc::v5::mqttbytes::qos(number(command, "qos").unwrap_or(0)).unwrap()
}
