//! Clients that answer whatever comes to them at once. They look at no more of a packet than they must.

use std::error::Error;
use std::mem;
use std::num::NonZeroU16;

use colibri_codec::{
    Connect, Delivery, PacketId, PacketType, Properties, Property, Publish, QoS, Sequence, Subscribe,
    Subscription, SubscriptionOptions, TopicFilter, TopicName, Utf8String, Version,
};

use crate::sockets::Memory;

/// How many filters go into one SUBSCRIBE.
const FILTERS_PER_PACKET: usize = 100;
/// The alias that every 5.0 publisher gives to its topic.
const ALIAS: NonZeroU16 = NonZeroU16::MIN;

/// One client of the broker.
pub(crate) struct Client {
    connection: u32,
    version: Version,
    /// What it publishes, encoded; message n has the Packet Identifier n + 1 with QoS 1 and 2.
    messages: Vec<Vec<u8>>,
    qos: QoS,
    /// How many messages are under way at once.
    window: usize,
    /// The next message of QoS 0.
    next: usize,
    /// How many PUBLISH packets have come.
    pub(crate) received: u64,
    /// What has come of a packet that is not whole.
    rest: Vec<u8>,
}

impl Client {
    /// Sends its CONNECT.
    pub(crate) fn connect(
        connection: u32,
        version: Version,
        sockets: &mut Memory,
    ) -> Result<Self, Box<dyn Error>> {
        let client_id = format!("client-{connection}");
        let connect = Connect {
            version,
            clean_start: true,
            keep_alive: 60,
            properties: Properties::EMPTY,
            client_id: Utf8String::new(&client_id)?,
            will: None,
            user_name: None,
            password: None,
        };
        connect.encode(sockets.input(connection))?;
        Ok(Self {
            connection,
            version,
            messages: Vec::new(),
            qos: QoS::AtMostOnce,
            window: 0,
            next: 0,
            received: 0,
            rest: Vec::new(),
        })
    }

    /// Subscribes to all these filters at one QoS.
    pub(crate) fn subscribe(
        &self,
        filters: &[String],
        qos: QoS,
        sockets: &mut Memory,
    ) -> Result<(), Box<dyn Error>> {
        let options = SubscriptionOptions { qos, ..SubscriptionOptions::default() };
        for (id, filters) in (1..).zip(filters.chunks(FILTERS_PER_PACKET)) {
            let subscription = |text| TopicFilter::new(text).map(|filter| Subscription { filter, options });
            let list = filters.iter().map(|text| subscription(text)).collect::<Result<Vec<_>, _>>()?;
            let subscribe = Subscribe {
                packet_id: PacketId::new(id).ok_or("no packet identifier is 0")?,
                properties: Properties::EMPTY,
                subscriptions: Sequence::new(&list),
            };
            subscribe.encode(self.version, sockets.input(self.connection))?;
        }
        Ok(())
    }

    /// Prepares a message for each of `topics`, over and over until there is one for each place in the
    /// window. A 5.0 client sends two User Properties with each, and its one topic only once.
    pub(crate) fn prepare(
        &mut self,
        topics: &[String],
        (qos, window): (QoS, usize),
        payload: &[u8],
        sockets: &mut Memory,
    ) -> Result<(), Box<dyn Error>> {
        (self.qos, self.window) = (qos, window);
        let name = |text: &'static str| Utf8String::new(text);
        let properties = [
            Property::TopicAlias(ALIAS),
            Property::UserProperty((name("content")?, name("application/json")?)),
            Property::UserProperty((name("trace")?, name("4bf92f3577b34da6a3ce929d0e0e4736")?)),
        ];
        let has_alias = self.version.has_properties();
        if has_alias {
            let publish = Publish {
                dup: false,
                delivery: Delivery::AtMostOnce,
                retain: false,
                topic: topics.first().map(|topic| TopicName::new(topic)).transpose()?,
                properties: Properties::new(&properties),
                payload,
            };
            publish.encode(self.version, sockets.input(self.connection))?;
        }
        for (id, topic) in (1..).zip(topics.iter().cycle()).take(window.max(topics.len())) {
            let id = || PacketId::new(id).ok_or("no packet identifier is 0");
            let publish = Publish {
                dup: false,
                delivery: match qos {
                    QoS::AtMostOnce => Delivery::AtMostOnce,
                    QoS::AtLeastOnce => Delivery::AtLeastOnce(id()?),
                    QoS::ExactlyOnce => Delivery::ExactlyOnce(id()?),
                },
                retain: false,
                topic: if has_alias { None } else { Some(TopicName::new(topic)?) },
                properties: if has_alias { Properties::new(&properties) } else { Properties::EMPTY },
                payload,
            };
            let mut packet = Vec::new();
            publish.encode(self.version, &mut packet)?;
            self.messages.push(packet);
        }
        Ok(())
    }

