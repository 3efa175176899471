//! What a subscriber expects, and what each arriving message is to it.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::header::Header;
use crate::plan::{Plan, Scenario};
use crate::tally::lock;
use crate::tracker::{Arrival, Tracker};

/// How many gaps of a stream are remembered where one receiver gets all of it.
const GAPS_MAX: usize = 64;
/// The same where several share it: what is on its way to another one looks like a gap.
const SHARED_GAPS_MAX: usize = 16_384;
/// How many streams of other programs one receiver follows.
const STRANGERS_MAX: usize = 65_536;

/// What a subscriber expects.
#[derive(Debug)]
pub(crate) enum Receiver {
    /// Nothing: it does not subscribe.
    Nobody,
    /// One stream.
    Own(u32, Tracker),
    /// All streams of this run.
    All(Vec<Tracker>),
    /// A part of each stream; for each, one more than the highest sequence number it got. In four bytes,
    /// as there may be millions: that is enough for four thousand million messages of one publisher.
    Share(Vec<u32>),
    /// Streams of other programs, by run and number.
    Anyone(HashMap<(u8, u32), Tracker>),
}

/// What an arriving message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It was expected. By how much the stream has come on: messages that were skipped count, so that what a
    /// server loses does not hold up the publisher for ever.
    Expected(Arrival, u64),
    /// It is of this run and meant for another.
    Misrouted,
    /// It is not of this run.
    Foreign,
}

impl Receiver {
    pub(crate) fn new(plan: &Plan, number: u32) -> Self {
        let streams = plan.publishers as usize;
        match plan.scenario {
            Scenario::Conn | Scenario::Pub => Self::Nobody,
            Scenario::Sub => Self::Anyone(HashMap::new()),
            Scenario::Pair | Scenario::Latency => Self::Own(number, Tracker::default()),
            Scenario::Fanout | Scenario::Fanin => Self::All(vec![Tracker::default(); streams]),
            Scenario::Share => Self::Share(vec![0; streams]),
        }
    }

    /// Takes in a message of this program or another of its kind.
    #[inline]
    pub(crate) fn arrived(&mut self, header: &Header, run: u8, group: &[Mutex<Tracker>]) -> Verdict {
        if let Self::Anyone(streams) = self {
            return stranger(streams, header);
        }
        if header.run != run {
            return Verdict::Foreign;
        }
        match self {
            Self::Nobody | Self::Anyone(_) => Verdict::Foreign,
            Self::Own(stream, tracker) if *stream == header.stream => {
                take(tracker, header.sequence, GAPS_MAX)
            }
            Self::Own(..) => Verdict::Misrouted,
            Self::All(trackers) => match trackers.get_mut(header.stream as usize) {
                Some(tracker) => take(tracker, header.sequence, GAPS_MAX),
                None => Verdict::Foreign,
            },
            Self::Share(next) => shared(next, header, group),
        }
    }

    /// How much of what was sent did not come.
    pub(crate) fn lost(&self, sent: &[AtomicU64]) -> u64 {
        let missed = |tracker: &Tracker, sent: Option<&AtomicU64>| {
            sent.map_or(0, |sent| sent.load(Ordering::Acquire).saturating_sub(tracker.unique()))
        };
        match self {
            // What a group missed is not known to one of its members.
            Self::Nobody | Self::Share(_) => 0,
            Self::Own(stream, tracker) => missed(tracker, sent.get(*stream as usize)),
            Self::All(trackers) => {
                trackers.iter().zip(sent).map(|(tracker, sent)| missed(tracker, Some(sent))).sum()
            }
            Self::Anyone(streams) => streams.values().map(Tracker::missing).sum(),
        }
    }
}

#[inline]
fn take(tracker: &mut Tracker, sequence: u64, gaps_max: usize) -> Verdict {
    let before = tracker.next();
    let arrival = tracker.arrived(sequence, gaps_max);
    Verdict::Expected(arrival, tracker.next() - before)
}

