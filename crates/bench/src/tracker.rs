//! What has come of one stream at one receiver: which messages are missing, doubled or out of order.

/// What an arriving message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It was the next one, or one behind a gap.
    InOrder,
    /// It was missing, and a later one came before it.
    OutOfOrder,
    /// It had come before.
    Duplicate,
}

/// Exact as long as no more than a given number of separate gaps are open; beyond that the oldest gap is
/// given up as lost, and what would still come of it counts as a duplicate. Memory: 56 bytes, and 16 for
/// each open gap.
#[derive(Clone, Debug, Default)]
pub struct Tracker {
    /// One more than the highest sequence number that came.
    next: u64,
    /// How many different messages came.
    unique: u64,
    /// What is missing below `next`: beginnings and ends, in order.
    missing: Vec<(u64, u64)>,
}

impl Tracker {
    /// Begins with the first message that is seen; what was sent before it is not missed.
    pub fn starting_at(sequence: u64) -> Self {
        Self { next: sequence, ..Self::default() }
    }

    /// Takes in that a message came. `gaps_max` bounds how many gaps are remembered, at least 1.
    #[inline]
    pub fn arrived(&mut self, sequence: u64, gaps_max: usize) -> Arrival {
        if sequence == self.next {
            self.next += 1;
            self.unique += 1;
            return Arrival::InOrder;
        }
        self.arrived_elsewhere(sequence, gaps_max)
    }

    #[cold]
    fn arrived_elsewhere(&mut self, sequence: u64, gaps_max: usize) -> Arrival {
        if sequence > self.next {
            if self.missing.len() >= gaps_max.max(1) {
                self.missing.remove(0);
            }
            self.missing.push((self.next, sequence));
            self.next = sequence + 1;
            self.unique += 1;
            return Arrival::InOrder;
        }
        let behind = self.missing.partition_point(|(_, end)| *end <= sequence);
        let Some((start, end)) = self.missing.get(behind).copied().filter(|(start, _)| *start <= sequence)
        else {
            return Arrival::Duplicate;
        };
        self.unique += 1;
        let left = (start < sequence).then_some((start, sequence));
        let right = (sequence + 1 < end).then_some((sequence + 1, end));
        self.missing.splice(behind..=behind, left.into_iter().chain(right));
        Arrival::OutOfOrder
    }

    /// One more than the highest sequence number that came.
    #[inline]
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// How many different messages came.
    pub const fn unique(&self) -> u64 {
        self.unique
    }

    /// How many of the messages below the highest that came are missing.
    pub fn missing(&self) -> u64 {
        self.missing.iter().map(|(start, end)| end - start).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::{Arrival, Tracker};

    fn arrivals(sequences: &[u64], gaps_max: usize) -> (Tracker, Vec<Arrival>) {
        let mut tracker = Tracker::default();
        let arrivals = sequences.iter().map(|sequence| tracker.arrived(*sequence, gaps_max)).collect();
        (tracker, arrivals)
    }

    #[test]
    fn in_order_nothing_is_missing() {
        let (tracker, arrivals) = arrivals(&[0, 1, 2], 8);
        assert_eq!(arrivals, [Arrival::InOrder; 3]);
        assert_eq!((tracker.unique(), tracker.missing()), (3, 0));
    }

    #[test]
    fn a_late_message_fills_its_gap_and_is_then_a_duplicate() {
        use Arrival::{Duplicate, InOrder, OutOfOrder};
        let (tracker, arrivals) = arrivals(&[0, 5, 3, 3, 1, 2, 4, 4, 5, 0], 8);
        let expected = [
            InOrder, InOrder, OutOfOrder, Duplicate, OutOfOrder, OutOfOrder, OutOfOrder, Duplicate,
            Duplicate, Duplicate,
        ];
        assert_eq!(arrivals, expected);
        assert_eq!((tracker.unique(), tracker.missing()), (6, 0));
    }

    #[test]
    fn a_gap_stays_missing() {
        let (tracker, _) = arrivals(&[2, 3, 7], 8);
        assert_eq!((tracker.unique(), tracker.missing()), (3, 5));
    }

    #[test]
    fn the_oldest_gap_is_given_up_for_good() {
        let (tracker, arrivals) = arrivals(&[1, 3, 5, 0, 2, 4], 2);
        assert_eq!(arrivals[3..], [Arrival::Duplicate, Arrival::OutOfOrder, Arrival::OutOfOrder]);
        assert_eq!(tracker.unique(), 5);
    }

    #[test]
    fn what_was_sent_before_the_first_that_is_seen_is_not_missed() {
        let mut tracker = Tracker::starting_at(1000);
        assert_eq!(tracker.arrived(1000, 8), Arrival::InOrder);
        assert_eq!(tracker.arrived(1002, 8), Arrival::InOrder);
        assert_eq!((tracker.unique(), tracker.missing()), (2, 1));
    }
}
