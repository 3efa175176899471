//! CONNECT packets that are not formed as section 3.1 demands.

use super::{MALFORMED, require_refusal};
use crate::raw::property::{byte, four, id};
use crate::raw::{Connect, Encode, Will, frame};
use crate::{Case, Context, Stop};

pub(super) const CASES: &[Case] = &[
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-1", "v5 MQTT-3.1.2-1"],
        name: "A CONNECT with another protocol name is not accepted",
        run: protocol_name,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-2"],
        name: "An unknown protocol level is answered with CONNACK 0x01 and the end",
        run: protocol_level,
    },
    Case { ids: &["v5 MQTT-3.1.2-2"], name: "An unknown protocol version is refused", run: protocol_version },
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-3", "v5 MQTT-3.1.2-3"],
        name: "A CONNECT with the reserved flag set is refused",
        run: |cx| refused(cx, &[cx.hello("a").flags(0x03)]),
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-9", "v5 MQTT-3.1.2-9"],
        name: "Will Flag 1 without the fields of a will is malformed",
        run: |cx| refused(cx, &[cx.hello("a").flags(0x06)]),
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-11"],
        name: "Will Flag 0 with Will QoS or Will Retain is malformed",
        run: |cx| refused(cx, &[0x0A, 0x12, 0x22].map(|flags| cx.hello("a").flags(flags))),
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-13", "v5 MQTT-3.1.2-11"],
        name: "Will QoS without Will Flag is malformed",
        run: |cx| refused(cx, &[0x0A, 0x12].map(|flags| cx.hello("a").flags(flags))),
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-14", "v5 MQTT-3.1.2-12"],
        name: "Will QoS 3 is malformed",
        run: |cx| refused(cx, &[cx.hello("a").will(Will::new(cx.topic("will"), "x").qos(3))]),
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-15", "v5 MQTT-3.1.2-13"],
        name: "Will Retain without Will Flag is malformed",
        run: |cx| refused(cx, &[cx.hello("a").flags(0x22)]),
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.3-10", "v5 MQTT-3.1.3-11"],
        name: "A Will Topic that is not UTF-8 is malformed",
        run: |cx| refused(cx, &[cx.hello("a").will(Will::new(b"a\xFF", "x"))]),
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.4-1", "v5 MQTT-3.1.4-1"],
        name: "A CONNECT that is too short, too long or has wrong fixed-header flags is malformed",
        run: wrong_lengths,
    },
    Case {
        ids: &["v5 MQTT-3.1.4-1"],
        name: "A CONNECT with an unknown, foreign, repeated or out-of-range property is refused",
        run: wrong_properties,
    },
];

/// Each of these CONNECTs is refused: without a CONNACK in 3.1.1, with or without one in 5.0.
pub(super) fn refused(cx: &Context, connects: &[Connect]) -> Result<(), Stop> {
    for connect in connects {
        let mut peer = cx.open()?;
        peer.send(connect)?;
        peer.expect_close(&MALFORMED)?;
    }
    Ok(())
}

fn protocol_name(cx: &Context) -> Result<(), Stop> {
    for name in ["MQTX", "mqtt", "MQTTT", ""] {
        let mut peer = cx.open()?;
        peer.send(&cx.hello("a").protocol_name(name))?;
        let code = require_refusal(cx, &mut peer, "a refusal or the end of the connection")?;
        let listed = !cx.v5() || code.is_none_or(|code| [0x01, 0x81, 0x84].contains(&code));
        peer.require(listed, "CONNACK with code 0x84, or none", format!("code {code:02X?}"))?;
    }
    Ok(())
}

fn protocol_level(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.open()?;
    peer.send(&cx.hello("a").level(9))?;
    let code = require_refusal(cx, &mut peer, "CONNACK 20 02 00 01")?;
    peer.require(code == Some(0x01), "CONNACK 20 02 00 01", format!("code {code:02X?}"))
}

fn protocol_version(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.open()?;
    peer.send(&cx.hello("a").level(6))?;
    let code = require_refusal(cx, &mut peer, "a refusal or the end of the connection")?;
    // The answer may be written for 3.1.1, where 0x01 says the same.
    let listed = code.is_none_or(|code| [0x01, 0x84].contains(&code));
    peer.require(listed, "CONNACK with code 0x84, or none", format!("code {code:02X?}"))
}

fn wrong_lengths(cx: &Context) -> Result<(), Stop> {
    let whole = cx.hello("a").body(cx.version());
    let wrong_flags = frame(0x11, &whole);
    let mut broken: Vec<Vec<u8>> = vec![wrong_flags, cx.hello("a").tail("x").encode(cx.version())];
    for kept in [0, 1, 6, 7, 8, 10, whole.len() - 1] {
        broken.push(frame(0x10, whole.get(..kept).unwrap_or_default()));
    }
    for bytes in broken {
        let mut peer = cx.open()?;
        peer.send(&bytes)?;
        peer.expect_close(&[&MALFORMED[..], &[0x84]].concat())?;
    }
    Ok(())
}

fn wrong_properties(cx: &Context) -> Result<(), Stop> {
    let hello = || cx.hello("a");
    let expiry = || four(id::SESSION_EXPIRY, 1);
    refused(
        cx,
        &[
            hello().property(byte(0x7F, 0)),
            hello().property(byte(id::MAXIMUM_QOS, 1)),
            hello().property(expiry()).property(expiry()),
            hello().property(vec![id::RECEIVE_MAXIMUM, 0, 0]),
            hello().property(four(id::MAXIMUM_PACKET_SIZE, 0)),
            hello().property(byte(id::REQUEST_PROBLEM_INFORMATION, 2)),
            hello().property(byte(id::REQUEST_RESPONSE_INFORMATION, 2)),
            hello().property(vec![id::SESSION_EXPIRY, 0]),
        ],
    )
}
