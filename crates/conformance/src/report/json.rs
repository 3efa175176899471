//! The report as JSON.

use std::fmt::Write;

use super::Report;
use crate::run::{Subject, Verdict};

impl Report {
    /// The report as a JSON object: the server or client, the counts, all statements, all cases and the limits.
    pub fn to_json(&self) -> String {
        let end = match self.subject {
            Subject::Server(_) => "server",
            Subject::Client(_) => "client",
        };
        let mut versions = Vec::new();
        for version in &self.versions {
            let counts = self.counts(*version);
            let counts =
                self.statuses().map(|status| format!("{}: {}", text(status.name()), counts.of(status)));
            let counts = counts.collect::<Vec<_>>();
            versions.push(format!("    {}: {{{}}}", text(&version.to_string()), counts.join(", ")));
        }
        let statements = self.statements().into_iter().map(|(statement, status)| {
            let (id, area) = (text(&statement.id), text(statement.area));
            let requirement = text(statement.requirement);
            let status = text(status.name());
            format!(
                "    {{\"id\": {id}, \"area\": {area}, \"status\": {status}, \"requirement\": {requirement}}}"
            )
        });
        let cases = self.outcomes.iter().map(|outcome| {
            let ids = outcome.case.ids_of(outcome.version).map(text).collect::<Vec<_>>().join(", ");
            let (version, name) = (text(&outcome.version.to_string()), text(outcome.case.name));
            let (verdict, more) = match &outcome.verdict {
                Verdict::Passed => ("passed", String::new()),
                Verdict::NotApplicable(evidence) => {
                    ("not applicable", format!(", \"evidence\": {}", text(evidence)))
                }
                Verdict::Failed(failure) => {
                    let (sent, received) = (text(&failure.sent), text(&failure.received));
                    let (expected, came) = (text(&failure.expected), text(&failure.came));
                    let more = format!(
                        ", \"sent\": {sent}, \"received\": {received}, \"expected\": {expected}, \"came\": {came}"
                    );
                    ("failed", more)
                }
            };
            let milliseconds = outcome.time.as_millis();
            format!(
                "    {{\"version\": {version}, \"ids\": [{ids}], \"name\": {name}, \"verdict\": \"{verdict}\", \
                 \"milliseconds\": {milliseconds}{more}}}"
            )
        });
        let limits = self.limits.iter().map(|limit| {
            let (version, what) = (text(&limit.version.to_string()), text(limit.what));
            let (figure, found) = (text(&limit.figure), text(&limit.found));
            format!(
                "    {{\"version\": {version}, \"what\": {what}, \"figure\": {figure}, \"found\": {found}}}"
            )
        });
        format!(
            "{{\n  \"{end}\": {},\n  \"milliseconds\": {},\n  \"counts\": {{\n{}\n  }},\n  \"statements\": \
             [\n{}\n  ],\n  \"cases\": [\n{}\n  ],\n  \"limits\": [\n{}\n  ]\n}}\n",
            text(&self.subject()),
            self.time.as_millis(),
            versions.join(",\n"),
            statements.collect::<Vec<_>>().join(",\n"),
            cases.collect::<Vec<_>>().join(",\n"),
            limits.collect::<Vec<_>>().join(",\n"),
        )
    }
}

/// A JSON string.
fn text(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            control if control < ' ' => {
                let written = write!(out, "\\u{:04x}", u32::from(control));
                debug_assert!(written.is_ok(), "a String takes everything");
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
