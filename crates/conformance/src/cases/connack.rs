//! Cases of CONNACK.

use super::connect::require_refusal;
use crate::peer::Event;
use crate::raw::property::{byte, four, id, text};
use crate::raw::{Connack, Connect, Content, Kind, PINGREQ, Publish, Will, hex, words};
use crate::{Case, Context, Peer, Stop};

/// The Connect Reason Codes of 5.0.
const CODES: [u8; 22] = [
    0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97, 0x99,
    0x9A, 0x9B, 0x9C, 0x9D, 0x9F,
];

/// All of them.
pub(super) const CASES: &[Case] = &[
    Case {
        ids: &["v3.1.1 MQTT-3.1.4-4", "v5 MQTT-3.1.4-5", "v5 MQTT-3.2.2-1"],
        name: "A valid CONNECT is answered with CONNACK 0x00 and nothing in the reserved flags",
        run: accepted,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.2.0-1", "v5 MQTT-3.2.0-1"],
        name: "CONNACK comes before the messages that waited",
        run: before_waiting_messages,
    },
    Case {
        ids: &["v5 MQTT-3.2.0-2"],
        name: "A connection sees one CONNACK, even after a second CONNECT",
        run: only_one,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.2.2-1", "v5 MQTT-3.2.2-2"],
        name: "A clean session gets Session Present 0 although one was stored",
        run: clean_after_stored,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.2.2-2", "v3.1.1 MQTT-3.2.2-3", "v5 MQTT-3.2.2-3"],
        name: "Session Present tells whether a session was stored",
        run: present_or_not,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.2.2-4", "v3.1.1 MQTT-3.2.2-5", "v5 MQTT-3.2.2-6", "v5 MQTT-3.2.2-7"],
        name: "A refusing CONNACK has Session Present 0 and is followed by the end",
        run: refusing,
    },
    Case { ids: &["v5 MQTT-3.2.2-8"], name: "A CONNACK uses only Connect Reason Codes", run: listed_codes },
    Case {
        ids: &["v5 MQTT-3.2.2-9"],
        name: "Without Maximum QoS in the CONNACK, QoS 2 works; with it, it is 0 or 1",
        run: maximum_qos,
    },
    Case {
        ids: &["v5 MQTT-3.2.2-10", "v5 MQTT-3.2.2-11", "v5 MQTT-3.2.2-12"],
        name: "A server with a Maximum QoS takes subscriptions above it and refuses messages and wills above it",
        run: above_maximum_qos,
    },
    Case {
        ids: &["v5 MQTT-3.2.2-13", "v5 MQTT-3.2.2-14"],
        name: "A server without retained messages refuses retained messages and wills",
        run: retained_will,
    },
    Case {
        ids: &["v5 MQTT-3.2.2-15"],
        name: "A packet above the server's Maximum Packet Size ends the connection",
        run: maximum_packet_size,
    },
    Case {
        ids: &["v5 MQTT-3.2.2-19", "v5 MQTT-3.2.2-20"],
        name: "A refusing CONNACK keeps to the client's Maximum Packet Size",
        run: small_refusal,
    },
    Case {
        ids: &["v5 MQTT-3.1.2-28"],
        name: "Response Information comes only to those who asked",
        run: response_information,
    },
];

/// A CONNECT that every server refuses which does not know the method.
pub(super) fn unknown_method(connect: Connect) -> Connect {
    connect.property(text(id::AUTHENTICATION_METHOD, "NO-SUCH"))
}

/// A CONNECT that the server refuses with a CONNACK, or it does not apply.
fn provoke_refusal(cx: &Context, connect: &Connect) -> Result<(Peer, Connack, Vec<u8>), Stop> {
    let mut peer = cx.open()?;
    peer.send(connect)?;
    let event = peer.next_event()?;
    match &event {
        Event::Closed => Err(Stop::NotApplicable("the refusal is a plain close".to_owned())),
        Event::Packet(packet) => match &packet.content {
            Content::Connack(connack) if connack.code != 0 => {
                Ok((peer, connack.clone(), packet.bytes.clone()))
            }
            // Whether it has to be refused is what other cases are about.
            Content::Connack(_) => {
                Err(Stop::NotApplicable(format!("a CONNECT to be refused is accepted: {}", words(packet))))
            }
            _ => Err(peer.fail_with("a refusing CONNACK", packet)),
        },
        Event::Silence => Err(peer.fail("a refusing CONNACK", format!("{event:?}"))),
    }
}

