//! What CONNACK says to a client that asks for the most.

use super::{Bounds, Found, Probe};
use crate::peer::Event;
use crate::raw::property::{four, id};
use crate::raw::{Content, disconnect, words};
use crate::{Context, Stop};

/// The searches of this file.
pub(super) const PROBES: &[Probe] = &[
    Probe::both("Maximum QoS", maximum_qos),
    Probe::both("Keep Alive (seconds)", keep_alive),
    Probe::v5("Keep Alive 0, which turns it off", keep_alive_off),
    Probe::v5("Session Expiry Interval (seconds)", session_expiry),
];

fn maximum_qos(cx: &Context, _: Bounds) -> Result<Found, Stop> {
    let mut peer = cx.peer("a")?;
    if let Some(qos) = peer.connack().properties.number(id::MAXIMUM_QOS) {
        return Ok(Found::new(qos, "announced in CONNACK"));
    }
    let granted = peer.subscribe(cx.topic("a"), 2)?;
    Ok(Found::new(granted, format!("by trial: SUBACK grants {granted} for 2")))
}

fn keep_alive(cx: &Context, _: Bounds) -> Result<Found, Stop> {
    let mut peer = cx.open()?;
    peer.send(&cx.hello("a").keep_alive(u16::MAX))?;
    if let Event::Packet(packet) = peer.peek()?
        && let Content::Connack(connack) = &packet.content
        && connack.code != 0
    {
        return Ok(Found::new("less", format!("65535 is refused with {}", words(&packet))));
    }
    peer.expect_connack()?;
    Ok(match peer.connack().properties.number(id::SERVER_KEEP_ALIVE) {
        Some(own) => Found::new(own, "announced in CONNACK to a client that asks for 65535"),
        None => Found::new(u16::MAX, "by trial: 65535 is accepted, the bound of the standard"),
    })
}

fn keep_alive_off(cx: &Context, _: Bounds) -> Result<Found, Stop> {
    let peer = cx.accept(&cx.hello("a").keep_alive(0))?;
    Ok(match peer.connack().properties.number(id::SERVER_KEEP_ALIVE) {
        Some(own) => Found::no(format!("CONNACK says Server Keep Alive {own}")),
        None => Found::yes("by trial: it is accepted"),
    })
}

fn session_expiry(cx: &Context, _: Bounds) -> Result<Found, Stop> {
    let peer = cx.accept(&cx.hello("a").property(four(id::SESSION_EXPIRY, u32::MAX)))?;
    let own = peer.connack().properties.number(id::SESSION_EXPIRY);
    // The session is not left behind for ever.
    peer.leave_with(&disconnect().property(four(id::SESSION_EXPIRY, 0)))?;
    Ok(match own {
        Some(own) => Found::new(own, "announced in CONNACK to a client that asks for ever"),
        None => Found::new(u32::MAX, "CONNACK leaves what the client asks for: for ever"),
    })
}
