//! `-d`: a line on stdout for each packet sent or received, in mosquitto's words.

use std::io::Write;

use colibri_client::{Direction, Frame, Packet, Version};
use colibri_codec::Publish;

/// Writes the lines of one client.
#[derive(Debug)]
pub(crate) struct PacketLog {
    client_id: String,
    version: Version,
}

impl PacketLog {
    pub(crate) const fn new(client_id: String, version: Version) -> Self {
        Self { client_id, version }
    }

    /// Writes the lines for one packet.
    pub(crate) fn line(&self, direction: Direction, frame: Frame<'_>) {
        let verb = match direction {
            Direction::Sent => "sending",
            Direction::Received => "received",
        };
        let Ok(packet) = Packet::decode(frame, self.version) else { return };
        let line = |text: String| format!("Client {} {verb} {text}\n", self.client_id);
        let mut lines: String = describe(&packet, direction).into_iter().map(line).collect();
        if let Packet::Suback(suback) = &packet {
            let codes: Vec<String> =
                suback.reasons.iter().map(|reason| reason.number().to_string()).collect();
            lines += &format!("Subscribed (mid: {}): {}\n", suback.packet_id, codes.join(", "));
        }
        // Whoever closed stdout is found out where messages are printed.
        let mut stdout = std::io::stdout().lock();
        drop(stdout.write_all(lines.as_bytes()).and_then(|()| stdout.flush()));
    }
}

fn describe(packet: &Packet<'_>, direction: Direction) -> Vec<String> {
    let text = match packet {
        Packet::Connect(_) => "CONNECT".to_owned(),
        Packet::Connack(connack) => format!("CONNACK ({})", connack.reason.number()),
        Packet::Publish(publish) => publish_line(publish),
        Packet::Puback(ack) => acknowledgement("PUBACK", direction, ack.packet_id.get(), ack.reason.number()),
        Packet::Pubrec(ack) => acknowledgement("PUBREC", direction, ack.packet_id.get(), ack.reason.number()),
        Packet::Pubrel(ack) => acknowledgement("PUBREL", direction, ack.packet_id.get(), ack.reason.number()),
        Packet::Pubcomp(ack) => {
            acknowledgement("PUBCOMP", direction, ack.packet_id.get(), ack.reason.number())
        }
        Packet::Subscribe(subscribe) => {
            let id = subscribe.packet_id;
            let line = |one: colibri_codec::Subscription<'_>| {
                let options = one.options;
                let byte = u8::from(options.no_local) << 2
                    | u8::from(options.retain_as_published) << 3
                    | (options.retain_handling as u8) << 4;
                format!(
                    "SUBSCRIBE (Mid: {id}, Topic: {}, QoS: {}, Options: 0x{byte:02x})",
                    one.filter, options.qos
                )
            };
            return subscribe.subscriptions.iter().map(line).collect();
        }
        Packet::Suback(_) => "SUBACK".to_owned(),
        Packet::Unsubscribe(unsubscribe) => {
            let id = unsubscribe.packet_id;
            return unsubscribe
                .filters
                .iter()
                .map(|filter| format!("UNSUBSCRIBE (Mid: {id}, Topic: {filter})"))
                .collect();
        }
        Packet::Unsuback(_) => "UNSUBACK".to_owned(),
        Packet::Pingreq(_) => "PINGREQ".to_owned(),
        Packet::Pingresp(_) => "PINGRESP".to_owned(),
        Packet::Disconnect(disconnect) => match direction {
            Direction::Sent => "DISCONNECT".to_owned(),
            Direction::Received => format!("DISCONNECT ({})", disconnect.reason.number()),
        },
        Packet::Auth(auth) => format!("AUTH ({})", auth.reason.number()),
    };
    vec![text]
}

fn publish_line(publish: &Publish<'_>) -> String {
    format!(
        "PUBLISH (d{}, q{}, r{}, m{}, '{}', ... ({} bytes))",
        u8::from(publish.dup),
        publish.qos(),
        u8::from(publish.retain),
        publish.delivery.packet_id().map_or(0, colibri_client::PacketId::get),
        publish.topic.map_or("", colibri_client::TopicName::as_str),
        publish.payload.len(),
    )
}

fn acknowledgement(name: &str, direction: Direction, id: u16, reason: u8) -> String {
    match (direction, name) {
        (Direction::Sent, "PUBREL" | "PUBCOMP") => format!("{name} (m{id})"),
        (Direction::Sent, _) => format!("{name} (m{id}, rc{reason})"),
        (Direction::Received, "PUBREL" | "PUBREC") => format!("{name} (Mid: {id})"),
        (Direction::Received, _) => format!("{name} (Mid: {id}, RC:{reason})"),
    }
}
