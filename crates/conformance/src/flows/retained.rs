//! Cases of retained messages.

use crate::raw::property::id;
use crate::raw::{Packet, Publication, Publish};
use crate::{Case, Context, Peer, Stop};

/// The option Retain As Published of 5.0.
const AS_PUBLISHED: u8 = 0x08;
/// Retain Handling 1: only for a new subscription.
const ONLY_NEW: u8 = 0x10;
/// Retain Handling 2: never.
const NEVER: u8 = 0x20;

/// All of them.
pub(super) const CASES: &[Case] = &[
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-7"],
        name: "A retained message outlives its publisher's session",
        run: outlives_session,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.3.1-5", "v3.1.1 MQTT-3.3.1-8", "v5 MQTT-3.3.1-5"],
        name: "A retained message is kept with its QoS and sent with RETAIN 1",
        run: kept,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.3.1-6", "v5 MQTT-3.3.1-5"],
        name: "A new subscription gets the latest retained message of every matching topic",
        run: latest,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.3.1-7", "v5 MQTT-3.3.1-5"],
        name: "A retained QoS 0 message displaces the earlier one",
        run: displaced,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.3.1-9", "v5 MQTT-3.3.1-12"],
        name: "A subscription already in place gets RETAIN 0",
        run: in_place,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.3.1-10", "v5 MQTT-3.3.1-6"],
        name: "An empty retained message is delivered and deletes what was retained",
        run: deleted,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.3.1-11", "v5 MQTT-3.3.1-7"],
        name: "An empty message is never retained",
        run: empty,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.3.1-12", "v5 MQTT-3.3.1-8"],
        name: "A message with RETAIN 0 leaves the retained one as it is",
        run: not_touched,
    },
    Case {
        ids: &["v5 MQTT-3.3.1-9"],
        name: "Retain Handling 0 brings retained messages on every SUBSCRIBE",
        run: every_time,
    },
    Case {
        ids: &["v5 MQTT-3.3.1-10"],
        name: "Retain Handling 1 brings retained messages for a new subscription only",
        run: only_new,
    },
    Case { ids: &["v5 MQTT-3.3.1-11"], name: "Retain Handling 2 brings no retained messages", run: never },
    Case {
        ids: &["v5 MQTT-3.3.1-13"],
        name: "Retain As Published keeps the RETAIN flag of the publisher",
        run: as_published,
    },
];

/// A publisher, if the server keeps retained messages.
fn publisher(cx: &Context) -> Result<Peer, Stop> {
    let peer = cx.peer("p")?;
    if peer.connack().properties.number(id::RETAIN_AVAILABLE) == Some(0) {
        return Err(Stop::NotApplicable("CONNACK says Retain Available 0".to_owned()));
    }
    Ok(peer)
}

/// Publishes a retained message and waits until the server has it.
fn retain(peer: &mut Peer, topic: &str, payload: &str, qos: u8) -> Result<(), Stop> {
    let packet = peer.next_id();
    peer.publish(&Publish::new(topic, payload).qos(qos, packet).retained())?;
    peer.fence()?;
    Ok(())
}

/// What comes after a SUBSCRIBE. Retained messages may come later than a fence, which is on another topic:
/// as many as are wanted are waited for, and only what is too much is looked for with fences.
fn settle(
    cx: &Context,
    publisher: &mut Peer,
    peer: &mut Peer,
    wanted: usize,
) -> Result<Vec<Publication>, Stop> {
    let mut came = Vec::new();
    for _ in 0..wanted {
        if !peer.take_up_to_publish(&mut came)? {
            break;
        }
    }
    for _ in 0..2 {
        came.extend(cx.drain(publisher, peer)?);
    }
    let publications: Vec<_> = came.iter().filter_map(Packet::publish).cloned().collect();
    for publication in &publications {
        peer.acknowledge(publication)?;
    }
    Ok(publications)
}

