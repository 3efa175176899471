//! User Name and Password, with their flags.

use super::format::refused;
use super::require_refusal;
use crate::peer::Event;
use crate::raw::{Kind, words};
use crate::{Case, Context, Stop};

pub(super) const CASES: &[Case] = &[
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-18", "v5 MQTT-3.1.2-16", "v3.1.1 MQTT-3.1.2-20", "v5 MQTT-3.1.2-18"],
        name: "A field that no flag announces is malformed",
        run: |cx| {
            refused(
                cx,
                &[cx.hello("a").user_name("user").flags(0x02), cx.hello("a").password("x").flags(0x02)],
            )
        },
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-19", "v5 MQTT-3.1.2-17"],
        name: "User Name Flag 1 without a User Name is malformed",
        run: |cx| refused(cx, &[cx.hello("a").flags(0x82)]),
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-21", "v5 MQTT-3.1.2-19"],
        name: "Password Flag 1 without a Password is malformed",
        run: |cx| refused(cx, &[cx.hello("a").user_name("user").flags(0xC2)]),
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-22"],
        name: "Password Flag 1 with User Name Flag 0 is malformed",
        run: |cx| refused(cx, &[cx.hello("a").password("secret").flags(0x42)]),
    },
    Case {
        ids: &["v5 MQTT-3.1.2-19"],
        name: "A Password without a User Name is allowed",
        run: password_alone,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.3-11", "v5 MQTT-3.1.3-12"],
        name: "A User Name that is not UTF-8 is malformed",
        run: not_utf8,
    },
    Case {
        ids: &["v5 MQTT-3.1.4-2"],
        name: "A CONNECT that fails the server's checks ends with the connection closed",
        run: wrong_login,
    },
];

/// Return code 0x04 of 3.1.1 says that the data in the User Name or Password is malformed.
fn not_utf8(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.open()?;
    peer.send(&cx.hello("a").user_name(b"\xFFuser"))?;
    require_refusal(cx, &mut peer, "a refusal or the end of the connection").map(drop)
}

fn password_alone(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.open()?;
    peer.send(&cx.hello("a").password("secret"))?;
    let packet = peer.expect(Kind::Connack)?;
    match packet.bytes.get(3) {
        Some(0) => peer.leave(),
        Some(0x86 | 0x87) => Err(Stop::NotApplicable(format!("the login is refused: {}", words(&packet)))),
        _ => {
            Err(peer
                .fail_with("CONNACK with code 0x00, or with 0x86 or 0x87 where the login is wrong", &packet))
        }
    }
}

fn wrong_login(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.open()?;
    peer.send(&cx.hello("a").user_name(cx.client_id("nobody")).password("wrong"))?;
    let event = peer.next_event()?;
    let Event::Packet(packet) = event else {
        return peer.require(event == Event::Closed, "CONNACK or the end", "nothing");
    };
    match (packet.kind(), packet.bytes.get(3)) {
        (Kind::Connack, Some(0)) => {
            Err(Stop::NotApplicable(format!("the server takes any login: {}", words(&packet))))
        }
        (Kind::Connack, Some(0x86 | 0x87)) => require_refusal(cx, &mut peer, "the end").map(drop),
        _ => Err(peer.fail_with("CONNACK with code 0x86 or 0x87, or the end of the connection", &packet)),
    }
}
