//! Cases of Message Expiry Interval, which only 5.0 has.

use std::time::Duration;

use crate::raw::property::{four, id};
use crate::raw::{Kind, Packet, Publication, Publish};
use crate::{Case, Context, Peer, Stop};

/// All of them.
pub(super) const CASES: &[Case] = &[
    Case {
        ids: &["v5 MQTT-3.3.2-5"],
        name: "A message that expires while it waits for its subscriber is not sent",
        run: expires,
    },
    Case {
        ids: &["v5 MQTT-3.3.2-5"],
        name: "A retained message that has expired is not sent",
        run: retained_expires,
    },
    Case {
        ids: &["v5 MQTT-3.3.2-6"],
        name: "The Message Expiry Interval is sent on less the time spent waiting",
        run: counts_down,
    },
];

/// A message that expires after so many seconds.
fn message(topic: &str, payload: &str, packet: u16, expiry: u32) -> Publish {
    Publish::new(topic, payload).qos(1, packet).property(four(id::MESSAGE_EXPIRY, expiry))
}

/// The messages that come to `peer`, at least one, acknowledged.
fn collect(cx: &Context, publisher: &mut Peer, peer: &mut Peer) -> Result<Vec<Publication>, Stop> {
    // What is right comes first; what is not may come later than the fence, which is on another topic.
    let mut came = vec![peer.expect(Kind::Publish)?];
    for _ in 0..2 {
        came.extend(cx.drain(publisher, peer)?);
    }
    let publications: Vec<_> = came.iter().filter_map(Packet::publish).cloned().collect();
    for publication in &publications {
        peer.acknowledge(publication)?;
    }
    Ok(publications)
}

fn payloads(publications: &[Publication]) -> Vec<String> {
    publications.iter().map(|one| String::from_utf8_lossy(&one.payload).into_owned()).collect()
}

fn expires(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut publisher = cx.peer("p")?;
    let mut peer = cx.accept(&cx.staying("s"))?;
    peer.subscribe(&topic, 1)?;
    peer.leave()?;
    publisher.publish(&message(&topic, "short", 1, 1))?;
    publisher.publish(&message(&topic, "long", 2, 60))?;
    publisher.publish(&Publish::new(&topic, "for ever").qos(1, 3))?;
    cx.wait(Duration::from_secs(3));
    let mut peer = cx.accept(&cx.staying("s"))?;
    let came = payloads(&collect(cx, &mut publisher, &mut peer)?);
    peer.require(came == ["long", "for ever"], "the messages that have not expired", came.join(", "))?;
    peer.leave()?;
    cx.peer("s")?.leave()
}

fn retained_expires(cx: &Context) -> Result<(), Stop> {
    let mut publisher = cx.peer("p")?;
    if publisher.connack().properties.number(id::RETAIN_AVAILABLE) == Some(0) {
        return Err(Stop::NotApplicable("CONNACK says Retain Available 0".to_owned()));
    }
    publisher.publish(&message(&cx.topic("short"), "short", 1, 1).retained())?;
    publisher.publish(&message(&cx.topic("long"), "long", 2, 60).retained())?;
    cx.wait(Duration::from_secs(3));
    let mut peer = cx.peer("s")?;
    peer.subscribe(cx.topic("+"), 1)?;
    let came = payloads(&collect(cx, &mut publisher, &mut peer)?);
    peer.require(came == ["long"], "the message that has not expired", came.join(", "))?;
    publisher.publish(&Publish::new(cx.topic("long"), "").qos(1, 3).retained())
}

fn counts_down(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut publisher = cx.peer("p")?;
    let mut peer = cx.accept(&cx.staying("s"))?;
    peer.subscribe(&topic, 1)?;
    publisher.publish(&message(&topic, "at once", 1, 60))?;
    let at_once = peer.expect_payload("at once")?;
    peer.acknowledge(&at_once)?;
    let left = at_once.properties.number(id::MESSAGE_EXPIRY);
    peer.require(matches!(left, Some(59 | 60)), "Message Expiry Interval 60", format!("{left:?}"))?;
    peer.leave()?;
    publisher.publish(&message(&topic, "later", 2, 60))?;
    cx.wait(Duration::from_secs(3));
    let mut peer = cx.accept(&cx.staying("s"))?;
    let later = peer.expect_payload("later")?;
    peer.acknowledge(&later)?;
    let left = later.properties.number(id::MESSAGE_EXPIRY);
    peer.require(
        matches!(left, Some(55..=57)),
        "Message Expiry Interval 57 after 3 s of waiting",
        format!("{left:?}"),
    )?;
    peer.leave()?;
    cx.peer("s")?.leave()
}
