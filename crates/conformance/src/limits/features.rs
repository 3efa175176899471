//! What a server may offer or not.

use super::search::echoes;
use super::{Bounds, Found, Probe};
use crate::peer::Event;
use crate::raw::property::{byte, four, id, number, text};
use crate::raw::{Connect, Kind, Publish, Subscribe, words};
use crate::{Context, Stop};

/// The searches of this file.
pub(super) const PROBES: &[Probe] = &[
    Probe::both("Retained messages", retained),
    Probe::both("Wildcards", wildcards),
    Probe::both("Shared subscriptions", shared),
    Probe::v5("Subscription Identifiers", subscription_ids),
    Probe::both("Client Identifiers given out", given_ids),
    Probe::both("Sessions that outlive their connection", sessions),
    Probe::both("Anonymous clients", anonymous),
    Probe::v5("Enhanced authentication (SCRAM-SHA-256)", authentication),
    Probe::v5("Response Information", response_information),
    Probe::both("Messages to a topic below $SYS from the server", sys),
    Probe::v31("MQTT 3.1 (protocol level 3)", level_3),
];

/// What the CONNACK says by a property that is 1 where it is absent.
fn denied(cx: &Context, property: u8, name: &str) -> Result<Option<Found>, Stop> {
    let peer = cx.peer("a")?;
    let denied = peer.connack().properties.number(property) == Some(0);
    Ok(denied.then(|| Found::no(format!("CONNACK says {name} 0"))))
}

fn retained(cx: &Context, _: Bounds) -> Result<Found, Stop> {
    if let Some(found) = denied(cx, id::RETAIN_AVAILABLE, "Retain Available")? {
        return Ok(found);
    }
    let topic = cx.topic("a");
    let mut peer = cx.peer("a")?;
    peer.publish(&Publish::new(&topic, "x").qos(1, 1).retained())?;
    peer.subscribe(&topic, 0)?;
    let came = peer.next_within(cx.patience())?;
    // The empty payload takes the message away again.
    peer.publish(&Publish::new(&topic, "").qos(1, 2).retained())?;
    Ok(match came {
        Event::Packet(packet) if packet.publish().is_some_and(|publish| publish.retain) => {
            Found::yes("by trial: a message comes to a later subscription")
        }
        Event::Packet(_) | Event::Closed | Event::Silence => {
            Found::no("by trial: none comes to a later subscription")
        }
    })
}

fn wildcards(cx: &Context, _: Bounds) -> Result<Found, Stop> {
    if let Some(found) = denied(cx, id::WILDCARD_AVAILABLE, "Wildcard Subscription Available")? {
        return Ok(found);
    }
    let publish = Publish::new(cx.topic("a/b"), "x");
    Ok(match (echoes(cx, &cx.topic("#"), &publish)?, echoes(cx, &cx.topic("+/b"), &publish)?) {
        (true, true) => Found::yes("by trial: # and + match"),
        (true, false) => Found::new("# only", "by trial"),
        (false, true) => Found::new("+ only", "by trial"),
        (false, false) => Found::no("by trial: neither # nor + matches"),
    })
}

/// Two members of a group get a message once between them.
fn shared(cx: &Context, _: Bounds) -> Result<Found, Stop> {
    if let Some(found) = denied(cx, id::SHARED_AVAILABLE, "Shared Subscription Available")? {
        return Ok(found);
    }
    let topic = cx.topic("a");
    let (mut one, mut two, mut publisher) = (cx.peer("s")?, cx.peer("t")?, cx.peer("p")?);
    for member in [&mut one, &mut two] {
        let subscribe = Subscribe::new(1).filter(format!("$share/group/{topic}"), 1);
        member.send(&subscribe)?;
        let answer = member.expect_answer(Kind::Suback, 1)?;
        if answer.codes != [0] && answer.codes != [1] {
            return Ok(Found::no(format!("SUBACK gives {:02X?}", answer.codes)));
        }
    }
    publisher.publish(&Publish::new(&topic, "x").qos(1, 1))?;
    let mut came = 0;
    for member in [&mut one, &mut two] {
        let packets = cx.drain(&mut publisher, member)?;
        came += packets.iter().filter(|packet| packet.kind() == Kind::Publish).count();
    }
    Ok(match came {
        1 => Found::yes("by trial: two members of a group get a message once"),
        _ => Found::no(format!("by trial: two members of a group get a message {came} times")),
    })
}

