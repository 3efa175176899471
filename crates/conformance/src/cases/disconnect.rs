//! Cases of DISCONNECT, and of what makes a server send it.

use std::time::Duration;

use crate::peer::Event;
use crate::raw::property::{Properties, four, id};
use crate::raw::{
    Content, Encode, Kind, PINGREQ, Packet, Publish, Subscribe, Unsubscribe, Will, disconnect, frame, hex,
    words,
};
use crate::{Case, Context, Peer, Stop};

/// The Disconnect Reason Codes of 5.0 that a server may use.
const CODES: [u8; 28] = [
    0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97,
    0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2,
];

/// The Maximum Packet Size of a client that takes no long explanations: a DISCONNECT without properties
/// has four bytes.
const SIZE_MAX: usize = 16;

/// All of them.
pub(super) const CASES: &[Case] = &[
    Case {
        ids: &["v3.1.1 MQTT-3.14.1-1"],
        name: "A DISCONNECT with flags ends the connection and leaves the will in force",
        run: wrong_disconnect,
    },
    Case {
        ids: &["v5 MQTT-3.14.1-1"],
        name: "A DISCONNECT with flags is malformed and leaves the will in force",
        run: wrong_disconnect,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.14.4-3", "v5 MQTT-3.14.4-3"],
        name: "DISCONNECT throws the will away",
        run: no_will,
    },
    Case { ids: &["v5 MQTT-3.14.4-3"], name: "DISCONNECT 0x04 publishes the will", run: with_will },
    Case {
        ids: &["v5 MQTT-3.14.0-1"],
        name: "No DISCONNECT comes before a CONNACK that accepts",
        run: not_before_connack,
    },
    Case {
        ids: &["v5 MQTT-3.14.2-1", "v5 MQTT-3.14.2-2"],
        name: "A DISCONNECT has a code that servers use and no Session Expiry Interval",
        run: code_and_properties,
    },
    Case {
        ids: &["v5 MQTT-3.14.2-3", "v5 MQTT-3.14.2-4"],
        name: "A DISCONNECT keeps to the client's Maximum Packet Size",
        run: small,
    },
    Case {
        ids: &["v5 MQTT-3.14.4-1", "v5 MQTT-3.14.4-2"],
        name: "After its DISCONNECT the server sends nothing more and closes the connection",
        run: nothing_after,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.8.0-1", "v5 MQTT-4.13.1-1", "v5 MQTT-4.13.2-1"],
        name: "Every packet that breaks the protocol ends the connection",
        run: violations_end_it,
    },
    Case {
        // Section 3.14.2.2.2.
        ids: &["v5 MQTT-4.13.1-1"],
        name: "A DISCONNECT that lets a session stay that CONNECT did not is an error, and no valid DISCONNECT",
        run: late_expiry,
    },
    Case {
        ids: &["v3.1.1 MQTT-2.2.2-2", "v5 MQTT-2.1.3-1"],
        name: "Wrong fixed-header flags end the connection",
        run: wrong_flags,
    },
];

/// Packets after an accepted CONNECT that break the protocol, with what is wrong.
fn violations(cx: &Context) -> Vec<(&'static str, Vec<u8>)> {
    let version = cx.version();
    let topic = cx.topic("a");
    let mut packets = vec![
        ("packet type 0", vec![0x00, 0x00]),
        ("packet type 15 or an AUTH out of place", vec![0xF0, 0x00]),
        ("a Remaining Length of five bytes", vec![0x30, 0x80, 0x80, 0x80, 0x80, 0x01]),
        ("CONNACK from a client", vec![0x20, 0x02, 0x00, 0x00]),
        ("SUBACK from a client", vec![0x90, 0x03, 0x00, 0x01, 0x00]),
        ("UNSUBACK from a client", vec![0xB0, 0x02, 0x00, 0x01]),
        ("PUBLISH without a topic field", vec![0x30, 0x00]),
        ("PUBLISH that ends within its topic", vec![0x30, 0x01, 0x00]),
        ("PUBACK with half an identifier", vec![0x40, 0x01, 0x00]),
        ("PUBACK without an identifier", vec![0x40, 0x00]),
        ("SUBSCRIBE with half an identifier", vec![0x82, 0x01, 0x00]),
        ("UNSUBSCRIBE without an identifier", vec![0xA2, 0x00]),
        ("PINGREQ with a body", vec![0xC0, 0x01, 0x00]),
        ("PUBLISH with QoS 3", Publish::new(&topic, "x").qos(3, 1).encode(version)),
        ("PUBLISH to a topic that is not UTF-8", Publish::new(b"\xFF", "x").encode(version)),
        ("PUBLISH to a topic with a wildcard", Publish::new(format!("{topic}/#"), "x").encode(version)),
        ("SUBSCRIBE without a filter", Subscribe::new(1).encode(version)),
        ("UNSUBSCRIBE without a filter", Unsubscribe::new(1).encode(version)),
        ("SUBSCRIBE with QoS 3", Subscribe::new(1).filter(&topic, 3).encode(version)),
    ];
    if !cx.v5() {
        packets.push(("DISCONNECT with a body", vec![0xE0, 0x01, 0x00]));
    }
    packets
}

