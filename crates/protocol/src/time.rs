//! Points in time as the driver hands them in.

use core::ops::Add;
use core::time::Duration;

/// Milliseconds on the driver's monotonic clock; only differences have a meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The time this many milliseconds after the driver's origin.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the driver's origin.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is not.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Whole seconds until this time, to the nearest, and never 0 before it is over. Not rounded up: two
    /// threads may read the clock a moment apart, and 60 seconds are not to become 61.
    pub fn seconds_from(self, now: Self) -> u32 {
        let millis = self.0.saturating_sub(now.0);
        let seconds = (millis + 500) / 1000;
        u32::try_from(seconds).unwrap_or(u32::MAX).max(u32::from(millis > 0))
    }

    /// The time `seconds` later.
    #[must_use]
    pub const fn plus_seconds(self, seconds: u32) -> Self {
        Self(self.0.saturating_add(seconds as u64 * 1000))
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }
}
