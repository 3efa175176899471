//! Cases of what all packets from the server look like: flags, lengths, absent properties.

use crate::raw::{Content, Kind, Packet, Publish, pubcomp, pubrec};
use crate::{Case, Context, Peer, Stop};

/// All of them.
pub(super) const CASES: &[Case] = &[
    Case {
        ids: &["v3.1.1 MQTT-2.2.2-1", "v5 MQTT-2.1.3-1"],
        name: "Every packet of the server has the fixed-header flags of its type",
        run: flags,
    },
    Case {
        ids: &["v5 MQTT-2.2.2-1"],
        name: "Packets of the server that have no properties say so",
        run: property_lengths,
    },
    Case {
        ids: &["v5 MQTT-1.5.5-1"],
        name: "A Remaining Length takes as few bytes as it needs",
        run: shortest_lengths,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.3.1-1", "v5 MQTT-4.3.1-1"],
        name: "A QoS 0 message has QoS 0 and DUP 0, whatever the publisher sent",
        run: qos0_flags,
    },
];

/// One packet of nearly each type that a server sends.
fn all_kinds(cx: &Context) -> Result<(Peer, Vec<Packet>), Stop> {
    let topic = cx.topic("a");
    let mut peer = cx.open()?;
    peer.send(&cx.hello("a"))?;
    let mut packets = vec![peer.expect(Kind::Connack)?];
    peer.send(&crate::raw::Subscribe::new(1).filter(&topic, 2))?;
    packets.push(peer.find(Kind::Suback)?);
    peer.send(&Publish::new(&topic, "0"))?;
    packets.push(peer.find(Kind::Publish)?);
    peer.send(&Publish::new(&topic, "1").qos(1, 2))?;
    packets.push(peer.find(Kind::Puback)?);
    let one = peer.find(Kind::Publish)?;
    if let Some(publish) = one.publish() {
        peer.acknowledge(publish)?;
    }
    packets.push(one);
    peer.send(&Publish::new(&topic, "2").qos(2, 3))?;
    packets.push(peer.find(Kind::Pubrec)?);
    peer.send(&crate::raw::pubrel(3))?;
    packets.push(peer.find(Kind::Pubcomp)?);
    let two = peer.find(Kind::Publish)?;
    let id = two.publish().and_then(|publish| publish.id).unwrap_or(0);
    packets.push(two);
    peer.send(&pubrec(id))?;
    packets.push(peer.find(Kind::Pubrel)?);
    peer.send(&pubcomp(id))?;
    peer.send(&crate::raw::Unsubscribe::new(4).filter(&topic))?;
    packets.push(peer.find(Kind::Unsuback)?);
    peer.send(&crate::raw::PINGREQ)?;
    packets.push(peer.find(Kind::Pingresp)?);
    Ok((peer, packets))
}

fn flags(cx: &Context) -> Result<(), Stop> {
    let (peer, packets) = all_kinds(cx)?;
    for packet in &packets {
        let flags = packet.first() & 0x0F;
        let right = match packet.kind() {
            Kind::Publish => true,
            Kind::Pubrel => flags == 2,
            _ => flags == 0,
        };
        if !right {
            return Err(peer.fail_with("flags 2 on PUBREL and 0 on the others", packet));
        }
    }
    peer.leave()
}

fn property_lengths(cx: &Context) -> Result<(), Stop> {
    let (peer, packets) = all_kinds(cx)?;
    // Where the length is missing, what follows is taken for it, and the packet does not come out even.
    match packets.iter().find(|packet| packet.content == Content::Unreadable) {
        Some(packet) => Err(peer.fail_with("a Property Length, 0 where there are no properties", packet)),
        None => peer.leave(),
    }
}

fn shortest_lengths(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut peer = cx.peer("a")?;
    peer.subscribe(&topic, 0)?;
    // The field of the topic and the Property Length take the rest.
    let around = 2 + topic.len() + 1;
    for (remaining, header) in [(127, 2), (128, 3), (16_383, 3), (16_384, 4)] {
        peer.send(&Publish::new(&topic, vec![b'x'; remaining - around]))?;
        let packet = peer.expect(Kind::Publish)?;
        let whole = header + remaining;
        let expected = format!("a PUBLISH of {whole} bytes, with a header of {header}");
        let came = format!("one of {} bytes", packet.bytes.len());
        peer.require(packet.bytes.len() == whole, &expected, came)?;
    }
    peer.leave()
}

fn qos0_flags(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut peer = cx.peer("a")?;
    peer.subscribe(&topic, 0)?;
    for (qos, id) in [(0, 0), (1, 1), (2, 2)] {
        // A server may hand a QoS 2 message on only once the exchange is over.
        peer.publish(&Publish::new(&topic, "x").qos(qos, id))?;
        let packet = peer.find(Kind::Publish)?;
        if packet.first() & 0x0E != 0 {
            return Err(peer.fail_with("first byte 30 or 31", &packet));
        }
    }
    Ok(())
}
