//! Cases of PUBACK, and of what it has in common with PUBREC.

use super::publish::refused::{provocations, provoke};
use crate::peer::Event;
use crate::raw::Publish;
use crate::raw::property::{four, id};
use crate::{Case, Context, Peer, Stop};

/// All of them.
pub(super) const CASES: &[Case] = &[
    Case { ids: &["v5 MQTT-3.4.2-1"], name: "A PUBACK has a code that is listed for it", run: codes },
    Case {
        ids: &["v5 MQTT-3.4.2-2", "v5 MQTT-3.4.2-3"],
        name: "A PUBACK keeps to the client's Maximum Packet Size",
        run: small,
    },
];

/// The codes listed for PUBACK and for PUBREC.
const CODES: [u8; 9] = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];

fn codes(cx: &Context) -> Result<(), Stop> {
    listed_codes(cx, 1)
}

fn small(cx: &Context) -> Result<(), Stop> {
    small_answers(cx, 1)
}

/// Every answer to a PUBLISH at this QoS has a code that is listed.
pub(super) fn listed_codes(cx: &Context, qos: u8) -> Result<(), Stop> {
    for publish in provocations(cx, qos) {
        let mut peer = cx.peer("a")?;
        if let Some((packet, ack)) = provoke(&mut peer, &publish)?
            && !CODES.contains(&ack.code)
        {
            return Err(peer.fail_with("a code of 00, 10, 80, 83, 87, 90, 91, 97 or 99", &packet));
        }
    }
    clear_retained(cx)
}

/// Takes away what the provocations may have left behind.
fn clear_retained(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.peer("a")?;
    if peer.connack().properties.number(id::RETAIN_AVAILABLE) != Some(0) {
        peer.send(&Publish::new(cx.topic("nobody"), "").retained())?;
    }
    peer.leave()
}

/// The smallest Maximum Packet Size under which the server can still accept this client: as much as its
/// CONNACK takes, and at least a Reason Code and an empty Reason String of an acknowledgement.
pub(super) fn small_peer(cx: &Context) -> Result<(Peer, usize), Stop> {
    let mut peer = cx.open()?;
    peer.send(&cx.hello("a"))?;
    let size = match peer.peek()? {
        Event::Packet(packet) => packet.bytes.len().max(8),
        Event::Closed | Event::Silence => return Err(peer.fail("CONNACK", "none")),
    };
    peer.expect_connack()?;
    let limit = u32::try_from(size).unwrap_or(u32::MAX);
    Ok((cx.accept(&cx.hello("b").property(four(id::MAXIMUM_PACKET_SIZE, limit)))?, size))
}

/// Every answer to a PUBLISH at this QoS fits into what a client takes.
pub(super) fn small_answers(cx: &Context, qos: u8) -> Result<(), Stop> {
    let mut special = false;
    for publish in provocations(cx, qos) {
        let (mut peer, size) = small_peer(cx)?;
        let Some((packet, ack)) = provoke(&mut peer, &publish)? else { continue };
        special |= ack.code != 0;
        if packet.bytes.len() > size {
            return Err(peer.fail_with(format!("an answer of at most {size} bytes"), &packet));
        }
    }
    clear_retained(cx)?;
    if special {
        return Ok(());
    }
    Err(Stop::NotApplicable(format!("no PUBLISH at QoS {qos} made the server answer with a code but 0x00")))
}
