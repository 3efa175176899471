//! When to try again: capped exponential backoff with full jitter.

use std::time::Duration;

use colibri_codec::ReasonCode;

use crate::{ConnectError, Ending};

/// How long to wait before each attempt: a random part of a bound that doubles with each failure.
///
/// The whole of the wait is random, so that a thousand clients that lost one server do not come back to it
/// in waves.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The bound of the first wait. Default 1 s.
    pub first: Duration,
    /// The bound that no wait exceeds. Default 30 s. Higher: less load on a server that comes back. Lower:
    /// sooner back.
    pub maximum: Duration,
    /// Where the random part comes from: a number from 0.0 up to 1.0.
    pub random: fn() -> f64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), maximum: Duration::from_secs(30), random: fastrand::f64 }
    }
}

impl Backoff {
    /// How long to wait after so many failures in a row.
    pub fn delay(&self, failed: u32) -> Duration {
        let doubled = self.first.saturating_mul(2u32.saturating_pow(failed));
        let part = (self.random)();
        // A foreign function may give anything; a NaN would be the end of the task.
        let part = if part.is_nan() { 1.0 } else { part.clamp(0.0, 1.0) };
        doubled.min(self.maximum).mul_f64(part)
    }
}

/// Whether it makes sense to come back after a connection has ended so.
pub(crate) const fn worth_another(ending: &Ending) -> bool {
    match ending {
        Ending::Asked | Ending::Refused(_) | Ending::Authentication(_) => false,
        Ending::Closed | Ending::Io(_) | Ending::Violation(_) => true,
        // Another client has the session: to come back would take it away again, and so on for ever.
        Ending::ByServer { reason, .. } => {
            !matches!(reason, ReasonCode::SessionTakenOver | ReasonCode::NotAuthorized | ReasonCode::Banned)
        }
    }
}

/// Whether an attempt that failed so may succeed later, although nothing about it changes.
pub(crate) const fn may_pass(error: &ConnectError) -> bool {
    match error {
        ConnectError::UnknownHost { .. }
        | ConnectError::Unreachable { .. }
        | ConnectError::TimedOut(_)
        | ConnectError::Io(_)
        | ConnectError::Closed
        | ConnectError::Violation(_)
        | ConnectError::Bind { .. } => true,
        ConnectError::Invalid(_) | ConnectError::ExtendedAuthentication | ConnectError::Authentication(_) => {
            false
        }
        ConnectError::UnsupportedVersion { evidence, .. } => {
            // It spoke the version before.
            matches!(evidence, crate::Evidence::Closed)
        }
        ConnectError::Refused { reason, .. } => matches!(
            reason,
            ReasonCode::ServerUnavailable
                | ReasonCode::ServerBusy
                | ReasonCode::ConnectionRateExceeded
                | ReasonCode::QuotaExceeded
                | ReasonCode::UnspecifiedError
                | ReasonCode::ImplementationSpecificError
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::{Backoff, Duration};

    #[test]
    fn the_bound_doubles_up_to_the_maximum() {
        let backoff = Backoff { random: || 1.0, ..Backoff::default() };
        let bounds: Vec<u64> = (0..8).map(|failed| backoff.delay(failed).as_secs()).collect();
        assert_eq!(bounds, [1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(backoff.delay(u32::MAX), Duration::from_secs(30));
    }

    #[test]
    fn the_whole_wait_is_random() {
        let backoff = Backoff { random: || 0.0, ..Backoff::default() };
        assert_eq!(backoff.delay(5), Duration::ZERO);
        let backoff = Backoff { random: || 0.5, ..Backoff::default() };
        assert_eq!(backoff.delay(1), Duration::from_secs(1));
    }
}
