//! Cases of the properties that a message keeps on its way.

use crate::peer::Event;
use crate::raw::property::{byte, id, pair, text};
use crate::raw::{Content, Kind, PINGREQ, Publication, Publish, pubrel};
use crate::{Context, Peer, Stop};

/// Two subscribers, at QoS 0 and 2, and a publisher.
struct Trio {
    subscribers: [Peer; 2],
    publisher: Peer,
}

impl Trio {
    fn new(cx: &Context) -> Result<Self, Stop> {
        let mut subscribers = [cx.peer("s")?, cx.peer("t")?];
        for (subscriber, qos) in subscribers.iter_mut().zip([0, 2]) {
            subscriber.subscribe(cx.topic("a"), qos)?;
        }
        Ok(Self { subscribers, publisher: cx.peer("p")? })
    }

    /// Publishes, and lets every subscriber's copy be looked at.
    fn check(
        &mut self,
        publish: &Publish,
        expected: &str,
        holds: impl Fn(&Publication) -> bool,
    ) -> Result<(), Stop> {
        self.publisher.publish(publish)?;
        for subscriber in &mut self.subscribers {
            let came = subscriber.expect_publish()?;
            subscriber.require(holds(&came), expected, format!("{:?}", came.properties))?;
            subscriber.acknowledge(&came)?;
        }
        Ok(())
    }
}

pub(super) fn payload_format(cx: &Context) -> Result<(), Stop> {
    let mut trio = Trio::new(cx)?;
    for value in [Some(0), Some(1), None] {
        for qos in [0, 1, 2] {
            let mut publish = Publish::new(cx.topic("a"), "text").qos(qos, 1);
            if let Some(value) = value {
                publish = publish.property(byte(id::PAYLOAD_FORMAT, value));
            }
            let wanted = value.map(u32::from);
            trio.check(&publish, &format!("Payload Format Indicator {value:?}"), |came| {
                came.properties.number(id::PAYLOAD_FORMAT) == wanted
            })?;
        }
    }
    Ok(())
}

pub(super) fn not_utf8(cx: &Context) -> Result<(), Stop> {
    for property in [id::RESPONSE_TOPIC, id::CONTENT_TYPE] {
        for wrong in [&b"a\xFF"[..], b"\xED\xA0\x80", b"\xC0\x80"] {
            let mut peer = cx.peer("a")?;
            peer.send(&Publish::new(cx.topic("a"), "x").property(text(property, wrong)))?;
            peer.expect_close(&[0x81])?;
        }
    }
    Ok(())
}

pub(super) fn response_wildcard(cx: &Context) -> Result<(), Stop> {
    let (mut watcher, mut publisher) = (cx.peer("w")?, cx.peer("p")?);
    watcher.subscribe(cx.topic("a"), 0)?;
    // How rigorously a server checks what clients send is left to it (section 4.13.1), but it is bound by the
    // statement itself when it sends the message on.
    for response in ["r/#", "r/+", "#", "+/r"] {
        for qos in [0, 1, 2] {
            let mut peer = cx.peer("a")?;
            let publish = Publish::new(cx.topic("a"), "x").qos(qos, 1);
            peer.send(&publish.property(text(id::RESPONSE_TOPIC, response)))?;
            let_be_processed(&mut peer)?;
        }
    }
    let came = cx.drain(&mut publisher, &mut watcher)?;
    watcher.require_no_publish(&came, "no message whose Response Topic has a wildcard, refused or not")
}

/// Waits until the server has dealt with a PUBLISH under identifier 1, or has closed the connection.
fn let_be_processed(peer: &mut Peer) -> Result<(), Stop> {
    peer.send(&PINGREQ)?;
    let mut open = 1;
    let mut wait = peer.wait_for("PINGRESP or the end of the connection");
    while open > 0 {
        match peer.next_in(&mut wait)? {
            Event::Closed => return Ok(()),
            Event::Silence => return Err(peer.fail_wait(&wait, &Event::Silence)),
            Event::Packet(packet) => match &packet.content {
                // A QoS 2 message may go on its way only now.
                Content::Ack(ack) if packet.kind() == Kind::Pubrec && ack.code < 0x80 => {
                    peer.send(&pubrel(1))?;
                    peer.send(&PINGREQ)?;
                    open += 1;
                }
                _ if packet.kind() == Kind::Pingresp => open -= 1,
                _ => {}
            },
        }
    }
    Ok(())
}

pub(super) fn passed_on(cx: &Context) -> Result<(), Stop> {
    let mut trio = Trio::new(cx)?;
    let large = vec![0x5A; 300];
    for (property, values) in [
        (id::RESPONSE_TOPIC, [&b"answers/\xC3\xA4"[..], b"r", &large]),
        (id::CORRELATION_DATA, [b"\x00\xFF\x80", b"", &large]),
        (id::CONTENT_TYPE, [b"text/plain", b"", &large]),
    ] {
        for value in values {
            let publish = Publish::new(cx.topic("a"), "x").qos(1, 1).property(text(property, value));
            trio.check(&publish, &format!("property 0x{property:02X} as it was sent"), |came| {
                came.properties.bytes(property) == Some(value)
            })?;
        }
    }
    Ok(())
}

pub(super) fn user_properties(cx: &Context) -> Result<(), Stop> {
    let mut trio = Trio::new(cx)?;
    let pairs = [("b", "1"), ("a", "2"), ("b", "3"), ("b", "1"), ("", ""), ("ä", "ö")];
    for qos in [0, 1, 2] {
        let mut publish = Publish::new(cx.topic("a"), "x").qos(qos, 1);
        for (name, value) in pairs {
            publish = publish.property(pair(name, value));
        }
        let wanted = pairs.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        trio.check(&publish, &format!("User Properties {pairs:?}"), |came| {
            came.properties.pairs() == wanted
        })?;
    }
    Ok(())
}
