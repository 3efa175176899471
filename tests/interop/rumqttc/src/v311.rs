//! A 3.1.1 connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rumqttc::{
    AsyncClient, Event, EventLoop, Incoming, LastWill, MqttOptions, Outgoing, Publish, QoS,
    SubscribeReasonCode,
};
use serde_json::{json, Value};

use crate::{flag, from_hex, number, text, Kind, Peer, MAX_PACKET_BYTES, REQUESTS};

pub struct Client {
    client: AsyncClient,
    peer: Peer,
    withheld: Withheld,
}

type Withheld = Arc<Mutex<HashMap<u16, Publish>>>;

pub fn connect(peer: Peer, command: &Value) -> Client {
    let port = number(command, "port").unwrap();
    let mut options = MqttOptions::new(text(command, "client_id"), "127.0.0.1", port);
    options
        .set_keep_alive(Duration::from_secs(number(command, "keep_alive").unwrap_or(60)))
        .set_clean_session(flag(command, "clean"))
        .set_manual_acks(flag(command, "manual_ack"))
        .set_max_packet_size(MAX_PACKET_BYTES as usize, MAX_PACKET_BYTES as usize);
    if let Some(will) = command["will"].as_object().map(|_| &command["will"]) {
        options.set_last_will(LastWill::new(
            text(will, "topic"),
            from_hex(&text(will, "payload")),
            qos(will),
            flag(will, "retain"),
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
            Err(error) => return peer.on_closed(None, &error.to_string()),
        }
    }
}

fn on_incoming(peer: &Peer, incoming: Incoming, withheld: Option<&Withheld>) {
    match incoming {
        Incoming::ConnAck(connack) => peer.on_connected(connack.session_present, json!({})),
        Incoming::Publish(publish) => {
            let qos = publish.qos as u8;
            let (topic, retain, id) = (&publish.topic, publish.retain, publish.pkid);
            peer.on_message(topic, &publish.payload, qos, retain, id, json!({}));
            if let Some(withheld) = withheld {
                withheld.lock().unwrap().insert(publish.pkid, publish);
            }
        }
        Incoming::PubAck(ack) => peer.on_acknowledged(Kind::Publish, ack.pkid, None),
        Incoming::PubComp(ack) => peer.on_acknowledged(Kind::Publish, ack.pkid, None),
        Incoming::SubAck(ack) => {
            let code = match ack.return_codes[0] {
                SubscribeReasonCode::Success(qos) => qos as u8,
                SubscribeReasonCode::Failure => 0x80,
            };
            peer.on_acknowledged(Kind::Subscribe, ack.pkid, Some(code));
        }
        Incoming::UnsubAck(ack) => peer.on_acknowledged(Kind::Unsubscribe, ack.pkid, None),
        _ => {}
    }
}

impl Client {
    pub async fn carry_out(&mut self, command: &Value) -> Result<(), String> {
        let topic = text(command, "topic");
        let filter = text(command, "filter");
        let done = match command["do"].as_str().unwrap() {
            "publish" => {
                self.peer.on_requested(Kind::Publish, command);
                let payload = from_hex(&text(command, "payload"));
                self.client.publish(topic, qos(command), flag(command, "retain"), payload).await
            }
            "subscribe" => {
                self.peer.on_requested(Kind::Subscribe, command);
                self.client.subscribe(filter, qos(command)).await
            }
            "unsubscribe" => {
                self.peer.on_requested(Kind::Unsubscribe, command);
                self.client.unsubscribe(filter).await
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

fn qos(command: &Value) -> QoS {
    rumqttc::qos(number(command, "qos").unwrap_or(0)).unwrap()
}
