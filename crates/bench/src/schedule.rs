//! When each message, or each connection, is due: arithmetic without a clock.

/// Thousandths of an event per second that a rate is given in, and nanoseconds: 10^9 * 10^3.
const NANOS_TIMES_MILLI: u128 = 1_000_000_000_000;

/// A steady rate of events from a starting time on. An event is due whether or not it can happen then: what
/// is held up keeps its due time, and everything behind it too. That is what guards against coordinated
/// omission, where a stalled server is sent less and so seems fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    start: u64,
    millihertz: u64,
}

impl Schedule {
    /// The first event is due at `start` nanoseconds, the others at a rate in thousandths per second, at
    /// least 1.
    pub const fn new(start: u64, millihertz: u64) -> Self {
        Self { start, millihertz: if millihertz == 0 { 1 } else { millihertz } }
    }

    /// When event `number` is due, in nanoseconds.
    #[inline]
    pub fn due(&self, number: u64) -> u64 {
        let after = u128::from(number) * NANOS_TIMES_MILLI / u128::from(self.millihertz);
        self.start.saturating_add(u64::try_from(after).unwrap_or(u64::MAX))
    }

    /// When message `sequence` of `stream` is due if `streams` of them take turns.
    #[inline]
    pub fn due_in_turn(&self, sequence: u64, stream: u32, streams: u32) -> u64 {
        self.due(sequence.saturating_mul(u64::from(streams)).saturating_add(u64::from(stream)))
    }

    /// How many events are due before a time.
    pub fn due_before(&self, end: u64) -> u64 {
        let Some(after) = end.checked_sub(self.start) else { return 0 };
        let count = u128::from(after) * u128::from(self.millihertz) / NANOS_TIMES_MILLI;
        let mut count = u64::try_from(count).unwrap_or(u64::MAX);
        // Division has rounded both ways.
        while self.due(count) < end && count < u64::MAX {
            count += 1;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;
    use crate::Latencies;

    const MILLISECOND: u64 = 1_000_000;

    #[test]
    fn events_are_spread_evenly_and_never_drift() {
        let schedule = Schedule::new(5, 3_000);
        assert_eq!(
            [0, 1, 2, 3].map(|number| schedule.due(number)),
            [5, 333_333_338, 666_666_671, 1_000_000_005]
        );
        assert_eq!(schedule.due(3 * 86_400 * 365), 5 + 86_400 * 365 * 1_000_000_000);
    }

    #[test]
    fn what_is_due_is_counted_to_the_nanosecond() {
        let schedule = Schedule::new(100, 7_000);
        for number in 0..1000 {
            let due = schedule.due(number);
            assert_eq!((schedule.due_before(due), schedule.due_before(due + 1)), (number, number + 1));
        }
        assert_eq!(schedule.due_before(99), 0);
    }

    /// A run waits for all that is due before its end, and not for what is due at its end, which nobody sends.
    #[test]
    fn of_a_thousand_per_second_three_thousand_are_due_before_three_seconds_are_over() {
        let schedule = Schedule::new(5, 1_000_000);
        assert_eq!(schedule.due_before(5 + 3_000 * MILLISECOND), 3000);
    }

    #[test]
    fn streams_take_turns() {
        let schedule = Schedule::new(0, 1_000_000);
        assert_eq!(schedule.due_in_turn(0, 3, 10), 3 * MILLISECOND);
        assert_eq!(schedule.due_in_turn(2, 3, 10), 23 * MILLISECOND);
    }

    #[test]
    fn a_rate_of_nothing_is_taken_for_the_slowest_there_is() {
        assert_eq!(Schedule::new(0, 0), Schedule::new(0, 1));
    }

    /// A server that answers at once, but stands still for the second second of three. On a virtual clock.
    #[test]
    fn a_stall_shows_in_the_latencies_of_all_that_was_due_meanwhile() {
        let schedule = Schedule::new(0, 1_000_000);
        let (mut corrected, mut naive) = (Latencies::new(), Latencies::new());
        let stall = 1000 * MILLISECOND..2000 * MILLISECOND;
        for number in 0..3000 {
            let due = schedule.due(number);
            let sent = if stall.contains(&due) { stall.end } else { due };
            let answered = sent + MILLISECOND;
            corrected.record((answered - due) / 1000);
            naive.record((answered - sent) / 1000);
        }
        assert_eq!(naive.summary().max, 1_000);
        let corrected = corrected.summary();
        // A third waited for half a second on average.
        assert!((166_000..=169_000).contains(&corrected.mean), "{corrected:?}");
        assert!((1_000_000..=1_002_000).contains(&corrected.max), "{corrected:?}");
        assert_eq!(corrected.p50, 1_000);
        assert!((960_000..=980_000).contains(&corrected.p99), "{corrected:?}");
    }
}