fn stranger(streams: &mut HashMap<(u8, u32), Tracker>, header: &Header) -> Verdict {
    let key = (header.run, header.stream);
    if streams.len() >= STRANGERS_MAX && !streams.contains_key(&key) {
        return Verdict::Foreign;
    }
    let tracker = streams.entry(key).or_insert_with(|| Tracker::starting_at(header.sequence));
    take(tracker, header.sequence, GAPS_MAX)
}

/// Whether a message came twice is known to the group, whether it came out of order to each member.
fn shared(next: &mut [u32], header: &Header, group: &[Mutex<Tracker>]) -> Verdict {
    let stream = header.stream as usize;
    let (Some(next), Some(tracker)) = (next.get_mut(stream), group.get(stream)) else {
        return Verdict::Foreign;
    };
    let advance = match take(&mut lock(tracker), header.sequence, SHARED_GAPS_MAX) {
        Verdict::Expected(Arrival::InOrder | Arrival::OutOfOrder, advance) => advance,
        other => return other,
    };
    let sequence = u32::try_from(header.sequence).unwrap_or(u32::MAX);
    if sequence < *next {
        return Verdict::Expected(Arrival::OutOfOrder, advance);
    }
    *next = sequence.saturating_add(1);
    Verdict::Expected(Arrival::InOrder, advance)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::AtomicU64;

    use super::{Receiver, Verdict};
    use crate::header::Header;
    use crate::plan::{Plan, Scenario};
    use crate::tracker::{Arrival, Tracker};

    const fn header(run: u8, stream: u32, sequence: u64) -> Header {
        Header { run, stream, sequence, due: 0 }
    }

    fn receiver(scenario: Scenario, publishers: u32) -> Receiver {
        let mut plan = Plan::new(scenario, ([127, 0, 0, 1], 1883).into());
        plan.publishers = publishers;
        Receiver::new(&plan, 1)
    }

    #[test]
    fn what_was_meant_for_another_is_misrouted() {
        let mut own = receiver(Scenario::Pair, 3);
        assert_eq!(own.arrived(&header(5, 1, 0), 5, &[]), Verdict::Expected(Arrival::InOrder, 1));
        assert_eq!(own.arrived(&header(5, 2, 0), 5, &[]), Verdict::Misrouted);
        assert_eq!(own.arrived(&header(6, 1, 1), 5, &[]), Verdict::Foreign);
        let sent = [0, 4, 0].map(AtomicU64::new);
        assert_eq!(own.lost(&sent), 3);
    }

    #[test]
    fn a_receiver_of_all_misses_all_that_does_not_come() {
        let mut all = receiver(Scenario::Fanout, 2);
        assert_eq!(all.arrived(&header(5, 1, 1), 5, &[]), Verdict::Expected(Arrival::InOrder, 2));
        assert_eq!(all.arrived(&header(5, 2, 0), 5, &[]), Verdict::Foreign);
        assert_eq!(all.lost(&[2, 2].map(AtomicU64::new)), 3);
    }

    #[test]
    fn members_of_a_group_may_get_any_part_but_in_order_and_once() {
        let group = [Mutex::new(Tracker::default())];
        let (mut one, mut two) = (receiver(Scenario::Share, 1), receiver(Scenario::Share, 1));
        let mut arrived = |first: bool, sequence| {
            let member = if first { &mut one } else { &mut two };
            member.arrived(&header(5, 0, sequence), 5, &group)
        };
        assert_eq!(arrived(true, 1), Verdict::Expected(Arrival::InOrder, 2));
        assert_eq!(arrived(false, 0), Verdict::Expected(Arrival::InOrder, 0));
        assert_eq!(arrived(false, 1), Verdict::Expected(Arrival::Duplicate, 0));
        assert_eq!(arrived(true, 4), Verdict::Expected(Arrival::InOrder, 3));
        assert_eq!(arrived(true, 3), Verdict::Expected(Arrival::OutOfOrder, 0));
    }

    #[test]
    fn of_strangers_only_what_is_missing_in_between_counts() {
        let mut anyone = receiver(Scenario::Sub, 0);
        for sequence in [100, 101, 105] {
            anyone.arrived(&header(9, 7, sequence), 5, &[]);
        }
        assert_eq!(anyone.lost(&[]), 3);
    }
}
