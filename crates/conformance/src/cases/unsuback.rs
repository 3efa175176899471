//! Cases of UNSUBACK.

use crate::peer::Event;
use crate::raw::property::{four, id};
use crate::raw::{Content, Kind, Packet, Unsubscribe, hex};
use crate::{Case, Context, Peer, Stop};

/// The Reason Codes of 5.0.
const CODES: [u8; 7] = [0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91];

/// A Maximum Packet Size that an UNSUBACK with an explanation would not keep to.
const SIZE_MAX: u32 = 24;

/// All of them.
pub(super) const CASES: &[Case] = &[
    Case {
        ids: &["v3.1.1 MQTT-3.10.4-4", "v3.1.1 MQTT-2.3.1-7", "v5 MQTT-3.10.4-4", "v5 MQTT-2.2.1-6"],
        name: "Each UNSUBSCRIBE is answered with an UNSUBACK under its Packet Identifier",
        run: same_id,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.10.4-5", "v5 MQTT-3.10.4-5"],
        name: "An UNSUBACK comes even when there was nothing to delete",
        run: nothing_there,
    },
    Case {
        ids: &["v5 MQTT-3.11.3-1"],
        name: "The codes of an UNSUBACK are in the order of the filters",
        run: in_order,
    },
    Case { ids: &["v5 MQTT-3.11.3-2"], name: "An UNSUBACK uses only the codes of its table", run: listed },
    Case {
        ids: &["v5 MQTT-3.11.2-1", "v5 MQTT-3.11.2-2"],
        name: "An UNSUBACK keeps to the client's Maximum Packet Size",
        run: small,
    },
];

fn same_id(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.peer("a")?;
    for packet in [0x1234, 1, 256, u16::MAX, 1] {
        peer.subscribe(cx.topic("a"), 0)?;
        peer.send(&Unsubscribe::new(packet).filter(cx.topic("a")))?;
        let came = peer.expect(Kind::Unsuback)?;
        let bytes = packet.to_be_bytes();
        let right = came.first() == 0xB0 && came.bytes.get(2..4) == Some(&bytes[..]);
        // In 3.1.1 nothing follows the identifier.
        if !right || (!cx.v5() && came.bytes.len() != 4) {
            return Err(peer.fail_with(format!("B0 .. {}", hex(&bytes)), &came));
        }
    }
    Ok(())
}

fn nothing_there(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.peer("a")?;
    peer.send(&Unsubscribe::new(0x1234).filter(cx.topic("never")))?;
    let codes = peer.expect_answer(Kind::Unsuback, 0x1234)?.codes;
    let expected: &[u8] = if cx.v5() { &[0x11] } else { &[] };
    peer.require(codes == expected, "UNSUBACK, in 5.0 with code 11", hex(&codes))
}

fn in_order(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.peer("a")?;
    peer.subscribe(cx.topic("a"), 0)?;
    peer.subscribe(cx.topic("b"), 0)?;
    let unsubscribe = Unsubscribe::new(3).filter(cx.topic("a")).filter(cx.topic("no"));
    peer.send(&unsubscribe.filter(cx.topic("b")))?;
    let codes = peer.expect_answer(Kind::Unsuback, 3)?.codes;
    peer.require(codes == [0x00, 0x11, 0x00], "UNSUBACK codes 00 11 00", hex(&codes))
}

/// Filters of many kinds, most of which nobody can have subscribed to.
fn filters(cx: &Context) -> Vec<String> {
    let wrong = ["a#", "a/#/b", "a+", "##", "no"].map(|filter| cx.topic(filter));
    let special = ["$share/g", "$share//t", "$share/g+/t", "$share/g/", "$SYS/#"];
    wrong.into_iter().chain(special.iter().map(|filter| (*filter).to_owned())).collect()
}

/// The UNSUBACK that answers an UNSUBSCRIBE for this filter, unless the server ends the connection.
fn answer(peer: &mut Peer, filter: &str) -> Result<Option<Packet>, Stop> {
    peer.send(&Unsubscribe::new(6).filter(filter))?;
    match peer.next_event()? {
        Event::Packet(packet) if packet.kind() == Kind::Unsuback => Ok(Some(packet)),
        Event::Packet(packet) if packet.kind() == Kind::Disconnect => Ok(None),
        Event::Packet(packet) => Err(peer.fail_with("UNSUBACK or the end of the connection", &packet)),
        Event::Closed => Ok(None),
        Event::Silence => Err(peer.fail("UNSUBACK or the end of the connection", "nothing")),
    }
}

fn listed(cx: &Context) -> Result<(), Stop> {
    for filter in filters(cx) {
        let mut peer = cx.peer("a")?;
        let Some(packet) = answer(&mut peer, &filter)? else { continue };
        let known = match &packet.content {
            Content::Answer(answer) => matches!(answer.codes.as_slice(), [code] if CODES.contains(code)),
            _ => false,
        };
        if !known {
            return Err(peer.fail_with(format!("UNSUBACK with one code of {}", hex(&CODES)), &packet));
        }
    }
    Ok(())
}

fn small(cx: &Context) -> Result<(), Stop> {
    for filter in filters(cx) {
        let mut peer = cx.open()?;
        peer.send(&cx.hello("a").property(four(id::MAXIMUM_PACKET_SIZE, SIZE_MAX)))?;
        if peer.peek()? == Event::Closed {
            return Err(Stop::NotApplicable(format!("no CONNACK of the server fits into {SIZE_MAX} bytes")));
        }
        peer.expect_connack()?;
        let Some(packet) = answer(&mut peer, &filter)? else { continue };
        if u32::try_from(packet.bytes.len()).is_ok_and(|size| size > SIZE_MAX) {
            return Err(peer.fail_with(format!("an UNSUBACK of at most {SIZE_MAX} bytes"), &packet));
        }
    }
    Ok(())
}
