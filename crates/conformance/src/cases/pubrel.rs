//! Cases of PUBREL.

use super::puback::small_peer;
use crate::raw::{Content, Kind, PUBREL, Packet, Publish, frame, pubcomp, pubrec, pubrel};
use crate::{Case, Context, Peer, Stop};

/// An identifier that no exchange has.
const UNKNOWN: u16 = 777;

/// All of them.
pub(super) const CASES: &[Case] = &[
    Case {
        ids: &["v3.1.1 MQTT-3.6.1-1", "v5 MQTT-3.6.1-1"],
        name: "A PUBREL with flags other than 0010 ends the connection",
        run: wrong_flags,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.6.1-1", "v3.1.1 MQTT-2.3.1-6", "v5 MQTT-3.6.1-1", "v5 MQTT-2.2.1-5"],
        name: "The server's PUBREL has flags 0010 and the identifier of its PUBLISH",
        run: own_flags,
    },
    Case {
        ids: &["v5 MQTT-3.6.2-1"],
        name: "A PUBREL has code 0x00, or 0x92 under an unknown identifier",
        run: codes,
    },
    Case {
        ids: &["v5 MQTT-3.6.2-2", "v5 MQTT-3.6.2-3"],
        name: "A PUBREL keeps to the client's Maximum Packet Size",
        run: small,
    },
];

fn wrong_flags(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    for flags in [0x0, 0x1, 0x3, 0x6, 0xA] {
        let mut peer = cx.peer("a")?;
        peer.send(&Publish::new(&topic, "x").qos(2, 1))?;
        peer.expect_ack(Kind::Pubrec, 1)?;
        peer.send(&frame((PUBREL & 0xF0) | flags, &[0, 1]))?;
        peer.expect_close(&[0x81])?;
    }
    Ok(())
}

fn own_flags(cx: &Context) -> Result<(), Stop> {
    let (mut subscriber, mut publisher) = (cx.peer("s")?, cx.peer("p")?);
    subscriber.subscribe(cx.topic("a"), 2)?;
    for id in [1, 256, u16::MAX] {
        publisher.publish(&Publish::new(cx.topic("a"), "x").qos(2, id))?;
        let publish = subscriber.expect_payload("x")?;
        let Some(id) = publish.id else { return Err(subscriber.fail("a PUBLISH at QoS 2", "another")) };
        subscriber.send(&pubrec(id))?;
        let packet = subscriber.expect(Kind::Pubrel)?;
        let [high, low] = id.to_be_bytes();
        let shortest = packet.bytes == [PUBREL, 2, high, low];
        let holds = if cx.v5() {
            packet.first() == PUBREL && packet.bytes.get(2..4) == Some(&[high, low])
        } else {
            shortest
        };
        if !holds {
            return Err(subscriber.fail_with(format!("PUBREL 62 under id {id}"), &packet));
        }
        subscriber.send(&pubcomp(id))?;
    }
    Ok(())
}

/// The PUBREL that answers a PUBREC under an identifier that no exchange has.
fn unknown(peer: &mut Peer) -> Result<Packet, Stop> {
    peer.send(&pubrec(UNKNOWN))?;
    let packet = peer.expect(Kind::Pubrel)?;
    match &packet.content {
        Content::Ack(ack) if ack.id == UNKNOWN && matches!(ack.code, 0x00 | 0x92) => Ok(packet),
        _ => Err(peer.fail_with(format!("PUBREL with code 0x00 or 0x92 under id {UNKNOWN}"), &packet)),
    }
}

fn codes(cx: &Context) -> Result<(), Stop> {
    let (mut subscriber, mut publisher) = (cx.peer("s")?, cx.peer("p")?);
    subscriber.subscribe(cx.topic("a"), 2)?;
    publisher.publish(&Publish::new(cx.topic("a"), "x").qos(2, 1))?;
    let publish = subscriber.expect_payload("x")?;
    let id = publish.id.unwrap_or(0);
    subscriber.send(&pubrec(id))?;
    let code = subscriber.expect_ack(Kind::Pubrel, id)?.code;
    subscriber.require(code == 0x00, "PUBREL with code 0x00", format!("0x{code:02X}"))?;
    subscriber.send(&pubcomp(id))?;
    subscriber.fence()?;
    unknown(&mut subscriber)?;
    // A PUBREL that belongs to no exchange of the server's is not taken for an answer either.
    publisher.send(&pubrel(UNKNOWN))?;
    publisher.expect_ack(Kind::Pubcomp, UNKNOWN)?;
    Ok(())
}

fn small(cx: &Context) -> Result<(), Stop> {
    let (mut peer, size) = small_peer(cx)?;
    let packet = unknown(&mut peer)?;
    if packet.bytes.len() > size {
        return Err(peer.fail_with(format!("a PUBREL of at most {size} bytes"), &packet));
    }
    Ok(())
}
