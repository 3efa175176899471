//! What a case is, and the list of all of them.

use colibri_codec::Version;

use crate::{Context, Stop, Verdict, cases, flows};

/// One test of one or more statements.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The statements it shows, such as `v5 MQTT-3.1.0-2`. It runs once for each version among them.
    pub ids: &'static [&'static str],
    /// What the server does, as a sentence.
    pub name: &'static str,
    /// The script.
    pub run: fn(&Context) -> Result<(), Stop>,
}

impl Case {
    /// The statements of one version.
    pub fn ids_of(&self, version: Version) -> impl Iterator<Item = &'static str> {
        let prefix = prefix(version);
        self.ids.iter().copied().filter(move |id| id.starts_with(prefix))
    }

    /// Runs the script to its end.
    pub fn judge(&self, context: &Context) -> Verdict {
        match (self.run)(context) {
            Ok(()) => Verdict::Passed,
            Err(Stop::Failed(failure)) => Verdict::Failed(failure),
            Err(Stop::NotApplicable(evidence)) => Verdict::NotApplicable(evidence),
        }
    }
}

/// What stands in front of the ids of a version.
pub(crate) fn prefix(version: Version) -> &'static str {
    match version {
        Version::V3_1 | Version::V3_1_1 => "v3.1.1 ",
        Version::V5 => "v5 ",
    }
}

/// All cases, packet by packet and then flow by flow.
pub fn all_cases() -> impl Iterator<Item = &'static Case> {
    cases::ALL.iter().chain(flows::ALL).copied().flatten()
}