fn accepted(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.open()?;
    peer.send(&cx.hello("a"))?;
    let packet = peer.expect(Kind::Connack)?;
    let right = if cx.v5() {
        packet.first() == 0x20 && packet.bytes.get(2..4) == Some(&[0, 0])
    } else {
        packet.bytes == [0x20, 0x02, 0x00, 0x00]
    };
    if right { peer.leave() } else { Err(peer.fail_with("CONNACK with flags 0x00 and code 0x00", &packet)) }
}

fn before_waiting_messages(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut sleeper = cx.accept(&cx.staying("s"))?;
    sleeper.subscribe(&topic, 1)?;
    sleeper.leave()?;
    let mut publisher = cx.peer("p")?;
    publisher.publish(&Publish::new(&topic, "waited").qos(1, 1))?;
    // `accept` fails if another packet is the first.
    let mut sleeper = cx.accept(&cx.staying("s"))?;
    let publish = sleeper.expect_payload("waited")?;
    sleeper.acknowledge(&publish)?;
    sleeper.leave()?;
    cx.peer("s")?.leave()
}

fn only_one(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.peer("a")?;
    peer.send(&PINGREQ)?;
    peer.send(&cx.hello("a"))?;
    peer.expect(Kind::Pingresp)?;
    let mut wait = peer.wait_for("the end of the connection");
    while let Event::Packet(packet) = peer.next_in(&mut wait)? {
        if packet.kind() == Kind::Connack {
            return Err(peer.fail_with("no second CONNACK", &packet));
        }
    }
    Ok(())
}

fn require_present(peer: &Peer, present: bool) -> Result<(), Stop> {
    let expected = format!("Session Present {}", u8::from(present));
    let flags = peer.connack().flags;
    peer.require(flags == u8::from(present), &expected, format!("CONNACK flags 0x{flags:02X}"))
}

fn clean_after_stored(cx: &Context) -> Result<(), Stop> {
    cx.accept(&cx.staying("a"))?.leave()?;
    let clean = cx.peer("a")?;
    require_present(&clean, false)?;
    clean.leave()
}

fn present_or_not(cx: &Context) -> Result<(), Stop> {
    let first = cx.accept(&cx.staying("a"))?;
    require_present(&first, false)?;
    first.leave()?;
    let second = cx.accept(&cx.staying("a"))?;
    require_present(&second, true)?;
    second.leave()?;
    cx.peer("a")?.leave()
}

fn refusing(cx: &Context) -> Result<(), Stop> {
    cx.accept(&cx.staying("a"))?.leave()?;
    let connect = if cx.v5() { unknown_method(cx.staying("a")) } else { cx.staying("a").level(9) };
    let (mut peer, connack, bytes) = provoke_refusal(cx, &connect)?;
    peer.require(connack.flags == 0, "a refusing CONNACK with flags 0x00", hex(&bytes))?;
    peer.expect_close(&[])?;
    cx.accept(&cx.hello("a").property(four(id::SESSION_EXPIRY, 0)))?.leave()
}

fn listed_codes(cx: &Context) -> Result<(), Stop> {
    let broken = [
        unknown_method(cx.hello("a")),
        cx.hello("a").flags(0x03),
        cx.hello("a").tail("x"),
        cx.hello("a").property(byte(id::MAXIMUM_QOS, 1)),
        cx.hello("a").will(Will::new("a/#", "x")),
        Connect::new(b"\xFF"),
    ];
    let mut refused = false;
    for connect in broken {
        let mut peer = cx.open()?;
        peer.send(&connect)?;
        if accepts(&mut peer)? {
            continue;
        }
        refused = true;
        if let Some(code) = require_refusal(cx, &mut peer, "a refusal or the end of the connection")? {
            peer.require(CODES.contains(&code), "a Connect Reason Code", format!("0x{code:02X}"))?;
        }
    }
    if refused { Ok(()) } else { Err(Stop::NotApplicable("no CONNECT is refused".to_owned())) }
}