/// How a server takes a packet that breaks the protocol.
enum Reaction {
    /// It answers a PINGREQ afterwards, or does nothing.
    Unmoved,
    /// It closes the connection and says nothing.
    Closed,
    /// It sends this DISCONNECT and closes the connection.
    Disconnect(Packet, u8, Properties),
}

/// Sends the packet and a PINGREQ, the answer to which would show that the server goes on.
fn provoke(peer: &mut Peer, packet: &[u8]) -> Result<Reaction, Stop> {
    peer.send(&[packet, &PINGREQ].concat())?;
    let mut last = None;
    let mut wait = peer.wait_for("PINGRESP or the end of the connection");
    loop {
        let came = match peer.next_in(&mut wait)? {
            Event::Closed => {
                let named = |(packet, code, properties)| Reaction::Disconnect(packet, code, properties);
                return Ok(last.map_or(Reaction::Closed, named));
            }
            Event::Silence if last.is_some() => {
                return Err(peer.fail("the end of the connection after DISCONNECT", "nothing"));
            }
            Event::Silence => return Ok(Reaction::Unmoved),
            Event::Packet(came) if last.is_some() => {
                return Err(peer.fail_with("nothing after DISCONNECT", &came));
            }
            Event::Packet(came) => came,
        };
        match (came.kind(), &came.content) {
            (Kind::Pingresp, _) => return Ok(Reaction::Unmoved),
            (Kind::Disconnect, Content::Reason(code, properties)) => {
                last = Some((came.clone(), *code, properties.clone()));
            }
            // An acknowledgement with a code of its own may come before the end.
            _ => {}
        }
    }
}

