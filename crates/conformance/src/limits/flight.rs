//! How many messages may be on their way at once, and topic aliases.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::search::TIME_MAX;
use super::{Bounds, Found, Probe};
use crate::peer::Event;
use crate::raw::property::{id, two};
use crate::raw::{Content, Kind, Publish};
use crate::{Context, Peer, Stop};

/// The most messages that are left open.
const MESSAGES_MAX: u16 = 2_000;
/// How many messages are sent before the answers to them are read; no server takes fewer by default.
const WINDOW: u16 = 10;
/// How long a server that sends no more may be silent before that is its limit.
const SILENCE: Duration = Duration::from_millis(800);
/// How many topics are tried for aliases.
const TOPICS: u16 = 100;

/// The searches of this file.
pub(super) const PROBES: &[Probe] = &[
    Probe::v5("Receive Maximum announced", announced),
    Probe::both("QoS 2 messages taken before PUBREL", taken),
    Probe::both("QoS 1 messages sent before PUBACK", |cx, _| sent(cx, 1)),
    Probe::both("QoS 2 messages sent before PUBREC", |cx, _| sent(cx, 2)),
    Probe::v5("Topic Alias Maximum announced, for clients", aliases_taken),
    Probe::v5("Topic Aliases that the server uses", aliases_used),
];

fn announced(cx: &Context, _: Bounds) -> Result<Found, Stop> {
    let peer = cx.peer("a")?;
    Ok(match peer.connack().properties.number(id::RECEIVE_MAXIMUM) {
        Some(maximum) => Found::new(maximum, "announced in CONNACK"),
        None => Found::new(u16::MAX, "CONNACK announces none, which means 65535"),
    })
}

/// Leaves QoS 2 messages open until the server answers no more.
fn taken(cx: &Context, _: Bounds) -> Result<Found, Stop> {
    let until = Instant::now() + TIME_MAX;
    let mut peer = cx.peer("p")?;
    for next in 1..=MESSAGES_MAX {
        peer.send(&Publish::new(cx.topic("a"), "x").qos(2, next))?;
        let answered = next - 1;
        match peer.next_within(cx.patience())? {
            Event::Packet(packet) => match &packet.content {
                Content::Ack(ack) if ack.id == next && ack.code < 0x80 => {}
                Content::Ack(_) | Content::Reason(..) => {
                    let words = crate::raw::words(&packet);
                    return Ok(Found::new(answered, format!("by trial: one more is answered with {words}")));
                }
                _ => return Err(peer.fail_with("PUBREC", &packet)),
            },
            Event::Closed => return Ok(Found::new(answered, "by trial: one more ends the connection")),
            Event::Silence => return Ok(Found::new(answered, "by trial: one more is not answered")),
        }
        if Instant::now() > until {
            return Ok(Found::new(next, format!("by trial: {next} work, the end of the time of this run")));
        }
    }
    Ok(Found::new(MESSAGES_MAX, format!("by trial: {MESSAGES_MAX} work, the bound of this run")))
}

/// Publishes to a subscriber that acknowledges nothing; how many messages it gets.
fn sent(cx: &Context, qos: u8) -> Result<Found, Stop> {
    let until = Instant::now() + TIME_MAX;
    let mut subscriber = cx.accept(&cx.hello("s").property(two(id::RECEIVE_MAXIMUM, u16::MAX)))?;
    let granted = subscriber.subscribe(cx.topic("a"), qos)?;
    if granted < qos {
        return Ok(Found::new(0, format!("SUBACK grants QoS {granted} for {qos}")));
    }
    let mut publisher = cx.peer("p")?;
    let (mut published, mut came) = (0, 0);
    while published < MESSAGES_MAX && Instant::now() < until && came + 300 > published {
        publish_window(cx, &mut publisher, qos, published)?;
        published += WINDOW;
        came += arrived(&mut subscriber, Duration::from_millis(1))?;
    }
    while came < published && Instant::now() < until + SILENCE {
        match arrived(&mut subscriber, cx.patience().min(SILENCE))? {
            0 => break,
            more => came += more,
        }
    }
    // Clean sessions both: what waits is thrown away with them.
    Ok(if came == published {
        let bound = if published < MESSAGES_MAX { "time" } else { "messages" };
        Found::new(came, format!("by trial: all of {published} come, the bound of this run in {bound}"))
    } else {
        Found::new(came, format!("by trial: {came} of {published} come"))
    })
}

/// Publishes some messages at this QoS, each with its whole exchange, under the identifiers after `published`.
fn publish_window(cx: &Context, publisher: &mut Peer, qos: u8, published: u16) -> Result<(), Stop> {
    for next in published + 1..=published + WINDOW {
        publisher.send(&Publish::new(cx.topic("a"), "x").qos(qos, next))?;
    }
    for next in published + 1..=published + WINDOW {
        if qos == 1 {
            publisher.expect_ack(Kind::Puback, next)?;
        } else {
            publisher.expect_ack(Kind::Pubrec, next)?;
            publisher.send(&crate::raw::pubrel(next))?;
        }
    }
    if qos == 2 {
        for next in published + 1..=published + WINDOW {
            publisher.expect_ack(Kind::Pubcomp, next)?;
        }
    }
    Ok(())
}

/// How many messages come until there is silence for this long, or as many as a window has.
fn arrived(subscriber: &mut Peer, silence: Duration) -> Result<u16, Stop> {
    let mut count = 0;
    let mut wait = subscriber.wait_within("PUBLISH", silence);
    while let Event::Packet(packet) = subscriber.next_in(&mut wait)? {
        if packet.kind() == Kind::Publish {
            count += 1;
            wait = subscriber.wait_within("PUBLISH", silence);
        }
        if count == WINDOW {
            break;
        }
    }
    Ok(count)
}

fn aliases_taken(cx: &Context, _: Bounds) -> Result<Found, Stop> {
    let peer = cx.peer("a")?;
    Ok(match peer.connack().properties.number(id::TOPIC_ALIAS_MAXIMUM) {
        Some(maximum) => Found::new(maximum, "announced in CONNACK"),
        None => Found::new(0, "CONNACK announces none, which means 0"),
    })
}

/// Takes as many aliases as there are and looks which ones come.
fn aliases_used(cx: &Context, _: Bounds) -> Result<Found, Stop> {
    let mut subscriber = cx.accept(&cx.hello("s").property(two(id::TOPIC_ALIAS_MAXIMUM, u16::MAX)))?;
    subscriber.subscribe(cx.topic("+"), 0)?;
    let mut publisher = cx.peer("p")?;
    for topic in (0..TOPICS).chain(0..TOPICS) {
        publisher.send(&Publish::new(cx.topic(&topic.to_string()), "x"))?;
    }
    let came = cx.drain(&mut publisher, &mut subscriber)?;
    let publishes = came.iter().filter_map(crate::raw::Packet::publish);
    let aliases: BTreeSet<u32> =
        publishes.filter_map(|publish| publish.properties.number(id::TOPIC_ALIAS)).collect();
    let how =
        format!("by trial: messages twice on each of {TOPICS} topics, Topic Alias Maximum 65535 offered");
    Ok(Found::new(aliases.len(), how))
}
