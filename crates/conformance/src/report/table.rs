//! The report for people: a table for each version, then what failed and what did not apply.

use std::fmt::{self, Display, Formatter};

use colibri_codec::Version;

use super::{Counts, Report, areas};
use crate::Limit;
use crate::run::{Outcome, Subject, Verdict};

/// The width of the column of areas.
const AREA_WIDTH: usize = 22;
/// The width of the column that names the limits.
const LIMIT_WIDTH: usize = 46;

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for version in &self.versions {
            let preposition = match self.subject {
                Subject::Server(_) => "at",
                Subject::Client(_) => "in",
            };
            writeln!(f, "MQTT {version} {preposition} {}, statements by area", self.subject())?;
            write!(f, "{:AREA_WIDTH$}", "")?;
            for status in self.statuses() {
                write!(f, "  {}", status.name())?;
            }
            writeln!(f)?;
            for (area, counts) in areas(self, *version) {
                row(f, self, area, &counts)?;
            }
            row(f, self, "all", &self.counts(*version))?;
            writeln!(f)?;
        }
        for outcome in &self.outcomes {
            detail(f, outcome)?;
        }
        for version in &self.versions {
            limits(f, self, *version)?;
        }
        let failed = self.failed().count();
        let seconds = self.time.as_secs_f32();
        let cases = match self.outcomes.len() {
            1 => "1 case".to_owned(),
            count => format!("{count} cases"),
        };
        writeln!(f, "{cases} in {seconds:.1} s: {failed} failed.")
    }
}

fn row(f: &mut Formatter<'_>, report: &Report, area: &str, counts: &Counts) -> fmt::Result {
    write!(f, "{area:AREA_WIDTH$}")?;
    for status in report.statuses() {
        let count = counts.of(status);
        let text = if count == 0 { ".".to_owned() } else { count.to_string() };
        write!(f, "  {text:>width$}", width = status.name().len())?;
    }
    writeln!(f)
}

fn limits(f: &mut Formatter<'_>, report: &Report, version: Version) -> fmt::Result {
    if report.limits_in(version).next().is_none() {
        return Ok(());
    }
    writeln!(f, "Limits of {} in MQTT {version}", report.subject())?;
    for Limit { what, figure, found, .. } in report.limits_in(version) {
        writeln!(f, "{what:LIMIT_WIDTH$}  {figure:>10}  {found}")?;
    }
    writeln!(f)
}

fn detail(f: &mut Formatter<'_>, outcome: &Outcome) -> fmt::Result {
    let ids = outcome.case.ids_of(outcome.version).collect::<Vec<_>>().join(", ");
    match &outcome.verdict {
        Verdict::Passed => Ok(()),
        Verdict::NotApplicable(evidence) => {
            writeln!(f, "NOT APPLICABLE  {ids}: {}\n  because   {evidence}\n", outcome.case.name)
        }
        Verdict::Failed(failure) => {
            writeln!(f, "FAILED  {ids}: {}", outcome.case.name)?;
            for (label, text) in [
                ("sent", &failure.sent),
                ("received", &failure.received),
                ("expected", &failure.expected),
                ("came", &failure.came),
            ] {
                for (index, line) in text.lines().enumerate() {
                    writeln!(f, "  {:9} {line}", if index == 0 { label } else { "" })?;
                }
            }
            writeln!(f)
        }
    }
}
