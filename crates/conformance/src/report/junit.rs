//! The report as JUnit XML, as build servers read it.

use std::time::Duration;

use colibri_codec::Version;

use super::Report;
use crate::run::{Outcome, Verdict};

impl Report {
    /// The report as JUnit XML: a suite for each version, a test case for each case.
    pub fn to_junit(&self) -> String {
        let subject = escape(&self.subject());
        let counts = counts(self.outcomes.iter(), self.time);
        let mut out =
            format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"{subject}\" {counts}>\n");
        for version in &self.versions {
            let outcomes = self.outcomes.iter().filter(|outcome| outcome.version == *version);
            let time = outcomes.clone().map(|outcome| outcome.time).sum();
            let counts = self::counts(outcomes.clone(), time);
            out.push_str(&format!("  <testsuite name=\"MQTT {version}\" {counts}>\n"));
            self.properties(&mut out, *version);
            for outcome in outcomes {
                let ids = outcome.case.ids_of(*version).collect::<Vec<_>>().join(" ");
                let (name, seconds) = (escape(outcome.case.name), outcome.time.as_secs_f32());
                out.push_str(&format!(
                    "    <testcase classname=\"{ids}\" name=\"{name}\" time=\"{seconds:.3}\""
                ));
                match &outcome.verdict {
                    Verdict::Passed => out.push_str("/>\n"),
                    Verdict::NotApplicable(evidence) => {
                        let evidence = escape(evidence);
                        out.push_str(&format!("><skipped message=\"{evidence}\"/></testcase>\n"));
                    }
                    Verdict::Failed(failure) => {
                        let message = escape(&format!("expected {}", failure.expected));
                        let text = escape(&format!(
                            "sent {}\nreceived {}\ncame {}",
                            failure.sent, failure.received, failure.came
                        ));
                        out.push_str(&format!(
                            "><failure message=\"{message}\">{text}</failure></testcase>\n"
                        ));
                    }
                }
            }
            out.push_str("  </testsuite>\n");
        }
        out.push_str("</testsuites>\n");
        out
    }

    /// The limits, as properties of the suite of their version.
    fn properties(&self, out: &mut String, version: Version) {
        if self.limits_in(version).next().is_none() {
            return;
        }
        out.push_str("    <properties>\n");
        for limit in self.limits_in(version) {
            let value = escape(&format!("{} ({})", limit.figure, limit.found));
            out.push_str(&format!("      <property name=\"{}\" value=\"{value}\"/>\n", escape(limit.what)));
        }
        out.push_str("    </properties>\n");
    }
}

/// The attributes that count cases, and their time in seconds. Cases run side by side, so that those of one
/// suite may take longer than the run.
fn counts<'a>(outcomes: impl Iterator<Item = &'a Outcome>, time: Duration) -> String {
    let (mut tests, mut failures, mut skipped) = (0, 0, 0);
    for outcome in outcomes {
        tests += 1;
        match outcome.verdict {
            Verdict::Passed => {}
            Verdict::Failed(_) => failures += 1,
            Verdict::NotApplicable(_) => skipped += 1,
        }
    }
    let seconds = time.as_secs_f32();
    format!(
        "tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\" time=\"{seconds:.3}\""
    )
}

/// Text for XML; characters that XML cannot hold become U+FFFD.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            control if control < ' ' && control != '\n' && control != '\t' => out.push('\u{FFFD}'),
            other => out.push(other),
        }
    }
    out
}
