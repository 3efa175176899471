//! Fixed headers, Packet Identifiers and lengths of what the server sends.

use crate::raw::{Kind, PINGREQ, Packet, Publish, Subscribe, Unsubscribe, hex, pubcomp, pubrec, pubrel};
use crate::{Context, Peer, Stop};

pub(super) fn flags(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut peer = cx.open()?;
    peer.send(&cx.hello("a"))?;
    require_flags(&mut peer, Kind::Connack)?;
    peer.send(&Subscribe::new(1).filter(&topic, 2))?;
    require_flags(&mut peer, Kind::Suback)?;
    peer.send(&Publish::new(&topic, "x").qos(1, 2))?;
    require_flags(&mut peer, Kind::Puback)?;
    let packet = peer.find(Kind::Publish)?;
    if let Some(publish) = packet.publish() {
        peer.acknowledge(publish)?;
    }
    peer.send(&Publish::new(&topic, "x").qos(2, 3))?;
    require_flags(&mut peer, Kind::Pubrec)?;
    peer.send(&pubrel(3))?;
    require_flags(&mut peer, Kind::Pubcomp)?;
    let packet = peer.find(Kind::Publish)?;
    let id = packet.publish().filter(|publish| publish.qos == 2).and_then(|publish| publish.id);
    let Some(id) = id else { return Err(peer.fail_with("PUBLISH at QoS 2", &packet)) };
    peer.send(&pubrec(id))?;
    require_flags(&mut peer, Kind::Pubrel)?;
    peer.send(&pubcomp(id))?;
    peer.send(&Unsubscribe::new(4).filter(&topic))?;
    require_flags(&mut peer, Kind::Unsuback)?;
    peer.send(&PINGREQ)?;
    require_flags(&mut peer, Kind::Pingresp)
}

/// The first packet of this kind has flags 2 if it is a PUBREL, else 0.
fn require_flags(peer: &mut Peer, kind: Kind) -> Result<(), Stop> {
    let packet = peer.find(kind)?;
    let flags = if kind == Kind::Pubrel { 2 } else { 0 };
    let right = packet.first() & 0x0F == flags;
    let expected = format!("{} with flags {flags}", kind.name());
    if right { Ok(()) } else { Err(peer.fail_with(expected, &packet)) }
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
