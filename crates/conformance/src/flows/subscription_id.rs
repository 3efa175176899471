//! Cases of Subscription Identifiers.

use crate::raw::property::{id, number};
use crate::raw::{Kind, Publication, Publish, Subscribe};
use crate::{Case, Context, Peer, Stop};

/// All of them.
pub(super) const CASES: &[Case] = &[
    Case {
        ids: &["v5 MQTT-3.3.4-3"],
        name: "A message for overlapping subscriptions carries their identifiers",
        run: overlapping,
    },
    Case {
        ids: &["v5 MQTT-3.3.4-4", "v5 MQTT-3.3.4-5"],
        name: "A message carries the identifiers of those subscriptions that have one",
        run: some_without,
    },
    Case {
        ids: &["v5 MQTT-3.3.4-6"],
        name: "A PUBLISH from a client with a Subscription Identifier ends the connection",
        run: from_a_client,
    },
];

/// Subscribes, with an identifier if it is not 0.
fn subscribe(peer: &mut Peer, filter: &str, identifier: usize) -> Result<(), Stop> {
    if peer.connack().properties.number(id::SUBSCRIPTION_ID_AVAILABLE) == Some(0) {
        let evidence = "the CONNACK says Subscription Identifiers Available 0";
        return Err(Stop::NotApplicable(evidence.to_owned()));
    }
    let packet_id = peer.next_id();
    let mut packet = Subscribe::new(packet_id).filter(filter, 0);
    if identifier != 0 {
        packet = packet.property(number(id::SUBSCRIPTION_ID, identifier));
    }
    peer.send(&packet)?;
    let answer = peer.expect_answer(Kind::Suback, packet_id)?;
    peer.require(answer.codes == [0], "SUBACK with code 00", format!("codes {:02X?}", answer.codes))
}

/// The copies of one message that come.
fn copies(cx: &Context, peer: &mut Peer, topic: &str) -> Result<Vec<Publication>, Stop> {
    let mut publisher = cx.peer("p")?;
    publisher.send(&Publish::new(topic, "x"))?;
    let came = cx.drain(&mut publisher, peer)?;
    Ok(came.iter().filter_map(|packet| packet.publish().cloned()).collect())
}

/// The identifiers of all copies together, in ascending order.
fn identifiers(copies: &[Publication]) -> Vec<u32> {
    let mut all: Vec<u32> =
        copies.iter().flat_map(|copy| copy.properties.numbers(id::SUBSCRIPTION_ID)).collect();
    all.sort_unstable();
    all
}

fn overlapping(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.peer("s")?;
    subscribe(&mut peer, &cx.topic("a/#"), 1)?;
    subscribe(&mut peer, &cx.topic("a/b"), 268_435_455)?;
    let copies = copies(cx, &mut peer, &cx.topic("a/b"))?;
    let found = identifiers(&copies);
    let right = found == [1, 268_435_455];
    peer.require(right, "identifiers 1 and 268435455", format!("{found:?} on {} copies", copies.len()))
}

fn some_without(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.peer("s")?;
    subscribe(&mut peer, &cx.topic("a/#"), 7)?;
    subscribe(&mut peer, &cx.topic("a/+"), 300)?;
    subscribe(&mut peer, &cx.topic("a/b"), 0)?;
    let copies = copies(cx, &mut peer, &cx.topic("a/b"))?;
    let each =
        |count: usize| copies.iter().all(|copy| identifiers(std::slice::from_ref(copy)).len() <= count);
    let right = identifiers(&copies) == [7, 300] && (copies.len() == 1 || copies.len() == 3 && each(1));
    let came: Vec<Vec<u32>> = copies.iter().map(|copy| identifiers(std::slice::from_ref(copy))).collect();
    let expected = "one copy with identifiers 7 and 300, or three copies with 7, 300 and none";
    peer.require(right, expected, format!("copies with {came:?}"))
}

fn from_a_client(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.peer("a")?;
    peer.send(&Publish::new(cx.topic("a"), "x").property(number(id::SUBSCRIPTION_ID, 1)))?;
    peer.expect_close(&[0x81, 0x82])
}
