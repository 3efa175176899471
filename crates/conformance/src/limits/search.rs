//! The search for the largest number that a server takes.

use std::time::{Duration, Instant};

use super::Found;
use crate::peer::Event;
use crate::raw::{Kind, PINGREQ, Publish};
use crate::{Context, Stop};

/// How long a search goes on before it says between which numbers the limit is.
pub(super) const TIME_MAX: Duration = Duration::from_secs(6);
/// How long a message may come after the answer to a PINGREQ that was sent behind it.
const STRAGGLER: Duration = Duration::from_millis(400);

/// The end of what may be tried.
pub(super) struct Bound {
    /// The largest number tried.
    pub(super) number: usize,
    /// Whose bound it is, such as `the bound of the standard`.
    pub(super) whose: &'static str,
}

/// The largest number for which the trial succeeds, by halving between one that does and one that does not.
/// A trial that ends early counts as one that fails.
pub(super) fn largest(
    least: usize,
    bound: &Bound,
    mut trial: impl FnMut(usize) -> Result<bool, Stop>,
) -> Result<Found, Stop> {
    let until = Instant::now() + TIME_MAX;
    let mut works = |number| trial(number).unwrap_or(false);
    if works(bound.number) {
        let how = format!("by trial: {} works, {}", bound.number, bound.whose);
        return Ok(Found::new(bound.number, how));
    }
    let (mut low, mut high) = (least, bound.number);
    if !works(low) {
        return Ok(Found::new("unknown", format!("by trial: not even {least} works")));
    }
    while high - low > 1 && Instant::now() < until {
        let middle = low + (high - low) / 2;
        if works(middle) { low = middle } else { high = middle }
    }
    Ok(Found::new(low, format!("by trial: {low} works, {high} does not")))
}

/// Whether a client gets the message that it sends to itself.
pub(super) fn echoes(cx: &Context, topic: &str, publish: &Publish) -> Result<bool, Stop> {
    let mut peer = cx.peer("a")?;
    peer.subscribe(topic, 0)?;
    peer.send(publish)?;
    peer.send(&PINGREQ)?;
    let mut wait = peer.wait_for("PUBLISH");
    loop {
        match peer.next_in(&mut wait)? {
            Event::Packet(packet) if packet.kind() == Kind::Publish => return Ok(true),
            Event::Packet(packet) if packet.kind() == Kind::Pingresp => {
                wait = peer.wait_within("PUBLISH", cx.patience().min(STRAGGLER));
            }
            Event::Packet(packet) if packet.kind() == Kind::Disconnect => return Ok(false),
            Event::Packet(_) => {}
            Event::Closed | Event::Silence => return Ok(false),
        }
    }
}
