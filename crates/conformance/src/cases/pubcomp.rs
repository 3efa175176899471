//! Cases of PUBCOMP.

use super::puback::small_peer;
use crate::raw::{Content, Kind, PUBCOMP, Packet, Publish, pubrel};
use crate::{Case, Context, Peer, Stop};

/// An identifier that no exchange has.
const UNKNOWN: u16 = 777;

/// All of them.
pub(super) const CASES: &[Case] = &[
    Case {
        ids: &["v5 MQTT-3.7.2-1", "v5 MQTT-2.2.1-5"],
        name: "A PUBCOMP has code 0x00, or 0x92 under an unknown identifier",
        run: codes,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.3.3-2"],
        name: "Every PUBREL is answered with PUBCOMP, whether or not its identifier is known",
        run: always,
    },
    Case {
        ids: &["v5 MQTT-3.7.2-2", "v5 MQTT-3.7.2-3"],
        name: "A PUBCOMP keeps to the client's Maximum Packet Size",
        run: small,
    },
];

/// The PUBCOMP that answers a PUBREL under this identifier.
fn release(peer: &mut Peer, id: u16, codes: &[u8]) -> Result<Packet, Stop> {
    peer.send(&pubrel(id))?;
    let packet = peer.expect(Kind::Pubcomp)?;
    match &packet.content {
        Content::Ack(ack) if packet.first() == PUBCOMP && ack.id == id && codes.contains(&ack.code) => {
            Ok(packet)
        }
        _ => Err(peer.fail_with(format!("PUBCOMP under id {id} with a code of {codes:02X?}"), &packet)),
    }
}

/// Brings a QoS 2 exchange to where PUBREL is due.
fn begin(cx: &Context, peer: &mut Peer, id: u16) -> Result<(), Stop> {
    peer.send(&Publish::new(cx.topic("a"), "x").qos(2, id))?;
    peer.expect_ack(Kind::Pubrec, id)?;
    Ok(())
}

fn codes(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.peer("a")?;
    for id in [1, 256, u16::MAX] {
        begin(cx, &mut peer, id)?;
        release(&mut peer, id, &[0x00])?;
    }
    release(&mut peer, UNKNOWN, &[0x00, 0x92])?;
    Ok(())
}

fn always(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.peer("a")?;
    for id in [1, 256, u16::MAX] {
        begin(cx, &mut peer, id)?;
        release(&mut peer, id, &[0x00])?;
        release(&mut peer, id, &[0x00])?;
    }
    release(&mut peer, UNKNOWN, &[0x00])?;
    Ok(())
}

fn small(cx: &Context) -> Result<(), Stop> {
    let (mut peer, size) = small_peer(cx)?;
    begin(cx, &mut peer, 1)?;
    for id in [1, UNKNOWN] {
        let packet = release(&mut peer, id, &[0x00, 0x92])?;
        if packet.bytes.len() > size {
            return Err(peer.fail_with(format!("a PUBCOMP of at most {size} bytes"), &packet));
        }
    }
    Ok(())
}
