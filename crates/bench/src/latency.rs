//! Latencies in microseconds, in a histogram of bounded size.

use hdrhistogram::Histogram;

/// The longest latency that is told from longer ones, in microseconds: an hour.
const LONGEST: u64 = 3_600_000_000;
/// How many decimal digits of a latency are kept.
const DIGITS: u8 = 3;
/// The points of the curve of percentiles, in percent.
const CURVE: [f64; 22] = [
    0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 75.0, 80.0, 85.0, 90.0, 92.5, 95.0, 97.5, 99.0, 99.5,
    99.9, 99.95, 99.99, 99.999, 100.0,
];

/// A histogram of latencies from 1 microsecond to an hour, to three digits. What is shorter counts as the
/// shortest and what is longer as the longest. About 180 KB.
#[derive(Clone, Debug)]
pub struct Latencies(Option<Histogram<u64>>);

/// The usual figures, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Summary {
    /// How many latencies there are.
    pub count: u64,
    pub min: u64,
    pub mean: u64,
    pub p50: u64,
    pub p75: u64,
    pub p90: u64,
    pub p95: u64,
    pub p99: u64,
    /// 99.9 percent.
    pub p999: u64,
    /// 99.99 percent.
    pub p9999: u64,
    pub max: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self::new()
    }
}

impl Latencies {
    /// None yet.
    pub fn new() -> Self {
        // The bounds are constants that the library takes.
        Self(Histogram::new_with_bounds(1, LONGEST, DIGITS).ok())
    }

    /// Adds one.
    #[inline]
    pub fn record(&mut self, micros: u64) {
        self.record_many(micros, 1);
    }

    /// Adds the same one several times.
    #[inline]
    pub fn record_many(&mut self, micros: u64, times: u64) {
        if let Some(histogram) = &mut self.0 {
            histogram.saturating_record_n(micros.clamp(1, LONGEST), times);
        }
    }

    /// Adds all of another, which is empty afterwards.
    pub fn take_from(&mut self, other: &mut Self) {
        if let (Some(mine), Some(theirs)) = (&mut self.0, &mut other.0) {
            if !theirs.is_empty() {
                // Both have the same bounds, so that nothing can be left out.
                let added = mine.add(&*theirs);
                debug_assert!(added.is_ok(), "{added:?}");
            }
            theirs.reset();
        }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, Histogram::len)
    }

    /// The usual figures.
    pub fn summary(&self) -> Summary {
        let Some(histogram) = self.0.as_ref().filter(|histogram| !histogram.is_empty()) else {
            return Summary::default();
        };
        let at = |percent: f64| histogram.value_at_quantile(percent / 100.0);
        Summary {
            count: histogram.len(),
            min: histogram.min(),
            mean: whole(histogram.mean()),
            p50: at(50.0),
            p75: at(75.0),
            p90: at(90.0),
            p95: at(95.0),
            p99: at(99.0),
            p999: at(99.9),
            p9999: at(99.99),
            max: histogram.max(),
        }
    }

    /// Percentages, and the latencies in microseconds that so many of all stay below.
    pub fn curve(&self) -> Vec<(f64, u64)> {
        let Some(histogram) = self.0.as_ref().filter(|histogram| !histogram.is_empty()) else {
            return Vec::new();
        };
        CURVE.iter().map(|percent| (*percent, histogram.value_at_quantile(percent / 100.0))).collect()
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "means are within the bounds")]
fn whole(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, Latencies};

    #[test]
    fn percentiles_are_right_to_three_digits() {
        let mut latencies = Latencies::new();
        for micros in 1..=10_000 {
            latencies.record(micros);
        }
        let summary = latencies.summary();
        assert_eq!((summary.count, summary.min), (10_000, 1));
        for (found, exact) in [
            (summary.p50, 5_000),
            (summary.p90, 9_000),
            (summary.p99, 9_900),
            (summary.p9999, 9_999),
            (summary.mean, 5_000),
        ] {
            assert!(found.abs_diff(exact) * 1000 <= exact, "{found} for {exact}");
        }
    }

    #[test]
    fn what_is_out_of_bounds_counts_at_the_bound() {
        let mut latencies = Latencies::new();
        latencies.record(0);
        latencies.record_many(LONGEST * 5, 3);
        let summary = latencies.summary();
        assert_eq!((summary.count, summary.min), (4, 1));
        assert!(summary.max >= LONGEST);
    }

    #[test]
    fn two_can_be_put_together() {
        let (mut all, mut more) = (Latencies::new(), Latencies::new());
        all.record(10);
        more.record(30);
        all.take_from(&mut more);
        assert_eq!((all.count(), more.count()), (2, 0));
        assert_eq!((all.summary().min, all.summary().max), (10, 30));
        assert_eq!(more.summary(), Latencies::new().summary());
    }
}