    /// Sends the first window of messages.
    pub(crate) fn publish(&mut self, sockets: &mut Memory) {
        let out = sockets.input(self.connection);
        for _ in 0..self.window {
            out.extend_from_slice(&self.messages[self.next]);
            self.next = (self.next + 1) % self.messages.len();
        }
    }

    /// Sends the next window of messages, if they have QoS 0. Those of QoS 1 and 2 go when others are
    /// acknowledged.
    pub(crate) fn publish_again(&mut self, sockets: &mut Memory) {
        if self.qos == QoS::AtMostOnce {
            self.publish(sockets);
        }
    }

    /// Answers what has come.
    pub(crate) fn react(&mut self, sockets: &mut Memory) -> Result<(), Box<dyn Error>> {
        let mut input = mem::take(&mut self.rest);
        input.append(sockets.output(self.connection));
        let out = sockets.input(self.connection);
        let mut used = 0;
        while let Some((body, length)) = split(&input[used..]) {
            let packet = &input[used..used + length];
            self.answer(packet[0], &packet[body..], out)?;
            used += length;
        }
        input.drain(..used);
        self.rest = input;
        Ok(())
    }

    fn answer(&mut self, first: u8, body: &[u8], out: &mut Vec<u8>) -> Result<(), Box<dyn Error>> {
        let is = |packet_type: PacketType| first >> 4 == packet_type.number();
        if is(PacketType::Publish) {
            self.received += 1;
            let id_at = 2 + usize::from(number(body, 0));
            match first >> 1 & 3 {
                1 => acknowledge(PacketType::Puback, number(body, id_at), out),
                2 => acknowledge(PacketType::Pubrec, number(body, id_at), out),
                _ => {}
            }
        } else if is(PacketType::Pubrec) {
            acknowledge(PacketType::Pubrel, number(body, 0), out);
        } else if is(PacketType::Pubrel) {
            acknowledge(PacketType::Pubcomp, number(body, 0), out);
        } else if is(PacketType::Puback) || is(PacketType::Pubcomp) {
            if body.get(2).is_some_and(|code| *code >= 0x80) {
                return Err("a message was refused".into());
            }
            // The next message takes the identifier that has become free.
            let message = self.messages.get(usize::from(number(body, 0)) - 1);
            out.extend_from_slice(message.ok_or("an acknowledgement of nothing")?);
        } else if !is(PacketType::Connack) && !is(PacketType::Suback) {
            return Err(format!("the broker sent a packet that begins with {first:#x}").into());
        }
        Ok(())
    }
}

/// Where the body of the first packet begins, and how long the packet is, if it is whole.
fn split(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut length = 0;
    for (place, byte) in bytes.iter().enumerate().skip(1) {
        length |= usize::from(byte & 0x7F) << (7 * (place - 1));
        if byte & 0x80 == 0 {
            let body = place + 1;
            return Some((body, body + length)).filter(|(_, end)| *end <= bytes.len());
        }
    }
    None
}

fn number(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn acknowledge(packet_type: PacketType, id: u16, out: &mut Vec<u8>) {
    let flags = if packet_type == PacketType::Pubrel { 2 } else { 0 };
    out.extend_from_slice(&[packet_type.number() << 4 | flags, 2]);
    out.extend_from_slice(&id.to_be_bytes());
}
