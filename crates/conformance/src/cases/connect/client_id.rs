//! Client Identifiers: which are accepted, which are given out.

use super::require_refusal;
use crate::peer::Event;
use crate::raw::property::{four, id};
use crate::raw::{Connect, Encode, Kind, frame, words};
use crate::{Case, Context, Peer, Stop};

pub(super) const CASES: &[Case] = &[
    Case {
        ids: &["v3.1.1 MQTT-3.1.3-2", "v5 MQTT-3.1.3-2"],
        name: "Each Client Identifier has a session of its own",
        run: sessions_by_id,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.3-3", "v5 MQTT-3.1.3-3"],
        name: "A CONNECT without a payload is malformed",
        run: no_payload,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.3-4", "v5 MQTT-3.1.3-4"],
        name: "A Client Identifier that is not UTF-8 is refused",
        run: not_utf8,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.3-5", "v5 MQTT-3.1.3-5"],
        name: "Client Identifiers of 1 to 23 letters and digits are accepted",
        run: letters_and_digits,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.3-6", "v5 MQTT-3.1.3-6"],
        name: "Clients with an empty Client Identifier get different ones",
        run: two_empty,
    },
    Case {
        ids: &["v5 MQTT-3.1.3-7"],
        name: "An assigned Client Identifier is in the CONNACK and names the session",
        run: assigned_is_used,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.3-8", "v3.1.1 MQTT-3.1.3-9"],
        name: "An empty Client Identifier with Clean Session 0 is refused with 0x02",
        run: empty_and_staying,
    },
    Case {
        ids: &["v5 MQTT-3.1.3-8"],
        name: "A Client Identifier that the server refuses ends the connection",
        run: refused_id,
    },
    Case { ids: &["v5 MQTT-3.2.2-16"], name: "Every assigned Client Identifier is new", run: many_empty },
];

fn sessions_by_id(cx: &Context) -> Result<(), Stop> {
    cx.accept(&cx.staying("a"))?.leave()?;
    let other = cx.accept(&cx.staying("b"))?;
    other.require(!other.session_present(), "Session Present 0 for another Client Identifier", "1")?;
    other.leave()?;
    for role in ["a", "b"] {
        let again = cx.accept(&cx.staying(role))?;
        again.require(again.session_present(), "Session Present 1 for the same Client Identifier", "0")?;
        again.leave()?;
        cx.peer(role)?.leave()?;
    }
    Ok(())
}

fn no_payload(cx: &Context) -> Result<(), Stop> {
    let mut body = Connect::new("").body(cx.version());
    body.truncate(body.len() - 2);
    let mut peer = cx.open()?;
    peer.send(&frame(0x10, &body))?;
    peer.expect_close(&[0x80, 0x81, 0x82, 0x85])
}

fn not_utf8(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.open()?;
    peer.send(&Connect::new(b"a\xFF"))?;
    // That 3.1.1 wants no CONNACK here [v3.1.1 MQTT-3.1.4-1] is another matter.
    require_refusal(cx, &mut peer, "a refusal or the end of the connection").map(drop)
}

fn letters_and_digits(cx: &Context) -> Result<(), Stop> {
    let mut letters: Vec<u8> = (b'0'..=b'9').chain(b'A'..=b'Z').chain(b'a'..=b'z').collect();
    // The two versions run at the same time and must not meet under one identifier.
    if cx.v5() {
        letters.reverse();
    }
    for id in letters.chunks(23).chain([letters.get(..1).unwrap_or_default()]) {
        cx.accept(&Connect::new(id))?.cut();
    }
    let mut long = cx.client_id("").into_bytes();
    long.resize(23, b'z');
    cx.accept(&Connect::new(long))?.cut();
    Ok(())
}

fn assigned(peer: &Peer) -> Result<Vec<u8>, Stop> {
    let id = peer.connack().properties.bytes(id::ASSIGNED_CLIENT_ID).map(<[u8]>::to_vec);
    id.ok_or_else(|| peer.fail("CONNACK with an Assigned Client Identifier (property 0x12)", "none"))
}

/// Opens a connection with an empty identifier. A server need not permit that.
fn accept_empty(cx: &Context, connect: &Connect) -> Result<Peer, Stop> {
    let mut peer = cx.open()?;
    peer.send(connect)?;
    // The bytes are looked at before `accept` would take a refusal for a failure.
    if let Event::Packet(packet) = peer.peek()?
        && packet.kind() == Kind::Connack
        && matches!(packet.bytes.get(3), Some(0x02 | 0x85))
    {
        return Err(Stop::NotApplicable(format!("no empty Client Identifier: {}", words(&packet))));
    }
    peer.expect_connack()?;
    Ok(peer)
}

fn two_empty(cx: &Context) -> Result<(), Stop> {
    let mut one = accept_empty(cx, &Connect::new(""))?;
    let mut two = accept_empty(cx, &Connect::new(""))?;
    if cx.v5() {
        let (first, second) = (assigned(&one)?, assigned(&two)?);
        two.require(first != second, "two Client Identifiers", "the same twice")?;
    }
    one.fence()?;
    two.fence()?;
    Ok(())
}

fn assigned_is_used(cx: &Context) -> Result<(), Stop> {
    let expiry = || four(id::SESSION_EXPIRY, 60);
    let peer = accept_empty(cx, &Connect::new("").property(expiry()))?;
    let name = assigned(&peer)?;
    peer.cut();
    let again = cx.accept(&Connect::new(name).resuming())?;
    again.require(again.session_present(), "Session Present 1 under the assigned identifier", "0")
}

fn many_empty(cx: &Context) -> Result<(), Stop> {
    let mut names = Vec::new();
    for _ in 0..20 {
        let peer = accept_empty(cx, &Connect::new("").property(four(id::SESSION_EXPIRY, 5)))?;
        names.push(assigned(&peer)?);
    }
    names.sort();
    names.dedup();
    if names.len() == 20 {
        return Ok(());
    }
    let sent = "20 times CONNECT with an empty Client Identifier";
    Err(Stop::failed(sent, "20 different identifiers", format!("{}", names.len())))
}

fn empty_and_staying(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.open()?;
    peer.send(&Connect::new("").resuming())?;
    let packet = peer.expect(Kind::Connack)?;
    if packet.bytes != [0x20, 0x02, 0x00, 0x02] {
        return Err(peer.fail_with("CONNACK 20 02 00 02", &packet));
    }
    peer.expect_close(&[])
}

fn refused_id(cx: &Context) -> Result<(), Stop> {
    let name = [cx.client_id("").into_bytes(), vec![b'x'; 60_000]].concat();
    let connect = Connect::new(name);
    let mut peer = cx.open()?;
    peer.send(&connect.encode(cx.version()))?;
    if let Event::Packet(packet) = peer.peek()?
        && packet.kind() == Kind::Connack
        && packet.bytes.get(3) == Some(&0)
    {
        return Err(Stop::NotApplicable(
            "an identifier of more than 60,000 bytes is accepted too".to_owned(),
        ));
    }
    let code = require_refusal(cx, &mut peer, "a refusal or the end of the connection")?;
    let listed = code.is_none_or(|code| [0x85, 0x95, 0x97].contains(&code));
    peer.require(listed, "CONNACK with code 0x85, or none", format!("code {code:02X?}"))
}