fn subscription_ids(cx: &Context, _: Bounds) -> Result<Found, Stop> {
    if let Some(found) = denied(cx, id::SUBSCRIPTION_ID_AVAILABLE, "Subscription Identifiers Available")? {
        return Ok(found);
    }
    let mut peer = cx.peer("a")?;
    let subscribe = Subscribe::new(1).filter(cx.topic("a"), 0).property(number(id::SUBSCRIPTION_ID, 7));
    peer.send(&subscribe)?;
    peer.expect_answer(Kind::Suback, 1)?;
    peer.send(&Publish::new(cx.topic("a"), "x"))?;
    let publish = peer.expect_payload("x")?;
    Ok(if publish.properties.number(id::SUBSCRIPTION_ID) == Some(7) {
        Found::yes("by trial: a message carries its identifier")
    } else {
        Found::no("by trial: a message comes without its identifier")
    })
}

/// Whether a CONNECT is accepted, with the answer in words.
fn accepted(cx: &Context, connect: &Connect) -> Result<(bool, String), Stop> {
    let mut peer = cx.open()?;
    peer.send(connect)?;
    Ok(match peer.next_event()? {
        Event::Packet(packet) => {
            let accepted = packet.kind() == Kind::Connack && packet.bytes.get(3) == Some(&0);
            (accepted, format!("by trial: {}", words(&packet)))
        }
        Event::Closed => (false, "by trial: the connection ends".to_owned()),
        Event::Silence => (false, "by trial: no answer".to_owned()),
    })
}

fn yes_or_no(cx: &Context, connect: &Connect) -> Result<Found, Stop> {
    let (accepted, how) = accepted(cx, connect)?;
    Ok(if accepted { Found::yes(how) } else { Found::no(how) })
}

fn given_ids(cx: &Context, _: Bounds) -> Result<Found, Stop> {
    yes_or_no(cx, &Connect::new(""))
}

fn anonymous(cx: &Context, _: Bounds) -> Result<Found, Stop> {
    yes_or_no(cx, &cx.hello("a"))
}

fn level_3(cx: &Context, _: Bounds) -> Result<Found, Stop> {
    yes_or_no(cx, &cx.hello("a").protocol_name("MQIsdp").level(3))
}

fn sessions(cx: &Context, _: Bounds) -> Result<Found, Stop> {
    cx.accept(&cx.staying("a"))?.leave()?;
    let again = cx.accept(&cx.staying("a"))?;
    let present = again.session_present();
    again.leave()?;
    // A clean session ends the one that stays.
    cx.accept(&cx.hello("a").property(four(id::SESSION_EXPIRY, 0)))?.leave()?;
    Ok(if present {
        Found::yes("by trial: Session Present 1 at the second CONNECT")
    } else {
        Found::no("by trial: Session Present 0 at the second CONNECT")
    })
}

fn authentication(cx: &Context, _: Bounds) -> Result<Found, Stop> {
    let data = text(id::AUTHENTICATION_DATA, "n,,n=colibri,r=Y29saWJyaQ");
    let method = text(id::AUTHENTICATION_METHOD, "SCRAM-SHA-256");
    let mut peer = cx.open()?;
    peer.send(&cx.hello("a").property(method).property(data))?;
    Ok(match peer.next_event()? {
        Event::Packet(packet) if packet.kind() == Kind::Auth => {
            Found::yes(format!("by trial: {}", words(&packet)))
        }
        Event::Packet(packet) => Found::no(format!("by trial: {}", words(&packet))),
        Event::Closed => Found::no("by trial: the connection ends"),
        Event::Silence => Found::no("by trial: no answer"),
    })
}

fn response_information(cx: &Context, _: Bounds) -> Result<Found, Stop> {
    let peer = cx.accept(&cx.hello("a").property(byte(id::REQUEST_RESPONSE_INFORMATION, 1)))?;
    Ok(match peer.connack().properties.bytes(id::RESPONSE_INFORMATION) {
        Some(text) => Found::yes(format!("CONNACK gives {:?}", String::from_utf8_lossy(text))),
        None => Found::no("CONNACK gives none to a client that asks for it"),
    })
}

fn sys(cx: &Context, _: Bounds) -> Result<Found, Stop> {
    let mut peer = cx.peer("a")?;
    peer.send(&Subscribe::new(1).filter("$SYS/#", 0))?;
    peer.find(Kind::Suback)?;
    // Most of them are retained, so that there is no need to wait for the next round.
    Ok(match peer.next_within(cx.patience().min(std::time::Duration::from_secs(1)))? {
        Event::Packet(packet) => Found::yes(format!("by trial: {}", words(&packet))),
        Event::Closed | Event::Silence => Found::no("by trial: none is retained for $SYS/#"),
    })
}
