//! Cases of SUBACK.

use crate::peer::Event;
use crate::raw::property::{four, id};
use crate::raw::{Content, Kind, Packet, Subscribe, hex};
use crate::{Case, Context, Peer, Stop};

/// The Reason Codes of 5.0.
const CODES: [u8; 12] = [0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2];
/// The return codes of 3.1.1.
const CODES_V3: [u8; 4] = [0x00, 0x01, 0x02, 0x80];

/// A Maximum Packet Size that a SUBACK with an explanation would not keep to.
const SIZE_MAX: u32 = 24;

/// All of them.
pub(super) const CASES: &[Case] = &[
    Case {
        ids: &[
            "v3.1.1 MQTT-3.8.4-1",
            "v3.1.1 MQTT-3.8.4-2",
            "v3.1.1 MQTT-2.3.1-7",
            "v5 MQTT-3.8.4-1",
            "v5 MQTT-3.8.4-2",
            "v5 MQTT-2.2.1-6",
        ],
        name: "Each SUBSCRIBE is answered with a SUBACK under its Packet Identifier",
        run: same_id,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.8.4-5", "v5 MQTT-3.8.4-6", "v5 MQTT-3.8.4-7"],
        name: "A SUBACK has one code for each filter, which gives the QoS granted",
        run: one_each,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.9.3-1", "v5 MQTT-3.9.3-1"],
        name: "The codes of a SUBACK are in the order of the filters",
        run: in_order,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.9.3-2", "v5 MQTT-3.9.3-2"],
        name: "A SUBACK uses only the codes of its table",
        run: listed,
    },
    Case {
        ids: &["v5 MQTT-3.9.2-1", "v5 MQTT-3.9.2-2"],
        name: "A SUBACK keeps to the client's Maximum Packet Size",
        run: small,
    },
];

fn same_id(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.peer("a")?;
    for packet in [0x1234, 1, 256, u16::MAX, 1] {
        peer.send(&Subscribe::new(packet).filter(cx.topic("a"), 0))?;
        let came = peer.expect(Kind::Suback)?;
        let bytes = packet.to_be_bytes();
        if came.first() != 0x90 || came.bytes.get(2..4) != Some(&bytes[..]) {
            return Err(peer.fail_with(format!("90 .. {}", hex(&bytes)), &came));
        }
    }
    Ok(())
}

/// The codes that answer a SUBSCRIBE for these levels.
fn codes(cx: &Context, peer: &mut Peer, levels: &[u8]) -> Result<Vec<u8>, Stop> {
    let filters = levels.iter().enumerate();
    let subscribe = filters.fold(Subscribe::new(5), |packet, (index, qos)| {
        packet.filter(cx.topic(&format!("{qos}/{index}")), *qos)
    });
    peer.send(&subscribe)?;
    Ok(peer.expect_answer(Kind::Suback, 5)?.codes)
}

fn one_each(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.peer("a")?;
    for levels in [&[0, 1, 2][..], &[2], &[1; 20]] {
        let codes = codes(cx, &mut peer, levels)?;
        let granted = codes.len() == levels.len() && codes.iter().zip(levels).all(|(code, qos)| code <= qos);
        peer.require(granted, &format!("a granted QoS for each of {}", hex(levels)), hex(&codes))?;
    }
    Ok(())
}

fn in_order(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.peer("a")?;
    // A server of 3.1.1 may grant less without having said so, yet never more for a lower request.
    let codes = codes(cx, &mut peer, &[2, 0, 1])?;
    if codes == [0, 0, 0] {
        return Err(Stop::NotApplicable("SUBACK grants QoS 0 only".to_owned()));
    }
    let ordered = codes == [2, 0, 1] || codes == [1, 0, 1];
    peer.require(ordered, "SUBACK codes 02 00 01", hex(&codes))
}

/// Filters of many kinds, most of which a server does not take.
fn filters(cx: &Context) -> Vec<String> {
    let wrong = ["a#", "a/#/b", "a+", "+a/b", "##"];
    let special = ["", "$share/g", "$share//t", "$share/g+/t", "$share/g/", "$SYS/#", "$share/g/t", "$x/y"];
    let wrong = wrong.iter().map(|filter| cx.topic(filter));
    wrong.chain(special.iter().map(|filter| (*filter).to_owned())).chain([cx.topic("ok")]).collect()
}

/// The SUBACK that answers a SUBSCRIBE for this filter, unless the server ends the connection.
fn answer(peer: &mut Peer, filter: &str) -> Result<Option<Packet>, Stop> {
    peer.send(&Subscribe::new(6).filter(filter, 1))?;
    let mut wait = peer.wait_for("SUBACK or the end of the connection");
    loop {
        match peer.next_in(&mut wait)? {
            Event::Packet(packet) if packet.kind() == Kind::Suback => return Ok(Some(packet)),
            Event::Packet(_) => {}
            Event::Closed => return Ok(None),
            Event::Silence => return Err(peer.fail_wait(&wait, &Event::Silence)),
        }
    }
}

fn listed(cx: &Context) -> Result<(), Stop> {
    let table: &[u8] = if cx.v5() { &CODES } else { &CODES_V3 };
    for filter in filters(cx) {
        let mut peer = cx.peer("a")?;
        let Some(packet) = answer(&mut peer, &filter)? else { continue };
        let known = match &packet.content {
            Content::Answer(answer) => matches!(answer.codes.as_slice(), [code] if table.contains(code)),
            _ => false,
        };
        if !known {
            return Err(peer.fail_with(format!("SUBACK with one code of {}", hex(table)), &packet));
        }
    }
    Ok(())
}

fn small(cx: &Context) -> Result<(), Stop> {
    let mut seen = false;
    for filter in filters(cx) {
        let mut peer = cx.open()?;
        peer.send(&cx.hello("a").property(four(id::MAXIMUM_PACKET_SIZE, SIZE_MAX)))?;
        if peer.peek()? == Event::Closed {
            return Err(Stop::NotApplicable(format!("no CONNACK of the server fits into {SIZE_MAX} bytes")));
        }
        peer.expect_connack()?;
        let Some(packet) = answer(&mut peer, &filter)? else { continue };
        seen |=
            matches!(&packet.content, Content::Answer(answer) if answer.codes.iter().any(|code| *code > 2));
        if u32::try_from(packet.bytes.len()).is_ok_and(|size| size > SIZE_MAX) {
            return Err(peer.fail_with(format!("a SUBACK of at most {SIZE_MAX} bytes"), &packet));
        }
    }
    if seen { Ok(()) } else { Err(Stop::NotApplicable("no filter was refused with a SUBACK".to_owned())) }
}
