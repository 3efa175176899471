//! The report as JUnit XML, as build servers read it.

use colibri_codec::Version;

use super::Report;
use crate::run::Verdict;

impl Report {
    /// The report as JUnit XML: a suite for each version, a test case for each case.
    pub fn to_junit(&self) -> String {
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
        for version in &self.versions {
            let outcomes = self.outcomes.iter().filter(|outcome| outcome.version == *version);
            let failures =
                outcomes.clone().filter(|outcome| matches!(outcome.verdict, Verdict::Failed(_))).count();
            let skipped = outcomes
                .clone()
                .filter(|outcome| matches!(outcome.verdict, Verdict::NotApplicable(_)))
                .count();
            out.push_str(&format!(
                "  <testsuite name=\"MQTT {version}\" tests=\"{}\" failures=\"{failures}\" skipped=\"{skipped}\">\n",
                outcomes.clone().count()
            ));
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
