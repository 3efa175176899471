//! How long and how large things may be.

use super::search::{Bound, echoes, largest};
use super::{Bounds, Found, Probe};
use crate::raw::property::{four, id};
use crate::raw::{Connect, Encode, Kind, Publish, Subscribe};
use crate::{Context, Stop};

/// The longest string that MQTT can express, in bytes.
const STRING_MAX: usize = 65_535;
/// The most levels that are tried: a server that follows them by recursion is not to be brought down.
const LEVELS_MAX: usize = 1_000;
/// The most filters that are tried in one SUBSCRIBE.
const FILTERS_MAX: usize = 2_000;
const STANDARD: &str = "the bound of the standard";
const RUN: &str = "the bound of this run";

/// The searches of this file.
pub(super) const PROBES: &[Probe] = &[
    Probe::both("Longest topic (bytes)", topic),
    Probe::both("Topic levels", levels),
    Probe::both("Longest Client Identifier (bytes)", client_id),
    Probe::v5("Maximum Packet Size announced (bytes)", announced_packet),
    Probe::both("Largest PUBLISH packet (bytes)", packet),
    Probe::both("Topic Filters in one SUBSCRIBE", filters),
];

fn topic(cx: &Context, _: Bounds) -> Result<Found, Stop> {
    let stem = cx.topic("");
    let bound = Bound { number: STRING_MAX, whose: STANDARD };
    largest(stem.len() + 1, &bound, |length| {
        let topic = format!("{stem:t<length$}");
        echoes(cx, &topic, &Publish::new(&topic, "x"))
    })
}

fn levels(cx: &Context, _: Bounds) -> Result<Found, Stop> {
    let stem = cx.topic("a");
    let own = stem.split('/').count();
    largest(own, &Bound { number: LEVELS_MAX, whose: RUN }, |levels| {
        let topic = format!("{stem}{}", "/a".repeat(levels - own));
        echoes(cx, &topic, &Publish::new(&topic, "x"))
    })
}

fn client_id(cx: &Context, _: Bounds) -> Result<Found, Stop> {
    let stem = cx.client_id("");
    let bound = Bound { number: STRING_MAX, whose: STANDARD };
    largest(stem.len(), &bound, |length| {
        let peer = cx.accept(&Connect::new(format!("{stem:i<length$}")))?;
        peer.leave()?;
        Ok(true)
    })
}

fn announced_packet(cx: &Context, _: Bounds) -> Result<Found, Stop> {
    let peer = cx.peer("a")?;
    Ok(match peer.connack().properties.number(id::MAXIMUM_PACKET_SIZE) {
        Some(size) => Found::new(size, "announced in CONNACK"),
        None => Found::new("none", "CONNACK announces none, which leaves the bound of the standard"),
    })
}

fn packet(cx: &Context, bounds: Bounds) -> Result<Found, Stop> {
    let topic = cx.topic("a");
    let least = 1_000.min(bounds.packet);
    largest(least, &Bound { number: bounds.packet, whose: RUN }, |size| {
        // What is around the payload grows with the Remaining Length, so one attempt may be some bytes off.
        let around = Publish::new(&topic, vec![0; size]).encode(cx.version()).len() - size;
        let mut payload = size.saturating_sub(around);
        let short = size.saturating_sub(Publish::new(&topic, vec![0; payload]).encode(cx.version()).len());
        payload += short;
        echoes(cx, &topic, &Publish::new(&topic, vec![b'x'; payload]))
    })
}

fn filters(cx: &Context, _: Bounds) -> Result<Found, Stop> {
    largest(1, &Bound { number: FILTERS_MAX, whose: RUN }, |count| {
        let mut peer = cx.accept(&cx.hello("a").property(four(id::SESSION_EXPIRY, 0)))?;
        let mut subscribe = Subscribe::new(1);
        for number in 0..count {
            subscribe = subscribe.filter(cx.topic(&number.to_string()), 0);
        }
        peer.send(&subscribe)?;
        let answer = peer.expect_answer(Kind::Suback, 1)?;
        Ok(answer.codes.len() == count && answer.codes.iter().all(|code| *code <= 2))
    })
}
