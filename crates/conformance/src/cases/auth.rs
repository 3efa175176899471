//! Cases of AUTH and enhanced authentication.

use super::connack::unknown_method;
use crate::peer::Event;
use crate::raw::property::{Properties, four, id, text};
use crate::raw::{Content, Kind, Packet, auth, words};
use crate::{Case, Context, Peer, Stop};

/// A method with a challenge step that servers offer, if they offer one.
const METHOD: &str = "SCRAM-SHA-256";

/// The Maximum Packet Size in the exchange; the challenge itself fits in.
const SIZE_MAX: u32 = 256;

/// All of them.
pub(super) const CASES: &[Case] = &[
    Case {
        ids: &["v5 MQTT-4.12.0-1"],
        name: "An unknown Authentication Method is refused with 0x8C or 0x87, or by closing",
        run: unknown_method_is_refused,
    },
    Case {
        ids: &["v5 MQTT-4.12.0-6"],
        name: "A CONNECT without a method gets no AUTH and no method in the CONNACK",
        run: no_method,
    },
    Case {
        ids: &["v5 MQTT-4.12.0-7", "v5 MQTT-4.12.1-1"],
        name: "AUTH on a connection without a method ends it",
        run: auth_without_method,
    },
    Case { ids: &["v5 MQTT-3.15.1-1"], name: "AUTH with fixed-header flags ends the connection", run: flags },
    Case {
        ids: &["v5 MQTT-3.15.2-1"],
        name: "AUTH with a code that it cannot have ends the connection",
        run: code,
    },
    Case {
        ids: &[
            "v5 MQTT-4.12.0-2",
            "v5 MQTT-4.12.0-4",
            "v5 MQTT-4.12.0-5",
            "v5 MQTT-3.15.2-2",
            "v5 MQTT-3.15.2-3",
        ],
        name: "A challenge is an AUTH 0x18 with the method, and a wrong answer ends the connection",
        run: challenge,
    },
    Case {
        ids: &["v5 MQTT-4.12.1-2"],
        name: "A failed re-authentication ends the connection",
        run: failed_again,
    },
];

fn unknown_method_is_refused(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.open()?;
    peer.send(&unknown_method(cx.hello("a")))?;
    peer.expect_close(&[0x8C, 0x87])
}

fn no_method(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.peer("a")?;
    let absent = !peer.connack().properties.has(id::AUTHENTICATION_METHOD);
    peer.require(absent, "CONNACK without Authentication Method (property 0x15)", "one with it")?;
    let before = peer.fence()?;
    match before.iter().find(|packet| packet.kind() == Kind::Auth) {
        Some(packet) => Err(peer.fail_with("no AUTH", packet)),
        None => peer.leave(),
    }
}

fn auth_without_method(cx: &Context) -> Result<(), Stop> {
    for code in [0x18, 0x19] {
        let mut peer = cx.peer("a")?;
        peer.send(&auth(code).property(text(id::AUTHENTICATION_METHOD, METHOD)))?;
        peer.expect_close(&[0x82, 0x8C])?;
    }
    Ok(())
}

fn flags(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.peer("a")?;
    peer.send(&[0xF1, 0x02, 0x18, 0x00])?;
    peer.expect_close(&[0x81, 0x82])
}

fn code(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.peer("a")?;
    peer.send(&auth(0x01).property(text(id::AUTHENTICATION_METHOD, METHOD)))?;
    peer.expect_close(&[0x81, 0x82])
}

/// Begins an exchange; where the server refuses the method the case does not apply.
fn begin(cx: &Context) -> Result<(Peer, Packet, Properties), Stop> {
    let connect = cx
        .hello("a")
        .property(four(id::MAXIMUM_PACKET_SIZE, SIZE_MAX))
        .property(text(id::AUTHENTICATION_METHOD, METHOD))
        .property(text(id::AUTHENTICATION_DATA, "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL"));
    let mut peer = cx.open()?;
    peer.send(&connect)?;
    let event = peer.next_event()?;
    let Event::Packet(packet) = event else {
        peer.require(event == Event::Closed, "AUTH, CONNACK or the end", "nothing")?;
        return Err(Stop::NotApplicable(format!("{METHOD} is refused by closing")));
    };
    match &packet.content {
        Content::Connack(connack) if matches!(connack.code, 0x86 | 0x87 | 0x8C) => {
            Err(Stop::NotApplicable(format!("{METHOD} is refused: {}", words(&packet))))
        }
        Content::Reason(0x18, properties) if packet.kind() == Kind::Auth => {
            let properties = properties.clone();
            Ok((peer, packet, properties))
        }
        _ => Err(peer.fail_with("AUTH with code 0x18, or a CONNACK that refuses the method", &packet)),
    }
}

fn challenge(cx: &Context) -> Result<(), Stop> {
    let (mut peer, packet, properties) = begin(cx)?;
    let method = properties.bytes(id::AUTHENTICATION_METHOD);
    if method != Some(METHOD.as_bytes()) {
        return Err(peer.fail_with(format!("AUTH with the method {METHOD}"), &packet));
    }
    let fits = u32::try_from(packet.bytes.len()).is_ok_and(|size| size <= SIZE_MAX);
    peer.require(fits, "an AUTH within the Maximum Packet Size of 256 bytes", words(&packet))?;
    let wrong = text(id::AUTHENTICATION_DATA, "c=biws,r=wrong,p=AAAA");
    peer.send(&auth(0x18).property(text(id::AUTHENTICATION_METHOD, METHOD)).property(wrong))?;
    let refusals: Vec<u8> = (0x80..=0xFF).collect();
    peer.expect_close(&refusals)
}

fn failed_again(cx: &Context) -> Result<(), Stop> {
    begin(cx)?;
    let evidence = format!("{METHOD} is offered, but the suite has no login to begin with");
    Err(Stop::NotApplicable(evidence))
}
