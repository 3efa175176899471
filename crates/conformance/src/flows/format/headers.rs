//! Fixed headers, Packet Identifiers and lengths of what the server sends.

use crate::peer::Event;
use crate::raw::{Kind, PINGREQ, Packet, Publish, Subscribe, Unsubscribe, hex, pubrec, pubrel};
use crate::{Context, Stop};

pub(super) fn flags(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut peer = cx.open()?;
    peer.send(&cx.hello("a"))?;
    // Read again by `next_event`, so that it is looked at too.
    peer.peek()?;
    peer.send(&Subscribe::new(1).filter(&topic, 2))?;
    peer.send(&Publish::new(&topic, "x").qos(1, 2))?;
    peer.send(&Publish::new(&topic, "x").qos(2, 3))?;
    peer.send(&pubrel(3))?;
    peer.send(&Unsubscribe::new(4).filter(&topic))?;
    peer.send(&PINGREQ)?;
    let mut seen = Vec::new();
    let wanted = [
        Kind::Connack,
        Kind::Suback,
        Kind::Puback,
        Kind::Pubrec,
        Kind::Pubcomp,
        Kind::Pubrel,
        Kind::Unsuback,
        Kind::Pingresp,
    ];
    while !wanted.iter().all(|kind| seen.contains(kind)) {
        let Event::Packet(packet) = peer.next_event()? else {
            return Err(peer.fail(format!("{wanted:?}"), format!("{seen:?} and no more")));
        };
        let kind = packet.kind();
        let flags = if kind == Kind::Pubrel { 2 } else { 0 };
        if kind == Kind::Publish {
            // A QoS 2 message draws a PUBREL. The QoS 1 message of ours is left open.
            if let Some(publish) = packet.publish()
                && let (2, Some(id)) = (publish.qos, publish.id)
            {
                peer.send(&pubrec(id))?;
            }
        } else if packet.first() & 0x0F != flags {
            return Err(peer.fail_with(format!("{} with flags {flags}", kind.name()), &packet));
        }
        seen.push(kind);
    }
    Ok(())
}

pub(super) fn no_id(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut peer = cx.peer("a")?;
    peer.subscribe(&topic, 0)?;
    // The packet that comes back has no room for an identifier: the topic, in 5.0 a Property Length of 0,
    // and the payload.
    let length = topic.len() + 2 + usize::from(cx.v5()) + 4;
    for qos in 0..3 {
        peer.publish(&Publish::new(&topic, "body").qos(qos, 1))?;
        let packet = peer.find(Kind::Publish)?;
        let right = packet.first() & 0x06 == 0
            && packet.bytes.get(1).is_some_and(|byte| usize::from(*byte) == length)
            && packet.bytes.len() == length + 2
            && packet.publish().is_some_and(|publish| publish.payload == b"body");
        if !right {
            return Err(peer.fail_with(format!("PUBLISH with a Remaining Length of {length}"), &packet));
        }
    }
    Ok(())
}

/// The bytes of the Remaining Length.
fn length_of(packet: &Packet) -> Vec<u8> {
    let rest = packet.bytes.get(1..).unwrap_or_default();
    let more = rest.iter().take_while(|byte| **byte >= 0x80).count();
    rest.get(..=more).unwrap_or_default().to_vec()
}

pub(super) fn shortest_length(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut peer = cx.peer("a")?;
    peer.subscribe(&topic, 0)?;
    let around = topic.len() + 3;
    for (remaining, bytes) in [(127, 1), (128, 2), (16_383, 2), (16_384, 3)] {
        let payload = vec![b'x'; remaining - around];
        peer.publish(&Publish::new(&topic, &payload))?;
        let packet = peer.expect(Kind::Publish)?;
        let length = length_of(&packet);
        let right = length.len() == bytes && packet.bytes.len() == 1 + bytes + remaining;
        let expected = format!("{remaining} in a Remaining Length of {bytes} bytes");
        peer.require(right, &expected, hex(&length))?;
    }
    Ok(())
}