/// Whether the next packet is a CONNACK that accepts; it is left to be read.
pub(super) fn accepts(peer: &mut Peer) -> Result<bool, Stop> {
    let event = peer.peek()?;
    let Event::Packet(packet) = event else { return Ok(false) };
    Ok(matches!(&packet.content, Content::Connack(connack) if connack.code == 0))
}

fn maximum_qos(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.peer("a")?;
    match peer.connack().properties.number(id::MAXIMUM_QOS) {
        Some(maximum) => peer.require(maximum <= 1, "Maximum QoS 0 or 1", maximum.to_string()),
        None => peer.publish(&Publish::new(cx.topic("a"), "x").qos(2, 1)),
    }
}

fn above_maximum_qos(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.peer("a")?;
    if !peer.connack().properties.has(id::MAXIMUM_QOS) {
        return Err(Stop::NotApplicable("the CONNACK has no Maximum QoS, so all are taken".to_owned()));
    }
    peer.subscribe(cx.topic("a"), 2)?;
    let mut refused = cx.open()?;
    refused.send(&cx.hello("b").will(Will::new(cx.topic("will"), "x").qos(2)))?;
    refused.expect_close(&[0x9B])?;
    peer.send(&Publish::new(cx.topic("a"), "x").qos(2, 1))?;
    peer.expect_close(&[0x9B])
}

fn retained_will(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.peer("a")?;
    if peer.connack().properties.number(id::RETAIN_AVAILABLE) != Some(0) {
        return Err(Stop::NotApplicable("the CONNACK does not say Retain Available 0".to_owned()));
    }
    let mut refused = cx.open()?;
    refused.send(&cx.hello("b").will(Will::new(cx.topic("will"), "x").retained()))?;
    refused.expect_close(&[0x9A])?;
    peer.send(&Publish::new(cx.topic("a"), "x").retained())?;
    peer.expect_close(&[0x9A])
}

fn maximum_packet_size(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.peer("a")?;
    let Some(maximum) = peer.connack().properties.number(id::MAXIMUM_PACKET_SIZE) else {
        return Err(Stop::NotApplicable("the CONNACK has no Maximum Packet Size".to_owned()));
    };
    let Some(length) = usize::try_from(maximum).ok().filter(|length| *length <= 64 << 20) else {
        let evidence = format!("the Maximum Packet Size of {maximum} bytes is too much to send in a test");
        return Err(Stop::NotApplicable(evidence));
    };
    // With its fixed header this is a few bytes too long.
    peer.send(&Publish::new(cx.topic("a"), vec![b'x'; length]))?;
    peer.expect_close(&[0x95])
}

fn small_refusal(cx: &Context) -> Result<(), Stop> {
    let connect = unknown_method(cx.hello("a")).property(four(id::MAXIMUM_PACKET_SIZE, 20));
    let (mut peer, _, bytes) = provoke_refusal(cx, &connect)?;
    peer.require(bytes.len() <= 20, "a CONNACK of at most 20 bytes", hex(&bytes))?;
    peer.expect_close(&[])
}

fn response_information(cx: &Context) -> Result<(), Stop> {
    for connect in [cx.hello("a"), cx.hello("a").property(byte(id::REQUEST_RESPONSE_INFORMATION, 0))] {
        let mut peer = cx.open()?;
        peer.send(&connect)?;
        let packet = peer.expect(Kind::Connack)?;
        if let Content::Connack(connack) = &packet.content {
            let absent = connack.code == 0 && !connack.properties.has(id::RESPONSE_INFORMATION);
            peer.require(
                absent,
                "CONNACK 0x00 without Response Information (property 0x1A)",
                words(&packet),
            )?;
        }
        peer.leave()?;
    }
    Ok(())
}
