//! The report as Markdown.

use super::{Report, areas};
use crate::run::Verdict;

impl Report {
    /// The report as Markdown: counts by area, all statements, the limits, and what failed.
    pub fn to_markdown(&self) -> String {
        let mut out = format!("# Conformance of {}\n", self.subject());
        for version in &self.versions {
            out.push_str(&format!("\n## MQTT {version}\n\n| Area |"));
            out.push_str(&self.statuses().map(|status| format!(" {} |", status.name())).collect::<String>());
            out.push_str("\n|---|---|---|---|---|---|---|\n");
            let all = std::iter::once(("all", self.counts(*version)));
            for (area, counts) in areas(self, *version).into_iter().chain(all) {
                let counts = self.statuses().map(|status| format!(" {} |", counts.of(status)));
                let counts = counts.collect::<String>();
                out.push_str(&format!("| {area} |{counts}\n"));
            }
            out.push_str("\n| Statement | Status | Requirement |\n|---|---|---|\n");
            for (statement, status) in self.statements() {
                if statement.version == *version {
                    let requirement = statement.requirement.replace('|', "\\|");
                    let id = statement.id.split_once(' ').map_or("", |(_, id)| id);
                    out.push_str(&format!("| {id} | {} | {requirement} |\n", status.name()));
                }
            }
        }
        for version in &self.versions {
            let limits: Vec<String> = self
                .limits_in(*version)
                .map(|limit| {
                    let found = limit.found.replace('|', "\\|").replace('\n', " ");
                    format!("| {} | {} | {found} |\n", limit.what, limit.figure)
                })
                .collect();
            if !limits.is_empty() {
                let title =
                    format!("\n## Limits in MQTT {version}\n\n| Limit | Figure | Found |\n|---|---|---|\n");
                out.push_str(&(title + &limits.concat()));
            }
        }
        for outcome in &self.outcomes {
            let ids = outcome.case.ids_of(outcome.version).collect::<Vec<_>>().join(", ");
            let title = format!("\n## {ids}: {}\n\n", outcome.case.name);
            match &outcome.verdict {
                Verdict::Passed => {}
                Verdict::NotApplicable(evidence) => {
                    out.push_str(&format!("{title}Not applicable: {evidence}\n"));
                }
                Verdict::Failed(failure) => out.push_str(&format!(
                    "{title}Sent:\n\n```text\n{}\n```\n\nReceived:\n\n```text\n{}\n```\n\nExpected: {}\n\nCame: {}\n",
                    failure.sent, failure.received, failure.expected, failure.came
                )),
            }
        }
        out
    }
}