fn violations_end_it(cx: &Context) -> Result<(), Stop> {
    let mut faults = Vec::new();
    for (wrong, packet) in violations(cx) {
        let mut peer = cx.peer("a")?;
        match provoke(&mut peer, &packet)? {
            Reaction::Closed => {}
            Reaction::Disconnect(_, code, _) if cx.v5() && code >= 0x80 => {}
            Reaction::Disconnect(came, ..) => faults.push((wrong, packet, words(&came))),
            Reaction::Unmoved => faults.push((wrong, packet, "the connection goes on".to_owned())),
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    let sent: Vec<String> =
        faults.iter().map(|(wrong, packet, _)| format!("{wrong}: {}", hex(packet))).collect();
    let came: Vec<String> = faults.iter().map(|(wrong, _, came)| format!("{wrong}: {came}")).collect();
    let expected = "the end of the connection, in 5.0 possibly after a DISCONNECT of 0x80 or above";
    Err(Stop::failed(sent.join("\n"), expected, came.join("\n")))
}

fn wrong_flags(cx: &Context) -> Result<(), Stop> {
    let version = cx.version();
    let topic = cx.topic("a");
    let mut packets =
        vec![vec![0xC1, 0x00], vec![0xC2, 0x00], vec![0x41, 0x02, 0x00, 0x01], vec![0x72, 0x02, 0x00, 0x01]];
    for (first, packet) in [
        (0x80, Subscribe::new(1).filter(&topic, 0).encode(version)),
        (0x83, Subscribe::new(1).filter(&topic, 0).encode(version)),
        (0xA0, Unsubscribe::new(1).filter(&topic).encode(version)),
        (0x60, vec![0x62, 0x02, 0x00, 0x01]),
    ] {
        packets.push(frame(first, packet.get(2..).unwrap_or_default()));
    }
    for packet in packets {
        let mut peer = cx.peer("a")?;
        peer.send(&packet)?;
        peer.expect_close(&[0x81])?;
    }
    Ok(())
}

/// A client with a will, and somebody who watches for it and for the fence.
fn testator(cx: &Context) -> Result<(Peer, Peer), Stop> {
    let topic = cx.topic("will");
    let mut watcher = cx.peer("w")?;
    watcher.subscribe(&topic, 0)?;
    let peer = cx.accept(&cx.hello("a").will(Will::new(&topic, "gone")))?;
    Ok((peer, watcher))
}

/// That the server checks the flags is seen by the will: DISCONNECT without them would have removed it.
fn wrong_disconnect(cx: &Context) -> Result<(), Stop> {
    let (mut peer, mut watcher) = testator(cx)?;
    peer.send(&[0xE1, 0x00])?;
    peer.expect_close(&[0x81])?;
    watcher.expect_payload("gone")?;
    Ok(())
}

fn no_will(cx: &Context) -> Result<(), Stop> {
    let (peer, mut watcher) = testator(cx)?;
    peer.leave()?;
    // A will may take another way than a message, so a fence alone would not show that it is gone.
    cx.wait(Duration::from_millis(500));
    let mut publisher = cx.peer("p")?;
    let came = cx.drain(&mut publisher, &mut watcher)?;
    watcher.require_no_publish(&came, "no will after DISCONNECT")
}

fn with_will(cx: &Context) -> Result<(), Stop> {
    let (peer, mut watcher) = testator(cx)?;
    peer.leave_with(&disconnect().code(0x04))?;
    watcher.expect_payload("gone")?;
    Ok(())
}

/// The server closes, and as after any other error the will comes; the session ends as CONNECT said.
fn late_expiry(cx: &Context) -> Result<(), Stop> {
    let zero = cx.hello("a").property(four(id::SESSION_EXPIRY, 0));
    for connect in [cx.hello("a"), zero] {
        let topic = cx.topic("will");
        let mut watcher = cx.peer("w")?;
        watcher.subscribe(&topic, 0)?;
        let mut peer = cx.accept(&connect.will(Will::new(&topic, "gone")))?;
        peer.send(&disconnect().property(four(id::SESSION_EXPIRY, 120)))?;
        peer.expect_close(&[0x82])?;
        watcher.expect_payload("gone")?;
        let again = cx.accept(&cx.staying("a"))?;
        let present = again.session_present();
        again.require(!present, "Session Present 0 after such a DISCONNECT", "1")?;
        again.leave()?;
        cx.peer("a")?.leave()?;
        watcher.leave()?;
    }
    Ok(())
}

fn not_before_connack(cx: &Context) -> Result<(), Stop> {
    let version = cx.version();
    let firsts = [
        PINGREQ.to_vec(),
        vec![0xE1, 0x00],
        vec![0x00, 0x00],
        vec![0x10, 0x80, 0x80, 0x80, 0x80, 0x01],
        cx.hello("a").flags(0x03).encode(version),
        cx.hello("a").tail("x").encode(version),
        super::connack::unknown_method(cx.hello("a")).encode(version),
        Publish::new(cx.topic("a"), "x").encode(version),
    ];
    for first in firsts {
        let mut peer = cx.open()?;
        peer.send(&first)?;
        match peer.next_event()? {
            Event::Closed => {}
            // Whether it refuses is what other cases are about.
            Event::Packet(packet) if packet.kind() == Kind::Connack => {}
            Event::Packet(packet) => return Err(peer.fail_with("a CONNACK or the end", &packet)),
            Event::Silence => return Err(peer.fail("a CONNACK or the end", "nothing")),
        }
    }
    Ok(())
}

fn code_and_properties(cx: &Context) -> Result<(), Stop> {
    let mut seen = 0;
    for (_, packet) in violations(cx) {
        let mut peer = cx.accept(&cx.staying("a"))?;
        let Reaction::Disconnect(came, code, properties) = provoke(&mut peer, &packet)? else { continue };
        seen += 1;
        if !CODES.contains(&code) || properties.has(id::SESSION_EXPIRY) {
            return Err(peer.fail_with("DISCONNECT with a code of servers and without property 0x11", &came));
        }
    }
    cx.peer("a")?.leave()?;
    if seen == 0 { Err(silent()) } else { Ok(()) }
}

fn silent() -> Stop {
    Stop::NotApplicable("no violation made the server send a DISCONNECT".to_owned())
}

fn small(cx: &Context) -> Result<(), Stop> {
    let size = u32::try_from(SIZE_MAX).unwrap_or(u32::MAX);
    let mut seen = false;
    for (_, packet) in violations(cx) {
        let mut peer = cx.open()?;
        peer.send(&cx.hello("a").property(four(id::MAXIMUM_PACKET_SIZE, size)))?;
        // A CONNACK may not fit; then the server says nothing at all.
        if peer.peek()? == Event::Closed {
            return Err(Stop::NotApplicable("no CONNACK of the server fits into 16 bytes".to_owned()));
        }
        peer.expect_connack()?;
        let Reaction::Disconnect(came, ..) = provoke(&mut peer, &packet)? else { continue };
        seen = true;
        if came.bytes.len() > SIZE_MAX {
            return Err(peer.fail_with("a DISCONNECT of at most 16 bytes", &came));
        }
    }
    if seen { Ok(()) } else { Err(silent()) }
}

fn nothing_after(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut seen = false;
    for (_, packet) in violations(cx) {
        let mut peer = cx.peer("a")?;
        peer.subscribe(&topic, 0)?;
        // What follows would be answered, with a message to the subscription too.
        let more = Publish::new(&topic, "late").encode(cx.version());
        seen |= matches!(provoke(&mut peer, &[packet, more].concat())?, Reaction::Disconnect(..));
    }
    if seen { Ok(()) } else { Err(silent()) }
}
