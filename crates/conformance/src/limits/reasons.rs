//! What a server says where the standard leaves it to it whether it says anything: reasons, in words and by code.

use std::time::Duration;

use super::{Bounds, Found, Probe};
use crate::peer::Event;
use crate::raw::property::{Properties, id, text};
use crate::raw::{Content, Encode, Kind, Packet, Publish, Subscribe, Unsubscribe, pubrec, pubrel, words};
use crate::{Context, Peer, Stop};

/// The searches of this file.
pub(super) const PROBES: &[Probe] = &[
    Probe::v5("Reason Strings", reason_strings),
    Probe::v5("PUBREL under an unknown identifier gets", unknown_pubrel),
    Probe::v5("Shared QoS 1 messages of a member that goes", passed_on),
];

/// A Packet Identifier that no exchange has.
const UNKNOWN: u16 = 77;
/// So many levels are more than many servers take.
const LEVELS: usize = 300;
/// How long a message may take to go to another member.
const PASSING: Duration = Duration::from_secs(2);

/// The answer to a packet, as far as there is one with a code.
fn answer(peer: &mut Peer, packet: &dyn Encode) -> Result<Option<(Packet, u8, Properties)>, Stop> {
    peer.send(packet)?;
    let Event::Packet(packet) = peer.next_event()? else { return Ok(None) };
    let (code, properties) = match &packet.content {
        Content::Connack(connack) => (Some(connack.code), connack.properties.clone()),
        Content::Ack(ack) => (Some(ack.code), ack.properties.clone()),
        Content::Answer(answer) => (answer.codes.first().copied(), answer.properties.clone()),
        Content::Reason(code, properties) => (Some(*code), properties.clone()),
        Content::Publish(_)
        | Content::Connect(_)
        | Content::Request(_)
        | Content::Other
        | Content::Unreadable => (None, Properties::default()),
    };
    Ok(code.map(|code| (packet, code, properties)))
}

/// Brings a server to refuse, packet by packet, and looks where it says why in words.
fn reason_strings(cx: &Context, _: Bounds) -> Result<Found, Stop> {
    let sys = format!("$SYS/{}", cx.topic("a"));
    let method = text(id::AUTHENTICATION_METHOD, "no such method");
    // Below its own topic, so that nobody else's messages come if the server takes it.
    let deep = cx.topic(&"a/".repeat(LEVELS));
    let refused: [Box<dyn Encode>; 9] = [
        Box::new(Subscribe::new(1).filter("$share/g+/t", 0)),
        Box::new(Subscribe::new(1).filter(deep, 0)),
        Box::new(Unsubscribe::new(2).filter(cx.topic("never"))),
        Box::new(Publish::new(&sys, "x").qos(1, 3)),
        Box::new(Publish::new(&sys, "x").qos(2, 4)),
        Box::new(pubrec(UNKNOWN)),
        Box::new(pubrel(UNKNOWN)),
        Box::new(Publish::new(cx.topic("a"), "x").qos(3, 5)),
        Box::new(cx.hello("a")),
    ];
    let mut answers = vec![answer(&mut cx.open()?, &cx.hello("a").property(method))?];
    for packet in &refused {
        answers.push(answer(&mut cx.peer("a")?, packet.as_ref())?);
    }
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for (packet, code, properties) in answers.into_iter().flatten() {
        // 0x10 and 0x11 are no errors, but what a client may wonder about.
        let list = match (properties.has(id::REASON_STRING), code) {
            (true, _) => &mut with,
            (false, 0x10..) => &mut without,
            (false, _) => continue,
        };
        let name = format!("{} 0x{code:02X}", packet.kind().name());
        if !list.contains(&name) {
            list.push(name);
        }
    }
    let (with, without) = (with.join(", "), without.join(", "));
    Ok(match (with.is_empty(), without.is_empty()) {
        (true, true) => Found::new("unknown", "by trial: nothing that is wrong was answered with a code"),
        (true, false) => Found::no(format!("by trial: not in {without}")),
        (false, true) => Found::yes(format!("by trial: in {with}")),
        (false, false) => Found::yes(format!("by trial: in {with}; not in {without}")),
    })
}

/// Section 3.7.2.1 has 0x92 for it, but does not bind the server to say so.
fn unknown_pubrel(cx: &Context, _: Bounds) -> Result<Found, Stop> {
    let mut peer = cx.peer("a")?;
    Ok(match answer(&mut peer, &pubrel(UNKNOWN))? {
        Some((packet, code, _)) => {
            Found::new(format!("0x{code:02X}"), format!("by trial: {}", words(&packet)))
        }
        None => Found::new("unknown", "by trial: it is not answered"),
    })
}

/// Section 4.8.2: a QoS 1 message whose member's session ends before PUBACK should go to another member.
fn passed_on(cx: &Context, _: Bounds) -> Result<Found, Stop> {
    let topic = cx.topic("a");
    let filter = format!("$share/group/{topic}");
    let (mut member, mut publisher) = (cx.peer("s")?, cx.peer("p")?);
    if member.connack().properties.number(id::SHARED_AVAILABLE) == Some(0) {
        return Ok(Found::new("none", "CONNACK says Shared Subscription Available 0"));
    }
    if member.subscribe(&filter, 1)? < 1 {
        return Ok(Found::new("none", "SUBACK grants QoS 0 for 1"));
    }
    publisher.publish(&Publish::new(&topic, "x").qos(1, 1))?;
    member.expect_payload("x")?;
    let mut other = cx.peer("t")?;
    other.subscribe(&filter, 1)?;
    member.cut();
    let mut wait = other.wait_within(Kind::Publish.name(), cx.patience().min(PASSING));
    let came = other.next_in(&mut wait)?;
    Ok(match came {
        Event::Packet(packet) if packet.publish().is_some_and(|publish| publish.payload == b"x") => {
            Found::new("passed on", "by trial: another member gets it, as it should (section 4.8.2)")
        }
        Event::Packet(_) | Event::Closed | Event::Silence => {
            Found::new("dropped", "by trial: no other member gets it, though one should (section 4.8.2)")
        }
    })
}