/// The messages that a new client gets for this filter, which should be so many.
fn found(cx: &Context, publisher: &mut Peer, filter: &str, wanted: usize) -> Result<Vec<Publication>, Stop> {
    let mut peer = cx.peer("new")?;
    peer.subscribe(filter, 1)?;
    settle(cx, publisher, &mut peer, wanted)
}

/// Fails unless a new client gets just this retained message.
fn require_kept(cx: &Context, publisher: &mut Peer, topic: &str, payload: &str) -> Result<(), Stop> {
    let found = found(cx, publisher, topic, 1)?;
    let right = matches!(found.as_slice(), [one] if one.payload == payload.as_bytes() && one.retain);
    publisher.require(right, &format!("{payload:?} alone with RETAIN 1"), format!("{found:?}"))
}

fn outlives_session(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut first = publisher(cx)?;
    retain(&mut first, &topic, "kept", 1)?;
    first.leave()?;
    let mut publisher = publisher(cx)?;
    require_kept(cx, &mut publisher, &topic, "kept")?;
    retain(&mut publisher, &topic, "", 1)
}

fn kept(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut publisher = publisher(cx)?;
    retain(&mut publisher, &topic, "first", 1)?;
    retain(&mut publisher, &topic, "second", 1)?;
    let found = found(cx, &mut publisher, &topic, 1)?;
    let right = matches!(
        found.as_slice(),
        [one] if one.payload == b"second" && one.qos == 1 && one.retain && one.topic == topic.as_bytes()
    );
    publisher.require(right, "the second message alone at QoS 1 with RETAIN 1", format!("{found:?}"))?;
    retain(&mut publisher, &topic, "", 1)
}

fn latest(cx: &Context) -> Result<(), Stop> {
    let mut publisher = publisher(cx)?;
    let topics = [cx.topic("a/1"), cx.topic("a/2"), cx.topic("b/1"), cx.topic("a/1/deep")];
    for payload in ["old", "new"] {
        for topic in &topics {
            retain(&mut publisher, topic, payload, 0)?;
        }
    }
    let mut found = found(cx, &mut publisher, &cx.topic("a/+"), 2)?;
    found.sort_by(|left, right| left.topic.cmp(&right.topic));
    let right = found.len() == 2
        && found.iter().all(|one| one.payload == b"new" && one.retain)
        && found.iter().zip(&topics).all(|(one, topic)| one.topic == topic.as_bytes());
    publisher.require(right, "the new messages of a/1 and a/2", format!("{found:?}"))?;
    for topic in &topics {
        retain(&mut publisher, topic, "", 0)?;
    }
    Ok(())
}

fn displaced(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut publisher = publisher(cx)?;
    retain(&mut publisher, &topic, "A", 1)?;
    retain(&mut publisher, &topic, "B", 0)?;
    let found = found(cx, &mut publisher, &topic, 1)?;
    // The server may drop it whenever it likes.
    let right = found.len() <= 1 && found.iter().all(|one| one.payload == b"B");
    publisher.require(right, "B or nothing", format!("{found:?}"))?;
    retain(&mut publisher, &topic, "", 1)
}

fn in_place(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut publisher = publisher(cx)?;
    let mut subscriber = cx.peer("s")?;
    subscriber.subscribe(&topic, 2)?;
    for (payload, qos) in [("zero", 0), ("one", 1), ("two", 2)] {
        retain(&mut publisher, &topic, payload, qos)?;
        let publish = subscriber.expect_payload(payload)?;
        subscriber.require(!publish.retain, "RETAIN 0", "RETAIN 1")?;
        subscriber.acknowledge(&publish)?;
    }
    retain(&mut publisher, &topic, "", 1)
}

