//! What a step hands back: how many cases passed, failed and were skipped, and why it failed.

use std::fmt;
use std::ops::AddAssign;

/// Counted cases: tests of `cargo test`, interoperability cases, and skipped parts of other steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Tally {
    /// One part of a step was left out, for a reason that the step printed.
    pub(crate) const ONE_SKIPPED: Self = Self { passed: 0, failed: 0, skipped: 1 };

    /// Reads `N passed, N failed, N skipped`, the closing line of the interoperability script.
    pub(crate) fn from_closing_line(line: &str) -> Option<Self> {
        Self::from_counts(line.trim().split(','), "skipped")
    }

    /// Reads `test result: ok. N passed; N failed; N ignored; ...`, which closes each test binary.
    pub(crate) fn from_test_result(line: &str) -> Option<Self> {
        let (_verdict, counts) = line.trim().strip_prefix("test result: ")?.split_once(". ")?;
        Self::from_counts(counts.split(';').take(3), "ignored")
    }

    /// Reads exactly the three counts, in this order; anything else is some other line.
    fn from_counts<'a>(counts: impl Iterator<Item = &'a str>, skipped: &str) -> Option<Self> {
        let counts: Vec<&str> = counts.collect();
        let [first, second, third] = counts.as_slice() else { return None };
        let read = |count: &str, word: &str| count.trim().strip_suffix(word)?.trim().parse().ok();
        Some(Self {
            passed: read(first, "passed")?,
            failed: read(second, "failed")?,
            skipped: read(third, skipped)?,
        })
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// Why a step failed, in a sentence, and what it had counted by then.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) sentence: String,
    pub(crate) tally: Tally,
}

impl Failure {
    /// A failure with counts. A step that failed without a failed case counts as one, so that
    /// "0 failed" never stands beside a non-zero exit code.
    pub(crate) fn counted(sentence: impl Into<String>, mut tally: Tally) -> Self {
        tally.failed = tally.failed.max(1);
        Self { sentence: sentence.into(), tally }
    }
}

impl From<String> for Failure {
    fn from(sentence: String) -> Self {
        Self::counted(sentence, Tally::default())
    }
}

/// The result of one step.
pub(crate) type Outcome = Result<Tally, Failure>;

#[cfg(test)]
mod tests {
    use super::{Failure, Tally};

    #[test]
    fn the_closing_line_of_a_test_binary_is_read() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(Tally::from_test_result(line), Some(Tally { passed: 12, failed: 3, skipped: 1 }));
        assert_eq!(Tally::from_test_result("test codec::reads ... ok"), None);
        assert_eq!(Tally::from_test_result("test result: ok. some passed"), None);
    }

    #[test]
    fn the_closing_line_of_the_interoperability_script_is_read() {
        let tally = Tally { passed: 4, failed: 0, skipped: 2 };
        assert_eq!(Tally::from_closing_line("4 passed, 0 failed, 2 skipped\n"), Some(tally));
        assert_eq!(Tally::from_closing_line(&tally.to_string()), Some(tally));
        assert_eq!(Tally::from_closing_line("4 passed, 0 failed"), None);
        assert_eq!(Tally::from_closing_line("PASS retained, 0 failed, 2 skipped"), None);
    }

    #[test]
    fn a_failure_never_counts_as_zero_failed() {
        assert_eq!(Failure::from("It broke.".to_owned()).tally.failed, 1);
        let counted = Failure::counted("It broke.", Tally { passed: 1, failed: 5, skipped: 0 });
        assert_eq!(counted.tally.failed, 5);
    }
}