fn deleted(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut publisher = publisher(cx)?;
    retain(&mut publisher, &topic, "kept", 1)?;
    let mut subscriber = cx.peer("s")?;
    subscriber.subscribe(&topic, 0)?;
    subscriber.expect_payload("kept")?;
    retain(&mut publisher, &topic, "", 1)?;
    let publish = subscriber.expect_payload("")?;
    subscriber.require(!publish.retain, "the empty message with RETAIN 0", "RETAIN 1")?;
    let found = found(cx, &mut publisher, &topic, 0)?;
    publisher.require(found.is_empty(), "nothing retained", format!("{found:?}"))
}

fn empty(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("fresh");
    let mut publisher = publisher(cx)?;
    for qos in 0..3 {
        retain(&mut publisher, &topic, "", qos)?;
        let found = found(cx, &mut publisher, &topic, 0)?;
        publisher.require(found.is_empty(), "nothing retained", format!("{found:?}"))?;
    }
    Ok(())
}

fn not_touched(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut publisher = publisher(cx)?;
    retain(&mut publisher, &topic, "A", 1)?;
    publisher.publish(&Publish::new(&topic, "B").qos(1, 2))?;
    publisher.publish(&Publish::new(&topic, "").qos(1, 3))?;
    require_kept(cx, &mut publisher, &topic, "A")?;
    let other = cx.topic("other");
    publisher.publish(&Publish::new(&other, "B").qos(1, 4))?;
    let found = found(cx, &mut publisher, &other, 0)?;
    publisher.require(found.is_empty(), "nothing retained", format!("{found:?}"))?;
    retain(&mut publisher, &topic, "", 1)
}

/// How often the retained message comes for these SUBSCRIBE packets of one client to one filter.
fn counts(cx: &Context, options: &[u8], wanted: &[usize]) -> Result<Vec<usize>, Stop> {
    let topic = cx.topic("a");
    let mut publisher = publisher(cx)?;
    retain(&mut publisher, &topic, "kept", 1)?;
    let mut peer = cx.peer("s")?;
    let mut counts = Vec::new();
    for (options, wanted) in options.iter().zip(wanted) {
        peer.subscribe(&topic, *options)?;
        counts.push(settle(cx, &mut publisher, &mut peer, *wanted)?.len());
    }
    retain(&mut publisher, &topic, "", 1)?;
    Ok(counts)
}

fn require_counts(cx: &Context, options: &[u8], expected: &[usize]) -> Result<(), Stop> {
    let counts = counts(cx, options, expected)?;
    if counts == expected {
        return Ok(());
    }
    let sent = format!("SUBSCRIBE to one filter with the options {options:02X?} in turn");
    let expected = format!("the retained message {expected:?} times");
    Err(Stop::failed(sent, expected, format!("it {counts:?} times")))
}

fn every_time(cx: &Context) -> Result<(), Stop> {
    require_counts(cx, &[0, 0, 0], &[1, 1, 1])
}

fn only_new(cx: &Context) -> Result<(), Stop> {
    require_counts(cx, &[ONLY_NEW, ONLY_NEW, 0, ONLY_NEW], &[1, 0, 1, 0])
}

fn never(cx: &Context) -> Result<(), Stop> {
    require_counts(cx, &[NEVER, NEVER, 0], &[0, 0, 1])
}

fn as_published(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut publisher = publisher(cx)?;
    let mut keeps = cx.peer("k")?;
    let mut clears = cx.peer("c")?;
    keeps.subscribe(&topic, AS_PUBLISHED)?;
    clears.subscribe(&topic, 0)?;
    retain(&mut publisher, &topic, "with", 0)?;
    publisher.publish(&Publish::new(&topic, "without"))?;
    for (payload, retain) in [("with", true), ("without", false)] {
        let publish = keeps.expect_payload(payload)?;
        keeps.require(publish.retain == retain, &format!("RETAIN {}", u8::from(retain)), "the other")?;
        let publish = clears.expect_payload(payload)?;
        clears.require(!publish.retain, "RETAIN 0 without Retain As Published", "RETAIN 1")?;
    }
    retain(&mut publisher, &topic, "", 1)
}
